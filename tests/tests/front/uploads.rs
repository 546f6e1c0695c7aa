//! Uploads and checks of one company, however many and slow, leave room for another's.

use crate::connect;
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use vultus_tests::{Client, Node, NodeOptions, sample, selfie_photo, wait_until};

const CREATE: &str =
    "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";

/// Begins an upload of a file that never ends.
async fn slow_upload(node: &Node, client: &Client) -> TcpStream {
    let operations = json!({
        "query": CREATE,
        "variables": {"input": {"media": [{"file": null, "tags": ["photo_selfie"]}]}}
    });
    let part = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let body = format!(
        "{}{}--b\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\nbytes",
        part("operations", &operations.to_string()),
        part("map", r#"{"0": ["variables.input.media.0.file"]}"#)
    );
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n",
        client.token()
    );
    let mut stream = connect(node, Ipv4Addr::LOCALHOST.into()).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn slow_uploads_of_one_company_leave_room_for_another() {
    let node = Node::start_with(NodeOptions {
        config: "limits.uploads = 16\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let slow = node.client_of_company("Slow", "slow@example.org", "client").await;
    let honest = node.client_of_company("Honest", "honest@example.org", "client").await;
    let mut uploads = Vec::new();
    for _ in 0..32 {
        uploads.push(slow_upload(&node, &slow).await);
    }
    let photo = || [selfie_photo(sample("obama.jpg"))];
    for _ in 0..5 {
        honest.create(&photo(), json!({})).await;
    }
    // The slow ones are given up while files of others could come.
    for mut stream in uploads {
        let answer = crate::until_closed_or_answered(&mut stream).await;
        assert!(answer.contains("UNAVAILABLE"), "{answer:?}");
    }
    wait_until("the spool to be empty", || async { node.spooled_files().is_empty().then_some(()) })
        .await;
}
