//! Access tokens of an identity provider as bearer.

use crate::{COMPANY, VIEWER, config, node_with, provider, refusal, unauthenticated, user_of};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vultus_tests::{
    AUDIENCE, Client, Cluster, ClusterOptions, DELETE_FOLDER, IdentityProvider, Node, Socket,
    sample, selfie_photo, wait_until,
};

/// What is sent this long after a change must not be answered as before. The rule is one second; a
/// loaded machine gets another.
const BOUND: Duration = Duration::from_secs(2);

#[tokio::test]
async fn token_has_the_role_and_company_of_its_claims() {
    let provider = provider();
    let node = node_with(&provider).await;
    let client = node.anonymous().with_token(&provider.machine_token(AUDIENCE).await);
    let user = user_of(&client).await;
    assert_eq!(
        (&user["role"], &user["company"]["id"]),
        (&json!("CLIENT_SERVICE"), &json!(COMPANY))
    );
    let another = node.anonymous().with_token(&provider.machine_token(AUDIENCE).await);
    let folder = another.create(&[selfie_photo(sample("obama.jpg"))], json!({})).await;
    let query = "query($id: ID!) { folder(id: $id) { id owner { id } media { nodes { url } } } }";
    let folder = client.data(query, json!({"id": folder["id"]})).await["folder"].clone();
    assert_eq!(folder["owner"]["id"], user["id"], "an account has one user");
    let url = folder["media"]["nodes"][0]["url"].as_str().unwrap();
    assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "its links work");
    let input = json!({"input": {"folderId": folder["id"]}});
    let error = client.error(DELETE_FOLDER, input).await;
    assert_eq!(error["code"], "FORBIDDEN", "{error}");
}

#[tokio::test]
async fn users_created_at_once_are_one_user() {
    let provider = provider();
    let node = node_with(&provider).await;
    let client = node.anonymous().with_token(&provider.machine_token(AUDIENCE).await);
    let users = futures::future::join_all((0..8).map(|_| user_of(&client))).await;
    assert!(users.iter().all(|user| user["id"] == users[0]["id"]), "{users:?}");
    let audit = "query($actor: String!) {
        auditLog(filter: {actor: $actor, actions: [USER_CREATED]}) { nodes { id } } }";
    let actor = json!({"actor": format!("user:{}", users[0]["id"].as_str().unwrap())});
    let admin = node.client().await;
    let entries = wait_until("the entry to get its place", || async {
        let entries = admin.data(audit, actor.clone()).await["auditLog"]["nodes"].clone();
        entries.as_array().cloned().filter(|entries| !entries.is_empty())
    })
    .await;
    assert_eq!(entries.len(), 1, "{entries:?}");
}

/// The parts of a token: header and claims.
fn parts(token: &str) -> (Value, Value) {
    let part = |index| {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    (part(0), part(1))
}

fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn each_bad_token_is_refused_with_its_reason() {
    let provider = provider();
    let node = node_with(&provider).await;
    let good = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &good).await, [Value::Null, Value::Null]);
    let (header, claims) = parts(&good);
    let signature = good.rsplit('.').next().unwrap();
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        forged(&header, &claims, signature)
    };
    let mut raised = claims.clone();
    raised["groups"] = json!(["leads"]);
    let foreign = self::provider();
    for (token, reason) in [
        (provider.machine_token("urn:another").await, "WRONG_AUDIENCE"),
        (foreign.machine_token(AUDIENCE).await, "UNKNOWN_ISSUER"),
        (with("alg", json!("none")), "WRONG_ALGORITHM"),
        (with("alg", json!("HS256")), "WRONG_ALGORITHM"),
        (with("kid", json!("another")), "UNKNOWN_KEY"),
        (with("typ", json!("logout+jwt")), "MALFORMED_TOKEN"),
        (forged(&header, &raised, signature), "WRONG_SIGNATURE"),
        (forged(&header, &claims, ""), "WRONG_SIGNATURE"),
    ] {
        assert_eq!(refusal(&node, &token).await, unauthenticated(reason), "{reason}");
    }
}

#[tokio::test]
async fn expired_token_is_refused() {
    let mut provider = provider();
    provider.restart(json!({"seconds": 2}));
    let node = node_with(&provider).await;
    let token = provider.machine_token(AUDIENCE).await;
    wait_until("the token to expire", || async {
        (refusal(&node, &token).await == unauthenticated("TOKEN_EXPIRED")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn account_without_a_mapped_claim_gets_nothing() {
    let machine = json!({"groups": ["machines"], "tenant": "t9"});
    let provider = IdentityProvider::start(json!({}), machine);
    let node = node_with(&provider).await;
    let token = provider.machine_token(AUDIENCE).await;
    assert_eq!(refusal(&node, &token).await, [json!("FORBIDDEN"), Value::Null]);
}

/// Sends queries until one is refused; returns code and reason, and checks that no query that was
/// sent later than the bound was answered.
async fn refused_soon(client: &Client, changed: Instant) -> [Value; 2] {
    loop {
        let sent = changed.elapsed();
        let answer = client.query(VIEWER, json!({})).await;
        let extensions = &answer["errors"][0]["extensions"];
        if !extensions.is_null() {
            return [extensions["code"].clone(), extensions["reason"].clone()];
        }
        assert!(sent <= BOUND, "a query ran {sent:?} after the change");
    }
}

async fn closed_with(mut socket: Socket) -> u16 {
    loop {
        if let Err(code) = socket.next_or_close().await {
            return code;
        }
    }
}

async fn administer(admin: &Client, name: &str, input: Value) {
    let kind = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let text = format!("mutation($input: {kind}!) {{ {name}(input: $input) {{ __typename }} }}");
    admin.data(&text, json!({"input": input})).await;
}

/// Changes the rights of the machine's user by `admin`; they end for `client`, maybe elsewhere.
async fn rights_end(admin: &Client, client: &Client) {
    let id = user_of(client).await["id"].clone();
    let changes = [
        ("disableUser", "enableUser", json!({"userId": id}), "USER_CANNOT_ACT"),
        ("suspendCompany", "resumeCompany", json!({"companyId": COMPANY}), "USER_CANNOT_ACT"),
    ];
    for (change, back, input, reason) in changes {
        let socket = client.socket().await;
        administer(admin, change, input.clone()).await;
        assert_eq!(refused_soon(client, Instant::now()).await, unauthenticated(reason));
        assert_eq!(closed_with(socket).await, 4403);
        administer(admin, back, input).await;
        wait_until("the user to act again", || async {
            let answer = client.query(VIEWER, json!({})).await;
            answer["errors"].is_null().then_some(())
        })
        .await;
    }
    let socket = client.socket().await;
    administer(admin, "changeUserRole", json!({"userId": id, "role": "CLIENT"})).await;
    let refused = refused_soon(client, Instant::now()).await;
    assert_eq!(refused, unauthenticated("RIGHTS_CHANGED"));
    assert_eq!(closed_with(socket).await, 4403);
}

#[tokio::test]
async fn changed_rights_end_requests_and_sockets_on_sqlite() {
    let provider = provider();
    let node: Node = node_with(&provider).await;
    let client = node.anonymous().with_token(&provider.machine_token(AUDIENCE).await);
    rights_end(&node.client().await, &client).await;
}

#[tokio::test]
async fn changed_rights_end_requests_and_sockets_on_the_other_node() {
    let provider: IdentityProvider = provider();
    let cluster = Cluster::start(ClusterOptions {
        members: 1,
        roles: vec!["api", "api"],
        config: config(&provider),
        ..ClusterOptions::default()
    })
    .await;
    let token = provider.machine_token(AUDIENCE).await;
    let elsewhere = Client::new(&cluster.nodes[1].url).with_token(&token);
    rights_end(&cluster.client(0).await, &elsewhere).await;
}
