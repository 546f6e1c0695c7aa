//! Connections: their time and their number.

use crate::{STRANGER, connect, stays_open, until_closed};
use serde_json::json;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vultus_tests::{Client, Node, NodeOptions, sample, selfie_photo, wait_until};

const SHORT_TIMES: &str = "[limits.connections]\nheader_seconds = 1\nidle_seconds = 3\n";
const HALF_A_HEADER: &[u8] = b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Half:";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn silent_slow_and_idle_connections_are_closed() {
    let node =
        Node::start_with(NodeOptions { config: SHORT_TIMES.to_owned(), ..NodeOptions::default() })
            .await;
    let mut silent = connect(&node, STRANGER).await;
    let mut half = connect(&node, STRANGER).await;
    half.write_all(HALF_A_HEADER).await.unwrap();
    let mut kept = connect(&node, STRANGER).await;
    for _ in 0..2 {
        kept.write_all(HEALTH).await.unwrap();
        let mut answer = [0; 12];
        kept.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        // Takes what is left of the answer.
        assert!(kept.read(&mut [0; 4096]).await.unwrap() > 0);
    }
    let mut half_of_the_second = connect(&node, STRANGER).await;
    half_of_the_second.write_all(HEALTH).await.unwrap();
    assert!(half_of_the_second.read(&mut [0; 4096]).await.unwrap() > 0);
    half_of_the_second.write_all(HALF_A_HEADER).await.unwrap();
    for stream in [&mut silent, &mut half, &mut kept, &mut half_of_the_second] {
        assert_eq!(until_closed(stream).await, "");
    }
}

#[tokio::test]
async fn a_request_that_takes_longer_than_the_timeouts_is_answered() {
    let node = Node::start_with(NodeOptions {
        config: SHORT_TIMES.replace("idle_seconds = 3", "idle_seconds = 1"),
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let folder = client.create(&[selfie_photo(sample("obama.jpg"))], json!({})).await;
    let mut socket = client.socket().await;
    let watch = "subscription($id: ID!) { folder(id: $id) { state } }";
    socket.subscribe("1", watch, json!({"id": folder["id"]})).await;
    assert_eq!(socket.next().await["type"], "next");
    // A body that pauses for longer than both timeouts.
    let body = json!({"query": "{ __typename }"}).to_string();
    let mut slow = connect(&node, STRANGER).await;
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    assert!(stays_open(&mut slow, Duration::from_secs(3)).await);
    slow.write_all(body.as_bytes()).await.unwrap();
    let answer = until_closed(&mut slow).await;
    assert!(answer.contains(r#"{"data":{"__typename":"Query"}}"#), "{answer}");
    // The websocket was idle meanwhile.
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
}

#[tokio::test]
async fn strangers_leave_descriptors_to_others_and_to_workers() {
    let node = Node::start_with(NodeOptions {
        descriptors: Some(256),
        config: "workers.count = 1\nworkers.probe_count = 1\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let mut strangers = Vec::new();
    let mut refused = 0;
    for _ in 0..300 {
        let mut stream = connect(&node, STRANGER).await;
        // The node may have closed it already.
        let _ = stream.write_all(HALF_A_HEADER).await;
        strangers.push(stream);
    }
    for stream in &mut strangers {
        refused += usize::from(!stays_open(stream, Duration::from_millis(1)).await);
    }
    assert!((200..300).contains(&refused), "{refused} of 300 connections were refused");
    let worker = node.workers()[0];
    let worker = rustix::process::Pid::from_raw(worker as i32).unwrap();
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    let photo = selfie_photo(sample("obama.jpg"));
    let folder = client.folder_with(&[photo], &["quality"]).await;
    assert_eq!(folder["state"], "FINISHED");
    wait_until("the node to be ready", || async { node.is_ready().await.then_some(()) }).await;
    drop(strangers);
    let again = Client::from_address(&node.url, STRANGER);
    wait_until("the stranger to be served again", || async {
        again.try_query("{ __typename }", json!({})).await.ok().map(drop)
    })
    .await;
}

#[tokio::test]
async fn http_2_without_tls_is_not_answered() {
    let node = Node::start().await;
    let mut stream = connect(&node, Ipv4Addr::LOCALHOST.into()).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
}

#[tokio::test]
async fn open_connections_do_not_delay_the_end_of_a_node() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = connect(&node, STRANGER).await;
        stream.write_all(HALF_A_HEADER).await.unwrap();
        streams.push(stream);
    }
    let mut socket = client.socket().await;
    let load = tokio::spawn(async move {
        let mut answered = 0;
        while client.try_query("{ serverInfo { errorCodes } }", json!({})).await.is_ok() {
            answered += 1;
        }
        answered
    });
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    assert_eq!(socket.next_or_close().await, Err(1001));
    load.await.unwrap();
}
