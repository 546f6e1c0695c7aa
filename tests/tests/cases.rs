//! The cases that wait for a decision: claims, the queue as operators watch it, two people who must
//! agree, and figures, on both stores.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use vultus_tests::{Client, Node, NodeOptions, ReplicaSet, sample, selfie_photo, wait_until};

/// Passive liveness alone needs a person.
const DOUBTFUL: &str = "require_challenge = true\n";

const CLAIM: &str = "mutation($input: ClaimCaseInput!) { claimCase(input: $input) {
    case { analysis { id revision } waitsSince claim { isYours until user { email } } } } }";
const DECIDE: &str = "mutation($input: DecideAnalysisInput!) { decideAnalysis(input: $input) {
    analysis { revision resolution decisionPolicyVersion decisions { choice } } } }";
const CASES: &str = "query($filter: CaseFilter) { cases(filter: $filter) { nodes {
    analysis { id revision decisions { choice } } decisionsTaken } } }";

fn mongodb() -> String {
    let uri = ReplicaSet::shared(1).uri(&format!("cases-{}", uuid::Uuid::now_v7()));
    format!("{DOUBTFUL}store.url = {uri:?}\n")
}

async fn node(config: String) -> Node {
    Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await
}

/// Creates a folder with a doubtful analysis. Returns the id of the analysis.
async fn doubtful(client: &Client) -> Value {
    let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["liveness"]).await;
    assert_eq!(folder["resolution"], "OPERATOR_REQUIRED", "{folder:#}");
    folder["analyses"]["nodes"][0]["id"].clone()
}

async fn decide(operator: &Client, analysis: &Value, choice: &str) -> Value {
    let read = "query($id: ID!) { analysis(id: $id) { revision } }";
    let read = operator.data(read, json!({"id": analysis})).await;
    let input = json!({"analysisId": analysis, "choice": choice, "reasonCode": "BY_EYE",
        "expectedRevision": read["analysis"]["revision"]});
    operator.query(DECIDE, json!({"input": input})).await
}

async fn operators_get_different_cases(config: String) {
    let node = node(config).await;
    let client = node.client_as("service@example.org", "client-service").await;
    let mut operators = Vec::new();
    for number in 0..3 {
        let email = format!("operator{number}@example.org");
        operators.push(node.client_as(&email, "client-operator").await);
    }
    let mut socket = operators[0].socket().await;
    let watch = "subscription { caseQueue { waiting claimed } }";
    socket.subscribe("w", watch, json!({})).await;
    // States in between may be skipped.
    let mut queue = async |waiting: u64, claimed: u64| {
        let expected = json!({"waiting": waiting, "claimed": claimed});
        while socket.next().await["payload"]["data"]["caseQueue"] != expected {}
    };
    queue(0, 0).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(doubtful(&client).await);
    }
    queue(6, 0).await;
    let mut claimed = BTreeSet::new();
    for _ in 0..2 {
        let claims = operators.iter().map(|one| one.data(CLAIM, json!({"input": {}})));
        for claim in futures::future::join_all(claims).await {
            let case = claim["claimCase"]["case"].clone();
            assert_eq!(case["claim"]["isYours"], true, "{case:#}");
            claimed.insert(case["analysis"]["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(claimed.len(), 6, "no case twice");
    queue(6, 6).await;
    let nothing = operators[0].data(CLAIM, json!({"input": {}})).await;
    assert_eq!(nothing["claimCase"]["case"], Value::Null);
    let own = "{ cases { nodes { analysis { id } claim { isYours user { email } } } } }";
    let own = operators[0].data(own, json!({})).await["cases"]["nodes"].clone();
    let own = own.as_array().unwrap().iter().find(|case| case["claim"]["isYours"] == true);
    let own = own.expect("it has claimed two").clone();
    assert_eq!(own["claim"]["user"]["email"], "operator0@example.org");

    // Filters, and a case that another person has claimed.
    let listed = async |filter: Value| {
        let nodes = operators[1].data(CASES, json!({"filter": filter})).await["cases"].clone();
        nodes["nodes"].as_array().unwrap().len()
    };
    assert_eq!(listed(json!({"type": "liveness"})).await, 6);
    assert_eq!(listed(json!({"type": "quality"})).await, 0);
    assert_eq!(listed(json!({"reasonCode": "CHALLENGE_REQUIRED"})).await, 6);
    assert_eq!(listed(json!({"waitsBefore": "2026-01-01T00:00:00Z"})).await, 0);
    assert_eq!(listed(json!({"free": true})).await, 0);
    let input = json!({"input": {"analysisId": own["analysis"]["id"]}});
    let error = operators[1].error(CLAIM, input.clone()).await;
    assert_eq!((&error["code"], &error["reason"]), (&json!("CONFLICT"), &json!("CLAIMED")));
    let refused = decide(&operators[1], &own["analysis"]["id"], "ACCEPT").await;
    assert_eq!(refused["errors"][0]["extensions"]["reason"], "CLAIMED", "{refused:#}");
    let release = "mutation($input: ReleaseCaseInput!) { releaseCase(input: $input) {
        case { claim { until } } } }";
    let error = operators[1].error(release, input.clone()).await;
    assert_eq!(error["reason"], "CLAIMED");
    operators[0].data(release, input.clone()).await;
    operators[1].data(CLAIM, input).await;
    let decided = decide(&operators[1], &own["analysis"]["id"], "DECLINE").await;
    assert_eq!(decided["data"]["decideAnalysis"]["analysis"]["resolution"], "DECLINED");
    queue(5, 5).await;

    let figures = "query { decisionFigures(from: \"2026-06-01T00:00:00Z\",
        before: \"2027-06-01T00:00:00Z\") { user { email } accepted declined agreed disagreed } }";
    let administrator = node.client_as("head@example.org", "client-admin").await;
    let found = administrator.data(figures, json!({})).await["decisionFigures"].clone();
    let expected = json!([{"user": {"email": "operator1@example.org"}, "accepted": 0,
        "declined": 1, "agreed": 0, "disagreed": 0}]);
    assert_eq!(found, expected);
    let other = operators[0].data(figures, json!({})).await["decisionFigures"].clone();
    assert_eq!(other, json!([]), "an operator sees its own figures");
}

#[tokio::test]
async fn operators_get_different_cases_on_sqlite() {
    operators_get_different_cases(DOUBTFUL.to_owned()).await;
}

#[tokio::test]
async fn operators_get_different_cases_on_mongodb() {
    operators_get_different_cases(mongodb()).await;
}

/// Sets the rule of four eyes for liveness, as the administrator of the company.
async fn set_policy(administrator: &Client, version: u64, mode: &str) {
    let viewer = administrator.data("{ viewer { user { company { id } } } }", json!({})).await;
    let company = viewer["viewer"]["user"]["company"]["id"].clone();
    let change =
        "mutation($input: ChangeCompanyPolicyInput!) { changeCompanyPolicy(input: $input) {
        policy { version fourEyes { type mode } } } }";
    let rules = json!([{"type": "liveness", "mode": mode}]);
    let input = json!({"companyId": company, "expectedVersion": version, "fourEyes": rules});
    let changed = administrator.data(change, json!({"input": input})).await;
    let policy = &changed["changeCompanyPolicy"]["policy"];
    let expected = json!({"version": version + 1, "fourEyes": [
        {"type": "liveness", "mode": mode}, {"type": null, "mode": "OFF"}]});
    assert_eq!(policy, &expected);
    let error = administrator.error(change, json!({"input": input})).await;
    let stale = (&error["code"], &error["argument"], &error["reason"]);
    assert_eq!(
        stale,
        (&json!("CONFLICT"), &json!("input.expectedVersion"), &json!("STALE_VERSION"))
    );
}

async fn two_people_must_agree(config: String) {
    let node = node(config).await;
    let client = node.client_as("service@example.org", "client-service").await;
    let administrator = node.client_as("head@example.org", "client-admin").await;
    let mut people = Vec::new();
    for number in 0..3 {
        let email = format!("person{number}@example.org");
        people.push(node.client_as(&email, "client-operator").await);
    }
    let seen = async |by: &Client| {
        let found = by.data(CASES, json!({})).await["cases"]["nodes"][0].clone();
        (found["decisionsTaken"].clone(), found["analysis"]["decisions"].clone())
    };
    let settled = async |by: &Client, id: &Value, choice: &str| {
        decide(by, id, choice).await["data"]["decideAnalysis"]["analysis"].clone()
    };

    // Blind: the second does not see the first decision; a third decides the conflict.
    set_policy(&administrator, 0, "BLIND").await;
    let id = doubtful(&client).await;
    let first = settled(&people[0], &id, "ACCEPT").await;
    assert_eq!(first["resolution"], "OPERATOR_REQUIRED", "{first:#}");
    assert_eq!(first["decisionPolicyVersion"], 1);
    assert_eq!(seen(&people[0]).await, (json!(1), json!([{"choice": "ACCEPT"}])));
    assert_eq!(seen(&people[1]).await, (json!(1), json!([])));
    assert_eq!(seen(&administrator).await, (json!(1), json!([])));
    let again = decide(&people[0], &id, "ACCEPT").await;
    assert_eq!(again["errors"][0]["extensions"]["reason"], "SAME_PERSON", "{again:#}");
    let claim = json!({"input": {"analysisId": id}});
    assert_eq!(people[0].error(CLAIM, claim).await["reason"], "SAME_PERSON");
    let next = people[0].data(CLAIM, json!({"input": {}})).await;
    assert_eq!(next["claimCase"]["case"], Value::Null, "it is no case for the same person");
    let second = settled(&people[1], &id, "DECLINE").await;
    assert_eq!(second["resolution"], "OPERATOR_REQUIRED", "{second:#}");
    // The policy changes; the case keeps its rule.
    set_policy(&administrator, 1, "SEEING").await;
    let third = settled(&people[2], &id, "ACCEPT").await;
    assert_eq!(
        (&third["resolution"], &third["decisionPolicyVersion"]),
        (&json!("SUCCESS"), &json!(1))
    );
    let all = json!([{"choice": "ACCEPT"}, {"choice": "DECLINE"}, {"choice": "ACCEPT"}]);
    assert_eq!(third["decisions"], all);

    // Seeing: the second sees what the first decided, and agrees.
    let id = doubtful(&client).await;
    settled(&people[0], &id, "DECLINE").await;
    assert_eq!(seen(&people[1]).await, (json!(1), json!([{"choice": "DECLINE"}])));
    let second = settled(&people[1], &id, "DECLINE").await;
    assert_eq!(
        (&second["resolution"], &second["decisionPolicyVersion"]),
        (&json!("DECLINED"), &json!(2))
    );

    let entries = "{ auditLog(filter: {actions: [COMPANY_POLICY_CHANGED]}) { nodes {
        object before after } } }";
    let entries = wait_until("the entries", async || {
        let nodes = administrator.data(entries, json!({})).await["auditLog"]["nodes"].clone();
        (nodes.as_array().unwrap().len() == 2).then_some(nodes)
    })
    .await;
    let after = json!({"version": 1, "fourEyes": ["liveness:BLIND", "otherwise:OFF"]});
    assert_eq!((&entries[1]["before"], &entries[1]["after"]), (&json!({"version": 0}), &after));
}

#[tokio::test]
async fn two_people_must_agree_on_sqlite() {
    two_people_must_agree(DOUBTFUL.to_owned()).await;
}

#[tokio::test]
async fn two_people_must_agree_on_mongodb() {
    two_people_must_agree(mongodb()).await;
}

#[tokio::test]
async fn bad_policies_are_refused_with_their_argument() {
    let node = node(String::new()).await;
    let administrator = node.client().await;
    let companies = administrator.data("{ companies { nodes { id } } }", json!({})).await;
    let company = companies["companies"]["nodes"][0]["id"].clone();
    let change =
        "mutation($input: ChangeCompanyPolicyInput!) { changeCompanyPolicy(input: $input) {
        policy { version } } }";
    let rule = |kind: Value| json!({"type": kind, "mode": "BLIND"});
    for (version, rules, argument) in [
        (-1, json!([]), "input.expectedVersion"),
        (0, json!([rule(json!(""))]), "input.fourEyes[0].type"),
        (0, json!([rule(json!("a b"))]), "input.fourEyes[0].type"),
        (0, json!([rule(json!("liveness")), rule(json!("liveness"))]), "input.fourEyes[1].type"),
        (0, json!([rule(Value::Null), rule(Value::Null)]), "input.fourEyes[1].type"),
        (0, json!(vec![rule(Value::Null); 65]), "input.fourEyes"),
    ] {
        let input = json!({"companyId": company, "expectedVersion": version, "fourEyes": rules});
        let error = administrator.error(change, json!({"input": input})).await;
        assert_eq!(
            (&error["code"], &error["argument"]),
            (&json!("INVALID_INPUT"), &json!(argument)),
            "{rules}"
        );
    }
}
