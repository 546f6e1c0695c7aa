//! Checks every field of the schema for every role and for own, a colleague's and another company's
//! data; and every root field, with generated arguments, for callers without rights and for ids of
//! another company. `uncovered.txt` lists the fields without a check and stays empty: a new root
//! field fails this test until a table here has a row for it.

mod accounts;
mod audit;
mod credentials;
mod decisions;
mod denied;
mod generated;
mod schema;
mod world;

use Reach::{Company, Everything, Nothing, Own};
use generated::Roots;
use schema::{Schema, Selection};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vultus_tests::{Client, REQUEST_ANALYSES, Upload, media_input, sample, selfie_photo};
use world::{ROLES, Reach, Things, Whose, World};

const MISSING: &str = "0192d0c4-0000-7000-8000-000000000000";
const EACH: [Whose; 3] = [Whose::Own, Whose::Colleagues, Whose::Foreign];

/// Reach of each role, in the order of [`ROLES`]: admin, operator, client, client_service,
/// client_operator, client_admin.
type Row = [Reach; 6];
const VIEW: Row = [Everything, Everything, Own, Company, Company, Company];

/// Fields that read one thing by its id.
const BY_ID: [(&str, &str); 5] = [
    ("Query", "folder"),
    ("Query", "folderByExternalId"),
    ("Query", "analysis"),
    ("Subscription", "folder"),
    ("Subscription", "analysis"),
];
/// Fields that every logged-in user may read. They show only what the caller may see.
const FOR_ALL: [&str; 6] = ["viewer", "folders", "analyzers", "serverInfo", "companies", "users"];
/// Mutations of folders, with the reach of each role.
const CHANGES: [(&str, Row); 8] = [
    ("createFolder", [Everything, Nothing, Own, Company, Nothing, Company]),
    ("addMedia", [Everything, Nothing, Own, Company, Nothing, Company]),
    ("requestAnalyses", [Everything, Nothing, Own, Company, Company, Company]),
    ("cancelAnalysis", [Everything, Nothing, Own, Company, Company, Company]),
    ("updateFolder", [Everything, Everything, Own, Company, Company, Company]),
    ("deleteMedia", [Everything, Nothing, Nothing, Nothing, Nothing, Company]),
    ("deleteFolder", [Everything, Nothing, Nothing, Nothing, Nothing, Company]),
    ("check", [Everything, Nothing, Own, Company, Company, Company]),
];
/// Who may draw a challenge: a role that may request analyses. It belongs to no thing of a user.
const DRAWS: [bool; 6] = [true, false, true, true, true, true];
/// Mutations of the caller's session.
const SESSION: [&str; 3] = ["login", "refresh", "logout"];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_shows_and_changes_only_what_the_role_reaches() {
    let world = World::new().await;
    let schema = Schema::of(&world.callers[0]).await;
    let roots = Roots::of(&world.callers[0]).await;
    let mut covered = BTreeSet::new();
    let (own, foreign) = reading(&world, &schema, &mut covered).await;
    denied::links_open_one_file(&world, &own, &foreign).await;
    denied::foreign_ids_look_missing(&world, &roots, &foreign).await;
    denied::no_field_answers_without_rights(&world, &roots).await;
    denied::expired_token_opens_nothing(&roots).await;
    decisions::check(&world, &schema, &mut covered, (&own, &foreign)).await;
    changing(&world, &schema, &mut covered).await;
    drawing(&world, &schema, &mut covered).await;
    accounts::reading(&world, &mut covered).await;
    audit::reading(&world, &schema, &mut covered).await;
    accounts::changing(&world, &schema, &mut covered).await;
    sessions(&world, &schema, &mut covered).await;
    credentials::check(&world, &schema, &mut covered).await;
    let uncovered: Vec<String> = schema.fields().difference(&covered).cloned().collect();
    let listed: Vec<&str> = include_str!("uncovered.txt").lines().collect();
    assert_eq!(uncovered, listed, "fields without a row in this test");
}

/// Result of a root field: its value, or the error code.
fn outcome(answer: &Value, field: &str) -> Result<Value, String> {
    match answer["errors"][0]["extensions"]["code"].as_str() {
        Some(code) => Err(code.to_owned()),
        None => Ok(answer["data"][field].clone()),
    }
}

/// Reads everything; returns things of a colleague, and of another company.
async fn reading(
    world: &World,
    schema: &Schema,
    covered: &mut BTreeSet<String>,
) -> (Things, Things) {
    let roots: Vec<_> =
        FOR_ALL.iter().map(|field| ("Query", *field)).chain(BY_ID[..3].iter().copied()).collect();
    let selections = schema.selections(&roots);
    let colleagues = world.full(&world.colleague, "colleagues").await;
    let foreign = world.full(&world.stranger, "foreign").await;
    for (caller, role) in ROLES.iter().enumerate() {
        let own = match CHANGES[0].1[caller] {
            Nothing => None,
            _ => Some(world.full(&world.callers[caller], &format!("own of {role}")).await),
        };
        let things = [own.as_ref(), Some(&colleagues), Some(&foreign)];
        for selection in &selections {
            read(world, caller, selection, things).await;
            covered.extend(schema.asked(&selection.of));
        }
        nodes(world, caller, things).await;
        watched(world, caller, things).await;
    }
    covered.extend(roots.iter().map(|(of, field)| format!("{of}.{field}")));
    covered.extend(["Query.node".to_owned(), "Node.id".to_owned()]);
    covered.extend(BY_ID[3..].iter().map(|(of, field)| format!("{of}.{field}")));
    (colleagues, foreign)
}

async fn read(world: &World, caller: usize, selection: &Selection, things: [Option<&Things>; 3]) {
    let (client, role) = (&world.callers[caller], ROLES[caller]);
    let (field, text) = (selection.root.1.as_str(), &selection.text);
    if FOR_ALL.contains(&field) {
        let arguments = match field {
            "folders" | "users" | "companies" => "(first: 100)",
            _ => "",
        };
        let answer =
            client.query(&format!("{{ {field}{arguments} {{ {text} }} }}"), json!({})).await;
        assert!(outcome(&answer, field).is_ok(), "{role} {field} {}: {answer:#}", selection.of);
        for (whose, things) in EACH.iter().zip(things) {
            let Some(things) = things.filter(|_| !VIEW[caller].covers(*whose)) else { continue };
            let told = answer.to_string();
            for id in [
                &things.folder,
                &things.medium,
                &things.analysis,
                &things.owner,
                &things.external_id,
            ] {
                assert!(
                    !told.contains(id.as_str()),
                    "{role} sees {whose:?} {id} in {field} {text}"
                );
            }
        }
        return;
    }
    for (whose, things) in EACH.iter().zip(things) {
        let Some(things) = things else { continue };
        let company = json!(world.company(*whose));
        let (declared, argument, value) = match field {
            "folderByExternalId" => ("String!", "externalId", &things.external_id),
            "analysis" => ("ID!", "id", &things.analysis),
            _ => ("ID!", "id", &things.folder),
        };
        let more = if argument == "externalId" { ", companyId: $company" } else { "" };
        let declare = if more.is_empty() { "" } else { ", $company: ID" };
        let query = format!(
            "query($it: {declared}{declare}) {{ {field}({argument}: $it{more}) {{ {text} }} }}"
        );
        let answer = client.query(&query, json!({"it": value, "company": company})).await;
        let visible = VIEW[caller].covers(*whose);
        let what = format!("{role} {whose:?} {field} {}", selection.of);
        match outcome(&answer, field) {
            Ok(Value::Null) => assert!(!visible, "{what} is not shown: {answer:#}"),
            Ok(_) => assert!(visible, "{what} is shown: {answer:#}"),
            Err(code) => panic!("{what}: {code} {answer:#}"),
        }
    }
}

/// Reads everything with `node`. A hidden thing must look like a missing one.
async fn nodes(world: &World, caller: usize, things: [Option<&Things>; 3]) {
    let client = &world.callers[caller];
    let query = "query($id: ID!) { node(id: $id) { id __typename } }";
    let missing = client.query(query, json!({"id": MISSING})).await;
    for (whose, things) in EACH.iter().zip(things) {
        let Some(things) = things else { continue };
        for id in [&things.folder, &things.medium, &things.analysis, &things.owner] {
            let answer = client.query(query, json!({"id": id})).await;
            if VIEW[caller].covers(*whose) {
                assert_eq!(
                    answer["data"]["node"]["id"],
                    json!(id),
                    "{} {whose:?}: {answer:#}",
                    ROLES[caller]
                );
            } else {
                assert_eq!(answer, missing, "{} {whose:?} {id}", ROLES[caller]);
            }
        }
    }
}

async fn watched(world: &World, caller: usize, things: [Option<&Things>; 3]) {
    let mut socket = world.callers[caller].socket().await;
    for (at, (whose, things)) in EACH.iter().zip(things).enumerate() {
        let Some(things) = things else { continue };
        for (field, id) in [("folder", &things.folder), ("analysis", &things.analysis)] {
            let name = format!("{field}{at}");
            socket
                .subscribe(
                    &name,
                    &format!("subscription($id: ID!) {{ {field}(id: $id) {{ id }} }}"),
                    json!({"id": id}),
                )
                .await;
            let told = loop {
                let told = socket.next().await;
                // Earlier subscriptions may complete in between.
                if told["id"] == json!(name) {
                    break told;
                }
            };
            let shown = told["payload"]["data"][field]["id"] == json!(id);
            assert_eq!(
                shown,
                VIEW[caller].covers(*whose),
                "{} {whose:?} {field}: {told:#}",
                ROLES[caller]
            );
            assert!(shown || told.to_string().contains("NOT_FOUND"), "{told:#}");
        }
    }
}

async fn changing(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let roots: Vec<_> =
        FOR_ALL.iter().map(|field| ("Query", *field)).chain(BY_ID[..3].iter().copied()).collect();
    let readable: BTreeSet<String> =
        schema.selections(&roots).into_iter().map(|selection| selection.of).collect();
    for (field, row) in CHANGES {
        let mut selections = schema.selections(&[("Mutation", field)]);
        selections.retain(|selection| !readable.contains(&selection.of));
        assert!(!selections.is_empty(), "{field} has no payload type");
        for (caller, reach) in row.iter().enumerate() {
            for selection in &selections {
                covered.extend(schema.asked(&selection.of));
                // A mutation that creates something has no foreign object.
                let each =
                    if matches!(field, "createFolder" | "check") { &EACH[..1] } else { &EACH };
                for whose in
                    each.iter().filter(|whose| **whose != Whose::Own || can_own(caller, field))
                {
                    change(world, caller, selection, *whose, *reach).await;
                }
            }
        }
        covered.insert(format!("Mutation.{field}"));
    }
}

async fn drawing(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    for selection in schema.selections(&[("Mutation", "createChallenge")]) {
        covered.extend(schema.asked(&selection.of));
        let query = format!(
            "mutation($input: CreateChallengeInput!) {{ createChallenge(input: $input) {{ {} }} }}",
            selection.text
        );
        for (caller, may) in DRAWS.into_iter().enumerate() {
            let owner = &world.callers[caller];
            let input = world.of_company(owner, json!({}));
            let answer = owner.query(&query, json!({"input": input})).await;
            let expected = if may { Ok(()) } else { Err("FORBIDDEN".to_owned()) };
            let found = outcome(&answer, "createChallenge").map(drop);
            assert_eq!(found, expected, "{} {answer:#}", ROLES[caller]);
        }
    }
    covered.insert("Mutation.createChallenge".to_owned());
}

/// Whether the caller can create the folder that the field needs, or the field needs none.
fn can_own(caller: usize, field: &str) -> bool {
    CHANGES[0].1[caller] != Nothing || matches!(field, "createFolder" | "check")
}

async fn change(world: &World, caller: usize, selection: &Selection, whose: Whose, reach: Reach) {
    let (client, role, field) = (&world.callers[caller], ROLES[caller], selection.root.1.as_str());
    let (input, files) = input_of(world, caller, field, whose).await;
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let query =
        format!("mutation($input: {kind}!) {{ {field}(input: $input) {{ {} }} }}", selection.text);
    let variables = json!({"input": input});
    let answer = match files.is_empty() {
        true => client.query(&query, variables).await,
        false => client.upload(&query, variables, files).await,
    };
    let expected = match reach {
        Nothing => Err("FORBIDDEN".to_owned()),
        reach if reach.covers(whose) => Ok(()),
        _ => Err("NOT_FOUND".to_owned()),
    };
    assert_eq!(
        outcome(&answer, field).map(drop),
        expected,
        "{role} {whose:?} {field} {}: {answer:#}",
        selection.of
    );
}

/// Creates the folder that the field changes. Returns the input and the files of the request.
async fn input_of(world: &World, caller: usize, field: &str, whose: Whose) -> (Value, Vec<Upload>) {
    let photo = [selfie_photo(sample("obama2.jpg"))];
    let with_photo = |input: Value| {
        let (variables, files) = media_input(&photo, input);
        (variables["input"].clone(), files)
    };
    match field {
        "createFolder" => return with_photo(world.of_company(&world.callers[caller], json!({}))),
        "check" => {
            let input = json!({"analyses": [{"type": "liveness"}]});
            return with_photo(world.of_company(&world.callers[caller], input));
        }
        _ => {}
    }
    let owner: &Client = world.owner(caller, whose);
    let name = uuid::Uuid::now_v7().to_string();
    let things = world.plain(owner, &name).await;
    let folder = &things.folder;
    match field {
        "addMedia" => with_photo(json!({"folderId": folder})),
        "requestAnalyses" => {
            (json!({"folderId": folder, "analyses": [{"type": "liveness"}]}), Vec::new())
        }
        "cancelAnalysis" => {
            let input = json!({"folderId": folder, "analyses": [{"type": "liveness"}]});
            let requested = owner.data(REQUEST_ANALYSES, json!({"input": input})).await;
            (json!({"analysisId": requested["requestAnalyses"]["analyses"][0]["id"]}), Vec::new())
        }
        "updateFolder" => (json!({"folderId": folder, "metadata": {"seen": true}}), Vec::new()),
        "deleteMedia" => (json!({"mediaId": things.medium}), Vec::new()),
        "deleteFolder" => (json!({"folderId": folder}), Vec::new()),
        other => panic!("{other} has no input"),
    }
}

/// Every role can log in and out.
async fn sessions(world: &World, schema: &Schema, covered: &mut BTreeSet<String>) {
    let anonymous = world.node.anonymous();
    each_role_logs_in_and_out(&anonymous, schema).await;
    for of in ["TokensPayload", "LogoutPayload"] {
        covered.extend(schema.asked(of));
    }
    covered.extend(SESSION.map(|field| format!("Mutation.{field}")));
}

async fn each_role_logs_in_and_out(anonymous: &Client, schema: &Schema) {
    let selections = schema.selections(&SESSION.map(|field| ("Mutation", field)));
    let text = |of: &str| {
        selections.iter().find(|selection| selection.of == of).map(|s| s.text.clone()).unwrap()
    };
    let tokens = text("TokensPayload");
    for role in ROLES {
        let login =
            format!("mutation($input: LoginInput!) {{ login(input: $input) {{ {tokens} }} }}");
        let email = format!("{role}@example.org");
        let input = json!({"email": email, "password": vultus_tests::PASSWORD});
        let login = anonymous.data(&login, json!({"input": input})).await["login"].clone();
        let refresh =
            format!("mutation($input: RefreshInput!) {{ refresh(input: $input) {{ {tokens} }} }}");
        let refresh = anonymous
            .data(&refresh, json!({"input": {"refreshToken": login["refreshToken"]}}))
            .await["refresh"]
            .clone();
        let client = anonymous.clone().with_token(refresh["accessToken"].as_str().unwrap());
        client
            .data(&format!("mutation {{ logout {{ {} }} }}", text("LogoutPayload")), json!({}))
            .await;
        assert_eq!(
            client.error("{ viewer { user { id } } }", json!({})).await["code"],
            "UNAUTHENTICATED",
            "{role}"
        );
    }
}
