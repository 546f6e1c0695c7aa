//! A clock that jumps: what is deleted by its age stays.

use serde_json::json;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use vultus_tests::{CREATE_FOLDER, Node, NodeOptions, workspace_root};

const LOGIN: &str =
    "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }";
const REFRESH: &str = "mutation($input: RefreshInput!) { refresh(input: $input) { accessToken } }";
const FORTY_DAYS: i64 = 40 * 86_400;

#[tokio::test]
async fn clock_ahead_for_a_moment_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libclock.so");
    let compiled = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(workspace_root().join("tests/tests/front/clock.c"))
        .arg("-ldl")
        .status();
    assert!(compiled.expect("a C compiler is installed").success());
    let offset = folder.path().join("offset");
    std::fs::write(&offset, 0_i64.to_ne_bytes()).unwrap();
    let node = Node::start_with(NodeOptions {
        environment: vec![
            ("LD_PRELOAD".to_owned(), library.display().to_string()),
            ("TEST_CLOCK".to_owned(), offset.display().to_string()),
        ],
        ..NodeOptions::default()
    })
    .await;
    let set_clock = |seconds: i64| {
        let file = File::options().write(true).open(&offset).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    };
    let (email, password) = node.administrator();
    let login = async || {
        let input = json!({"input": {"email": email, "password": password}});
        node.anonymous().data(LOGIN, input).await["login"].clone()
    };
    let create = async |token: &str, key: &str| {
        let client = node.anonymous().with_token(token).with_header("idempotency-key", key);
        let created = client.query(CREATE_FOLDER, json!({"input": {}})).await;
        created["data"]["createFolder"]["folder"]["id"].clone()
    };
    let before = login().await;
    let token = before["accessToken"].as_str().unwrap();
    let folder = create(token, "key").await;
    assert!(folder.is_string());

    set_clock(FORTY_DAYS);
    // A login and a key of the time ahead: they used to delete what was too old for them.
    let ahead = login().await;
    assert!(create(ahead["accessToken"].as_str().unwrap(), "another").await.is_string());
    let viewer = "{ viewer { user { id } } }";
    let client = node.anonymous().with_token(token);
    assert_eq!(client.error(viewer, json!({})).await["code"], "UNAUTHENTICATED", "it has expired");

    set_clock(0);
    client.data(viewer, json!({})).await;
    assert_eq!(create(token, "key").await, folder, "the key is remembered");
    let input = json!({"input": {"refreshToken": before["refreshToken"]}});
    node.anonymous().data(REFRESH, input).await;
}
