//! The attacks of `make hostile`: each a loop that one task runs until it is aborted. None expects
//! an answer: being refused is what should happen to it.

mod tenant;

use futures::future::join_all;
use serde_json::{Value, json};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use vultus_tests::hostile::kind;
use vultus_tests::{Client, compiled};

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
    for _ in 0..4 {
        attacks.spawn(again(tenant.clone(), undeclared_variables()));
    }
    tenant::all(&mut attacks, url, tenant, photo);
    attacks
}

/// The plugins whose results are attacks.
pub fn plugins(folder: &Path) -> Vec<PathBuf> {
    let plugin = |mode: &str| {
        let kind = kind(mode);
        let define = format!("-DFAULTY={kind}");
        compiled(folder, "faulty/faulty.c", &format!("lib{kind}.so"), &[&define])
    };
    tenant::PLUGIN_FAULTS.map(plugin).to_vec()
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
