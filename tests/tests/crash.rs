//! Kills workers and nodes during work: no accepted work is lost, no result is written twice, and
//! only the analysis at fault fails.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tempfile::TempDir;
use vultus_tests::kill_suite::{Pause, Plan, run_on_sqlite};
use vultus_tests::{
    Client, Node, NodeOptions, REQUEST_ANALYSES, analysis, bona_fide_clip, compiled, id_photo,
    sample, selfie_photo, selfie_video, wait_until,
};

const FOLDERS: usize = 10;

/// Creates ten folders with a clip and a photo and two requested analyses. Returns their ids.
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

/// Waits until an analysis runs while others are queued.
async fn work_in_progress(client: &Client) {
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

async fn all_succeed_once(client: &Client, ids: &[String]) {
    for id in ids {
        let folder = client.final_folder(id).await;
        assert_eq!(folder["resolution"], "SUCCESS", "{folder:#}");
        assert_eq!(
            folder["analyses"]["nodes"].as_array().unwrap().len(),
            2,
            "no analysis is repeated"
        );
    }
}

#[tokio::test]
async fn killed_worker_loses_no_work() {
    let node = Node::start().await;
    let client = node.client().await;
    let ids = ten_folders(&client, &bona_fide_clip(node.scratch())).await;
    work_in_progress(&client).await;
    let killed = node.workers();
    for &pid in &killed {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    all_succeed_once(&client, &ids).await;
    assert!(
        node.workers().iter().all(|pid| !killed.contains(pid)),
        "new workers replace the killed ones"
    );
}

#[tokio::test]
async fn killed_node_loses_no_work() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let ids = ten_folders(&client, &bona_fide_clip(node.scratch())).await;
    work_in_progress(&client).await;
    node.kill();
    node.launch().await;
    // The old token is still valid: keys and sessions are on disk.
    let client = node.anonymous().with_token(client.token());
    all_succeed_once(&client, &ids).await;
    assert_eq!(node.spooled_files(), Vec::<PathBuf>::new());
}

/// Requests analyses, one after the other, until the server is gone. Returns the ids of those that
/// were acknowledged.
async fn request_until_gone(client: Client, folder: Value, asked: Arc<AtomicUsize>) -> Vec<Value> {
    let analyses = json!([{"type": "faulty", "params": {"mode": "ok"}}]);
    let input = json!({"input": {"folderId": folder, "analyses": analyses}});
    let mut acknowledged = Vec::new();
    while let Ok(answer) = client.try_query(REQUEST_ANALYSES, input.clone()).await {
        if let Some(made) = answer["data"]["requestAnalyses"]["analyses"].as_array() {
            acknowledged.push(made[0]["id"].clone());
            asked.fetch_add(1, Relaxed);
        }
    }
    acknowledged
}

/// A node that is told to stop says first that it is not ready, then finishes what runs. What it
/// acknowledged until it was gone is judged after its next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_under_load_flips_readiness_first_and_loses_nothing() {
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let mut node =
        Node::start_with(NodeOptions { plugins: vec![faulty], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let folder =
        client.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await["id"].clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let load = tokio::spawn(request_until_gone(client.clone(), folder.clone(), asked.clone()));
    wait_until("some requests", || async { (asked.load(Relaxed) > 10).then_some(()) }).await;
    let slow = json!([{"type": "faulty", "params": {"mode": "slow"}}]);
    for _ in 0..6 {
        let input = json!({"input": {"folderId": folder, "analyses": slow}});
        client.data(REQUEST_ANALYSES, input).await;
    }
    let stranger = node.anonymous();
    let readiness = tokio::spawn(async move {
        let mut said = Vec::new();
        while let Ok(answer) = stranger.try_get("/readyz").await {
            said.push(answer.text().await.unwrap_or_default());
        }
        said
    });
    let stopping = tokio::task::spawn_blocking(move || {
        node.stop();
        node
    });
    let mut node = stopping.await.unwrap();
    let acknowledged = load.await.unwrap();
    let said = readiness.await.unwrap();
    assert!(said.iter().any(|body| body.contains("stopping")), "{said:?}");
    node.launch().await;
    let client = node.anonymous().with_token(client.token());
    client.final_folder(folder.as_str().unwrap()).await;
    for id in acknowledged {
        let query = "query($id: ID!) { analysis(id: $id) { state resolution } }";
        let judged = client.data(query, json!({"id": id})).await["analysis"].clone();
        assert_eq!(judged, json!({"state": "FINISHED", "resolution": "SUCCESS"}));
    }
}

/// The short form of what `make soak` does at 100 points.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_killed_at_random_moments_loses_nothing_and_repeats_nothing() {
    let plan = Plan { runs: 40, points: 4, pause: Pause::UntilTakenOver };
    let outcome = run_on_sqlite(plan).await;
    assert!(outcome.acknowledged >= 40 && outcome.erased > 0, "{outcome:#?}");
    assert_eq!(outcome.finished, outcome.acknowledged, "{outcome:#?}");
}

#[tokio::test]
async fn plugin_that_crashes_twice_fails_alone_and_is_named() {
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let node =
        Node::start_with(NodeOptions { plugins: vec![faulty], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let analyses = json!([
        {"type": "faulty", "params": {"mode": "segfault"}},
        {"type": "liveness"},
    ]);
    let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
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
    assert_eq!(folder["resolution"], Value::Null, "a failed analysis gives no verdict");
}

#[tokio::test]
async fn endless_plugin_is_ended_and_the_next_run_succeeds() {
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let node =
        Node::start_with(NodeOptions { plugins: vec![faulty], ..NodeOptions::default() }).await;
    let client = node.client().await;
    let judge = async |mode: &str| {
        let analyses = json!([{"type": "faulty", "params": {"mode": mode}}]);
        let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
        analysis(&folder, "faulty").clone()
    };
    let endless = judge("loop").await;
    assert_eq!(endless["state"], "FAILED", "{endless:#}");
    assert_eq!(endless["failure"]["code"], "DEADLINE_EXCEEDED", "{endless:#}");
    let nan = judge("nan").await;
    assert_eq!(nan["failure"]["code"], "BAD_RESULT", "{nan:#}");
    assert_eq!(judge("ok").await["state"], "FINISHED");
}

#[tokio::test]
async fn c_example_plugin_judges_a_selfie() {
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
async fn analysis_of_a_removed_plugin_fails_with_its_code() {
    let config = "[workers]\nremoved_seconds = 2\n".to_owned();
    let (_folder, faulty) = plugin("faulty/faulty.c", "libfaulty.so");
    let mut node =
        Node::start_with(NodeOptions { config, plugins: vec![faulty], ..NodeOptions::default() })
            .await;
    let client = node.client().await;
    let request = async |analyses: Value| {
        let folder = client
            .create(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": analyses}))
            .await;
        folder["id"].as_str().unwrap().to_owned()
    };
    // The plugin's only worker is busy with the first analysis, so the second one stays queued.
    request(json!([{"type": "faulty", "params": {"mode": "loop"}}])).await;
    let waiting =
        request(json!([{"type": "faulty", "params": {"mode": "ok"}}, {"type": "liveness"}])).await;
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
async fn verdict_rejected_by_the_store_fails_only_its_analysis() {
    let node = Node::start().await;
    let client = node.client().await;
    // A trigger makes the database reject verdicts of one type permanently.
    let database = rusqlite::Connection::open(node.data().join("vultus.db")).unwrap();
    let trigger = "CREATE TRIGGER reject BEFORE UPDATE ON analyses
                   WHEN NEW.state = 'FINISHED' AND NEW.kind = 'liveness'
                   BEGIN SELECT RAISE(ABORT, 'rejected by the test'); END";
    database.execute_batch(trigger).unwrap();
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
        "two photos and their thumbnails; the best shots of the rejected verdicts are deleted"
    );
}

/// Compiles a plugin of `analyzers/`. Dropping the first value deletes its folder.
fn plugin(source: &str, library: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = compiled(folder.path(), source, library, &[]);
    (folder, path)
}
