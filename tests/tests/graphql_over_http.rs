//! GraphQL over HTTP: the audits of the specification's authors, forms of answers, queries by GET,
//! and results as server-sent events.

use reqwest::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tokio::time::timeout;
use vultus_tests::{Client, Node, Socket, workspace_root};

const GRAPHQL: &str = "application/graphql-response+json";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn post(node: &Node, accept: &str, body: &Value) -> RequestBuilder {
    let request = reqwest::Client::new().post(format!("{}/graphql", node.url));
    request.header(ACCEPT, accept).json(body)
}

async fn parts(request: RequestBuilder) -> (StatusCode, String, Value) {
    let response = request.send().await.unwrap();
    let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    (response.status(), content_type, response.json().await.unwrap())
}

#[tokio::test]
async fn audits_of_the_specification_pass() {
    let production = "mode = \"production\"\npublic_url = \"https://vultus.example\"\n";
    for config in ["", production] {
        let node = Node::start_with(vultus_tests::NodeOptions {
            config: config.to_owned(),
            ..vultus_tests::NodeOptions::default()
        })
        .await;
        let root = workspace_root();
        let package = root.join("target/tools/node_modules/graphql-http");
        assert!(package.exists(), "the package graphql-http is missing: run `make setup`");
        let mut command = Command::new("node");
        command.arg(root.join("tests/graphql-js/audit.mjs")).arg(package);
        command.arg(format!("{}/graphql", node.url));
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let output = output.expect("Node.js is installed by `make setup`");
        let text = String::from_utf8(output.stdout).unwrap();
        let required = |line: &&str| line.contains("\tMUST ") || line.contains("\tSHOULD ");
        assert!(text.lines().filter(required).count() >= 30, "{text}");
        // These two ask for `__type`, and introspection is off in production.
        let applies = |line: &&str| {
            config.is_empty() || !["\t2EA1\t", "\t28B9\t"].iter().any(|id| line.contains(id))
        };
        let required = text.lines().filter(required).filter(applies);
        let failed: Vec<_> = required.filter(|line| !line.starts_with("ok\t")).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

#[tokio::test]
async fn refused_documents_have_the_status_of_their_form() {
    let node = Node::start().await;
    for (query, position) in [
        ("{ serverInfo { version }", Some(json!({"line": 1, "column": 25}))),
        ("{ noSuchField }", Some(json!({"line": 1, "column": 3}))),
        ("query($v: Int!) { serverInfo { version } }", None),
    ] {
        let body = json!({"query": query});
        for (accept, expected) in [(GRAPHQL, StatusCode::BAD_REQUEST), (JSON, StatusCode::OK)] {
            let (status, content_type, answer) = parts(post(&node, accept, &body)).await;
            assert_eq!((status, content_type.starts_with(accept)), (expected, true), "{query}");
            assert!(answer.get("data").is_none(), "{query}: {answer}");
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"]["code"], "INVALID_INPUT", "{query}: {answer}");
            if let Some(position) = &position {
                assert_eq!(&error["locations"][0], position, "{query}: {answer}");
            }
        }
    }
    let (status, _, answer) = parts(post(&node, "text/html", &json!({"query": "{ a }"}))).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(answer["errors"][0]["extensions"]["reason"], "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn a_missing_or_wrong_token_is_challenged() {
    let node = Node::start().await;
    let body = json!({"query": "{ viewer { user { id } } }"});
    let wrong = post(&node, JSON, &body).header(AUTHORIZATION, "Bearer wrong");
    let response = wrong.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}

fn get(node: &Node, token: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let mut url = reqwest::Url::parse(&format!("{}/graphql", node.url)).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    reqwest::Client::new().get(url).header(AUTHORIZATION, format!("Bearer {token}"))
}

#[tokio::test]
async fn queries_run_by_get_and_mutations_do_not() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.create(&[], json!({})).await;
    let query = "query F($id: ID!) { folder(id: $id) { id } }";
    let variables = json!({"id": folder["id"]}).to_string();
    let parameters = [("query", query), ("variables", &variables), ("operationName", "F")];
    let (status, _, answer) = parts(get(&node, client.token(), &parameters)).await;
    assert_eq!((status, &answer["data"]["folder"]["id"]), (StatusCode::OK, &folder["id"]));

    let mutation = "mutation { logout { loggedOut } }";
    let refused = get(&node, client.token(), &[("query", mutation)]).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.headers()[ALLOW], "POST");
    client.data("{ viewer { user { id } } }", json!({})).await;

    let put = reqwest::Client::new().request(Method::PUT, format!("{}/graphql", node.url));
    let refused = put.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(refused.headers().contains_key(ALLOW));
    let (status, _, answer) = parts(get(&node, client.token(), &[])).await;
    assert_eq!(
        (status, answer["errors"][0]["extensions"]["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("INVALID_INPUT"))
    );
}

/// The events of one connection.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn open(node: &Node, client: &Client, query: &str, variables: Value) -> Self {
        let body = json!({"query": query, "variables": variables});
        let request = post(node, EVENTS, &body);
        let request = request.header(AUTHORIZATION, format!("Bearer {}", client.token()));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], EVENTS);
        Self { response, text: String::new() }
    }

    /// The next event: its name, and its data as JSON. `None` when the connection has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                // A comment keeps the connection open.
                if let Some(named) = event.strip_prefix("event: ") {
                    let (name, data) = named.split_once('\n').unwrap();
                    let data = data.strip_prefix("data:").unwrap().trim();
                    return Some((
                        name.to_owned(),
                        serde_json::from_str(data).unwrap_or(Value::Null),
                    ));
                }
            }
            let chunk = timeout(Duration::from_secs(60), self.response.chunk()).await;
            let chunk = chunk.expect("an event in time").ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

const WATCH: &str = "subscription($id: ID!) { folder(id: $id) { revision metadata } }";
const RENAME: &str = "mutation($input: UpdateFolderInput!) {
    updateFolder(input: $input) { folder { revision } } }";

#[tokio::test]
async fn subscriptions_arrive_as_server_sent_events() {
    let node = Node::start().await;
    let client = node.client().await;
    let folder = client.create(&[], json!({})).await;
    let mut events = Events::open(&node, &client, WATCH, json!({"id": folder["id"]})).await;
    let (name, first) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &first["data"]["folder"]["revision"]),
        ("next", &folder["revision"])
    );
    // Line breaks in a client's JSON do not break an event.
    let input = json!({"folderId": folder["id"], "metadata": {"a": [1, 2]}});
    client.data(RENAME, json!({"input": input})).await;
    let (name, second) = events.next().await.unwrap();
    assert_eq!(name, "next");
    assert_eq!(second["data"]["folder"]["metadata"], json!({"a": [1, 2]}));
    // A query gives one result and the end; a refused document its errors and the end.
    for (query, member) in [("{ serverInfo { version } }", "data"), ("{ nothing }", "errors")] {
        let mut events = Events::open(&node, &client, query, json!({})).await;
        let (name, result) = events.next().await.unwrap();
        assert!(name == "next" && result.get(member).is_some(), "{result}");
        assert_eq!(events.next().await.unwrap().0, "complete");
        assert_eq!(events.next().await, None);
    }
    // After the logout, the connection is cut without an end, so that the client does not take
    // the state for final.
    client.data("mutation { logout { loggedOut } }", json!({})).await;
    assert_eq!(events.next().await, None);
    let without = post(&node, EVENTS, &json!({"query": WATCH})).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn websockets_name_large_messages_and_bad_beginnings() {
    let node = Node::start().await;
    let mut socket = Socket::raw(&node.url).await;
    socket.send(json!({"type": "connection_init", "payload": "text"})).await;
    assert_eq!(socket.next_or_close().await, Err(4400));
    let mut socket = node.client().await.socket().await;
    socket.send(json!({"type": "ping", "payload": {"a": "x".repeat(2 << 20)}})).await;
    assert_eq!(socket.next_or_close().await, Err(1009));
}
