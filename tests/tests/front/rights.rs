//! Websockets lose their rights when the principal changes, on every node and both stores.

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vultus_tests::{
    Client, Cluster, ClusterOptions, DATABASE, Node, NodeOptions, Socket, wait_until,
};

const LOGOUT: &str = "mutation { logout { loggedOut } }";
const VIEWER: &str = "{ viewer { user { id } } }";
const WATCH: &str = "subscription($id: ID!) { folder(id: $id) { state } }";
/// An operation that begins this long after the change must not run. The rule is one second; a
/// loaded machine gets another.
const BOUND: Duration = Duration::from_secs(2);

async fn watching(client: &Client) -> Socket {
    let folder = client.create(&[], json!({})).await;
    let mut socket = client.socket().await;
    socket.subscribe("w", WATCH, json!({"id": folder["id"]})).await;
    assert_eq!(socket.next().await["type"], "next");
    socket
}

/// Sends operations until the socket is closed; returns the close code, and how long after
/// `changed` the last one was sent that still got a result.
async fn used_until_closed(mut socket: Socket, changed: Instant) -> (u16, Duration) {
    let mut last = Duration::ZERO;
    for number in 0.. {
        let (sent, id) = (changed.elapsed(), format!("q{number}"));
        if socket.try_subscribe(&id, VIEWER, json!({})).await.is_err() {
            break;
        }
        loop {
            match socket.next_or_close().await {
                Err(code) => return (code, last),
                Ok(message) if message["id"] != id.as_str() => {}
                Ok(message) if message["type"] == "complete" => break,
                Ok(_) => last = sent,
            }
        }
    }
    (socket.next_or_close().await.expect_err("it is closed"), last)
}

async fn closes_soon(socket: Socket, changed: Instant) {
    let (code, last) = used_until_closed(socket, changed).await;
    assert_eq!(code, 4403);
    assert!(last <= BOUND, "an operation ran {last:?} after the change");
}

async fn closed_with(socket: &mut Socket) -> u16 {
    loop {
        if let Err(code) = socket.next_or_close().await {
            return code;
        }
    }
}

#[tokio::test]
async fn changed_role_closes_used_and_idle_sockets() {
    let node = Node::start().await;
    let client = node.client().await;
    let (used, mut idle) = (watching(&client).await, watching(&client).await);
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let changed = Instant::now();
    assert_eq!(database.execute("UPDATE users SET role = 'CLIENT'", ()).unwrap(), 1);
    closes_soon(used, changed).await;
    assert_eq!(closed_with(&mut idle).await, 4403);
    // With the new role a socket opens again, once the node has noticed the role.
    wait_until("a socket to open and stay open", || async {
        let mut socket = client.try_reluctant_socket().await.ok()?;
        socket.try_subscribe("q", VIEWER, json!({})).await.ok()?;
        while socket.next_or_close().await.ok()?["type"] != "complete" {}
        Some(())
    })
    .await;
}

#[tokio::test]
async fn logout_closes_used_and_idle_sockets() {
    let node = Node::start().await;
    let client = node.client().await;
    let (used, mut idle) = (watching(&client).await, watching(&client).await);
    let other = node.client().await;
    let mut kept = watching(&other).await;
    client.data(LOGOUT, json!({})).await;
    closes_soon(used, Instant::now()).await;
    assert_eq!(closed_with(&mut idle).await, 4403);
    kept.send(json!({"type": "ping"})).await;
    assert_eq!(kept.next().await["type"], "pong", "another session of the user goes on");
}

#[tokio::test]
async fn expired_token_closes_an_idle_socket() {
    let node = Node::start_with(NodeOptions {
        config: "tokens.access_seconds = 5\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let begun = Instant::now();
    let mut idle = watching(&client).await;
    assert_eq!(closed_with(&mut idle).await, 4403);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn rights_change_on_both_nodes_of_a_cluster() {
    let options =
        ClusterOptions { members: 1, roles: vec!["api", "api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let client = cluster.client(0).await;
    let elsewhere = |client: &Client| Client::new(&cluster.nodes[1].url).with_token(client.token());
    let (used, mut idle) =
        (watching(&elsewhere(&client)).await, watching(&elsewhere(&client)).await);
    client.data(LOGOUT, json!({})).await;
    closes_soon(used, Instant::now()).await;
    assert_eq!(closed_with(&mut idle).await, 4403);

    let client = cluster.client(0).await;
    let (here, there) = (watching(&client).await, watching(&elsewhere(&client)).await);
    let database = mongodb::Client::with_uri_str(cluster.set.uri(DATABASE)).await.unwrap();
    let users = database.database(DATABASE).collection::<Document>("users");
    let changed = Instant::now();
    let demoted = doc! { "$set": { "role": "CLIENT" } };
    assert_eq!(users.update_many(doc! {}, demoted).await.unwrap().modified_count, 1);
    closes_soon(here, changed).await;
    closes_soon(there, changed).await;
    let role: Value = client.data("{ viewer { user { role } } }", json!({})).await;
    assert_eq!(role["viewer"]["user"]["role"], "CLIENT");
}
