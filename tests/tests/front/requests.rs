//! Requests that pages of other origins can cause, and secrets in logs.

use crate::{connect, until_closed, until_closed_or_answered};
use serde_json::json;
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt;
use vultus_tests::{Node, NodeOptions, sample, selfie_photo};

async fn answer_to(node: &Node, request: &str) -> String {
    let mut stream = connect(node, Ipv4Addr::LOCALHOST.into()).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    until_closed(&mut stream).await
}

#[tokio::test]
async fn pages_of_other_origins_open_no_websocket() {
    let node = Node::start_with(NodeOptions {
        config: "allowed_origins = \"https://console.example\"\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let host = node.url.strip_prefix("http://").unwrap();
    let own = format!("http://{host}");
    for (origin, status) in [
        (own.as_str(), "101"),
        ("https://console.example", "101"),
        ("https://evil.example", "403"),
        ("null", "403"),
    ] {
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        );
        let mut stream = connect(&node, Ipv4Addr::LOCALHOST.into()).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until_closed_or_answered(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {answer}");
    }
}

#[tokio::test]
async fn no_mutation_runs_by_get_or_as_plain_text() {
    let node = Node::start().await;
    let token = node.client().await.token().to_owned();
    let query = "mutation%20%7B%20logout%20%7B%20loggedOut%20%7D%20%7D";
    let get = format!(
        "GET /graphql?query={query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    assert!(answer_to(&node, &get).await.starts_with("HTTP/1.1 405"));
    let body = json!({"query": "mutation { logout { loggedOut } }"}).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let post = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert!(answer_to(&node, &post).await.starts_with("HTTP/1.1 415"), "{kind}");
    }
    let viewer = "{ viewer { user { id } } }";
    node.anonymous().with_token(&token).data(viewer, json!({})).await;
}

#[tokio::test]
async fn subscriptions_have_the_limits_of_queries_and_a_number() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.create(&[], json!({})).await;
    let mut socket = client.socket().await;
    let deep = format!(
        "subscription {{ folder(id: \"{}\") {}{} }}",
        folder["id"].as_str().unwrap(),
        "{ media { nodes { folder ".repeat(5) + "{ id ",
        "}".repeat(16)
    );
    let watch = "subscription($id: ID!) { folder(id: $id) { id } }";
    let login = r#"login(input: {email: "a@b", password: "x"}) { accessToken }"#;
    for (id, query, code) in [
        ("deep", deep, "QUERY_DEPTH"),
        ("aliases", format!("subscription {{ {} }}", aliases(&folder["id"])), "LIMIT_EXCEEDED"),
        ("logins", format!("mutation {{ a: {login} b: {login} }}"), "INVALID_INPUT"),
    ] {
        socket.subscribe(id, &query, json!({})).await;
        let refused = socket.next().await.to_string();
        assert!(refused.contains(r#""type":"error""#) && refused.contains(code), "{refused}");
    }
    for number in 0..101 {
        socket.subscribe(&number.to_string(), watch, json!({"id": folder["id"]})).await;
    }
    let mut answered = 0;
    loop {
        let message = socket.next().await;
        if message["type"] == "error" {
            assert_eq!(message["id"], "100");
            assert!(message.to_string().contains("TOO_MANY_SUBSCRIPTIONS"), "{message}");
            break;
        }
        answered += 1;
    }
    assert!(answered <= 100);
}

/// A field with more aliases than a document may have.
fn aliases(folder: &serde_json::Value) -> String {
    let ids: String = (0..40).map(|n| format!("a{n}: id ")).collect();
    format!("folder(id: {folder}) {{ {ids} }}")
}

#[tokio::test]
async fn logs_at_trace_hold_no_secret() {
    let node = Node::start_with(NodeOptions {
        config: "log.level = \"trace\"\nadmin.email = \"canary@example.org\"\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let (email, password) = node.administrator();
    let client = node.client().await;
    let metadata = json!({"metadata": {"canary": "metadata-canary"}});
    let photo = selfie_photo(sample("obama.jpg"));
    let folder = client.create(&[photo], metadata).await;
    let mut socket = client.socket().await;
    let watch = "subscription($id: ID!) { folder(id: $id) { metadata } }";
    socket.subscribe("1", watch, json!({"id": folder["id"]})).await;
    assert_eq!(socket.next().await["type"], "next");
    let refresh = "mutation($input: RefreshInput!) { refresh(input: $input) { accessToken } }";
    client.error(refresh, json!({"input": {"refreshToken": "refresh-canary"}})).await;
    client.query("{ broken(", json!({"variable": "variable-canary"})).await;
    let log = node.log();
    assert!(log.contains("answered"), "the log has the server's own lines of the level debug");
    let secrets =
        [email, password, client.token(), "metadata-canary", "refresh-canary", "variable-canary"];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
