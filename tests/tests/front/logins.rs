//! Logins: what a stranger's failures do to the memory of the node and to the user.

use crate::STRANGER;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use vultus_tests::{Client, Cluster, ClusterOptions, Node, Socket, measure};

const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// Memory that a flood of logins may add to a node, in bytes. A hash takes 19 MiB, and two are
/// computed at a time.
const MEMORY: u64 = 120 << 20;

async fn attempt(client: &Client, email: &str, password: &str) -> Value {
    client.query(LOGIN, json!({"input": {"email": email, "password": password}})).await
}

/// The code of the answer, or OK.
async fn outcome(client: &Client, email: &str, password: &str) -> String {
    let answer = attempt(client, email, password).await;
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("OK").to_owned()
}

/// Fails ten times.
async fn fail_ten_times(client: &Client, email: &str) {
    for _ in 0..10 {
        assert_eq!(outcome(client, email, "a wrong password").await, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn eleven_logins_lock_the_address_and_not_the_user() {
    let mut node = Node::start().await;
    let (email, password) = node.administrator();
    let (email, password) = (email.to_owned(), password.to_owned());
    let unknown = "unknown@example.org";
    let stranger = Client::from_address(&node.url, STRANGER);
    for name in [&email, unknown] {
        fail_ten_times(&stranger, name).await;
    }
    // The state is the same for a name that exists and one that does not, also after a restart.
    let locked = async |node: &Node| {
        let stranger = Client::from_address(&node.url, STRANGER);
        let known = attempt(&stranger, &email, &password).await;
        let unknown = attempt(&stranger, unknown, &password).await;
        for answer in [&known, &unknown] {
            let extensions = &answer["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "UNAVAILABLE", "{answer}");
            assert!(extensions["retryAfterMs"].as_u64().is_some_and(|ms| ms <= 30_000), "{answer}");
        }
        assert_eq!(known["errors"][0]["message"], unknown["errors"][0]["message"]);
    };
    locked(&node).await;
    node.stop();
    node.launch().await;
    locked(&node).await;
    assert_eq!(outcome(&node.anonymous(), &email, &password).await, "OK");
    let unlocked = node.command(&["user", "unlock", "--email", &email], "");
    assert_eq!(unlocked.trim(), "unlocked");
    let stranger = Client::from_address(&node.url, STRANGER);
    assert_eq!(outcome(&stranger, &email, &password).await, "OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_from_everywhere_do_not_lock_out_a_known_address() {
    let node = Node::start().await;
    let (email, password) = node.administrator();
    node.client().await;
    // As if strangers at many addresses had failed.
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let lock = "UPDATE login_attempts SET failures = 200, failed_at = ?1, locked_until = ?1
                WHERE origin_key = ''";
    let until = time::OffsetDateTime::now_utc() + time::Duration::minutes(4);
    let nanoseconds = i64::try_from(until.unix_timestamp_nanos()).unwrap();
    assert_eq!(database.execute(lock, [nanoseconds]).unwrap(), 1);
    let elsewhere = Client::from_address(&node.url, ELSEWHERE);
    assert_eq!(outcome(&elsewhere, email, password).await, "UNAVAILABLE");
    assert_eq!(outcome(&node.anonymous(), email, password).await, "OK");
    // The success ended the lock of the name.
    assert_eq!(outcome(&elsewhere, email, password).await, "OK");
}

#[tokio::test]
async fn locks_hold_on_every_node_of_a_cluster() {
    let options =
        ClusterOptions { members: 1, roles: vec!["api", "api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let unknown = "unknown@example.org";
    fail_ten_times(&Client::from_address(&cluster.nodes[0].url, STRANGER), unknown).await;
    let other = Client::from_address(&cluster.nodes[1].url, STRANGER);
    assert_eq!(outcome(&other, unknown, "a wrong password").await, "UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_logins_takes_little_memory_and_stops_no_one() {
    let node = Node::start().await;
    let (email, password) = node.administrator();
    node.client().await;
    let before = measure::resident_memory(node.pid());
    let stranger = Client::from_address(&node.url, STRANGER);
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..400 {
        let stranger = stranger.clone();
        flood.spawn(async move {
            outcome(&stranger, &format!("{number}@example.org"), "a wrong password").await
        });
    }
    // Others log in meanwhile, from a known address and from a new one.
    assert_eq!(outcome(&node.anonymous(), email, password).await, "OK");
    let elsewhere = Client::from_address(&node.url, ELSEWHERE);
    assert_eq!(outcome(&elsewhere, email, password).await, "OK");
    let answers = flood.join_all().await;
    let refused = answers.iter().filter(|answer| *answer == "UNAVAILABLE").count();
    assert!(refused >= 350, "{refused} of 400 were refused");
    let grown = measure::peak_memory(node.pid()).saturating_sub(before);
    assert!(grown < MEMORY, "the node grew by {} MiB", grown >> 20);
}

#[tokio::test]
async fn logins_cannot_be_tried_by_batch_or_alias() {
    let node = Node::start().await;
    let client = node.anonymous();
    let login = r#"login(input: {email: "a@b", password: "x"}) { accessToken }"#;
    let one = json!({"query": format!("mutation {{ {login} }}")});
    let batch: Value = serde_json::from_str(&client.post_text(&json!([one, one])).await).unwrap();
    for answer in batch.as_array().unwrap() {
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID_INPUT", "{answer}");
    }
    let twice = format!("mutation {{ a: {login} b: {login} }}");
    assert_eq!(client.error(&twice, json!({})).await["code"], "INVALID_INPUT");
    // A websocket is opened with a valid token, and tries one password at a time, too.
    let mut stranger = Socket::raw(&node.url).await;
    stranger.send(json!({"type": "connection_init"})).await;
    assert_eq!(stranger.next_or_close().await, Err(4403));
    let mut socket = node.client().await.socket().await;
    socket.subscribe("1", &twice, json!({})).await;
    let answer = socket.next().await;
    assert_eq!(answer["payload"][0]["extensions"]["code"], "INVALID_INPUT", "{answer}");
}
