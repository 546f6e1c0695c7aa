//! The attacks of one company, all by one of its users.

use super::{connect, forever};
use futures::future::join_all;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use vultus_tests::hostile::kind;
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Item, REQUEST_ANALYSES, Upload, media_input, padded_jpeg,
};

/// Faults of the plugin whose results are attacks: as large as allowed, too many values, too large.
pub const PLUGIN_FAULTS: [&str; 3] = ["allowed_values", "many_values", "huge"];
/// Downloads that are never read.
const DOWNLOADS: usize = 300;
/// Size of their file.
const DOWNLOAD_BYTES: usize = 20 << 20;

/// Starts all of them. `photo` is a small picture.
pub(super) fn all(attacks: &mut JoinSet<()>, url: &str, tenant: &Client, photo: &[u8]) {
    for _ in 0..64 {
        attacks.spawn(slow_upload(url.to_owned(), tenant.clone()));
    }
    for _ in 0..4 {
        attacks.spawn(metadata(tenant.clone(), photo.to_vec()));
        attacks.spawn(analyses(tenant.clone(), photo.to_vec()));
        attacks.spawn(checks(tenant.clone(), photo.to_vec()));
        attacks.spawn(deletions(tenant.clone()));
        attacks.spawn(unread_sockets(tenant.clone()));
    }
    for mode in PLUGIN_FAULTS {
        attacks.spawn(plugin_results(tenant.clone(), mode));
    }
    attacks.spawn(unread_downloads(url.to_owned(), tenant.clone(), photo.to_vec()));
}

/// Creates a folder, however often it is refused. Returns its id.
async fn folder(client: &Client, photos: &[&[u8]]) -> Value {
    loop {
        let items: Vec<Item> = photos.iter().map(|photo| item(photo)).collect();
        let (variables, files) = media_input(&items, json!({}));
        if let Ok(created) = client.try_upload(CREATE_FOLDER, variables, files).await
            && created["data"].is_object()
        {
            return created["data"]["createFolder"]["folder"]["id"].clone();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Begins an upload that then brings a byte a second.
async fn slow_upload(url: String, client: Client) {
    let operations = json!({
        "query": CREATE_FOLDER,
        "variables": {"input": {"media": [{"file": null, "tags": ["photo_selfie"]}]}}
    });
    let part = |name: &str, content: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000000\r\n\r\n{}{}\
         --b\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a\"\r\n\r\n",
        client.token(),
        part("operations", &operations.to_string()),
        part("map", r#"{"0": ["variables.input.media.0.file"]}"#)
    );
    forever(async || {
        let Some(mut stream) = connect(&url, Ipv4Addr::LOCALHOST.into()).await else { return };
        let mut sent = stream.write_all(request.as_bytes()).await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sent = stream.write_all(b"x").await;
        }
    })
    .await;
}

fn deep_metadata() -> Value {
    json!({"a": (0..7_000).map(|_| json!({"": 0})).collect::<Vec<_>>()})
}

fn item(photo: &[u8]) -> Item {
    vultus_tests::selfie_photo(photo.to_vec())
}

fn uploaded(photo: &[u8], count: usize, input: Value) -> (Value, Vec<Upload>) {
    media_input(&vec![item(photo); count], input)
}

/// Folders with many values of metadata, and reads that select none of it.
async fn metadata(client: Client, photo: Vec<u8>) {
    forever(async || {
        let (mut variables, files) = uploaded(&photo, 12, json!({"metadata": deep_metadata()}));
        for medium in variables["input"]["media"].as_array_mut().into_iter().flatten() {
            medium["metadata"] = deep_metadata();
            medium.as_object_mut().map(|medium| medium.remove("key"));
        }
        let Ok(created) = client.try_upload(CREATE_FOLDER, variables, files).await else { return };
        let id = created["data"]["createFolder"]["folder"]["id"].clone();
        let read = "query($id: ID!) { folder(id: $id) { id } }";
        let reads = (0..8).map(|_| client.try_query(read, json!({"id": id})));
        join_all(reads).await;
        let _ = client.try_query(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    })
    .await;
}

/// Queued analyses, far more than the workers can do.
async fn analyses(client: Client, photo: Vec<u8>) {
    let id = folder(&client, &[&photo]).await;
    forever(|| {
        let input =
            json!({"folderId": id, "analyses": [{"type": "quality"}, {"type": "liveness"}]});
        client.try_query(REQUEST_ANALYSES, json!({"input": input}))
    })
    .await;
}

async fn checks(client: Client, photo: Vec<u8>) {
    let check = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";
    forever(async || {
        let input = json!({"analyses": [{"type": "quality"}]});
        let one = || {
            let (variables, files) = uploaded(&photo, 1, input.clone());
            client.try_upload(check, variables, files)
        };
        join_all((0..4).map(|_| one())).await;
    })
    .await;
}

async fn deletions(client: Client) {
    forever(async || {
        let Ok(created) = client.try_query(CREATE_FOLDER, json!({"input": {}})).await else {
            return;
        };
        let id = &created["data"]["createFolder"]["folder"]["id"];
        let _ = client.try_query(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
    })
    .await;
}

/// Sockets with 100 subscriptions to a large folder that changes, none of which is read.
async fn unread_sockets(client: Client) {
    let watch = "subscription($id: ID!) { folder(id: $id) { id metadata revision } }";
    let update = "mutation($input: UpdateFolderInput!) {
        updateFolder(input: $input) { folder { revision } } }";
    let text = "x".repeat(60_000);
    let id = folder(&client, &[]).await;
    forever(async || {
        let mut sockets = Vec::new();
        for _ in 0..5 {
            let Ok(mut socket) = client.try_reluctant_socket().await else { continue };
            for number in 0..100 {
                let variables = json!({"id": id});
                if socket.try_subscribe(&number.to_string(), watch, variables).await.is_err() {
                    break;
                }
            }
            sockets.push(socket);
        }
        for change in 0..100 {
            let input = json!({"folderId": id, "metadata": {"text": text, "change": change}});
            let _ = client.try_query(update, json!({"input": input})).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Analyses of a plugin whose results are as large as allowed or larger, and reads of them.
async fn plugin_results(client: Client, mode: &str) {
    let id = folder(&client, &[]).await;
    let read = "query($id: ID!) { folder(id: $id) { analyses(first: 20) { nodes {
        ... on CustomAnalysis { result } } } } }";
    let analyses = json!([{"type": kind(mode), "params": {"mode": mode}}]);
    forever(async || {
        let input = json!({"folderId": id, "analyses": analyses, "waitMs": 1_000});
        let _ = client.try_query(REQUEST_ANALYSES, json!({"input": input})).await;
        let reads = (0..4).map(|_| client.try_query(read, json!({"id": id})));
        join_all(reads).await;
    })
    .await;
}

/// Downloads of a file of some megabytes that are begun and never read.
async fn unread_downloads(url: String, client: Client, photo: Vec<u8>) {
    let id = folder(&client, &[&padded_jpeg(&photo, DOWNLOAD_BYTES)]).await;
    let query = "query($id: ID!) { folder(id: $id) { media(first: 1) { nodes { url } } } }";
    let (url, client, id) = (&url, &client, &id);
    let link = async || {
        let found = client.try_query(query, json!({"id": id})).await.ok()?;
        let link = found["data"]["folder"]["media"]["nodes"][0]["url"].as_str()?.to_owned();
        Some(link.strip_prefix(url.as_str())?.to_owned())
    };
    let link = &link;
    join_all((0..DOWNLOADS).map(|_| {
        forever(async || {
            let Some(path) = link().await else { return };
            let Some(mut stream) = connect(url, Ipv4Addr::LOCALHOST.into()).await else { return };
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            let sent = stream.write_all(request.as_bytes()).await;
            // Until the node closes the connection.
            while sent.is_ok() && stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }))
    .await;
}
