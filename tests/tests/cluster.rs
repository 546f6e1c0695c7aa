//! Several nodes on one MongoDB replica set: what one does the others see, whatever dies nothing is
//! lost, and what is gone for a while comes back without a restart.

use serde_json::json;
use std::process::Command;
use std::time::Duration;
use vultus_tests::kill_suite::{Pause, Plan, run};
use vultus_tests::{
    Cluster, ClusterOptions, executable, id_photo, media_input, sample, selfie_photo, wait_until,
    workspace_root,
};

const WATCH: &str = "subscription($id: ID!) { folder(id: $id) { state resolution } }";

async fn cluster(members: usize, roles: &[&'static str]) -> Cluster {
    Cluster::start(ClusterOptions { members, roles: roles.to_vec(), ..ClusterOptions::default() })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_takes_another_judges_and_a_third_tells() {
    // Media in the database, as the cluster page says; the other tests share a folder.
    let config = "blobs.url = \"gridfs\"\n".to_owned();
    let options = ClusterOptions {
        members: 1,
        roles: vec!["api", "api", "work"],
        config,
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await;
    let (first, second) = (cluster.client(0).await, cluster.nodes[1].anonymous());
    // A token of one node is good on all: they have the same keys and sessions.
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
    assert!(cluster.nodes.iter().all(|node| node.blobs().is_empty()), "no node keeps files");
    // The node that only judges serves its health and nothing else.
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
async fn a_node_with_other_keys_or_other_files_or_without_a_database_says_why_it_does_not_start() {
    let cluster = cluster(1, &["all"]).await;
    let start = |url: &str, more: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        // A node that starts all the same is ended.
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
    assert!(other_keys.contains("are not those of the other nodes"), "{other_keys}");
    let keys_dir = cluster.keys_dir();
    let keys = ("VULTUS_KEYS_DIR", keys_dir.to_str().unwrap());
    let other_files = |more: &[(&str, &str)]| {
        let said = start(&url, more);
        assert!(said.contains("leads to another place than that of the other nodes"), "{said}");
    };
    other_files(&[keys]);
    other_files(&[keys, ("VULTUS_BLOBS_URL", "gridfs")]);
    // Media that are not there tell it too, whatever was written down.
    let client = cluster.client(0).await;
    client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": []})).await;
    let database = mongodb::Client::with_uri_str(&url).await.unwrap().default_database().unwrap();
    let meta = database.collection::<mongodb::bson::Document>("meta");
    assert_eq!(
        meta.delete_one(mongodb::bson::doc! { "_id": "blobs" }).await.unwrap().deleted_count,
        1
    );
    other_files(&[keys]);
    assert!(
        meta.find_one(mongodb::bson::doc! { "_id": "blobs" }).await.unwrap().is_none(),
        "it decided nothing"
    );
    let nobody = start("mongodb://127.0.0.1:1/vultus?serverSelectionTimeoutMS=300", &[]);
    assert!(nobody.contains("no server answers at 127.0.0.1:1"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_turns_readiness_and_all_goes_on_once_it_is_back() {
    let mut cluster = cluster(1, &["all"]).await;
    let client = cluster.client(0).await;
    let folder =
        client.create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": []})).await;
    let id = folder["id"].as_str().unwrap().to_owned();
    cluster.set.kill(0);
    let node = &cluster.nodes[0];
    wait_until("the node to say that it is not ready", || async {
        (!node.is_ready().await).then_some(())
    })
    .await;
    let (variables, files) = media_input(&[selfie_photo(sample("obama2.jpg"))], json!({}));
    let create =
        "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
    let refused = client.upload_error(create, variables, files).await;
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

/// The short form: each kind of kill once. `make soak` does the long ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_whatever_is_killed_or_paused() {
    let outcome = run(Plan { runs: 60, points: 6, pause: Pause::UntilTakenOver }).await;
    assert!(outcome.acknowledged >= 60 && outcome.finished > 0, "{outcome:?}");
    assert!(outcome.changed > 0 && outcome.erased > 0, "{outcome:?}");
    assert!(
        outcome.stale_writes > 0,
        "the paused node wrote nothing under its old tokens: {outcome:?}"
    );
}

#[test]
fn the_configuration_in_the_cluster_page_is_valid() {
    let page = std::fs::read_to_string(workspace_root().join("docs/cluster.md")).unwrap();
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

/// What the compose file tells the nodes is what a node understands; the file as a whole is checked
/// by the compose tool, not here.
#[test]
fn the_compose_file_sets_nothing_that_a_node_does_not_know() {
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
            value.trim_matches('"').replace("${VULTUS_DB_PASSWORD:?set it in .env}", "secret"),
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
    // Each node has a volume of its own: files in it would be out of the other's reach.
    assert!(text.contains("VULTUS_BLOBS_URL: \"gridfs\""));
}
