//! Sessions of browsers and other clients: cookies, refresh tokens, keys of access tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use vultus_tests::{Client, Cluster, ClusterOptions, Node, NodeOptions, wait_until};

const VIEWER: &str = "{ viewer { user { id } } }";
const LOGIN: &str =
    "mutation($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }";
const REFRESH: &str =
    "mutation($input: RefreshInput!) { refresh(input: $input) { accessToken refreshToken } }";

/// A page of a browser, with its cookie.
struct Page {
    url: String,
    http: reqwest::Client,
    cookie: Option<String>,
}

impl Page {
    fn of(node: &Node) -> Self {
        Self { url: node.url.clone(), http: reqwest::Client::new(), cookie: None }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header("origin", &self.url)
            .header("x-requested-with", "tests");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request
    }

    /// Keeps the cookie of an answer; returns its attributes.
    fn keep(&mut self, answer: &Response) -> String {
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        self.cookie = Some(pair.to_owned());
        attributes.to_owned()
    }

    async fn login(&mut self, node: &Node) -> Client {
        let (email, password) = node.administrator();
        let body = json!({"email": email, "password": password});
        let answer = self.request(Method::POST, "/session").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        self.keep(&answer);
        self.client(&answer.json().await.unwrap())
    }

    async fn refresh(&self) -> Response {
        self.request(Method::POST, "/session/refresh").send().await.unwrap()
    }

    fn client(&self, answer: &Value) -> Client {
        Client::new(&self.url).with_token(answer["accessToken"].as_str().unwrap())
    }
}

async fn code(answer: Response) -> String {
    let body: Value = answer.json().await.unwrap();
    body["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned()
}

async fn is_refused(client: &Client) -> bool {
    let answer = client.query(VIEWER, json!({})).await;
    answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
}

async fn refused_soon(client: &Client) {
    wait_until("the token to be refused", || async { is_refused(client).await.then_some(()) })
        .await;
}

#[tokio::test]
async fn cookie_is_exchanged_and_two_tabs_get_the_same() {
    let node = Node::start().await;
    let mut page = Page::of(&node);
    let client = page.login(&node).await;
    client.data(VIEWER, json!({})).await;
    let cookie = page.cookie.clone().unwrap();
    let (one, other) = (page.refresh().await, page.refresh().await);
    assert_eq!((one.status(), other.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(one.headers()["set-cookie"], other.headers()["set-cookie"]);
    let attributes = page.keep(&one);
    assert!(attributes.starts_with("HttpOnly; SameSite=Strict; Path=/session/refresh; Expires="));
    assert_ne!(page.cookie.as_ref(), Some(&cookie));
    for answer in [one, other] {
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
        let body: Value = answer.json().await.unwrap();
        assert!(body.get("refreshToken").is_none());
        page.client(&body).data(VIEWER, json!({})).await;
    }
    let ended = page.request(Method::DELETE, "/session").bearer_auth(client.token());
    let ended = ended.send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert!(ended.headers()["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    let refused = page.refresh().await;
    assert!(refused.headers()["set-cookie"].to_str().unwrap().ends_with("Max-Age=0"));
    assert_eq!(code(refused).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn cookie_needs_the_own_origin_and_a_header_and_opens_nothing_else() {
    let node = Node::start().await;
    let mut page = Page::of(&node);
    page.login(&node).await;
    let cookie = page.cookie.clone().unwrap();
    let post = |origin: Option<&str>, header: Option<&str>| {
        let url = format!("{}/session/refresh", node.url);
        let mut request = page.http.post(url).header("cookie", &cookie);
        for (name, value) in [("origin", origin), ("x-requested-with", header)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        async { code(request.send().await.unwrap()).await }
    };
    assert_eq!(post(Some("https://evil.example"), Some("x")).await, "FORBIDDEN");
    assert_eq!(post(None, Some("x")).await, "FORBIDDEN");
    assert_eq!(post(Some(&node.url), None).await, "INVALID_INPUT");
    // GraphQL does not read it.
    let token = cookie.split_once('=').unwrap().1;
    for name in ["vultus_refresh", "__Host-vultus_refresh", "vultus_access", "Authorization"] {
        let client = node.anonymous().with_header("cookie", &format!("{name}={token}"));
        assert_eq!(client.error(VIEWER, json!({})).await["code"], "UNAUTHENTICATED", "{name}");
    }
    let preflight = page.http.request(Method::OPTIONS, format!("{}/session/refresh", node.url));
    let preflight = preflight.header("origin", "https://evil.example").send().await.unwrap();
    assert!(!preflight.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn cookie_over_tls_has_a_name_that_no_other_host_can_set() {
    let node = Node::start_with(NodeOptions {
        config: "public_url = \"https://vultus.example\"\n".to_owned(),
        ..NodeOptions::default()
    })
    .await;
    let (email, password) = node.administrator();
    let login = |origin: &str| {
        let request = reqwest::Client::new().post(format!("{}/session", node.url));
        let request = request.header("origin", origin).header("x-requested-with", "tests");
        request.json(&json!({"email": email, "password": password})).send()
    };
    let answer = login("https://vultus.example").await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-vultus_refresh=vrt_"));
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Secure; Path=/; Expires="));
    let refused = login(&node.url).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn reuse_by_another_client_revokes_the_session() {
    let node = Node::start().await;
    let (email, password) = node.administrator();
    let credentials = json!({"input": {"email": email, "password": password}});
    let login = node.anonymous().data(LOGIN, credentials).await["login"].clone();
    let input = |token: &Value| json!({"input": {"refreshToken": token}});
    let first = node.anonymous().data(REFRESH, input(&login["refreshToken"])).await;
    let again = node.anonymous().data(REFRESH, input(&login["refreshToken"])).await;
    assert_eq!(first["refresh"]["refreshToken"], again["refresh"]["refreshToken"]);
    let client = Client::new(&node.url);
    let client = client.with_token(first["refresh"]["accessToken"].as_str().unwrap());
    client.data(VIEWER, json!({})).await;
    let thief = node.anonymous().with_header("user-agent", "another");
    let stolen = thief.error(REFRESH, input(&login["refreshToken"])).await;
    assert_eq!(stolen["code"], "UNAUTHENTICATED");
    refused_soon(&client).await;
    let next = node.anonymous().error(REFRESH, input(&first["refresh"]["refreshToken"])).await;
    assert_eq!(next["code"], "UNAUTHENTICATED");
}

/// The header and the claims of a token.
fn parts(token: &str) -> [Value; 2] {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [0, 1].map(|_| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

async fn public_keys(node: &Node) -> Vec<String> {
    let keys = node.anonymous().get("/.well-known/jwks.json").await;
    let keys: Value = keys.json().await.unwrap();
    let keys = keys["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_rotate_with_and_without_overlap_and_without_restart() {
    let node = Node::start().await;
    let before = node.client().await;
    let [header, _] = parts(before.token());
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let first = header["kid"].as_str().unwrap().to_owned();
    assert_eq!(public_keys(&node).await, std::slice::from_ref(&first));

    let rotated = node.command(&["signing-key", "rotate", "--after", "0"], "");
    let second = rotated.split(' ').nth(1).unwrap().to_owned();
    let after = wait_until("the new key to sign", || async {
        let client = node.client().await;
        (parts(client.token())[0]["kid"] == second.as_str()).then_some(client)
    })
    .await;
    before.data(VIEWER, json!({})).await;
    assert_eq!(public_keys(&node).await, [first, second.clone()]);

    let mut socket = after.socket().await;
    let replaced = node.command(&["signing-key", "rotate", "--at-once"], "");
    let third = replaced.split(' ').nth(1).unwrap().to_owned();
    refused_soon(&before).await;
    assert!(is_refused(&after).await);
    assert_eq!(socket.next_or_close().await, Err(4403), "idle sockets of the key are closed");
    node.client().await.data(VIEWER, json!({})).await;
    assert_eq!(public_keys(&node).await, [third]);
    let list = node.command(&["signing-key", "list", "--json"], "");
    let list: Value = serde_json::from_str(&list).unwrap();
    let states: Vec<&Value> =
        list["keys"].as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["retired", "retired", "signs"]);
}

#[tokio::test]
async fn refresh_is_repeated_on_another_node() {
    let options =
        ClusterOptions { members: 1, roles: vec!["api", "api"], ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await;
    let (email, password) = cluster.nodes[0].administrator();
    let credentials = json!({"input": {"email": email, "password": password}});
    let login = cluster.nodes[0].anonymous().data(LOGIN, credentials).await["login"].clone();
    let mut tokens = Vec::new();
    for node in &cluster.nodes {
        let input = json!({"input": {"refreshToken": login["refreshToken"]}});
        tokens.push(node.anonymous().data(REFRESH, input).await["refresh"]["refreshToken"].clone());
    }
    assert_eq!(tokens[0], tokens[1]);
}
