//! Encryption at rest: clients notice nothing, operators rotate the master key and verify files,
//! and tampered files are never sent.

use reqwest::header::{CONTENT_RANGE, RANGE};
use serde_json::{Value, json};
use std::process::{Command, Output};
use vultus_tests::{
    Client, Node, REQUEST_ANALYSES, executable, id_photo, sample, selfie_video, still_clip,
};

fn store_command(node: &Node, arguments: &[&str]) -> Output {
    let mut command = Command::new(executable("vultus"));
    command.arg("--config").arg(node.config_file()).arg("store").args(arguments).env_clear();
    command.output().unwrap()
}

fn verified(node: &Node) -> (Option<i32>, Value) {
    let output = store_command(node, &["verify", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.code(),
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("not JSON: {text}{}", error_of(&output))),
    )
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn url_of(client: &Client, folder: &Value) -> String {
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let found = client.data(query, json!({"id": folder["id"]})).await;
    found["folder"]["media"]["nodes"][0]["url"].as_str().expect("a medium has a link").to_owned()
}

#[tokio::test]
async fn ranges_of_an_encrypted_video_match_the_upload() {
    let node = Node::start().await;
    let client = node.client().await;
    let clip = still_clip(node.scratch(), "obama2.jpg", 5.0);
    let folder = client.create(&[selfie_video(clip.clone())], json!({})).await;
    let url = url_of(&client, &folder).await;
    let size = clip.len();
    assert!(size > 100_000, "the clip has several chunks: {size}");
    for (from, to) in [(0, 0), (65_535, 65_536), (1000, 99_999), (size - 7, size - 1)] {
        let request = reqwest::Client::new().get(&url).header(RANGE, format!("bytes={from}-{to}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 206);
        assert_eq!(answer.headers()[CONTENT_RANGE], format!("bytes {from}-{to}/{size}"));
        assert_eq!(answer.bytes().await.unwrap(), clip[from..=to]);
    }
    assert_eq!(client.get(&url).await.bytes().await.unwrap(), clip);
}

#[tokio::test]
async fn node_needs_the_current_master_key_after_a_rekey() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let photo = sample("obama.jpg");
    let folder = client.create(&[id_photo(photo.clone())], json!({})).await;
    let (code, found) = verified(&node);
    assert_eq!(
        (code, &found["sound"], &found["files"]),
        (Some(0), &json!(true), &json!(2)),
        "{found:#}"
    );
    let new = node.scratch().join("new.key");
    let rekeyed = store_command(&node, &["rekey", "--to", new.to_str().unwrap()]);
    assert!(rekeyed.status.success(), "{}", error_of(&rekeyed));
    let answer = client.get(&url_of(&client, &folder).await).await;
    assert_eq!(answer.bytes().await.unwrap(), photo, "the running node keeps working");
    node.stop();
    let refused = Command::new(executable("vultus"))
        .arg("--config")
        .arg(node.config_file())
        .arg("serve")
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(
        error_of(&refused).contains("does not open with this master key"),
        "{}",
        error_of(&refused)
    );
    let config = std::fs::read_to_string(node.config_file()).unwrap();
    std::fs::write(node.config_file(), format!("{config}\n[blobs]\nmaster_key_file = {new:?}\n"))
        .unwrap();
    node.launch().await;
    let client = node.client().await;
    assert_eq!(client.get(&url_of(&client, &folder).await).await.bytes().await.unwrap(), photo);
    assert_eq!(verified(&node).1["sound"], true);
}

#[tokio::test]
async fn damaged_media_are_reported_and_never_sent() {
    let node = Node::start().await;
    let client = node.client().await;
    // A video, as a run judges a new photo from memory, where the probe has left it.
    let clip = still_clip(node.scratch(), "obama2.jpg", 1.0);
    let folder = client.create(&[selfie_video(clip)], json!({})).await;
    let url = url_of(&client, &folder).await;
    for path in node.blobs() {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let (code, found) = verified(&node);
    assert_eq!((code, &found["sound"]), (Some(1), &json!(false)));
    assert_eq!(found["findings"].as_array().unwrap().len(), 2);
    assert_eq!(found["findings"][0]["problem"], "damaged");
    // The server rejects the request, or closes the connection within the body.
    let whole = async { reqwest::get(&url).await?.error_for_status()?.bytes().await };
    assert!(whole.await.is_err());
    let asked = json!({"input": {"folderId": folder["id"], "analyses": [{"type": "liveness"}]}});
    client.data(REQUEST_ANALYSES, asked).await;
    let judged = client.final_folder(folder["id"].as_str().unwrap()).await;
    assert_eq!(judged["state"], "FAILED", "{judged:#}");
}
