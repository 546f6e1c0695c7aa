//! Decisions of people on analyses, on both stores.

use serde_json::{Value, json};
use vultus_tests::{
    Client, Node, NodeOptions, REQUEST_ANALYSES, ReplicaSet, sample, selfie_photo, wait_until,
};

/// Passive liveness alone needs a person.
const DOUBTFUL: &str = "require_challenge = true\n";
const COMMENT: &str = "The scarf hides the chin.\nSeen on the video.";

const DECIDE: &str = "mutation($input: DecideAnalysisInput!) { decideAnalysis(input: $input) {
    analysis { revision resolution systemResolution
      decision { choice reasonCode comment user { email } }
      folder { revision resolution systemResolution } } } }";
const UNDO: &str = "mutation($input: UndoDecisionInput!) { undoDecision(input: $input) {
    analysis { revision resolution decision { choice } decisions { choice } } } }";

fn mongodb() -> String {
    let uri = ReplicaSet::shared(1).uri(&format!("decisions-{}", uuid::Uuid::now_v7()));
    format!("{DOUBTFUL}store.url = {uri:?}\n")
}

async fn node(config: String) -> Node {
    Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await
}

/// Creates a folder with a doubtful analysis. Returns the folder's id and the analysis.
async fn doubtful(client: &Client) -> (String, Value) {
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    assert_eq!(folder["resolution"], "OPERATOR_REQUIRED", "{folder:#}");
    let analysis = client
        .data(
            "query($id: ID!) { analysis(id: $id) { id revision } }",
            json!({"id": folder["analyses"]["nodes"][0]["id"]}),
        )
        .await["analysis"]
        .clone();
    (folder["id"].as_str().unwrap().to_owned(), analysis)
}

fn decision(of: &Value, choice: &str) -> Value {
    json!({"analysisId": of["id"], "expectedRevision": of["revision"], "choice": choice,
        "reasonCode": "CHECKED_BY_EYE", "comment": COMMENT})
}

/// The error of a mutation: code, argument and reason.
async fn refused(client: &Client, mutation: &str, input: Value) -> [Value; 3] {
    let error = client.error(mutation, json!({"input": input})).await;
    ["code", "argument", "reason"].map(|key| error[key].clone())
}

fn conflict(argument: &str, reason: &str) -> [Value; 3] {
    [json!("CONFLICT"), json!(argument), json!(reason)]
}

async fn decision_counts_for_the_folder_and_is_undone(config: String) {
    let node = node(config).await;
    let client = node.client_as("service@example.org", "client-service").await;
    let operator = node.client_as("operator@example.org", "client-operator").await;
    let (folder, analysis) = doubtful(&client).await;
    let mut socket = client.socket().await;
    let watch = "subscription($id: ID!) { folder(id: $id) { resolution systemResolution } }";
    socket.subscribe("w", watch, json!({"id": folder})).await;
    let state = socket.next().await["payload"]["data"]["folder"].clone();
    assert_eq!(state["resolution"], "OPERATOR_REQUIRED");

    let input = json!({"input": decision(&analysis, "DECLINE")});
    let decided = operator.data(DECIDE, input).await["decideAnalysis"]["analysis"].clone();
    let expected = json!({
        "revision": analysis["revision"].as_i64().unwrap() + 1,
        "resolution": "DECLINED", "systemResolution": "OPERATOR_REQUIRED",
        "decision": {"choice": "DECLINE", "reasonCode": "CHECKED_BY_EYE", "comment": COMMENT,
            "user": {"email": "operator@example.org"}},
        "folder": {"revision": decided["folder"]["revision"], "resolution": "DECLINED",
            "systemResolution": "OPERATOR_REQUIRED"},
    });
    assert_eq!(decided, expected);
    let state = socket.next().await["payload"]["data"]["folder"].clone();
    assert_eq!(state, json!({"resolution": "DECLINED", "systemResolution": "OPERATOR_REQUIRED"}));

    let undo = json!({"analysisId": analysis["id"], "expectedRevision": decided["revision"]});
    let other = node.client_as("second@example.org", "client-operator").await;
    let refusal = refused(&other, UNDO, undo.clone()).await;
    assert_eq!(refusal, conflict("input.analysisId", "DECIDED_BY_ANOTHER"));
    let input = json!({"input": undo});
    let undone = operator.data(UNDO, input).await["undoDecision"]["analysis"].clone();
    assert_eq!(undone["resolution"], "OPERATOR_REQUIRED", "{undone:#}");
    assert_eq!((&undone["decision"], &undone["decisions"]), (&Value::Null, &json!([])));

    // An administrator undoes the decision of another person.
    let again = json!({"id": analysis["id"], "revision": undone["revision"]});
    let input = json!({"input": decision(&again, "ACCEPT")});
    let decided = operator.data(DECIDE, input).await["decideAnalysis"]["analysis"].clone();
    assert_eq!(decided["folder"]["resolution"], "SUCCESS");
    let administrator = node.client_as("head@example.org", "client-admin").await;
    let undo = json!({"analysisId": analysis["id"], "expectedRevision": decided["revision"]});
    administrator.data(UNDO, json!({"input": undo})).await;

    // What a person wrote is in no entry of the audit log and in no log.
    let entries = "{ auditLog(filter: {actions: [ANALYSIS_DECIDED, DECISION_UNDONE]}) {
        nodes { action actor object after } } }";
    let entries = wait_until("the entries", async || {
        let nodes = administrator.data(entries, json!({})).await["auditLog"]["nodes"].clone();
        (nodes.as_array().unwrap().len() == 4).then_some(nodes)
    })
    .await;
    assert_eq!(entries[3]["after"], json!({"decision": "DECLINE", "reasonCode": "CHECKED_BY_EYE"}));
    assert!(!entries.to_string().contains("scarf") && !node.log().contains("scarf"));
}

#[tokio::test]
async fn decision_counts_for_the_folder_and_is_undone_on_sqlite() {
    decision_counts_for_the_folder_and_is_undone(DOUBTFUL.to_owned()).await;
}

#[tokio::test]
async fn decision_counts_for_the_folder_and_is_undone_on_mongodb() {
    decision_counts_for_the_folder_and_is_undone(mongodb()).await;
}

#[tokio::test]
async fn bad_decisions_are_refused_with_their_argument() {
    let node = node(format!("{DOUBTFUL}decisions.undo_seconds = 0\n")).await;
    let client = node.client_as("service@example.org", "client-service").await;
    let operator = node.client_as("operator@example.org", "operator").await;
    let (folder, analysis) = doubtful(&client).await;
    let invalid = |argument: &str| [json!("INVALID_INPUT"), json!(argument), Value::Null];
    let with = |key: &str, value: Value| {
        let mut input = decision(&analysis, "DECLINE");
        input[key] = value;
        input
    };
    for (input, expected) in [
        (with("reasonCode", Value::Null), invalid("input.reasonCode")),
        (with("reasonCode", json!("hidden chin")), invalid("input.reasonCode")),
        (with("reasonCode", json!("A".repeat(65))), invalid("input.reasonCode")),
        (with("comment", json!("x".repeat(2001))), invalid("input.comment")),
        (with("comment", json!("a\u{202e}b")), invalid("input.comment")),
        (with("expectedRevision", json!(0)), invalid("input.expectedRevision")),
        (with("expectedRevision", json!(1)), conflict("input.expectedRevision", "STALE_REVISION")),
    ] {
        assert_eq!(refused(&operator, DECIDE, input.clone()).await, expected, "{input}");
    }
    let administrator = node.client().await;
    let forbidden = administrator.error(DECIDE, json!({"input": decision(&analysis, "ACCEPT")}));
    assert_eq!(forbidden.await["code"], "FORBIDDEN", "administrators take no decisions");
    operator.data(DECIDE, json!({"input": decision(&analysis, "ACCEPT")})).await;
    let again = refused(&operator, DECIDE, decision(&analysis, "ACCEPT")).await;
    assert_eq!(again, conflict("input.analysisId", "ALREADY_DECIDED"));
    let undo = json!({"analysisId": analysis["id"],
        "expectedRevision": analysis["revision"].as_i64().unwrap() + 1});
    let late = refused(&operator, UNDO, undo).await;
    assert_eq!(late, conflict("input.analysisId", "TOO_LATE"));

    // An analysis that is cancelled has no verdict to replace.
    let input = json!({"folderId": folder, "analyses": [{"type": "liveness"}]});
    let requested = client.data(REQUEST_ANALYSES, json!({"input": input})).await;
    let running = requested["requestAnalyses"]["analyses"][0]["id"].clone();
    let cancel = "mutation($id: ID!) { cancelAnalysis(input: {analysisId: $id}) {
        analysis { id state revision } } }";
    let cancelled = client.data(cancel, json!({"id": running})).await;
    let cancelled = &cancelled["cancelAnalysis"]["analysis"];
    if cancelled["state"] == "CANCELLED" {
        let refusal = refused(&operator, DECIDE, decision(cancelled, "ACCEPT")).await;
        assert_eq!(refusal, conflict("input.analysisId", "NOT_FINISHED"));
    }
}
