//! The attacks of `make hostile`: each a loop that one task runs until it is aborted. None expects
//! an answer: being refused is what should happen to it.

use futures::future::join_all;
use serde_json::{Value, json};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Item, REQUEST_ANALYSES, Upload, media_input,
};

/// Addresses of strangers; honest clients use 127.0.0.1.
const STRANGERS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4)),
];
/// Idle connections of each stranger.
const IDLE: usize = 700;

/// Starts all attacks. `tenant` is a client of the attacking company, `photo` a small picture.
pub fn all(url: &str, tenant: &Client, photo: &[u8]) -> JoinSet<()> {
    let mut attacks = JoinSet::new();
    for stranger in STRANGERS {
        let anonymous = Client::from_address(url, stranger);
        for bytes in [&b""[..], b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Half:"] {
            attacks.spawn(idle_connections(url.to_owned(), stranger, bytes));
        }
        for number in 0..8 {
            attacks.spawn(logins(anonymous.clone(), number));
        }
        for document in documents() {
            attacks.spawn(again(anonymous.clone(), json!({"query": document})));
        }
        attacks.spawn(again(anonymous.clone(), undeclared_variables()));
    }
    for _ in 0..64 {
        attacks.spawn(slow_upload(url.to_owned(), tenant.clone()));
    }
    for _ in 0..4 {
        attacks.spawn(again(tenant.clone(), undeclared_variables()));
        attacks.spawn(metadata(tenant.clone(), photo.to_vec()));
        attacks.spawn(analyses(tenant.clone(), photo.to_vec()));
        attacks.spawn(checks(tenant.clone(), photo.to_vec()));
        attacks.spawn(deletions(tenant.clone()));
        attacks.spawn(unread_sockets(tenant.clone()));
    }
    attacks
}

async fn forever<F: Future>(mut once: impl FnMut() -> F) {
    loop {
        once().await;
        // Refusals that come at once must not make this process the one that is overloaded.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn connect(url: &str, from: IpAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    socket.connect(url.strip_prefix("http://")?.parse().ok()?).await.ok()
}

/// Connections that send `bytes` and then nothing; those that the node closes are opened again.
async fn idle_connections(url: String, from: IpAddr, bytes: &'static [u8]) {
    let one = async || {
        let Some(mut stream) = connect(&url, from).await else { return };
        if stream.write_all(bytes).await.is_ok() {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    };
    let one = &one;
    join_all((0..IDLE / 2).map(|_| async move {
        loop {
            one().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }))
    .await;
}

async fn again(client: Client, body: Value) {
    forever(|| client.try_post(&body)).await;
}

async fn logins(client: Client, number: usize) {
    let login = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
    let mut tried = 0;
    forever(|| {
        tried += 1;
        let email = format!("{number}-{tried}@example.org");
        client.try_query(login, json!({"input": {"email": email, "password": "wrong"}}))
    })
    .await;
}

/// Documents that were expensive once, and large ones within the limits.
fn documents() -> Vec<String> {
    let unknown: String = (0..14_000).map(|n| format!("a{n} ")).collect();
    let definitions: String = (0..3_700).map(|n| format!("$v{n}:Int ")).collect();
    vec![
        format!("{{__typename}} fragment f on Query{{{}}}", "...{...f} ".repeat(600)),
        format!("query {} {{__typename}}", "@a ".repeat(7_000)),
        format!("{{__typename}} fragment f on Query {{{unknown}}}"),
        format!("query({definitions}) {{__typename}}"),
        format!("{{serverInfo{{{}}}}}", "errorCodes ".repeat(1_900)),
    ]
}

fn undeclared_variables() -> Value {
    let values: Vec<Value> = (0..45_000).map(|_| json!({"": 0})).collect();
    json!({"query": "{ serverInfo { errorCodes } }", "variables": {"a": values}})
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
    let (variables, files) = uploaded(&photo, 1, json!({}));
    let Ok(created) = client.try_upload(CREATE_FOLDER, variables, files).await else { return };
    let id = created["data"]["createFolder"]["folder"]["id"].clone();
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
    let Ok(created) = client.try_query(CREATE_FOLDER, json!({"input": {}})).await else { return };
    let id = created["data"]["createFolder"]["folder"]["id"].clone();
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
