//! The audit log: every mutation writes an entry, reads by people do, entries hold nothing
//! personal, and a database that was tampered with is found out.

mod decisions;
mod tampering;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use vultus_tests::{
    Client, DELETE_FOLDER, Node, NodeOptions, PASSWORD, REQUEST_ANALYSES, ReplicaSet, executable,
    id_photo, media_input, sample, selfie_photo, wait_until,
};

/// What clients send that no entry may hold.
const CANARY: &str = "canary-4711-QXZ";
const EMAIL: &str = "person@example.org";

/// Every mutation of the schema with the action of its entry: first those of a user.
const MUTATIONS: &[(&str, &str)] = &[
    ("login", "LOGGED_IN"),
    ("refresh", "SESSION_REFRESHED"),
    ("createFolder", "FOLDER_CREATED"),
    ("addMedia", "MEDIA_ADDED"),
    ("requestAnalyses", "ANALYSES_REQUESTED"),
    ("cancelAnalysis", "ANALYSIS_CANCELLED"),
    ("updateFolder", "FOLDER_CHANGED"),
    ("deleteMedia", "MEDIUM_DELETED"),
    ("deleteFolder", "FOLDER_ERASED"),
    ("createChallenge", "CHALLENGE_CREATED"),
    ("check", "CHECKED"),
    ("logout", "LOGGED_OUT"),
];
/// Then those of an administrator of the installation.
const OF_ADMINISTRATOR: &[(&str, &str)] = &[
    ("createCompany", "COMPANY_CREATED"),
    ("renameCompany", "COMPANY_RENAMED"),
    ("suspendCompany", "COMPANY_SUSPENDED"),
    ("resumeCompany", "COMPANY_RESUMED"),
    ("deleteCompany", "COMPANY_ERASURE_BEGUN"),
    ("changeCompanyPolicy", "COMPANY_POLICY_CHANGED"),
    ("createUser", "USER_CREATED"),
    ("renameUser", "USER_RENAMED"),
    ("changeUserRole", "USER_ROLE_CHANGED"),
    ("changeUserAnalyses", "USER_ANALYSES_CHANGED"),
    ("disableUser", "USER_DISABLED"),
    ("enableUser", "USER_ENABLED"),
    ("unlockUser", "USER_UNLOCKED"),
    ("deleteUser", "USER_DELETED"),
    ("createPasswordReset", "PASSWORD_RESET_CREATED"),
    ("revokeSessions", "SESSIONS_REVOKED"),
    ("createApiKey", "API_KEY_CREATED"),
    ("rotateApiKey", "API_KEY_ROTATED"),
    ("revokeApiKey", "API_KEY_REVOKED"),
];
/// And those of a user's own credentials.
const OF_CREDENTIALS: &[&str] = &["changePassword", "resetPassword", "revokeSession"];

const ENTRIES: &str = "query($filter: AuditFilter) { auditLog(first: 100, filter: $filter) {
  nodes { number at company actor origin action object before after hash } } }";

/// The entries with an action, newest first.
async fn entries(reader: &Client, action: &str) -> Vec<Value> {
    let data = reader.data(ENTRIES, json!({"filter": {"actions": [action]}})).await;
    data["auditLog"]["nodes"].as_array().expect("a list").clone()
}

/// Runs a mutation as a user whose session it may end. Returns the id of its object.
async fn perform(mutation: &str, user: &Client) -> String {
    let photo = [selfie_photo(sample("obama2.jpg"))];
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let canary = json!({"metadata": {"name": CANARY}, "externalId": new_name()});
    let folder = user.create(&photo, canary).await;
    let (id, medium) = (text(&folder["id"]), text(&folder["media"]["nodes"][0]["id"]));
    let run = async |input: &str, fields: &str, value: Value| {
        let query =
            format!("mutation($input: {input}!) {{ {mutation}(input: $input) {{ {fields} }} }}");
        user.data(&query, json!({"input": value})).await[mutation].clone()
    };
    match mutation {
        "createFolder" => id,
        "addMedia" => {
            let (variables, files) = media_input(&photo, json!({"folderId": id}));
            let query = "mutation($input: AddMediaInput!) {
                addMedia(input: $input) { folder { id } } }";
            user.upload_data(query, variables, files).await;
            id
        }
        "requestAnalyses" | "cancelAnalysis" => {
            let input = json!({"folderId": id, "analyses": [{"type": "liveness"}]});
            let requested = user.data(REQUEST_ANALYSES, json!({"input": input})).await;
            let analysis = text(&requested["requestAnalyses"]["analyses"][0]["id"]);
            if mutation == "requestAnalyses" {
                return id;
            }
            run("CancelAnalysisInput", "analysis { id }", json!({"analysisId": analysis})).await;
            analysis
        }
        "updateFolder" => {
            let input = json!({"folderId": id, "metadata": {"name": CANARY}});
            run("UpdateFolderInput", "folder { id }", input).await;
            id
        }
        "deleteMedia" => {
            run("DeleteMediaInput", "deletedId", json!({"mediaId": medium})).await;
            medium
        }
        "deleteFolder" => {
            user.data(DELETE_FOLDER, json!({"input": {"folderId": id}})).await;
            id
        }
        "createChallenge" => {
            run("CreateChallengeInput", "__typename", json!({})).await;
            String::new()
        }
        "check" => {
            let input = json!({"analyses": [{"type": "quality"}]});
            let (variables, files) = media_input(&photo, input);
            let query = "mutation($input: CheckInput!) { check(input: $input) { resolution } }";
            user.upload_data(query, variables, files).await;
            String::new()
        }
        other => panic!("the mutation {other} has no example here"),
    }
}

/// Runs a mutation as an administrator. Returns the id of its object.
async fn administer(mutation: &str, admin: &Client) -> String {
    let run = async |mutation: &str, input: Value, fields: &str| {
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query =
            format!("mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} }} }}");
        admin.data(&query, json!({"input": input})).await[mutation].clone()
    };
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    let made = run("createCompany", json!({"name": new_name()}), "company { id }").await;
    let company = text(&made["company"]["id"]);
    match mutation {
        "createCompany" => return company,
        "renameCompany" => {
            let input = json!({"companyId": company, "name": new_name()});
            run(mutation, input, "__typename").await;
            return company;
        }
        "changeCompanyPolicy" => {
            let rule = json!({"type": "liveness", "mode": "BLIND"});
            let input = json!({"companyId": company, "expectedVersion": 0, "fourEyes": [rule]});
            run(mutation, input, "__typename").await;
            return company;
        }
        "suspendCompany" | "resumeCompany" | "deleteCompany" => {
            run(mutation, json!({"companyId": company}), "__typename").await;
            return company;
        }
        _ => {}
    }
    let email = format!("{}@example.org", uuid::Uuid::now_v7());
    let mut input = json!({"email": email, "name": CANARY, "role": "CLIENT", "companyId": company});
    input["isService"] = json!(mutation.ends_with("ApiKey"));
    let user = text(&run("createUser", input, "user { id }").await["user"]["id"]);
    let more = match mutation {
        "createUser" => return user,
        "renameUser" => json!({"name": new_name()}),
        "changeUserRole" => json!({"role": "CLIENT_ADMIN"}),
        "changeUserAnalyses" => json!({"mayStart": ["liveness"]}),
        "disableUser" | "enableUser" | "unlockUser" | "deleteUser" => json!({}),
        "createPasswordReset" | "revokeSessions" => json!({}),
        "createApiKey" | "rotateApiKey" | "revokeApiKey" => {
            let input = json!({"userId": user, "name": CANARY, "scopes": ["folders:read"]});
            let key = text(&run("createApiKey", input, "key { id }").await["key"]["id"]);
            if mutation == "createApiKey" {
                return key;
            }
            return text(&run(mutation, json!({"keyId": key}), "key { id }").await["key"]["id"]);
        }
        other => panic!("the mutation {other} has no example here"),
    };
    let mut input = json!({"userId": user});
    input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    run(mutation, input, "__typename").await;
    user
}

fn new_name() -> String {
    format!("{CANARY}-{}", uuid::Uuid::now_v7())
}

/// Logs in, exchanges the token, logs out. Returns the user's id and the client while it was in.
async fn session(node: &Node) -> (String, Client) {
    let login = "mutation($input: LoginInput!) { login(input: $input) {
        accessToken refreshToken user { id } } }";
    let credentials = json!({"input": {"email": EMAIL, "password": PASSWORD}});
    let answer = node.anonymous().data(login, credentials).await["login"].clone();
    let refresh = "mutation($input: RefreshInput!) { refresh(input: $input) { accessToken } }";
    let input = json!({"input": {"refreshToken": answer["refreshToken"]}});
    let refreshed = node.anonymous().data(refresh, input).await;
    let token = refreshed["refresh"]["accessToken"].as_str().expect("a token").to_owned();
    let user = answer["user"]["id"].as_str().expect("an id").to_owned();
    (user, node.anonymous().with_token(&token))
}

/// The entry of a user's action on an object.
async fn written(reader: &Client, action: &str, user: &str, object: &str) -> Value {
    let actor = json!(format!("user:{user}"));
    let found = wait_until("the entry", async || {
        let entries = entries(reader, action).await;
        entries.into_iter().find(|entry| {
            let of = entry["object"].as_str().unwrap_or_default();
            entry["actor"] == actor && of.ends_with(object)
        })
    });
    let entry = found.await;
    assert_eq!(entry["origin"], "127.0.0.0/24", "{entry:#}");
    entry
}

/// A user revokes a session and changes its password, which is then reset.
async fn credentials_of_a_user(node: &Node, reader: &Client, user: &str) {
    let run = async |client: &Client, mutation: &str, input: Value| {
        let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!("mutation($i: {kind}!) {{ {mutation}(input: $i) {{ __typename }} }}");
        client.data(&query, json!({"i": input})).await;
    };
    let (_, other) = session(node).await;
    let of_other = "{ sessions(first: 1) { nodes { id } } }";
    let of_other = other.data(of_other, json!({})).await["sessions"]["nodes"][0]["id"].clone();
    let (_, client) = session(node).await;
    run(&client, "revokeSession", json!({"sessionId": of_other})).await;
    written(reader, "SESSION_REVOKED", user, of_other.as_str().expect("an id")).await;
    let changed = "slow purple orbit of 42 quiet llamas";
    let input = json!({"currentPassword": PASSWORD, "newPassword": changed});
    run(&client, "changePassword", input).await;
    written(reader, "PASSWORD_CHANGED", user, user).await;
    let make =
        "mutation($i: CreatePasswordResetInput!) { createPasswordReset(input: $i) { token } }";
    let made = reader.data(make, json!({"i": {"userId": user}})).await;
    let token = made["createPasswordReset"]["token"].clone();
    let input = json!({"token": token, "newPassword": format!("{changed} again")});
    run(&node.anonymous(), "resetPassword", input).await;
    written(reader, "PASSWORD_RESET", user, user).await;
}

async fn every_mutation_writes_an_entry(config: String) {
    // Passive liveness alone then needs a person.
    let config = format!("require_challenge = true\n{config}");
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let reader = node.client().await;
    let names = "{ __schema { mutationType { fields { name } } } }";
    let schema = reader.data(names, json!({})).await;
    let fields = schema["__schema"]["mutationType"]["fields"].as_array().expect("a list").clone();
    let fields: BTreeSet<String> =
        fields.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect();
    let listed = MUTATIONS.iter().chain(OF_ADMINISTRATOR).chain(decisions::OF_OPERATOR);
    let listed = listed.map(|(name, _)| *name);
    let listed = listed.chain(OF_CREDENTIALS.iter().copied()).map(str::to_owned);
    let listed: BTreeSet<String> = listed.collect();
    assert_eq!(fields, listed, "the mutations of the schema and those of this test");
    node.client_as(EMAIL, "client-admin").await;
    let (user, client) = session(&node).await;
    for &(mutation, action) in MUTATIONS {
        let object = match mutation {
            "login" | "refresh" => String::new(),
            "logout" => {
                client.data("mutation { logout { loggedOut } }", json!({})).await;
                String::new()
            }
            other => perform(other, &client).await,
        };
        let entry = written(&reader, action, &user, &object).await;
        assert!(entry["company"].is_string(), "{mutation}: {entry:#}");
    }
    let viewer = reader.data("{ viewer { user { id } } }", json!({})).await;
    let administrator = viewer["viewer"]["user"]["id"].as_str().expect("an id").to_owned();
    for &(mutation, action) in OF_ADMINISTRATOR {
        let object = administer(mutation, &reader).await;
        written(&reader, action, &administrator, &object).await;
    }
    decisions::of_an_operator(&node, &reader).await;
    credentials_of_a_user(&node, &reader, &user).await;
    let roles = entries(&reader, "USER_ROLE_CHANGED").await;
    assert_eq!(roles[0]["before"], json!({"role": "CLIENT"}));
    assert_eq!(roles[0]["after"], json!({"role": "CLIENT_ADMIN"}));
    let erased = entries(&reader, "COMPANY_ERASED").await;
    let head = erased[0]["after"]["head"].as_str().expect("a signed head");
    assert!(head.starts_with("vultus-audit-head-1."), "{head}");
    node.anonymous().error(LOGIN, json!({"input": {"email": EMAIL, "password": "wrong"}})).await;
    let failed = wait_until("the entry", async || entries(&reader, "LOGIN_FAILED").await.pop());
    let failed = failed.await;
    assert_eq!(failed["actor"], "unknown", "{failed:#}");
    assert_eq!(failed["object"], format!("user:{user}"), "{failed:#}");
    let company = failed["company"].as_str().expect("the user's company");
    let all = [company, "installation"]
        .map(|chain| vultus(&node.config_file(), &["export", "--company", chain]))
        .map(|output| String::from_utf8(output.stdout).expect("text"))
        .concat();
    assert!(all.lines().count() > MUTATIONS.len(), "{all}");
    for personal in [CANARY, "example.org", "127.0.0.1", PASSWORD] {
        assert!(!all.contains(personal), "{personal} is in an entry");
    }
    let verified = vultus(&node.config_file(), &["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_writes_an_entry_on_sqlite() {
    every_mutation_writes_an_entry(String::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_writes_an_entry_on_mongodb() {
    let uri = ReplicaSet::shared(1).uri(&format!("audit-{}", uuid::Uuid::now_v7()));
    every_mutation_writes_an_entry(format!("store.url = {uri:?}\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_by_people_are_recorded_and_those_of_machines_are_not() {
    const URLS: &str = "query($id: ID!) { folder(id: $id) {
        media { nodes { id ... on Image { url thumbnailUrl } } }
        analyses { nodes { id ... on DocumentAnalysis { documentType fields { name } } } } } }";
    let node = Node::start().await;
    let reader = node.client().await;
    let machine = node.client_as("machine@example.org", "client-service").await;
    let folder = machine.folder_with(&[id_photo(sample("obama.jpg"))], &["document"]).await;
    let id = json!({"id": folder["id"]});
    let seen = machine.data(URLS, id.clone()).await["folder"].clone();
    for link in ["url", "thumbnailUrl"] {
        let url = seen["media"]["nodes"][0][link].as_str().expect("a link").to_owned();
        assert_eq!(node.anonymous().get(&url).await.status(), 200);
    }
    let person = node.client_as(EMAIL, "client-operator").await;
    let seen = person.data(URLS, id).await["folder"].clone();
    let url = seen["media"]["nodes"][0]["url"].as_str().expect("a link").to_owned();
    // A player reads a file in parts, and again; a changed name of the reader is refused.
    for _ in 0..2 {
        assert_eq!(node.anonymous().get(&url).await.status(), 200);
    }
    let other = uuid::Uuid::now_v7();
    let by = url.split("&by=").nth(1).expect("the link names its reader")[..36].to_owned();
    let forged = url.replace(&by, &other.to_string());
    assert_eq!(node.anonymous().get(&forged).await.status(), 403);
    let unnamed = url.replace(&format!("&by={by}"), "");
    assert_eq!(node.anonymous().get(&unnamed).await.status(), 403);
    let viewer = person.data("{ viewer { user { id } } }", json!({})).await;
    let by_person = format!("user:{}", viewer["viewer"]["user"]["id"].as_str().expect("an id"));
    let read = wait_until("the entry", async || {
        let read = entries(&reader, "MEDIUM_READ").await;
        (!read.is_empty()).then_some(read)
    });
    let read = read.await;
    assert_eq!(read.len(), 1, "{read:#?}");
    assert_eq!(read[0]["actor"], by_person.as_str());
    let medium = seen["media"]["nodes"][0]["id"].as_str().expect("an id");
    assert_eq!(read[0]["object"], format!("medium:{medium}"));
    assert_eq!(read[0]["after"], json!({"part": "file"}));
    let read = entries(&reader, "DOCUMENT_READ").await;
    assert_eq!(read.len(), 1, "{read:#?}");
    let analysis = seen["analyses"]["nodes"][0]["id"].as_str().expect("an id");
    assert_eq!(read[0]["object"], format!("analysis:{analysis}"));
    assert_eq!(read[0]["actor"], by_person.as_str());
}

fn vultus(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(executable("vultus"));
    command.arg("--config").arg(config).arg("audit").args(arguments).env_clear();
    command.output().expect("the command runs")
}
