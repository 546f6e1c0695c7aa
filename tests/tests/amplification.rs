//! A small request never becomes a large answer or much memory: documents are measured before they
//! are validated, and errors and answers have limits.

use futures::future::join_all;
use serde_json::{Value, json};
use vultus_tests::measure::peak_memory;
use vultus_tests::{Client, Node, NodeOptions};

/// Largest answer to a hostile request, in bytes; of a batch of three: three times as much.
const ANSWER: usize = 20_000;
/// Most memory that all hostile requests of a test may add to the node's peak, in bytes.
const MEMORY: u64 = 96 << 20;

/// Fragments that no operation uses, which validation walks 600 times.
fn unused_fragments() -> String {
    let fields: String = (0..600).map(|n| format!("node(id:{}){{id}} ", n % 2 + 1)).collect();
    let spreads = "...{...g} ".repeat(600);
    format!("{{__typename}} fragment g on Query{{{fields}}} fragment f on Query{{{spreads}}}")
}

/// 900 fields that conflict with the first one, in each of 28 sets.
fn overlapping_pairs() -> String {
    let fields: String = (0..900).map(|n| format!("a(b:{}) ", n % 2)).collect();
    format!("{{viewer{{{}{fields}{}}}}}", "...{".repeat(28), "}".repeat(28))
}

fn directives() -> String {
    format!("query {} {{__typename}}", "@a ".repeat(7_000))
}

fn unknown_fields() -> String {
    let fields: String = (0..14_000).map(|n| format!("a{n} ")).collect();
    format!("{{__typename}} fragment f on Query {{{fields}}}")
}

fn variable_definitions() -> String {
    let definitions: String = (0..3_700).map(|n| format!("$v{n}:Int ")).collect();
    format!("query({definitions}) {{__typename}}")
}

/// The fields of the types of the fields of all types, 80 times.
fn nested_introspection() -> String {
    let again = "fields{type{ofType{fields{type{ofType{name fields{name type{name}}}}}}}} ";
    format!("{{__schema{{types{{{}}}}}}}", again.repeat(80))
}

/// All of the above with the reason for which each is refused.
fn hostile_documents() -> [(&'static str, String, &'static str); 6] {
    [
        ("unused fragments", unused_fragments(), "QUERY_SELECTIONS"),
        ("overlapping pairs", overlapping_pairs(), "QUERY_VALIDATION"),
        ("directives", directives(), "QUERY_DIRECTIVES"),
        ("unknown fields", unknown_fields(), "QUERY_SELECTIONS"),
        ("variable definitions", variable_definitions(), "QUERY_VARIABLES"),
        ("introspection", nested_introspection(), "QUERY_INTROSPECTION"),
    ]
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn reason(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["reason"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn hostile_documents_get_small_answers_over_http() {
    let node = Node::start().await;
    let client = node.anonymous();
    let before = peak_memory(node.pid());
    for (name, query, expected) in hostile_documents() {
        let text = client.post_text(&json!({"query": query})).await;
        assert!(text.len() < ANSWER, "{name}: {} bytes", text.len());
        assert_eq!(reason(&parsed(&text)), expected, "{name}");
    }
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < MEMORY, "the peak grew by {grown} bytes");
}

#[tokio::test]
async fn hostile_batches_of_four_clients_stay_small() {
    let node = Node::start().await;
    let client = node.anonymous();
    let before = peak_memory(node.pid());
    for (name, query, _) in hostile_documents() {
        let batch = json!([{"query": query}, {"query": query}, {"query": query}]);
        for text in join_all((0..4).map(|_| client.post_text(&batch))).await {
            assert!(text.len() < 3 * ANSWER, "{name}: {} bytes", text.len());
            assert_eq!(parsed(&text).as_array().map(Vec::len), Some(3), "{name}");
        }
    }
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < MEMORY, "the peak grew by {grown} bytes");
}

#[tokio::test]
async fn hostile_documents_get_small_answers_on_a_socket() {
    let node = Node::start().await;
    let mut socket = node.client().await.socket().await;
    let before = peak_memory(node.pid());
    for (name, query, expected) in hostile_documents() {
        socket.subscribe(name, &query, json!({})).await;
        let message = socket.next().await;
        assert!(message.to_string().len() < ANSWER, "{name}: {message}");
        assert_eq!(message["type"], "error", "{name}");
        assert_eq!(message["payload"][0]["extensions"]["reason"], expected, "{name}");
    }
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < MEMORY, "the peak grew by {grown} bytes");
}

#[tokio::test]
async fn twenty_errors_are_kept_and_the_rest_is_counted() {
    let node = Node::start().await;
    let fields: String = (0..100).map(|n| format!("a{n} ")).collect();
    let answer = node.anonymous().query(&format!("{{viewer{{{fields}}}}}"), json!({})).await;
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 21);
    assert_eq!(errors[20]["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(errors[20]["extensions"]["leftOut"], 80);
}

#[tokio::test]
async fn json_values_are_counted_before_they_are_parsed() {
    let node = Node::start().await;
    let before = peak_memory(node.pid());
    let values = vec![json!({"": 0}); 140_000];
    let body = json!({"query": "{__typename}", "variables": {"a": values}});
    assert_eq!(reason(&parsed(&node.anonymous().post_text(&body).await)), "TOO_MANY_VALUES");
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < MEMORY / 4, "the peak grew by {grown} bytes");
}

#[tokio::test]
async fn a_large_variable_cannot_be_copied_a_thousand_times() {
    let node = Node::start().await;
    let before = peak_memory(node.pid());
    let query = format!("query($v: ID!) {{ viewer {{ {} }} }}", "a(b:$v) ".repeat(900));
    let body = json!({"query": query, "variables": {"v": "x".repeat(900_000)}});
    let answer = parsed(&node.anonymous().post_text(&body).await);
    assert_eq!(reason(&answer), "QUERY_VARIABLE_BYTES");
    assert!(peak_memory(node.pid()) - before < MEMORY);
}

/// A node whose answers have at most 4 000 bytes, and a folder whose answer has 3 000.
async fn node_with_small_answers() -> (Node, Client, String) {
    let config = "[limits.answer]\nbytes = 4000\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let made = client
        .data(
            "mutation($m: JSON) { createFolder(input: {metadata: $m}) { folder { id } } }",
            json!({"m": {"t": "x".repeat(3_000)}}),
        )
        .await;
    let id = made["createFolder"]["folder"]["id"].as_str().unwrap().to_owned();
    (node, client, id)
}

const FOLDER: &str = "query($id: ID!) { folder(id: $id) { metadata } }";
const FOLDER_TWICE: &str =
    "query($id: ID!) { folder(id: $id) { metadata } b: folder(id: $id) { metadata } }";

#[tokio::test]
async fn an_answer_over_the_limit_becomes_an_error() {
    let (_node, client, id) = node_with_small_answers().await;
    let answer = client.query(FOLDER, json!({"id": id})).await;
    assert_eq!(answer["data"]["folder"]["metadata"]["t"].as_str().map(str::len), Some(3_000));
    let answer = client.query(FOLDER_TWICE, json!({"id": id})).await;
    assert_eq!(reason(&answer), "ANSWER_TOO_LARGE");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_batch_shares_one_limit_of_bytes() {
    let (_node, client, id) = node_with_small_answers().await;
    let request = json!({"query": FOLDER, "variables": {"id": id}});
    let text = client.post_text(&json!([request, request, request])).await;
    assert!(text.len() < 6_000, "{} bytes", text.len());
    let answers = parsed(&text);
    let refused = answers.as_array().unwrap().iter().filter(|answer| !reason(answer).is_empty());
    assert_eq!(refused.count(), 2, "{answers}");
}

#[tokio::test]
async fn a_socket_message_over_the_limit_becomes_an_error() {
    let (_node, client, id) = node_with_small_answers().await;
    let mut socket = client.socket().await;
    socket.subscribe("q", FOLDER_TWICE, json!({"id": id})).await;
    let message = socket.next().await;
    assert_eq!(
        (&message["type"], reason(&message["payload"])),
        (&json!("next"), "ANSWER_TOO_LARGE")
    );
    assert_eq!(socket.next().await["type"], "complete");
}

#[tokio::test]
async fn a_subscription_survives_an_item_over_the_limit() {
    let (_node, client, id) = node_with_small_answers().await;
    let mut socket = client.socket().await;
    let twice = "subscription($id: ID!) { folder(id: $id) { metadata again: metadata } }";
    socket.subscribe("s", twice, json!({"id": id})).await;
    assert_eq!(reason(&socket.next().await["payload"]), "ANSWER_TOO_LARGE");
    let shorten = "mutation($id: ID!) {
        updateFolder(input: {folderId: $id, metadata: {t: 1}}) { folder { id } } }";
    client.data(shorten, json!({"id": id})).await;
    let message = socket.next().await;
    assert_eq!(message["payload"]["data"]["folder"]["metadata"], json!({"t": 1}), "{message}");
}

/// Limits that are low enough to be reached by short documents.
const LOW_LIMITS: &str = r"
[limits.request]
body_bytes = 3000
batch = 2
json_values = 100

[limits.query]
tokens = 200
name_bytes = 20
nesting = 8
operations = 2
fragments = 2
variables = 3
directives = 4
directives_per_place = 2
literals = 10
selections = 40
aliases = 3
root_fields = 6
depth = 5
introspection_depth = 3
introspection_values = 1000
complexity = 25
validation_steps = 100
variable_bytes = 1024

[limits.answer]
errors = 3
";

#[tokio::test]
async fn each_limit_of_documents_has_a_key() {
    let config = LOW_LIMITS.to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.anonymous();
    let nested_sets = format!("{}{}{}", "...{".repeat(6), "id ".repeat(25), "}".repeat(6));
    for (expected, query) in [
        ("QUERY_TOKENS", format!("{{ {} }}", "a ".repeat(200))),
        ("QUERY_NAME", format!("{{ {} }}", "a".repeat(21))),
        ("QUERY_NESTING", format!("{{ a(b: {}{}) }}", "[".repeat(7), "]".repeat(7))),
        ("QUERY_OPERATIONS", "query A {a} query B {a} query C {a}".to_owned()),
        (
            "QUERY_FRAGMENTS",
            "{...a ...b ...c} fragment a on Q {x} fragment b on Q {x} fragment c on Q {x}"
                .to_owned(),
        ),
        ("QUERY_VARIABLES", "query($a: I, $b: I, $c: I, $d: I) {a}".to_owned()),
        ("QUERY_DIRECTIVES", "query @a @a @a {a}".to_owned()),
        ("QUERY_DIRECTIVES", "query @a @a {a @a @a b @a}".to_owned()),
        ("QUERY_LITERALS", "{ a(b: [[1, 2, 3, 4], {c: [5, 6, 7, 8]}]) }".to_owned()),
        ("QUERY_SELECTIONS", format!("{{ x {{ {} }} }}", "a ".repeat(40))),
        ("QUERY_ALIASES", "{ x { a: i b: i c: i d: i } }".to_owned()),
        ("QUERY_ROOT_FIELDS", "{ a b c d e f g }".to_owned()),
        ("QUERY_DEPTH", "{a{b{c{d{e{f}}}}}}".to_owned()),
        ("QUERY_DEPTH", "{__schema{a{b{c}}}}".to_owned()),
        ("QUERY_INTROSPECTION", "{__schema{types{fields}}}".to_owned()),
        (
            "QUERY_COMPLEXITY",
            format!("{{ {} }}", "viewer{user{id}} ".repeat(6)).replace("id", "id id id id"),
        ),
        ("QUERY_VALIDATION", format!("{{ x {{ {nested_sets} }} }}")),
        ("UNUSED_FRAGMENT", "{a} fragment f on Q {a}".to_owned()),
    ] {
        let answer = client.query(&query, json!({})).await;
        assert_eq!(reason(&answer), expected, "{query}: {answer}");
    }
}

#[tokio::test]
async fn each_limit_of_requests_has_a_key() {
    let config = LOW_LIMITS.to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.anonymous();
    let query = "{__typename}";
    let copied = "query($v: ID!) { a(b: $v) { c(d: $v) } }";
    for (expected, body) in [
        ("BODY_TOO_LARGE", json!({"query": query, "operationName": "a".repeat(3_000)})),
        ("BATCH_TOO_LARGE", json!([{"query": query}, {"query": query}, {"query": query}])),
        ("TOO_MANY_VALUES", json!({"query": query, "variables": {"v": vec![1; 100]}})),
        ("QUERY_VARIABLE_BYTES", json!({"query": copied, "variables": {"v": "a".repeat(600)}})),
    ] {
        assert_eq!(reason(&parsed(&client.post_text(&body).await)), expected);
    }
    let answer = client.query("{ a b c d e }", json!({})).await;
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(4), "{answer}");
}

/// What graphql-js asks (`getIntrospectionQuery`, all options), and so GraphiQL and generators of
/// code.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description
    queryType { name } mutationType { name } subscriptionType { name } types { ...FullType }
    directives { name description isRepeatable locations
      args(includeDeprecated: true) { ...InputValue } } } }
  fragment FullType on __Type { kind name description specifiedByURL
    fields(includeDeprecated: true) { name description
      args(includeDeprecated: true) { ...InputValue } type { ...TypeRef }
      isDeprecated deprecationReason }
    inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
    possibleTypes { ...TypeRef } }
  fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue
    isDeprecated deprecationReason }
  fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name } } } } } } } } } }";

#[tokio::test]
async fn tools_can_ask_what_the_schema_is() {
    let node = Node::start().await;
    let schema = node.anonymous().data(INTROSPECTION, json!({})).await;
    assert!(schema["__schema"]["types"].as_array().is_some_and(|types| types.len() > 40));
}

#[tokio::test]
async fn a_large_document_within_the_limits_passes() {
    let node = Node::start().await;
    let client = node.client().await;
    let fields = "id state revision metadata externalId createdAt ".repeat(10);
    let aliased: String = (0..15)
        .map(|n| format!("a{n}: folders(first: 20) {{ nodes {{ ...f @include(if: $yes) }} }} "))
        .collect();
    let query =
        format!("query($yes: Boolean!) {{ {aliased} }} fragment f on Folder {{ {fields} }}");
    let data = client.data(&query, json!({"yes": true})).await;
    assert_eq!(data["a14"]["nodes"], json!([]));
}
