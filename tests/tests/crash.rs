//! Killing anything at any moment loses no accepted work and writes no result twice; blame is
//! exact.

use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;
use vultus_tests::{
    Client, Node, NodeOptions, analysis, compiled, id_photo, sample, selfie_photo, selfie_video,
    still_clip, wait_until,
};

const FOLDERS: usize = 10;

/// Ten folders with a clip and a photo, both analyses asked for, none waited for. Gives their ids.
async fn ten_folders(client: &Client, clip: &[u8]) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..FOLDERS {
        let media = [selfie_video(clip.to_vec()), id_photo(sample("obama.jpg"))];
        let folder = client
            .create(&media, json!({"analyses": [{"type": "liveness"}, {"type": "face_match"}]}))
            .await;
        ids.push(folder["id"].as_str().unwrap().to_owned());
    }
    ids
}

/// Waits until a worker is inside an analysis and others still wait.
async fn in_the_middle(client: &Client) {
    wait_until("some analyses to run while others wait", || async {
        let folders = client
            .data(
                "{ folders(first: 10) { nodes { analyses(first: 5) { nodes { state } } } } }",
                json!({}),
            )
            .await;
        let states: Vec<&Value> = folders["folders"]["nodes"]
            .as_array()?
            .iter()
            .flat_map(|f| f["analyses"]["nodes"].as_array().into_iter().flatten())
            .collect();
        let count =
            |state: &str| states.iter().filter(|analysis| analysis["state"] == state).count();
        (count("RUNNING") > 0 && count("QUEUED") > 0).then_some(())
    })
    .await;
}

async fn all_are_right(client: &Client, ids: &[String]) {
    for id in ids {
        let folder = client.final_folder(id).await;
        assert_eq!(folder["resolution"], "SUCCESS", "{folder:#}");
        assert_eq!(
            folder["analyses"]["nodes"].as_array().unwrap().len(),
            2,
            "nothing is judged twice over"
        );
    }
}

#[tokio::test]
async fn kill_9_of_a_worker_in_the_middle_of_ten_folders_loses_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    let ids = ten_folders(&client, &still_clip(node.scratch(), "obama2.jpg", 2.0)).await;
    in_the_middle(&client).await;
    let killed = node.workers();
    for &pid in &killed {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    all_are_right(&client, &ids).await;
    assert!(
        node.workers().iter().all(|pid| !killed.contains(pid)),
        "fresh workers are in the place of the killed ones"
    );
}

#[tokio::test]
async fn kill_9_of_the_node_in_the_middle_of_ten_folders_loses_nothing() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let ids = ten_folders(&client, &still_clip(node.scratch(), "obama2.jpg", 2.0)).await;
    in_the_middle(&client).await;
    node.kill();
    node.launch().await;
    // The old token still holds: keys and sessions are on disk.
    let client = node.anonymous().with_token(client.token());
    all_are_right(&client, &ids).await;
    assert_eq!(node.spooled_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_plugin_that_crashes_twice_fails_alone_and_is_named() {
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let node =
        Node::start_with(NodeOptions { plugins: vec![faulty], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let asked = json!({"analyses": [{"type": "faulty", "params": {"mode": "segfault"}}, {"type": "liveness"}], "waitMs": 30_000});
    let folder = client.create(&[selfie_photo(sample("obama2.jpg"))], asked).await;
    let folder = client.final_folder(folder["id"].as_str().unwrap()).await;
    let faulty = analysis(&folder, "faulty");
    assert_eq!(
        (&faulty["state"], &faulty["failure"]["code"]),
        (&json!("FAILED"), &json!("ANALYZER_CRASHED")),
        "{faulty:#}"
    );
    assert!(faulty["failure"]["message"].as_str().unwrap().contains("faulty"), "{faulty:#}");
    assert_eq!(faulty["attempts"], 2);
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS");
    assert_eq!(folder["state"], "FAILED");
    assert_eq!(folder["resolution"], Value::Null, "nothing fails open");
}

#[tokio::test]
async fn a_plugin_that_never_ends_is_ended_and_the_next_analysis_is_judged() {
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let node =
        Node::start_with(NodeOptions { plugins: vec![faulty], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let judge = async |mode: &str| {
        let asked =
            json!({"analyses": [{"type": "faulty", "params": {"mode": mode}}], "waitMs": 30_000});
        let folder = client.create(&[selfie_photo(sample("obama2.jpg"))], asked).await;
        analysis(&client.final_folder(folder["id"].as_str().unwrap()).await, "faulty").clone()
    };
    let endless = judge("loop").await;
    assert_eq!(endless["state"], "FAILED", "{endless:#}");
    assert_eq!(endless["failure"]["code"], "DEADLINE_EXCEEDED", "{endless:#}");
    let nan = judge("nan").await;
    assert_eq!(nan["failure"]["code"], "BAD_RESULT", "{nan:#}");
    assert_eq!(judge("ok").await["state"], "FINISHED");
}

#[tokio::test]
async fn the_example_in_c_is_an_analyzer_like_any_other() {
    let (_folder, sharpness) = plugin("example-c/sharpness.c", "libsharpness.so");
    let node =
        Node::start_with(NodeOptions { plugins: vec![sharpness], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let folder =
        client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["sharpness", "liveness"]).await;
    let sharpness = analysis(&folder, "sharpness");
    assert_eq!(sharpness["state"], "FINISHED", "{sharpness:#}");
    assert!(sharpness["result"].is_object());
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS");
    let analyzers = client.data("{ analyzers { types { type } } }", json!({})).await;
    assert!(analyzers.to_string().contains("sharpness"));
}

#[tokio::test]
async fn analyses_whose_plugin_was_taken_away_fail_and_say_so() {
    let config = "[workers]\nremoved_seconds = 2\n".to_owned();
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let mut node =
        Node::start_with(NodeOptions { config, plugins: vec![faulty], ..NodeOptions::default() })
            .await;
    let client = node.client().await;
    let ask = async |analyses: Value| {
        let folder = client
            .create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": analyses}))
            .await;
        folder["id"].as_str().unwrap().to_owned()
    };
    // The one worker of the plugin is busy with the first, so that the second waits.
    ask(json!([{"type": "faulty", "params": {"mode": "loop"}}])).await;
    let waiting =
        ask(json!([{"type": "faulty", "params": {"mode": "ok"}}, {"type": "liveness"}])).await;
    node.kill();
    for file in std::fs::read_dir(node.scratch().join("plugins")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    node.launch().await;
    let client = node.anonymous().with_token(client.token());
    let folder = client.final_folder(&waiting).await;
    let removed = analysis(&folder, "faulty");
    assert_eq!(
        (&removed["state"], &removed["failure"]["code"]),
        (&json!("FAILED"), &json!("ANALYZER_REMOVED")),
        "{removed:#}"
    );
    assert_eq!(analysis(&folder, "liveness")["resolution"], "SUCCESS");
    assert_eq!((&folder["state"], &folder["resolution"]), (&json!("FAILED"), &Value::Null));
}

#[tokio::test]
async fn a_verdict_that_the_store_refuses_for_good_fails_its_analysis_and_no_other() {
    let node = Node::start().await;
    let client = node.client().await;
    // The database itself refuses verdicts of one type: a fault that no waiting mends.
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON analyses WHEN NEW.state = 'FINISHED' AND NEW.kind = 'liveness'
                  BEGIN SELECT RAISE(ABORT, 'refused by the test'); END";
    database.execute_batch(refuse).unwrap();
    drop(database);
    let media = [selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))];
    let folder = client.folder_with(&media, &["liveness", "face_match"]).await;
    let refused = analysis(&folder, "liveness");
    assert_eq!(
        (&refused["state"], &refused["failure"]["code"]),
        (&json!("FAILED"), &json!("INTERNAL")),
        "{refused:#}"
    );
    assert_eq!(refused["attempts"], 3);
    assert_eq!(analysis(&folder, "face_match")["resolution"], "SUCCESS");
    let before = node.blobs().len();
    assert_eq!(
        before, 4,
        "two photos and their thumbnails: the best shots of the refused verdicts are gone"
    );
}

/// A plugin of `analyzers/`, in a folder that goes away with the first value.
fn plugin(source: &str, library: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), source, library, &[]);
    (folder, path)
}
