//! What one company stores and downloads leaves room for others.

use crate::until_closed_or_answered;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use vultus_tests::{
    Client, DELETE_FOLDER, Node, NodeOptions, REQUEST_ANALYSES, padded_jpeg, sample, selfie_photo,
    wait_until,
};

const CREATE: &str =
    "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
const UPDATE: &str =
    "mutation($input: UpdateFolderInput!) { updateFolder(input: $input) { folder { id } } }";

async fn node(config: &str) -> Node {
    let config = format!("workers.count = 1\n{config}");
    Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await
}

fn metadata(bytes: usize) -> Value {
    json!({"text": "x".repeat(bytes)})
}

fn assert_full(error: &Value, argument: &str) {
    assert_eq!(error["code"], "LIMIT_EXCEEDED", "{error}");
    assert_eq!((&error["reason"], &error["argument"]), (&json!("COMPANY_FULL"), &json!(argument)));
}

#[tokio::test]
async fn a_company_stores_at_most_its_bytes() {
    let photo = sample("obama.jpg");
    let limit = photo.len() + 50_000;
    let node = node(&format!("limits.company_bytes = {limit}\n")).await;
    let client = node.client_of_company("Full", "full@example.org", "client-admin").await;
    let other = node.client_of_company("Other", "other@example.org", "client").await;
    let items = [selfie_photo(photo)];
    let folder = client.create(&items, json!({"metadata": metadata(10_000)})).await;
    assert_full(&client.refused(&items, json!({})).await, "input");
    let input = json!({"input": {"metadata": metadata(45_000)}});
    assert_full(&client.error(CREATE, input).await, "input");
    let update = |bytes| json!({"input": {"folderId": folder["id"], "metadata": metadata(bytes)}});
    assert_full(&client.error(UPDATE, update(60_000)).await, "input.metadata");
    client.data(UPDATE, update(100)).await;
    other.create(&items, json!({})).await;
    client.data(DELETE_FOLDER, json!({"input": {"folderId": folder["id"]}})).await;
    wait_until("room for another photo", || async {
        let created = client.query(CREATE, json!({"input": {"metadata": metadata(60_000)}})).await;
        created.get("errors").is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_holds_at_most_its_analyses() {
    let node = node("limits.analyses_per_folder = 2\n").await;
    let client = node.client_of_company("Many", "many@example.org", "client").await;
    let folder = client.create(&[selfie_photo(sample("obama.jpg"))], json!({})).await;
    let analyses = |kinds: &[&str]| {
        let analyses: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
        json!({"input": {"folderId": folder["id"], "analyses": analyses}})
    };
    let refused = client.error(REQUEST_ANALYSES, analyses(&["quality"; 3])).await;
    assert_eq!(refused["reason"], "TOO_MANY_ANALYSES", "{refused}");
    client.data(REQUEST_ANALYSES, analyses(&["quality", "liveness"])).await;
    let refused = client.error(REQUEST_ANALYSES, analyses(&["quality"])).await;
    let argument = json!("input.analyses");
    assert_eq!((&refused["code"], &refused["argument"]), (&json!("LIMIT_EXCEEDED"), &argument));
}

/// Asks for a file, and reads no more than the beginning of the answer, which is returned.
async fn begin_download(node: &Node, url: &str) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = node.url.strip_prefix("http://").unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let path = url.strip_prefix(&node.url).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = until_closed_or_answered(&mut stream).await;
    (stream, answer)
}

/// Stores a photo of this size. Returns its link.
async fn stored_photo(client: &Client, bytes: usize) -> String {
    let photo = padded_jpeg(&sample("obama.jpg"), bytes);
    let folder = client.create(&[selfie_photo(photo)], json!({})).await;
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let found = client.data(query, json!({"id": folder["id"]})).await;
    found["folder"]["media"]["nodes"][0]["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn unread_downloads_of_one_company_leave_room_for_another() {
    let node = node("limits.downloads = 8\n").await;
    let many = node.client_of_company("Many", "many@example.org", "client").await;
    let other = node.client_of_company("Other", "other@example.org", "client").await;
    let (large, small) = (stored_photo(&many, 16 << 20).await, stored_photo(&other, 0).await);
    let mut sent = Vec::new();
    let mut refused = 0;
    for _ in 0..12 {
        let (stream, answer) = begin_download(&node, &large).await;
        if answer.starts_with("HTTP/1.1 200") {
            sent.push(stream);
        } else {
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.to_lowercase().contains("retry-after: 2"), "{answer}");
            refused += 1;
        }
    }
    assert_eq!((sent.len(), refused), (6, 6));
    assert_eq!(other.get(&small).await.status(), 200);
    drop(sent);
    wait_until("the permits to be back", || async {
        (begin_download(&node, &large).await.1.starts_with("HTTP/1.1 200")).then_some(())
    })
    .await;
}

/// A link opens its file until it expires, and no other. Refused links cannot be told apart.
#[tokio::test]
async fn changed_and_expired_links_are_refused_alike() {
    let node = node("").await;
    let client = node.client().await;
    let link = stored_photo(&client, 0).await;
    assert_eq!(client.get(&link).await.status(), 200);
    let (_, query) = link.split_once('?').unwrap();
    let (_, signature) = query.split_once("signature=").unwrap();
    let flipped = if signature.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{flipped}", &link[..link.len() - 1]);
    let (_, expires) = query.split_once("expires=").unwrap();
    let expires = format!("expires={}", expires.split('&').next().unwrap());
    let until = |second: &str| link.replace(&expires, &format!("expires={second}"));
    let refused = [
        changed,
        until("99999999999"),
        until("1"),
        link.replace("/medium/", "/thumbnail/"),
        link.replace(signature, ""),
        format!("{}/media/medium/0192d0c4-0000-7000-8000-000000000000?{query}", node.url),
    ];
    let answer = async |link: &str| {
        let path = link.strip_prefix(&node.url).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: same\r\n\r\n"
        );
        let mut stream = crate::connect(&node, Ipv4Addr::LOCALHOST.into()).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = crate::until_closed(&mut stream).await;
        // The second at which it was answered.
        let without_date = answer.lines().filter(|line| !line.to_lowercase().starts_with("date:"));
        without_date.collect::<Vec<_>>().join("\n")
    };
    let first = answer(&refused[0]).await;
    assert!(first.starts_with("HTTP/1.1 403"), "{first}");
    for link in &refused[1..] {
        assert_eq!(answer(link).await, first, "{link}");
    }
    let query =
        "{ folders(first: 1) { nodes { media(first: 1) { nodes { url(expiresIn: 1) } } } } }";
    let found = client.data(query, json!({})).await;
    let short = &found["folders"]["nodes"][0]["media"]["nodes"][0]["url"];
    let short = short.as_str().unwrap().to_owned();
    wait_until("the link to expire", || async {
        (client.get(&short).await.status() == 403).then_some(())
    })
    .await;
    assert_eq!(answer(&short).await, first);
}
