//! Users of identity providers, with a genuine provider: their access tokens, and their logins.

mod bearer;
mod login;
mod outage;

use serde_json::{Value, json};
use vultus_tests::{AUDIENCE, Client, IdentityProvider, LOGIN_CLIENT, Node, NodeOptions};

const VIEWER: &str = "{ viewer { user { id role name company { id } } } }";
/// The company of a new installation.
const COMPANY: &str = "00000000-0000-7000-8000-000000000001";

/// A provider with one person and one machine, whose claims `groups` and `tenant` are mapped.
fn provider() -> IdentityProvider {
    let jane = json!({
        "name": "Jane Doe", "email": "jane@acme.example", "email_verified": true,
        "groups": ["staff"], "tenant": "t1",
    });
    let lead = json!({"name": "Lead", "groups": "leads", "tenant": "t1"});
    let stranger = json!({"name": "Stranger", "groups": "staff", "tenant": "t2"});
    let accounts = json!({"jane": jane, "lead": lead, "stranger": stranger});
    IdentityProvider::start(accounts, json!({"groups": ["machines"], "tenant": "t1"}))
}

/// The configuration of a node that takes users of this provider.
fn config(provider: &IdentityProvider) -> String {
    format!(
        r#"
[[oidc.issuers]]
name = "local"
issuer = "{}"
audience = "{AUDIENCE}"
client_id = "{LOGIN_CLIENT}"
leeway_seconds = 0
role_claim = "groups"
roles = [
    {{ value = "leads", role = "client-admin" }},
    {{ value = "staff", role = "client" }},
    {{ value = "machines", role = "client-service" }},
]
company_claim = "tenant"
companies = [{{ value = "t1", company = "{COMPANY}" }}]
"#,
        provider.url
    )
}

async fn node_with(provider: &IdentityProvider) -> Node {
    let config = config(provider);
    Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await
}

/// Code and reason with which a token is refused; nulls if it is not.
async fn refusal(node: &Node, token: &str) -> [Value; 2] {
    let answer = node.anonymous().with_token(token).query(VIEWER, json!({})).await;
    let extensions = &answer["errors"][0]["extensions"];
    [extensions["code"].clone(), extensions["reason"].clone()]
}

fn unauthenticated(reason: &str) -> [Value; 2] {
    [json!("UNAUTHENTICATED"), json!(reason)]
}

async fn user_of(client: &Client) -> Value {
    client.data(VIEWER, json!({})).await["viewer"]["user"].clone()
}
