//! Deletion erases data from the database, its log, the blobs and the spool. No file ever holds an
//! unencrypted picture.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vultus_tests::{
    DELETE_FOLDER, Node, id_photo, item, sample, selfie_video, still_clip, wait_until,
};

const CANARY: &str = "canary-7f1c9e-in-metadata";

/// A file below `folder` that contains `needle`.
fn file_with(folder: &Path, needle: &[u8]) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let found = if path.is_dir() {
            file_with(&path, needle)
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
async fn folder_deleted_during_a_run_leaves_no_trace_on_disk() {
    let node = Node::start().await;
    let client = node.client().await.with_header("idempotency-key", CANARY);
    let photo = sample("obama.jpg");
    let media =
        [selfie_video(still_clip(node.scratch(), "obama2.jpg", 5.0)), id_photo(photo.clone())];
    let analyses = json!([{"type": "liveness"}, {"type": "face_match"}]);
    let input = json!({"metadata": {"note": CANARY}, "externalId": CANARY, "analyses": analyses});
    let folder = client.create(&media, input).await;
    // A piece of the picture's bytes, from the middle of its entropy-coded data.
    let pixels = &photo[photo.len() / 2..][..64];
    assert!(file_with(&node.data(), CANARY.as_bytes()).is_some(), "the search finds stored data");
    assert!(node.blobs().len() >= 4, "two media with their thumbnails");
    assert_eq!(file_with(&node.data(), pixels), None, "pictures are encrypted");
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
    client.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    assert_eq!(client.folder(&id).await, Value::Null);
    wait_until("the raw files to hold no trace", || async {
        (file_with(&node.data(), CANARY.as_bytes()).is_none() && node.blobs().is_empty())
            .then_some(())
    })
    .await;
    // The fenced run writes nothing later: once the node has judged another folder, there is still
    // no trace.
    let photo = sample("biden.jpg");
    let pair = [id_photo(photo.clone()), item("again", &["photo_id", "photo_id_front"], photo)];
    let other = node.client().await.folder_with(&pair, &["face_match"]).await;
    assert_eq!(other["state"], "FINISHED");
    assert_eq!(file_with(&node.data(), CANARY.as_bytes()), None);
    assert_eq!(file_with(&node.data(), id.as_bytes()), None, "not even the folder's id is left");
    assert!(!node.log().contains(CANARY), "logs hold no metadata");
    drop(socket);
}

#[tokio::test]
async fn deleted_medium_is_erased_and_its_copy_elsewhere_stays() {
    let node = Node::start().await;
    let client = node.client().await;
    let photo = sample("obama.jpg");
    let first = client.create(&[id_photo(photo.clone())], json!({})).await;
    let second = client.create(&[id_photo(photo.clone())], json!({})).await;
    assert_eq!(node.blobs().len(), 4, "each folder stores its photo and thumbnail");
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
        (node.blobs().len() == 2).then_some(())
    })
    .await;
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let found = client.data(query, json!({"id": second["id"]})).await;
    let url = found["folder"]["media"]["nodes"][0]["url"].as_str().expect("a medium has a link");
    let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, photo, "the other folder's file is unchanged");
    delete(&second).await;
    wait_until("the bytes to be gone", || async { node.blobs().is_empty().then_some(()) }).await;
}
