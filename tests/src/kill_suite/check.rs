//! What must be true once nothing is left to do.

use super::{Outcome, Stage, lock};
use crate::cluster::{Cluster, DATABASE};
use crate::place::executable;
use crate::process::wait_until;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;

/// Waits until every analysis is final.
pub(super) async fn drained(cluster: &Cluster) {
    let analyses = cluster.set.client().await.database(DATABASE).collection::<Document>("analyses");
    let open = doc! { "state": { "$in": ["QUEUED", "RUNNING"] } };
    wait_until("every analysis to be final", || async {
        let left = analyses.count_documents(open.clone()).await.ok()?;
        (left == 0).then_some(())
    })
    .await;
}

/// What was acknowledged is there once and as it was acknowledged, what was erased is not, each
/// analysis became final once, and every file is whole.
pub(super) async fn check(cluster: &Cluster, stage: &Stage, outcome: &mut Outcome) {
    let acknowledged = lock(&stage.acknowledged).clone();
    outcome.acknowledged = acknowledged.len();
    outcome.erased = stage.erased.load(Relaxed);
    let database = cluster.set.client().await.database(DATABASE);
    for name in ["folders", "media", "analyses", "runs"] {
        let counted = database
            .collection::<Document>(name)
            .count_documents(doc! {})
            .await
            .expect("counting works");
        assert_eq!(
            usize::try_from(counted).ok(),
            Some(acknowledged.len()),
            "{name}: one for each acknowledged request"
        );
    }
    let client = cluster.nodes[0].anonymous().with_token(&stage.token);
    for (id, number) in &acknowledged {
        let folder = client
            .data("query($id: ID!) { folder(id: $id) { metadata } }", serde_json::json!({"id": id}))
            .await;
        if *number > 0 {
            outcome.changed += 1;
            assert_eq!(
                folder["folder"]["metadata"]["number"], *number,
                "the acknowledged change of {id}"
            );
        }
        let folder = client.folder(id).await;
        let analysis = &folder["analyses"]["nodes"][0];
        assert_eq!(folder["media"]["nodes"].as_array().map(Vec::len), Some(1), "{folder:#}");
        match analysis["state"].as_str() {
            Some("FINISHED") => outcome.finished += 1,
            Some("FAILED") if is_blamed(analysis) => outcome.blamed += 1,
            _ => panic!("an analysis that is neither judged nor failed by two deaths: {folder:#}"),
        }
    }
    wait_until("the database to report every final state", || async {
        (lock(&stage.finals).len() >= acknowledged.len()).then_some(())
    })
    .await;
    outcome.twice = lock(&stage.finals).values().filter(|times| **times != 1).count();
    assert_eq!(outcome.twice, 0, "analyses that became final more than once");
    let refused =
        |node: &crate::node::Node| node.log().matches("under a stale token was refused").count();
    outcome.stale_writes = cluster.nodes.iter().map(refused).sum();
    outcome.files = whole_files(cluster);
}

/// Reads every file of the cluster again.
fn whole_files(cluster: &Cluster) -> u64 {
    let mut verify = Command::new(executable("vultus"));
    verify
        .arg("--config")
        .arg(cluster.nodes[0].config_file())
        .args(["store", "verify", "--json"])
        .env_clear();
    let output = verify.output().expect("the command line can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(found["sound"], true, "{found:#}");
    found["files"].as_u64().expect("files are counted")
}

/// Killed twice while it was active, or without an answer in time on a machine that is too busy.
fn is_blamed(analysis: &Value) -> bool {
    matches!(
        analysis["failure"]["code"].as_str(),
        Some("ANALYZER_CRASHED" | "MEDIA_UNREADABLE" | "DEADLINE_EXCEEDED")
    )
}
