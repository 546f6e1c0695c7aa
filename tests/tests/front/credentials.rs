//! Passwords, lists of sessions, and keys of service accounts.

use serde_json::{Value, json};
use vultus_tests::{Client, Cluster, ClusterOptions, Node, PASSWORD, Socket, wait_until};

const VIEWER: &str = "{ viewer { user { id email } } }";
const CREATE: &str = "mutation { createFolder(input: {}) { folder { id } } }";
const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
const CHANGE: &str =
    "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { changed } }";
const RESET: &str =
    "mutation($input: ResetPasswordInput!) { resetPassword(input: $input) { reset } }";
const SESSIONS: &str = "query($user: ID) { sessions(userId: $user) {
    edges { node { id isCurrent agent network } } pageInfo { hasNextPage } } }";
const NEW_KEY: &str = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) {
    secret key { id prefix scopes } } }";
const KEYS: &str = "query($user: ID!) { apiKeys(userId: $user) {
    edges { node { id prefix scopes expiresAt revokedAt lastUsedAt } } } }";
const NEXT_PASSWORD: &str = "a river under nine bridges";

async fn id_of(client: &Client) -> Value {
    client.data(VIEWER, json!({})).await["viewer"]["user"]["id"].clone()
}

async fn refused_soon(client: &Client) {
    wait_until("the credential to be refused", || async {
        let answer = client.query(VIEWER, json!({})).await;
        (answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED").then_some(())
    })
    .await;
}

async fn closed_with(socket: &mut Socket) -> u16 {
    loop {
        if let Err(code) = socket.next_or_close().await {
            return code;
        }
    }
}

#[tokio::test]
async fn changed_password_ends_other_sessions_and_guesses_are_counted() {
    let node = Node::start().await;
    let email = "grace@example.org";
    let client = node.client_as(email, "client").await;
    let other = node.anonymous().login(email, PASSWORD).await;
    let change = |current: &str, new: &str| {
        let input = json!({"input": {"currentPassword": current, "newPassword": new}});
        let client = client.clone();
        async move { client.query(CHANGE, input).await }
    };
    let refused = change("wrong", NEXT_PASSWORD).await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["reason"], "WRONG_PASSWORD");
    assert_eq!(extensions["argument"], "input.currentPassword");
    // A guess costs a hash, and no estimate of the new password.
    let guessed = change("wrong", "password1234").await;
    assert_eq!(guessed["errors"][0]["extensions"]["reason"], "WRONG_PASSWORD");
    for (weak, reason) in [
        ("short", "PASSWORD_TOO_SHORT"),
        ("password1234", "PASSWORD_TOO_WEAK"),
        ("grace@example", "PASSWORD_TOO_WEAK"),
    ] {
        let refused = change(PASSWORD, weak).await;
        assert_eq!(refused["errors"][0]["extensions"]["reason"], reason, "{weak}");
    }
    assert_eq!(change(PASSWORD, NEXT_PASSWORD).await["data"]["changePassword"]["changed"], true);
    refused_soon(&other).await;
    client.data(VIEWER, json!({})).await;
    let old = json!({"input": {"email": email, "password": PASSWORD}});
    assert_eq!(node.anonymous().error(LOGIN, old).await["code"], "UNAUTHENTICATED");
    let client = node.anonymous().login(email, NEXT_PASSWORD).await;
    let guess = json!({"input": {"currentPassword": "wrong", "newPassword": PASSWORD}});
    wait_until("guesses to be locked", || async {
        let refused = client.error(CHANGE, guess.clone()).await;
        (refused["code"] == "UNAVAILABLE").then_some(())
    })
    .await;
}

#[tokio::test]
async fn password_is_reset_by_a_token_that_works_once() {
    let node = Node::start().await;
    let email = "grace@example.org";
    let client = node.client_as(email, "client").await;
    let made = node.command(&["user", "reset-password", "--email", email], "");
    let token = made.split_whitespace().nth(1).unwrap().to_owned();
    let reset = |token: &str, new: &str| {
        let input = json!({"input": {"token": token, "newPassword": new}});
        let anonymous = node.anonymous();
        async move { anonymous.query(RESET, input).await }
    };
    let weak = reset(&token, "password1234").await;
    assert_eq!(weak["errors"][0]["extensions"]["reason"], "PASSWORD_TOO_WEAK");
    assert_eq!(reset(&token, NEXT_PASSWORD).await["data"]["resetPassword"]["reset"], true);
    for used in [token.as_str(), "vpr_unknown", ""] {
        let refused = reset(used, NEXT_PASSWORD).await;
        assert_eq!(refused["errors"][0]["extensions"]["reason"], "RESET_TOKEN_INVALID");
    }
    refused_soon(&client).await;
    let client = node.anonymous().login(email, NEXT_PASSWORD).await;
    // An administrator does the same, and others may not.
    let ask = "mutation($id: ID!) { createPasswordReset(input: {userId: $id}) { token } }";
    let user = json!({"id": id_of(&client).await});
    assert_eq!(client.error(ask, user.clone()).await["code"], "FORBIDDEN");
    let made = node.client().await.data(ask, user).await;
    let token = made["createPasswordReset"]["token"].as_str().unwrap().to_owned();
    assert_eq!(reset(&token, PASSWORD).await["data"]["resetPassword"]["reset"], true);
    assert!(!node.log().contains(&token));
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_by_their_user_and_administrators() {
    let node = Node::start().await;
    let email = "grace@example.org";
    let client = node.client_as(email, "client").await;
    let named = node.anonymous().with_header("user-agent", "Kiosk/2").login(email, PASSWORD).await;
    let listed = client.data(SESSIONS, json!({})).await;
    let sessions = listed["sessions"]["edges"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0]["node"]["agent"], "Kiosk/2");
    assert_eq!(sessions[0]["node"]["network"], "127.0.0.0/24");
    assert_eq!(
        (&sessions[0]["node"]["isCurrent"], &sessions[1]["node"]["isCurrent"]),
        (&json!(false), &json!(true))
    );
    let revoke = "mutation($id: ID!) { revokeSession(input: {sessionId: $id}) { revokedId } }";
    let session = json!({"id": sessions[0]["node"]["id"]});
    let stranger = node.client_as("other@example.org", "client").await;
    let foreign = stranger.error(revoke, session.clone()).await;
    let missing = json!({"id": "019a0000-0000-7000-8000-000000000000"});
    let missing = stranger.error(revoke, missing).await;
    assert_eq!((&foreign["code"], &foreign["message"]), (&missing["code"], &missing["message"]));
    client.data(revoke, session).await;
    refused_soon(&named).await;
    let user = json!({"user": id_of(&client).await});
    assert_eq!(stranger.error(SESSIONS, user.clone()).await["code"], "FORBIDDEN");
    let all = "mutation($user: ID) { revokeSessions(input: {userId: $user}) { revokedCount } }";
    let administrator = node.client().await;
    let found = administrator.data(SESSIONS, user.clone()).await;
    assert_eq!(found["sessions"]["edges"].as_array().unwrap().len(), 1);
    let revoked = administrator.data(all, user).await;
    assert_eq!(revoked["revokeSessions"]["revokedCount"], 1);
    refused_soon(&client).await;
}

/// A service account with a key of the command line; returns its login name and the secret.
fn service_key(node: &Node, scopes: &[&str]) -> (String, Value) {
    service_key_as(node, "client-service", scopes)
}

fn service_key_as(node: &Node, role: &str, scopes: &[&str]) -> (String, Value) {
    let email = "adapter@example.org";
    let account =
        ["user", "add", "--email", email, "--role", role, "--service", "--password-stdin"];
    node.command(&account, PASSWORD);
    let mut create = vec!["key", "create", "--user", email, "--name", "Adapter", "--json"];
    for &scope in scopes {
        create.extend(["--scope", scope]);
    }
    let made = node.command(&create, "");
    (email.to_owned(), serde_json::from_str(&made).unwrap())
}

#[tokio::test]
async fn key_works_in_every_header_within_its_scopes_until_it_is_revoked() {
    let node = Node::start().await;
    let (email, made) = service_key(&node, &["folders:read", "users:read"]);
    let (secret, id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    for (name, value) in [
        ("authorization", format!("Bearer {secret}")),
        ("x-forensic-access-token", secret.to_owned()),
        ("x-forensics-access-token", secret.to_owned()),
    ] {
        let client = node.anonymous().with_header(name, &value);
        let viewer = client.data(VIEWER, json!({})).await;
        assert_eq!(viewer["viewer"]["user"]["email"], email.as_str(), "{name}");
    }
    let client = node.anonymous().with_token(secret);
    assert_eq!(client.error(CREATE, json!({})).await["code"], "FORBIDDEN");
    let mut idle = client.socket().await;
    for wrong in [&secret[..secret.len() - 1], "vlt_", "vlt_00000000_x"] {
        let forged = node.anonymous().with_token(wrong);
        assert_eq!(forged.error(VIEWER, json!({})).await["code"], "UNAUTHENTICATED", "{wrong}");
    }
    let user = json!({"user": id_of(&client).await});
    assert_eq!(client.error(KEYS, user.clone()).await["code"], "FORBIDDEN");
    let administrator = node.client().await;
    wait_until("the use to be noted", || async {
        let listed = administrator.data(KEYS, user.clone()).await;
        let key = listed["apiKeys"]["edges"][0]["node"].clone();
        assert!(secret.starts_with(key["prefix"].as_str().unwrap()));
        (!key["lastUsedAt"].is_null()).then_some(())
    })
    .await;
    node.command(&["key", "revoke", id], "");
    refused_soon(&client).await;
    assert_eq!(closed_with(&mut idle).await, 4403);
    assert!(!node.log().contains(secret));
    let database = std::fs::read(node.data().join("vultus.db")).unwrap();
    assert!(!database.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
}

#[tokio::test]
async fn rotated_key_ends_after_the_overlap_on_every_node() {
    let options =
        ClusterOptions { members: 1, roles: vec!["api", "api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let (email, made) = service_key(&cluster.nodes[0], &[]);
    let [here, there] = [0, 1].map(|node: usize| &cluster.nodes[node]);
    let old = there.anonymous().with_token(made["secret"].as_str().unwrap());
    old.data(VIEWER, json!({})).await;
    let mut idle = old.socket().await;
    let rotate = "mutation($id: ID!) { rotateApiKey(input: {keyId: $id, overlapSeconds: 0}) {
        secret key { id } } }";
    let key = json!({"id": made["key"]["id"]});
    let administrator = cluster.client(0).await;
    let rotated = administrator.data(rotate, key.clone()).await["rotateApiKey"].clone();
    refused_soon(&old).await;
    assert_eq!(closed_with(&mut idle).await, 4403);
    assert_eq!(administrator.error(rotate, key).await["reason"], "KEY_ENDED");
    for node in [here, there] {
        let client = node.anonymous().with_token(rotated["secret"].as_str().unwrap());
        assert_eq!(client.data(VIEWER, json!({})).await["viewer"]["user"]["email"], email.as_str());
    }
    let revoke = "mutation($id: ID!) { revokeApiKey(input: {keyId: $id}) { key { revokedAt } } }";
    let there = there.anonymous().with_token(rotated["secret"].as_str().unwrap());
    administrator.data(revoke, json!({"id": rotated["key"]["id"]})).await;
    refused_soon(&there).await;
}

#[tokio::test]
async fn key_with_scopes_creates_no_user_and_resets_no_password() {
    let node = Node::start().await;
    let (_, made) = service_key_as(&node, "client-admin", &["users:read", "users:write"]);
    let key = node.anonymous().with_token(made["secret"].as_str().unwrap());
    let person = id_of(&node.client_as("grace@example.org", "client").await).await;
    for (name, input) in [
        ("createUser", json!({"email": "new@example.org", "role": "CLIENT_ADMIN"})),
        ("createPasswordReset", json!({"userId": person})),
        ("changeUserRole", json!({"userId": person, "role": "CLIENT_ADMIN"})),
    ] {
        let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        let text = format!("mutation($i: {kind}!) {{ {name}(input: $i) {{ __typename }} }}");
        assert_eq!(key.error(&text, json!({"i": input})).await["code"], "FORBIDDEN", "{name}");
    }
    let rename = "mutation($i: RenameUserInput!) { renameUser(input: $i) { __typename } }";
    key.data(rename, json!({"i": {"userId": person, "name": "Grace"}})).await;
}

#[tokio::test]
async fn taken_email_is_refused_before_the_password_is_judged() {
    let node = Node::start().await;
    node.client_as("grace@example.org", "client").await;
    let create = "mutation($i: CreateUserInput!) { createUser(input: $i) { __typename } }";
    let input = json!({"email": "grace@example.org", "role": "ADMIN", "password": "password1234"});
    let refused = node.client().await.error(create, json!({"i": input})).await;
    assert_eq!(
        (&refused["code"], &refused["argument"]),
        (&json!("CONFLICT"), &json!("input.email"))
    );
}

#[tokio::test]
async fn bad_input_of_keys_names_the_argument() {
    let node = Node::start().await;
    let administrator = node.client().await;
    let person = id_of(&node.client_as("grace@example.org", "client").await).await;
    let (_, made) = service_key(&node, &[]);
    let service = id_of(&node.anonymous().with_token(made["secret"].as_str().unwrap())).await;
    for (change, argument) in [
        (json!({"userId": person}), "input.userId"),
        (json!({"userId": "019a0000-0000-7000-8000-000000000000"}), "input.userId"),
        (json!({"name": "a\u{0}b"}), "input.name"),
        (json!({"name": " "}), "input.name"),
        (json!({"scopes": ["folders:read", "folders:*"]}), "input.scopes[1]"),
        (json!({"scopes": []}), "input.scopes"),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), "input.expiresAt"),
    ] {
        let mut input = json!({"userId": service, "name": "n"});
        for (name, value) in change.as_object().unwrap() {
            input[name] = value.clone();
        }
        let refused = administrator.error(NEW_KEY, json!({"input": input})).await;
        assert_eq!(refused["argument"], argument, "{refused}");
    }
}
