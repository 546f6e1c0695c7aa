//! What is deleted is gone: from the database, its log, the blobs and the spool. Pictures are in no
//! raw file at any time.

use serde_json::{Value, json};
use std::path::Path;
use vultus_tests::{Node, id_photo, sample, selfie_video, still_clip, wait_until};

const CANARY: &str = "canary-7f1c9e-in-metadata";

/// Whether any file below `folder` holds `needle`.
fn holds(folder: &Path, needle: &[u8]) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            holds(&path, needle)
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[tokio::test]
async fn a_folder_deleted_while_it_runs_leaves_nothing_in_the_raw_files() {
    let node = Node::start().await;
    let client = node.client().await.with_header("idempotency-key", CANARY);
    let photo = sample("obama.jpg");
    let media =
        [selfie_video(still_clip(node.scratch(), "obama2.jpg", 5.0)), id_photo(photo.clone())];
    let input = json!({"metadata": {"note": CANARY}, "externalId": CANARY, "analyses": [{"type": "liveness"}, {"type": "face_match"}]});
    let folder = client.create(&media, input).await;
    // A piece of the picture's bytes, from the middle of its entropy-coded data.
    let pixels = &photo[photo.len() / 2..][..64];
    assert!(holds(&node.data(), CANARY.as_bytes()).is_some(), "the search finds what is there");
    assert!(blob_count(&node) >= 4, "two media with their thumbnails");
    assert_eq!(holds(&node.data(), pixels), None, "pictures are encrypted");
    let id = folder["id"].as_str().unwrap().to_owned();
    wait_until("an analysis to run", || async {
        let running = client.folder(&id).await["analyses"]["nodes"]
            .as_array()?
            .iter()
            .any(|analysis| analysis["state"] == "RUNNING");
        running.then_some(())
    })
    .await;
    let mut socket = client.socket().await;
    socket
        .subscribe("f", "subscription($id: ID!) { folder(id: $id) { state } }", json!({"id": id}))
        .await;
    assert_eq!(socket.next().await["type"], "next");
    client
        .data(
            "mutation($input: DeleteFolderInput!) { deleteFolder(input: $input) { deletedId } }",
            json!({"input": {"folderId": id}}),
        )
        .await;
    assert_eq!(client.folder(&id).await, Value::Null);
    wait_until("the raw files to hold no trace", || async {
        (holds(&node.data(), CANARY.as_bytes()).is_none() && blob_count(&node) == 0).then_some(())
    })
    .await;
    // The fenced run writes nothing afterwards: the node is idle again, and there is still no
    // trace.
    let other = node
        .client()
        .await
        .folder_with(&[id_photo(sample("biden.jpg")), id_photo_again()], &["face_match"])
        .await;
    assert_eq!(other["state"], "FINISHED");
    assert_eq!(holds(&node.data(), CANARY.as_bytes()), None);
    assert_eq!(holds(&node.data(), id.as_bytes()), None, "not even the folder's id is left");
    assert!(!node.log().contains(CANARY), "logs hold no metadata");
    drop(socket);
}

fn id_photo_again() -> vultus_tests::Item {
    vultus_tests::item("again", &["photo_id", "photo_id_front"], sample("biden.jpg"))
}

fn blob_count(node: &Node) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
    }
    count(&node.data().join("blobs"))
}

#[tokio::test]
async fn a_deleted_medium_is_gone_from_disk_and_the_same_file_of_another_folder_stays() {
    let node = Node::start().await;
    let client = node.client().await;
    let photo = sample("obama.jpg");
    let first = client.create(&[id_photo(photo.clone())], json!({})).await;
    let second = client.create(&[id_photo(photo.clone())], json!({})).await;
    assert_eq!(blob_count(&node), 4, "each folder has a photo and a thumbnail of its own");
    let delete = async |folder: &Value| {
        let id = &folder["media"]["nodes"][0]["id"];
        client
            .data(
                "mutation($input: DeleteMediaInput!) { deleteMedia(input: $input) { deletedId } }",
                json!({"input": {"mediaId": id}}),
            )
            .await;
    };
    delete(&first).await;
    wait_until("the first folder's bytes to be gone", || async {
        (blob_count(&node) == 2).then_some(())
    })
    .await;
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let found = client.data(query, json!({"id": second["id"]})).await;
    let url = found["folder"]["media"]["nodes"][0]["url"].as_str().expect("a medium has a link");
    let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, photo, "the other folder's is read as it was");
    delete(&second).await;
    wait_until("the bytes to be gone", || async { (blob_count(&node) == 0).then_some(()) }).await;
}
