//! The graphql-transport-ws protocol: the server closes with the code of the protocol.

use serde_json::json;
use vultus_tests::{Node, NodeOptions, Socket};

const LOGIN: &str =
    "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }";

async fn closed_with(socket: &mut Socket) -> u16 {
    loop {
        if let Err(code) = socket.next_or_close().await {
            return code;
        }
    }
}

#[tokio::test]
async fn each_protocol_violation_has_its_close_code() {
    let node = Node::start().await;
    let client = node.client().await;

    let mut early = Socket::raw(&node.url).await;
    early.subscribe("1", "{ viewer { user { id } } }", json!({})).await;
    assert_eq!(closed_with(&mut early).await, 4401, "subscribe before connection_init");

    let mut forged = Socket::raw(&node.url).await;
    forged
        .send(json!({"type": "connection_init", "payload": {"Authorization": "Bearer a.b.c"}}))
        .await;
    assert_eq!(closed_with(&mut forged).await, 4403, "an invalid token");

    let mut twice = client.socket().await;
    twice.send(json!({"type": "connection_init"})).await;
    assert_eq!(closed_with(&mut twice).await, 4429, "connection_init twice");

    let mut garbage = client.socket().await;
    garbage.send(json!({"type": "dance"})).await;
    assert_eq!(closed_with(&mut garbage).await, 4400, "an unknown message");

    let folder = client.create(&[], json!({})).await;
    let watch = "subscription($id: ID!) { folder(id: $id) { state } }";
    let mut duplicate = client.socket().await;
    duplicate.subscribe("1", watch, json!({"id": folder["id"]})).await;
    duplicate.subscribe("1", watch, json!({"id": folder["id"]})).await;
    assert_eq!(closed_with(&mut duplicate).await, 4409, "an id that is in use");

    let mut silent = Socket::raw(&node.url).await;
    assert_eq!(closed_with(&mut silent).await, 4408, "no connection_init in time");
}

#[tokio::test]
async fn query_over_the_socket_is_answered() {
    let node = Node::start().await;
    let client = node.client().await;
    let mut socket = client.socket().await;
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await["type"], "pong");
    socket.subscribe("q", "{ viewer { user { role } } }", json!({})).await;
    let answer = socket.next().await;
    assert_eq!(answer["payload"]["data"]["viewer"]["user"]["role"], "ADMIN", "{answer}");
    assert_eq!(socket.next().await["type"], "complete");
}

#[tokio::test]
async fn subscription_to_a_missing_folder_is_an_error() {
    let node = Node::start().await;
    let mut socket = node.client().await.socket().await;
    let missing = json!({"id": "0192d0c4-0000-7000-8000-000000000000"});
    socket.subscribe("m", "subscription($id: ID!) { folder(id: $id) { state } }", missing).await;
    let refused = socket.next().await.to_string();
    assert!(refused.contains("NOT_FOUND"), "{refused}");
}

#[tokio::test]
async fn expired_or_revoked_token_closes_the_socket() {
    let node = Node::start_with(NodeOptions {
        config: "[tokens]\naccess_seconds = 5\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let client = node.client().await;
    let folder = client.create(&[], json!({})).await;
    let mut socket = client.socket().await;
    socket
        .subscribe(
            "1",
            "subscription($id: ID!) { folder(id: $id) { state } }",
            json!({"id": folder["id"]}),
        )
        .await;
    assert_eq!(closed_with(&mut socket).await, 4403);

    let client = node.client().await;
    let mut socket = client.socket().await;
    client.data("mutation { logout { __typename } }", json!({})).await;
    assert_eq!(closed_with(&mut socket).await, 4403);
}

#[tokio::test]
async fn unknown_user_and_wrong_password_look_the_same() {
    let node = Node::start().await;
    let (email, _) = node.administrator();
    let wrong = node
        .anonymous()
        .error(LOGIN, json!({"input": {"email": email, "password": "wrong"}}))
        .await;
    let unknown = node
        .anonymous()
        .error(LOGIN, json!({"input": {"email": "unknown@example.org", "password": "wrong"}}))
        .await;
    assert_eq!((&wrong["code"], &wrong["message"]), (&unknown["code"], &unknown["message"]));
}
