//! Several nodes on one MongoDB replica set: nodes see each other's changes, faults lose no work,
//! and a node recovers from a lost database without a restart.

use parking_lot::Mutex;
use serde_json::json;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use vultus_tests::kill_suite::{Pause, Plan, run};
use vultus_tests::{
    CREATE_FOLDER, Client, Cluster, ClusterOptions, executable, id_photo, media_input, sample,
    selfie_photo, wait_until, workspace_root,
};

const WATCH: &str = "subscription($id: ID!) { folder(id: $id) { state resolution } }";

async fn cluster(members: usize, roles: &[&'static str]) -> Cluster {
    Cluster::start(ClusterOptions { members, roles: roles.to_vec(), ..ClusterOptions::default() })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_requests_runs_updates_and_sessions() {
    // Media are in GridFS, as the cluster page recommends. The other tests share a blob folder.
    let config = "blobs.url = \"gridfs\"\n".to_owned();
    let options = ClusterOptions {
        members: 1,
        roles: vec!["api", "api", "work"],
        config,
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await;
    let (first, second) = (cluster.client(0).await, cluster.nodes[1].anonymous());
    // A token of one node is valid on all nodes: they share keys and sessions.
    let second = second.with_token(first.token());
    let media = [selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))];
    let folder = first.create(&media, json!({"analyses": [{"type": "face_match"}]})).await;
    let id = folder["id"].as_str().unwrap();
    let mut socket = second.socket().await;
    socket.subscribe("1", WATCH, json!({"id": id})).await;
    loop {
        let message = socket.next().await;
        let seen = &message["payload"]["data"]["folder"];
        if seen["state"] == "FINISHED" {
            assert_eq!(seen["resolution"], "SUCCESS", "{message:#}");
            break;
        }
        assert_eq!(seen["state"], "PROCESSING", "{message:#}");
    }
    assert_eq!(second.folder(id).await, first.folder(id).await);
    assert!(cluster.nodes.iter().all(|node| node.blobs().is_empty()), "no node stores files");
    // A node of the role `work` serves only its health.
    assert!(cluster.nodes[2].is_ready().await);
    let url = format!("{}/graphql", cluster.nodes[2].url);
    let answer = reqwest::Client::new()
        .post(url)
        .json(&json!({"query": "{ __typename }"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);

    // A session that ends on one node ends on the others within a second.
    first.data("mutation { logout { __typename } }", json!({})).await;
    let begun = std::time::Instant::now();
    wait_until("the other node to refuse the session", || async {
        let answer = second.query("{ viewer { user { id } } }", json!({})).await;
        (answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED").then_some(())
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn misconfigured_node_says_why_it_does_not_start() {
    let cluster = cluster(1, &["all"]).await;
    let start = |url: &str, more: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        // `timeout` ends a node that starts against expectation.
        let output = Command::new("timeout")
            .arg("60")
            .arg(executable("vultus"))
            .arg("serve")
            .env_clear()
            .env("VULTUS_DATA_DIR", folder.path().join("data"))
            .env("VULTUS_MODELS_DIR", workspace_root().join("models"))
            .env("VULTUS_LISTEN", "127.0.0.1:0")
            .env("VULTUS_STORE_URL", url)
            .envs(more.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let url = cluster.set.uri(vultus_tests::DATABASE);
    let other_keys = start(&url, &[]);
    assert!(other_keys.contains("differ from those of the other nodes"), "{other_keys}");
    let keys_dir = cluster.keys_dir();
    let keys = ("VULTUS_KEYS_DIR", keys_dir.to_str().unwrap());
    let other_blobs = |more: &[(&str, &str)]| {
        let message = start(&url, more);
        assert!(message.contains("names another place than on the other nodes"), "{message}");
    };
    other_blobs(&[keys]);
    other_blobs(&[keys, ("VULTUS_BLOBS_URL", "gridfs")]);
    // Without the stored location, missing files of media reveal the wrong one.
    let client = cluster.client(0).await;
    client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": []})).await;
    let database = mongodb::Client::with_uri_str(&url).await.unwrap().default_database().unwrap();
    let meta = database.collection::<mongodb::bson::Document>("meta");
    assert_eq!(
        meta.delete_one(mongodb::bson::doc! { "_id": "blobs" }).await.unwrap().deleted_count,
        1
    );
    other_blobs(&[keys]);
    assert!(
        meta.find_one(mongodb::bson::doc! { "_id": "blobs" }).await.unwrap().is_none(),
        "the rejected node stored no location"
    );
    let no_server = start("mongodb://127.0.0.1:1/vultus?serverSelectionTimeoutMS=300", &[]);
    assert!(no_server.contains("no server answers at 127.0.0.1:1"), "{no_server}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_recovers_without_restart_when_the_database_returns() {
    let mut cluster = cluster(1, &["all"]).await;
    let client = cluster.client(0).await;
    let folder =
        client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": []})).await;
    let id = folder["id"].as_str().unwrap().to_owned();
    cluster.set.kill(0);
    let node = &cluster.nodes[0];
    wait_until("the node to report that it is not ready", || async {
        (!node.is_ready().await).then_some(())
    })
    .await;
    let (variables, files) = media_input(&[selfie_photo(sample("obama2.jpg"))], json!({}));
    let refused = client.upload_error(CREATE_FOLDER, variables, files).await;
    assert_eq!(refused["code"], "UNAVAILABLE", "{refused:#}");
    assert!(refused["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{refused:#}");
    cluster.set.restart(0);
    let node = &cluster.nodes[0];
    wait_until("the node to be ready again", || async { node.is_ready().await.then_some(()) })
        .await;
    assert_eq!(client.folder(&id).await["media"]["nodes"].as_array().unwrap().len(), 1);
    let again = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    assert_eq!(again["state"], "FINISHED", "{again:#}");
}

/// The short form: each kind of fault once. `make soak` runs the long forms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_and_pauses_lose_nothing_and_repeat_nothing() {
    let outcome = run(Plan { runs: 60, points: 6, pause: Pause::UntilTakenOver }).await;
    assert!(outcome.acknowledged >= 60 && outcome.finished > 0, "{outcome:?}");
    assert!(outcome.changed > 0 && outcome.erased > 0, "{outcome:?}");
    assert!(
        outcome.stale_writes > 0,
        "the paused node tried no write with a stale fencing token: {outcome:?}"
    );
}

#[test]
fn cluster_page_configuration_is_valid() {
    let page = std::fs::read_to_string(workspace_root().join("docs/operating/cluster.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vultus.toml");
        std::fs::write(&file, block).unwrap();
        let checked = Command::new(executable("vultus"))
            .arg("--config")
            .arg(&file)
            .args(["config", "check"])
            .output()
            .unwrap();
        assert!(checked.status.success(), "{block}\n{}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// Checks only the variables of the nodes in the compose file and the image.
#[test]
fn compose_file_sets_only_known_variables() {
    let text = std::fs::read_to_string(workspace_root().join("docker-compose.yml")).unwrap();
    let image = std::fs::read_to_string(workspace_root().join("Dockerfile")).unwrap();
    let mut variables: Vec<(&str, String)> = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("VULTUS_") && !line.starts_with("VULTUS_DB_PASSWORD"))
    {
        let (name, value) = line.split_once(": ").unwrap();
        variables.push((
            name,
            value
                .trim_matches('"')
                .replace("${VULTUS_DB_PASSWORD:?set it in .env}", "secret")
                .replace("${VULTUS_PUBLIC_URL:-http://localhost:8080}", "http://localhost:8080"),
        ));
    }
    for word in image.split_whitespace().filter(|word| word.starts_with("VULTUS_")) {
        let (name, value) = word.split_once('=').unwrap();
        variables.push((name, value.to_owned()));
    }
    assert!(
        variables.iter().any(|(name, _)| *name == "VULTUS_STORE_URL") && variables.len() >= 5,
        "{variables:?}"
    );
    let mut checked = Command::new(executable("vultus"));
    checked.args(["config", "check"]).env_clear().envs(variables.clone());
    let checked = checked.output().unwrap();
    assert!(
        checked.status.success(),
        "{variables:?}\n{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(text.contains("command: [\"serve\", \"--role\", \"all\"]"));
    // Each node has a separate volume, which the other node cannot read.
    assert!(text.contains("VULTUS_BLOBS_URL: \"gridfs\""));
}

/// Longest time without an acknowledged write around an election.
const RECOVERY: Duration = Duration::from_secs(15);
/// Wait of a client before it repeats a request.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Ids of acknowledged folders, and when the acknowledgement came.
type Acknowledged = Arc<Mutex<Vec<(String, Instant)>>>;

/// Creates folders, and repeats each request until it is acknowledged.
async fn create_until(
    over: CancellationToken,
    client: Client,
    writer: usize,
    acknowledged: Acknowledged,
) {
    let mut number = 0;
    while !over.is_cancelled() {
        let client = client.clone().with_header("idempotency-key", &format!("{writer}-{number}"));
        let answer = client.try_query(CREATE_FOLDER, json!({"input": {}})).await.unwrap();
        if let Some(id) = answer["data"]["createFolder"]["folder"]["id"].as_str() {
            acknowledged.lock().push((id.to_owned(), Instant::now()));
            number += 1;
        } else {
            assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
            tokio::time::sleep(BACK_OFF).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn step_down_under_load_loses_nothing_and_recovers() {
    let cluster = cluster(3, &["api"]).await;
    let client = cluster.client(0).await;
    let (over, acknowledged) = (CancellationToken::new(), Acknowledged::default());
    let mut writers = Vec::new();
    for writer in 0..4 {
        let task = create_until(over.clone(), client.clone(), writer, acknowledged.clone());
        writers.push(tokio::spawn(task));
    }
    let reach = async |count: usize| {
        wait_until("acknowledged folders", || async {
            (acknowledged.lock().len() >= count).then_some(())
        })
        .await;
    };
    reach(20).await;
    cluster.set.step_down().await;
    cluster.set.settled().await;
    let so_far = acknowledged.lock().len();
    reach(so_far + 20).await;
    over.cancel();
    for writer in writers {
        writer.await.unwrap();
    }
    let acknowledged = acknowledged.lock().clone();
    let gaps = acknowledged.windows(2).map(|pair| pair[1].1.duration_since(pair[0].1));
    let longest = gaps.max().unwrap();
    assert!(longest < RECOVERY, "no write was acknowledged for {longest:?}");
    for (id, _) in &acknowledged {
        assert_eq!(client.folder(id).await["id"], id.as_str(), "an acknowledged folder exists");
    }
}
