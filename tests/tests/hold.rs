//! What clients that never read do to the others: nothing. On SQLite and on a MongoDB replica set.

use serde_json::{Value, json};
use std::future::Future;
use std::time::{Duration, Instant};
use vultus_tests::{Client, Cluster, ClusterOptions, DEADLINE, Node, NodeOptions, Socket, measure};

const WATCH: &str = "subscription($id: ID!) { folder(id: $id) { id metadata revision } }";
/// A request of another client must be answered within this time.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the others work: longer than a client that does not read is kept, and than the token
/// of its socket goes unjudged.
const WORK: Duration = Duration::from_secs(20);
/// Memory that the node may grow by meanwhile, in bytes. Each socket has 100 subscriptions to more
/// than 60 kB, so that one answer of each would be more.
const MEMORY: u64 = 150 << 20;

fn metadata(marker: u64) -> Value {
    json!({"text": "x".repeat(60_000), "marker": marker})
}

async fn folder_of_60_kb(client: &Client) -> Value {
    let create =
        "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
    let created = client.data(create, json!({"input": {"metadata": metadata(0)}})).await;
    created["createFolder"]["folder"]["id"].clone()
}

/// Changes the folder and returns its revision.
async fn change(client: &Client, folder: &Value, marker: u64) -> u64 {
    let update = "mutation($input: UpdateFolderInput!) {
        updateFolder(input: $input) { folder { revision } } }";
    let input = json!({"input": {"folderId": folder, "metadata": metadata(marker)}});
    let changed = client.data(update, input).await;
    changed["updateFolder"]["folder"]["revision"].as_u64().expect("a revision")
}

/// A socket with 100 subscriptions that reads nothing after its acknowledgement.
async fn unread(client: &Client, folder: &Value) -> Socket {
    let mut socket = client.reluctant_socket().await;
    for id in 0..100 {
        socket.subscribe(&id.to_string(), WATCH, json!({"id": folder})).await;
    }
    socket
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what} was not answered within {PATIENCE:?}"))
}

/// The others change and read the folder and ask for the node's health, for as long as [`WORK`].
async fn others_are_answered(node: &Node, client: &Client, folder: &Value) {
    let begun = Instant::now();
    let mut marker = 0;
    while begun.elapsed() < WORK {
        marker += 1;
        in_time("a change", change(client, folder, marker)).await;
        let read =
            client.data("query($id: ID!) { folder(id: $id) { metadata } }", json!({"id": folder}));
        let read = in_time("a read", read).await;
        assert_eq!(read["folder"]["metadata"]["marker"], marker);
        assert!(in_time("/readyz", node.is_ready()).await, "/readyz says that it is not ready");
    }
}

/// Reads what is left in the connection until the server's end of it.
async fn was_disconnected(mut socket: Socket) {
    let ended = async { while socket.next_or_close().await.is_ok() {} };
    tokio::time::timeout(DEADLINE, ended).await.expect("the slow client is disconnected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_sockets_stop_no_one_on_sqlite() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = folder_of_60_kb(&client).await;
    let before = measure::peak_memory(node.pid());
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(unread(&client, &folder).await);
    }
    others_are_answered(&node, &client, &folder).await;
    let grown = measure::peak_memory(node.pid()) - before;
    assert!(grown < MEMORY, "the node grew by {} MiB", grown >> 20);
    for socket in sockets {
        was_disconnected(socket).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_sockets_stop_no_one_on_mongodb() {
    let options = ClusterOptions { members: 1, roles: vec!["api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let client = cluster.client(0).await;
    let folder = folder_of_60_kb(&client).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(unread(&client, &folder).await);
    }
    others_are_answered(&cluster.nodes[0], &client, &folder).await;
    drop(sockets);
    in_time("a change after they left", change(&client, &folder, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_reaches_hundreds_of_readers() {
    const READERS: usize = 300;
    let node = Node::start().await;
    let client = node.client().await;
    let folder = folder_of_60_kb(&client).await;
    let mut sockets = Vec::new();
    for _ in 0..READERS {
        let mut socket = client.socket().await;
        socket.subscribe("1", WATCH, json!({"id": folder})).await;
        assert_eq!(socket.next().await["type"], "next");
        sockets.push(socket);
    }
    let newest = in_time("the change", change(&client, &folder, 1)).await;
    let mut readers = tokio::task::JoinSet::new();
    for mut socket in sockets {
        readers.spawn(async move {
            loop {
                let message = socket.next().await;
                if message["payload"]["data"]["folder"]["revision"] == newest {
                    return;
                }
            }
        });
    }
    let all_saw_it = async {
        while let Some(reader) = readers.join_next().await {
            reader.unwrap()
        }
    };
    in_time("the news of the change", all_saw_it).await;
    assert!(in_time("/readyz", node.is_ready()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_falls_behind_gets_the_newest_state() {
    const CHANGES: u64 = 120;
    let node = Node::start_with(NodeOptions::default()).await;
    let client = node.client().await;
    let folder = folder_of_60_kb(&client).await;
    let mut socket = client.reluctant_socket().await;
    socket.subscribe("1", WATCH, json!({"id": folder})).await;
    let mut newest = 0;
    for marker in 1..=CHANGES {
        newest = change(&client, &folder, marker).await;
    }
    let mut states = 0;
    loop {
        let message = socket.next().await;
        states += 1;
        if message["payload"]["data"]["folder"]["revision"] == newest {
            break;
        }
    }
    assert!(states < CHANGES, "{states} states of {CHANGES} changes were kept for it");
}
