//! Sessions, passwords and API keys: which role reads and changes those of whom.

use crate::schema::{Schema, Selection};
use crate::world::Reach::{Company, Everything, Nothing};
use crate::world::{ROLES, Reach, Whose, World};
use crate::{MISSING, outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vultus_tests::{Client, PASSWORD};

/// Reach of each role, in the order of [`ROLES`]: the same as for the users themselves.
const MANAGES: [Reach; 6] = [Everything, Nothing, Nothing, Nothing, Nothing, Company];
/// Mutations of the credentials of a user whom the caller manages.
const MANAGED: [&str; 5] =
    ["createPasswordReset", "revokeSessions", "createApiKey", "rotateApiKey", "revokeApiKey"];
const TARGETS: [Whose; 2] = [Whose::Colleagues, Whose::Foreign];

/// A service account with a key, made by the administrator of the installation.
struct Service {
    user: String,
    key: String,
}

async fn service(world: &World, whose: Whose) -> Service {
    let create = "mutation($input: CreateUserInput!) {
        createUser(input: $input) { user { id } } }";
    let email = format!("{}@example.org", uuid::Uuid::now_v7());
    let input = json!({"email": email, "role": "CLIENT_SERVICE", "password": PASSWORD,
        "companyId": world.company(whose)});
    let made = world.callers[0].data(create, json!({"input": input})).await;
    let user = text(&made["createUser"]["user"]["id"]);
    let create = "mutation($input: CreateApiKeyInput!) {
        createApiKey(input: $input) { key { id } } }";
    let input = json!({"userId": user, "name": "key"});
    let made = world.callers[0].data(create, json!({"input": input})).await;
    Service { user, key: text(&made["createApiKey"]["key"]["id"]) }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value:#} is not a text")).to_owned()
}

fn expected(caller: usize, whose: Whose) -> Result<(), String> {
    match MANAGES[caller] {
        Nothing => Err("FORBIDDEN".to_owned()),
        reach if reach.covers(whose) => Ok(()),
        _ => Err("NOT_FOUND".to_owned()),
    }
}

/// Checks every field of sessions, passwords and keys.
pub async fn check(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let services = [service(world, TARGETS[0]).await, service(world, TARGETS[1]).await];
    reading(world, schema, &services, covered).await;
    for field in MANAGED {
        let selection = payload(schema, field, covered);
        for (caller, role) in ROLES.iter().enumerate() {
            for whose in TARGETS {
                let target = service(world, whose).await;
                let client = &world.callers[caller];
                let answer = change(client, &selection, input_of(field, &target)).await;
                let found = outcome(&answer, field).map(drop);
                assert_eq!(found, expected(caller, whose), "{role} {field} {whose:?} {answer:#}");
            }
        }
    }
    sessions_of_others_look_missing(world, schema, covered).await;
    passwords(world, schema, covered).await;
}

async fn reading(
    world: &World,
    schema: &Schema,
    services: &[Service; 2],
    covered: &mut BTreeSet<String>,
) {
    let roots = [("Query", "sessions"), ("Query", "apiKeys")];
    let user = &services[0].user;
    for selection in schema.selections(&roots) {
        let field = &selection.root.1;
        let arguments =
            if field == "apiKeys" { format!("(userId: {user:?})") } else { String::new() };
        let query = format!("{{ {field}{arguments} {{ {} }} }}", selection.text);
        world.callers[0].data(&query, json!({})).await;
        covered.extend(schema.asked(&selection.of));
    }
    covered.extend(roots.map(|(of, field)| format!("{of}.{field}")));
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        let own = client.data("{ sessions { nodes { isCurrent } } }", json!({})).await;
        assert_eq!(own["sessions"]["nodes"][0]["isCurrent"], true, "{role}");
        for (service, whose) in services.iter().zip(TARGETS) {
            for field in ["sessions", "apiKeys"] {
                let query =
                    format!("query($id: ID!) {{ {field}(userId: $id) {{ nodes {{ id }} }} }}");
                let answer = client.query(&query, json!({"id": service.user})).await;
                let found = outcome(&answer, field).map(drop);
                assert_eq!(found, expected(caller, whose), "{role} {field} {whose:?} {answer:#}");
            }
        }
    }
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

async fn change(client: &Client, selection: &Selection, input: Value) -> Value {
    let field = selection.root.1.as_str();
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query =
        format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ {} }} }}", selection.text);
    client.query(&query, json!({"input": input})).await
}

fn input_of(field: &str, target: &Service) -> Value {
    match field {
        "createApiKey" => json!({"userId": target.user, "name": "another"}),
        "rotateApiKey" | "revokeApiKey" => json!({"keyId": target.key}),
        _ => json!({"userId": target.user}),
    }
}

/// A session of a user whom the caller does not manage looks like a missing one.
async fn sessions_of_others_look_missing(
    world: &World,
    schema: &Schema,
    covered: &mut BTreeSet<String>,
) {
    let selection = payload(schema, "revokeSession", covered);
    let owners = [(Whose::Colleagues, &world.colleague), (Whose::Foreign, &world.stranger)];
    for (whose, owner) in owners {
        let listed = owner.data("{ sessions { nodes { id } } }", json!({})).await;
        let session = listed["sessions"]["nodes"][0]["id"].clone();
        for (caller, role) in ROLES.iter().enumerate() {
            if MANAGES[caller].covers(whose) {
                continue;
            }
            let client = &world.callers[caller];
            let found = change(client, &selection, json!({"sessionId": session})).await;
            let missing = change(client, &selection, json!({"sessionId": MISSING})).await;
            assert_eq!(outcome(&found, "revokeSession"), Err("NOT_FOUND".to_owned()), "{role}");
            assert_eq!(found["errors"][0]["message"], missing["errors"][0]["message"], "{role}");
        }
        owner.data("{ viewer { user { id } } }", json!({})).await;
    }
}

/// Every user changes the own password, and a reset needs a token.
async fn passwords(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let selection = payload(schema, "changePassword", covered);
    let next = "a river under nine bridges";
    for (caller, role) in ROLES.iter().enumerate() {
        let client = &world.callers[caller];
        let input = json!({"currentPassword": next, "newPassword": next});
        let answer = change(client, &selection, input).await;
        let reason = &answer["errors"][0]["extensions"]["reason"];
        assert_eq!(reason, "WRONG_PASSWORD", "{role} {answer:#}");
    }
    let input = json!({"currentPassword": PASSWORD, "newPassword": next});
    let changed = change(&world.callers[2], &selection, input).await;
    assert_eq!(outcome(&changed, "changePassword"), Ok(json!({"changed": true})));
    let selection = payload(schema, "resetPassword", covered);
    let input = json!({"token": "vpr_guessed", "newPassword": next});
    let answer = change(&world.node.anonymous(), &selection, input).await;
    assert_eq!(outcome(&answer, "resetPassword"), Err("INVALID_INPUT".to_owned()));
}
