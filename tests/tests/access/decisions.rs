//! Decisions: operators claim and decide the cases within their reach, administrators undo what
//! others decided and release what others claimed.

use crate::schema::{Schema, Selection};
use crate::world::Reach::{Company, Everything, Nothing};
use crate::world::{ROLES, Reach, Things, Whose, World};
use crate::{MISSING, outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reach of each role, in the order of [`ROLES`].
type Row = [Reach; 6];

const VIEW: Row = [Everything, Everything, Nothing, Nothing, Company, Company];
const DECIDE: Row = [Nothing, Everything, Nothing, Nothing, Company, Nothing];
const UNDO: Row = [Everything, Everything, Nothing, Nothing, Company, Company];

const FIGURES: &str =
    "decisionFigures(from: \"2026-01-01T00:00:00Z\", before: \"2027-01-01T00:00:00Z\")";

/// Checks every field of decisions and cases, with doubtful analyses of a colleague and of another
/// company.
pub async fn check(
    world: &World,
    schema: &Schema,
    covered: &mut BTreeSet<String>,
    (colleagues, foreign): (&Things, &Things),
) {
    let mutations = ["claimCase", "releaseCase", "decideAnalysis", "undoDecision"];
    let selections = mutations.map(|field| payload(schema, field, covered));
    let [claim, release, decide, undo] = &selections;
    let operator = &world.callers[1];
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        for (whose, things) in [(Whose::Colleagues, colleagues), (Whose::Foreign, foreign)] {
            let id = &things.analysis;
            let input = || json!({"analysisId": id});
            let decides = DECIDE[caller].covers(whose);
            let case = format!("{role} {whose:?}");
            let found = change(client, claim, input()).await;
            assert_eq!(found, expected(DECIDE[caller], whose), "{case}");
            if !decides {
                assert_eq!(change(operator, claim, input()).await, Ok(()), "{case}");
            }
            let found = change(client, release, input()).await;
            assert_eq!(found, expected(UNDO[caller], whose), "{case}");
            if found.is_err() {
                assert_eq!(change(operator, release, input()).await, Ok(()), "{case}");
            }
            let decision = async || {
                let expected_revision = revision(world, id).await;
                json!({"analysisId": id, "choice": "ACCEPT",
                    "expectedRevision": expected_revision})
            };
            let found = change(client, decide, decision().await).await;
            assert_eq!(found, expected(DECIDE[caller], whose), "{case}");
            if !decides {
                assert_eq!(change(operator, decide, decision().await).await, Ok(()), "{case}");
            }
            let undone =
                async || json!({"analysisId": id, "expectedRevision": revision(world, id).await});
            let found = change(client, undo, undone().await).await;
            assert_eq!(found, expected(UNDO[caller], whose), "{case}");
            if found.is_err() {
                assert_eq!(change(operator, undo, undone().await).await, Ok(()), "{case}");
            }
        }
    }
    reading(world, schema, covered, (colleagues, foreign)).await;
    policies(world, schema, covered).await;
}

const POLICY: Row = [Everything, Nothing, Nothing, Nothing, Nothing, Company];

/// Reads and changes the policies of the callers' company and of another one.
async fn policies(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let selection = payload(schema, "changeCompanyPolicy", covered);
    covered.extend(schema.asked("CompanyPolicy"));
    covered.extend(schema.asked("FourEyesRule"));
    covered.insert("Query.companyPolicy".to_owned());
    let read = "query($id: ID!) { companyPolicy(companyId: $id) { companyId version changedAt
        changedBy { id } fourEyes { type mode } } }";
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        for whose in [Whose::Own, Whose::Foreign] {
            let id = json!({"id": world.company(whose)});
            let found = outcome(&client.query(read, id.clone()).await, "companyPolicy");
            match (VIEW[caller], VIEW[caller].covers(whose)) {
                (Nothing, _) => assert_eq!(found, Err("FORBIDDEN".to_owned()), "{role}"),
                (_, false) => assert_eq!(found, Ok(Value::Null), "{role} {whose:?}"),
                (_, true) => {
                    let shown = found.expect("it is shown");
                    assert_eq!(shown["companyId"], id["id"], "{role} {whose:?}");
                }
            }
            let version = world.callers[0].data(read, id.clone()).await;
            let version = version["companyPolicy"]["version"].clone();
            let input = json!({"companyId": id["id"], "expectedVersion": version,
                "fourEyes": []});
            let kind = "ChangeCompanyPolicyInput";
            let text = &selection.text;
            let query = format!(
                "mutation($input: {kind}!) {{ changeCompanyPolicy(input: $input) {{ {text} }} }}"
            );
            let answer = client.query(&query, json!({"input": input})).await;
            let found = outcome(&answer, "changeCompanyPolicy").map(drop);
            assert_eq!(found, expected(POLICY[caller], whose), "{role} {whose:?} {answer:#}");
        }
    }
}

async fn reading(
    world: &World,
    schema: &Schema,
    covered: &mut BTreeSet<String>,
    (colleagues, foreign): (&Things, &Things),
) {
    let administrator = &world.callers[0];
    for selection in schema.selections(&[("Query", "cases"), ("Query", "decisionFigures")]) {
        let field = match selection.root.1.as_str() {
            "cases" => "cases(first: 5)",
            _ => FIGURES,
        };
        let query = format!("{{ {field} {{ {} }} }}", selection.text);
        administrator.data(&query, json!({})).await;
        covered.extend(schema.asked(&selection.of));
    }
    covered.extend(schema.asked("CaseQueue"));
    let roots = ["Query.cases", "Query.decisionFigures", "Subscription.caseQueue"];
    covered.extend(roots.map(str::to_owned));
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        let query = "{ cases(first: 100) { nodes { analysis { id } } } }";
        let listed = outcome(&client.query(query, json!({})).await, "cases");
        let query = format!("{{ {FIGURES} {{ accepted }} }}");
        let figures = outcome(&client.query(&query, json!({})).await, "decisionFigures");
        let mut socket = client.socket().await;
        let watch = "subscription { caseQueue { waiting claimed oldest } }";
        socket.subscribe("w", watch, json!({})).await;
        let told = socket.next().await;
        if VIEW[caller] == Nothing {
            assert_eq!(listed, Err("FORBIDDEN".to_owned()), "{role}");
            assert_eq!(figures, Err("FORBIDDEN".to_owned()), "{role}");
            assert!(told.to_string().contains("FORBIDDEN"), "{role} {told:#}");
            continue;
        }
        let listed = listed.expect("it is shown").to_string();
        for (whose, things) in [(Whose::Colleagues, colleagues), (Whose::Foreign, foreign)] {
            let shown = listed.contains(things.analysis.as_str());
            assert_eq!(shown, VIEW[caller].covers(whose), "{role} {whose:?}");
        }
        assert!(figures.is_ok(), "{role} {figures:?}");
        let waiting = told["payload"]["data"]["caseQueue"]["waiting"].as_u64();
        assert!(waiting.is_some_and(|waiting| waiting > 0), "{role} {told:#}");
    }
}

fn expected(reach: Reach, whose: Whose) -> Result<(), String> {
    match reach {
        Nothing => Err("FORBIDDEN".to_owned()),
        reach if reach.covers(whose) => Ok(()),
        _ => Err("NOT_FOUND".to_owned()),
    }
}

/// The present revision of an analysis.
async fn revision(world: &World, id: &str) -> Value {
    let query = "query($id: ID!) { analysis(id: $id) { revision } }";
    world.callers[1].data(query, json!({"id": id})).await["analysis"]["revision"].clone()
}

/// The selection of everything in the payload of a mutation.
fn payload(schema: &Schema, field: &'static str, covered: &mut BTreeSet<String>) -> Selection {
    let selections = schema.selections(&[("Mutation", field)]);
    let selection = selections.into_iter().find(|selection| selection.of.ends_with("Payload"));
    let selection = selection.unwrap_or_else(|| panic!("{field} has no payload"));
    covered.extend(schema.asked(&selection.of));
    covered.insert(format!("Mutation.{field}"));
    selection
}

/// Runs a mutation. A hidden analysis must look like a missing one.
async fn change(
    client: &vultus_tests::Client,
    selection: &Selection,
    input: Value,
) -> Result<(), String> {
    let field = selection.root.1.as_str();
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query =
        format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ {} }} }}", selection.text);
    let found = outcome(&client.query(&query, json!({"input": input.clone()})).await, field);
    if found == Err("NOT_FOUND".to_owned()) {
        let mut missing = input;
        missing["analysisId"] = json!(MISSING);
        let missing = client.query(&query, json!({"input": missing})).await;
        assert_eq!(outcome(&missing, field), found);
    }
    found.map(drop)
}
