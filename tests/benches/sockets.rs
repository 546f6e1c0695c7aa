//! Measures the memory of ten thousand idle websockets, and how fast the server then answers a
//! query and publishes a change.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, bench, memory};
use vultus_tests::{Client, Node, NodeOptions, Socket};

const SOCKETS: usize = 10_000;
/// Number of sockets that are opened concurrently.
const AT_ONCE: usize = 50;
/// Maximum memory of all sockets, in megabytes.
const MEMORY_BAR: f64 = 300.0;

fn main() -> ExitCode {
    // This process and the node, which inherits the limit, have a descriptor for each socket.
    let limit = getrlimit(Resource::Nofile);
    let wanted = SOCKETS as u64 + 1000;
    assert!(
        limit.maximum.is_none_or(|most| most >= wanted),
        "this account may not open {wanted} descriptors (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
        .expect("the limit of descriptors can be raised");
    bench("Ten thousand idle websockets", measure())
}

async fn measure() -> Vec<Figure> {
    let config = "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n[tokens]\naccess_seconds = 3600\n"
        .to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let folder = client.create(&[], json!({})).await;
    let id = folder["id"].as_str().expect("a folder has an id").to_owned();
    let mib = || memory(&[node.pid()]) as f64 / f64::from(1 << 20);
    let before = mib();
    let begun = Instant::now();
    let mut sockets = Vec::with_capacity(SOCKETS);
    while sockets.len() < SOCKETS {
        let some = (0..AT_ONCE.min(SOCKETS - sockets.len())).map(|_| watching(&client, &id));
        sockets.extend(futures::future::join_all(some).await);
    }
    let opened = begun.elapsed().as_secs_f64();
    let after = mib();
    let begun = Instant::now();
    client.data("{ viewer { user { id } } }", json!({})).await;
    let answered = begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    let change = "mutation($input: UpdateFolderInput!) {
      updateFolder(input: $input) { folder { revision } }
    }";
    client.data(change, json!({"input": {"folderId": id, "metadata": {"news": true}}})).await;
    for socket in &mut sockets {
        assert_eq!(socket.next().await["type"], "next", "every socket receives the change");
    }
    let told = begun.elapsed().as_secs_f64();
    let cost = after - before;
    vec![
        Figure::plain("sockets, each with a subscription", SOCKETS.to_string()),
        Figure::plain("opened in", format!("{opened:.1} s")),
        Figure::against(
            "additional memory (PSS)",
            format!("{cost:.0} MiB"),
            "< 300 MB",
            cost * 1.048_576 < MEMORY_BAR,
        ),
        Figure::plain("a query with all sockets open", format!("{answered:.1} ms")),
        Figure::plain("until every socket has a change", format!("{told:.2} s")),
    ]
}

/// Opens a socket, subscribes to a folder, and waits for its current state.
async fn watching(client: &Client, id: &str) -> Socket {
    let mut socket = client.socket().await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { folder(id: $id) { revision } }",
            json!({"id": id}),
        )
        .await;
    assert_eq!(socket.next().await["type"], "next");
    socket
}
