//! Checks the cluster after the last fault.

use super::{Outcome, Stage};
use crate::client::Client;
use crate::cluster::{Cluster, DATABASE};
use crate::place::executable;
use crate::process::wait_until;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use std::path::Path;
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

/// Checks that each acknowledged folder exists once with its last acknowledged change, that deleted
/// folders are gone, that each analysis became final once, and that every file is intact.
pub(super) async fn check(cluster: &Cluster, stage: &Stage, outcome: &mut Outcome) {
    let acknowledged = stage.acknowledged.lock().clone();
    outcome.acknowledged = acknowledged.len();
    outcome.erased = stage.erased.load(Relaxed);
    let database = cluster.set.client().await.database(DATABASE);
    for name in ["folders", "media", "analyses", "runs"] {
        let counted = database
            .collection::<Document>(name)
            .count_documents(doc! {})
            .await
            .expect("the documents can be counted");
        assert_eq!(
            usize::try_from(counted).ok(),
            Some(acknowledged.len()),
            "{name}: one document for each acknowledged request"
        );
    }
    let client = cluster.nodes[0].anonymous().with_token(&stage.token);
    for (id, number) in &acknowledged {
        check_folder(&client, id, *number, outcome).await;
    }
    wait_until("the database to report every final state", || async {
        (stage.finals.lock().len() >= acknowledged.len()).then_some(())
    })
    .await;
    outcome.twice = stage.finals.lock().values().filter(|times| **times != 1).count();
    assert_eq!(outcome.twice, 0, "analyses that became final more than once");
    let refused = |node: &crate::node::Node| node.log().matches("under a stale token").count();
    outcome.stale_writes = cluster.nodes.iter().map(refused).sum();
    outcome.files = verified_files(&cluster.nodes[0].config_file());
}

/// Checks that a folder has its last acknowledged change, its medium and a final analysis.
pub(super) async fn check_folder(client: &Client, id: &str, number: usize, outcome: &mut Outcome) {
    let query = "query($id: ID!) { folder(id: $id) { metadata } }";
    let metadata = client.data(query, json!({"id": id})).await["folder"]["metadata"].clone();
    if number > 0 {
        outcome.changed += 1;
        assert_eq!(metadata["number"], number, "the acknowledged change of {id}");
    }
    let folder = client.folder(id).await;
    let analysis = &folder["analyses"]["nodes"][0];
    assert_eq!(folder["media"]["nodes"].as_array().map(Vec::len), Some(1), "{folder:#}");
    match analysis["state"].as_str() {
        Some("FINISHED") => outcome.finished += 1,
        Some("FAILED") if is_blamed(analysis) => outcome.blamed += 1,
        _ => panic!("an analysis is neither finished nor failed by two worker deaths: {folder:#}"),
    }
}

/// Reads every file of a node with `vultus store verify`. Returns how many there are.
pub(super) fn verified_files(config: &Path) -> u64 {
    let mut verify = Command::new(executable("vultus"));
    verify.arg("--config").arg(config).args(["store", "verify", "--json"]).env_clear();
    let output = verify.output().expect("the command line can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(found["sound"], true, "{found:#}");
    found["files"].as_u64().expect("the report has the number of files")
}

/// Whether an analysis failed because its worker was killed twice, or timed out on a busy machine.
fn is_blamed(analysis: &Value) -> bool {
    matches!(
        analysis["failure"]["code"].as_str(),
        Some("ANALYZER_CRASHED" | "MEDIA_UNREADABLE" | "DEADLINE_EXCEEDED")
    )
}
