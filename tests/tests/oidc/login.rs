//! Logins of browsers with an identity provider.

use crate::{COMPANY, config, node_with, provider, user_of};
use reqwest::{Method, Response, StatusCode, redirect};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vultus_tests::{Client, IdentityProvider, LOGIN_CLIENT, Node, NodeOptions};

/// A browser: keeps cookies by origin, follows redirects one at a time.
struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build();
        Self { http: http.unwrap(), cookies: BTreeMap::new() }
    }

    async fn request(&mut self, method: Method, url: &str) -> Response {
        let from = origin(url);
        let of_origin = self.cookies.iter().filter(|((of, _), _)| *of == from);
        let cookies: Vec<String> =
            of_origin.map(|((_, name), value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, url).header("cookie", cookies.join("; "));
        let request = request.header("origin", &from).header("x-requested-with", "tests");
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let key = (from.clone(), name.to_owned());
            if value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        answer
    }

    async fn get(&mut self, url: &str) -> Response {
        self.request(Method::GET, url).await
    }

    /// Follows redirects up to the address that ends a login.
    async fn callback_of(&mut self, begin: &str) -> String {
        let mut url = begin.to_owned();
        for _ in 0..10 {
            let answer = self.get(&url).await;
            assert!(answer.status().is_redirection(), "{url}: {}", answer.text().await.unwrap());
            let location = answer.headers()["location"].to_str().unwrap();
            url = match location.starts_with('/') {
                true => format!("{}{location}", origin(&url)),
                false => location.to_owned(),
            };
            if url.contains("/callback?") {
                return url;
            }
        }
        panic!("the provider does not send the browser back");
    }

    /// Logs in, and exchanges the cookie for an access token.
    async fn login(&mut self, node: &Node) -> Client {
        let callback = self.callback_of(&begin(node)).await;
        let answer = self.get(&callback).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.unwrap());
        assert_eq!(answer.headers()["location"], "/console?tab=1");
        let url = format!("{}/session/refresh", node.url);
        let tokens: Value = self.request(Method::POST, &url).await.json().await.unwrap();
        node.anonymous().with_token(tokens["accessToken"].as_str().unwrap())
    }
}

fn begin(node: &Node) -> String {
    format!("{}/session/oidc/local?returnTo=/console%3Ftab%3D1", node.url)
}

async fn refused(answer: Response) -> [Value; 2] {
    assert!(answer.status().is_client_error());
    let body: Value = answer.json().await.unwrap();
    let extensions = &body["errors"][0]["extensions"];
    [extensions["code"].clone(), extensions["reason"].clone()]
}

fn token_refused(reason: &str) -> [Value; 2] {
    [json!("UNAUTHENTICATED"), json!(reason)]
}

#[tokio::test]
async fn login_begins_a_session_of_the_user_of_the_account() {
    let provider = provider();
    let environment = vec![("VULTUS_LOG_LEVEL".to_owned(), "trace".to_owned())];
    let config = config(&provider);
    let node =
        Node::start_with(NodeOptions { config, environment, ..NodeOptions::default() }).await;
    let mut browser = Browser::new();
    let client = browser.login(&node).await;
    let user = user_of(&client).await;
    assert_eq!((&user["role"], &user["name"]), (&json!("CLIENT"), &json!("Jane Doe")));
    assert_eq!(user["company"]["id"], COMPANY);
    let names: Vec<&str> = browser.cookies.keys().map(|(_, name)| name.as_str()).collect();
    assert!(!names.contains(&"vultus_login") && names.contains(&"vultus_refresh"), "{names:?}");
    assert_eq!(user_of(&Browser::new().login(&node).await).await["id"], user["id"]);
    let cookie = &browser.cookies[&(node.url.clone(), "vultus_refresh".to_owned())];
    for secret in [cookie.as_str(), client.token(), "jane@acme.example", "Jane Doe", "?code="] {
        assert!(!node.log().contains(secret), "the log holds {secret}");
    }
}

#[tokio::test]
async fn answer_for_another_browser_is_refused() {
    let provider = provider();
    let node = node_with(&provider).await;
    let (mut victim, mut other) = (Browser::new(), Browser::new());
    let callback = other.callback_of(&begin(&node)).await;
    assert_eq!(refused(victim.get(&callback).await).await, token_refused("NO_LOGIN"));
    victim.callback_of(&begin(&node)).await;
    assert_eq!(refused(victim.get(&callback).await).await, token_refused("WRONG_STATE"));
    assert_eq!(other.get(&callback).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(refused(other.get(&callback).await).await, token_refused("NO_LOGIN"));
}

#[tokio::test]
async fn used_code_and_refused_consent_are_refused() {
    let provider = provider();
    let node = node_with(&provider).await;
    let mut browser = Browser::new();
    let callback = browser.callback_of(&begin(&node)).await;
    let kept = browser.cookies.clone();
    assert_eq!(browser.get(&callback).await.status(), StatusCode::SEE_OTHER);
    browser.cookies = kept.clone();
    assert_eq!(refused(browser.get(&callback).await).await, token_refused("LOGIN_REFUSED"));
    browser.cookies = kept;
    let denied = format!("{}/session/oidc/local/callback?error=access_denied&state=x", node.url);
    assert_eq!(refused(browser.get(&denied).await).await, token_refused("LOGIN_REFUSED"));
}

#[tokio::test]
async fn login_leads_to_this_server_and_known_providers_only() {
    let provider = provider();
    let node = node_with(&provider).await;
    let mut browser = Browser::new();
    for path in ["https://evil.example", "//evil.example", "/%5Cevil.example", "console"] {
        let url = format!("{}/session/oidc/local?returnTo={path}", node.url);
        let answer: Value = browser.get(&url).await.json().await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["argument"], "returnTo", "{path}");
    }
    let unknown = format!("{}/session/oidc/another", node.url);
    assert_eq!(browser.get(&unknown).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn provider_decides_about_the_role_at_each_login() {
    let mut provider = provider();
    let node = node_with(&provider).await;
    provider.choose_account("lead").await;
    let first = user_of(&Browser::new().login(&node).await).await;
    assert_eq!(first["role"], "CLIENT_ADMIN");
    let demoted = json!({"name": "Lead", "groups": ["staff"], "tenant": "t1"});
    provider.restart(json!({"accounts": {"lead": demoted}}));
    let second = user_of(&Browser::new().login(&node).await).await;
    assert_eq!((&second["id"], &second["role"]), (&first["id"], &json!("CLIENT")));
}

#[tokio::test]
async fn account_that_may_not_act_gets_no_session() {
    let provider = provider();
    let node = node_with(&provider).await;
    provider.choose_account("stranger").await;
    let mut browser = Browser::new();
    let callback = browser.callback_of(&begin(&node)).await;
    let forbidden = [json!("FORBIDDEN"), Value::Null];
    assert_eq!(refused(browser.get(&callback).await).await, forbidden, "no company");
    provider.choose_account("jane").await;
    let user = user_of(&Browser::new().login(&node).await).await;
    let disable = "mutation($id: ID!) { disableUser(input: {userId: $id}) { __typename } }";
    node.client().await.data(disable, json!({"id": user["id"]})).await;
    let mut browser = Browser::new();
    let callback = browser.callback_of(&begin(&node)).await;
    assert_eq!(refused(browser.get(&callback).await).await, forbidden, "disabled");
}

#[tokio::test]
async fn existing_users_are_found_by_their_verified_email() {
    let verified = json!({"email": "Jane@acme.example", "email_verified": true});
    let claimed = json!({"email": "jane@acme.example", "email_verified": false});
    let provider =
        IdentityProvider::start(json!({"jane": verified, "claimed": claimed}), json!({}));
    let config = format!(
        "[[oidc.issuers]]\nname = \"local\"\nissuer = \"{}\"\nclient_id = \"{LOGIN_CLIENT}\"\n\
         users = \"existing\"\ncompany = \"{COMPANY}\"\n",
        provider.url
    );
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    provider.choose_account("jane").await;
    let own = node.client_as("jane@acme.example", "client-operator").await;
    let found = user_of(&Browser::new().login(&node).await).await;
    assert_eq!(found, user_of(&own).await);
    provider.choose_account("claimed").await;
    let mut browser = Browser::new();
    let callback = browser.callback_of(&begin(&node)).await;
    assert_eq!(refused(browser.get(&callback).await).await[0], "FORBIDDEN");
}

#[tokio::test]
async fn login_names_of_provider_users_are_reserved() {
    let node = Node::start().await;
    let create = "mutation($input: CreateUserInput!) { createUser(input: $input) { __typename } }";
    let input = json!({"email": "a@local.oidc", "role": "ADMIN"});
    let error = node.client().await.error(create, json!({"input": input})).await;
    assert_eq!(
        (&error["code"], &error["argument"]),
        (&json!("INVALID_INPUT"), &json!("input.email"))
    );
}
