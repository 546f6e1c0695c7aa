//! The entries about decisions. What people write about a case is in none.

use super::{CANARY, Client, Node, written};
use serde_json::json;
use vultus_tests::{sample, selfie_photo};

/// Every mutation of an operator with the action of its entry, in an order in which they work.
pub(super) const OF_OPERATOR: &[(&str, &str)] = &[
    ("claimCase", "CASE_CLAIMED"),
    ("releaseCase", "CASE_RELEASED"),
    ("decideAnalysis", "ANALYSIS_DECIDED"),
    ("undoDecision", "DECISION_UNDONE"),
];

/// An operator decides an analysis; `node` leaves passive liveness to a person.
pub(super) async fn of_an_operator(node: &Node, reader: &Client) {
    let service = node.client_as("service@example.org", "client-service").await;
    let operator = node.client_as("operator@example.org", "client-operator").await;
    let viewer = operator.data("{ viewer { user { id } } }", json!({})).await;
    let user = viewer["viewer"]["user"]["id"].as_str().expect("an id").to_owned();
    let folder = service.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    let id = folder["analyses"]["nodes"][0]["id"].as_str().expect("an id").to_owned();
    for &(mutation, action) in OF_OPERATOR {
        let query = "query($id: ID!) { analysis(id: $id) { revision } }";
        let analysis = operator.data(query, json!({"id": id})).await["analysis"].clone();
        let mut input = json!({"analysisId": id});
        if matches!(mutation, "decideAnalysis" | "undoDecision") {
            input["expectedRevision"] = analysis["revision"].clone();
        }
        if mutation == "decideAnalysis" {
            input["choice"] = json!("ACCEPT");
            input["comment"] = json!(CANARY);
        }
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!("mutation($i: {kind}!) {{ {mutation}(input: $i) {{ __typename }} }}");
        operator.data(&query, json!({"i": input})).await;
        let entry = written(reader, action, &user, &id).await;
        assert!(entry["company"].is_string(), "{mutation}: {entry:#}");
    }
}
