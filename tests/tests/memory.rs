//! What requests and results cost the node in memory: a small multiple of their size, whatever
//! their JSON looks like. Each test sends JSON whose parsed form takes hundreds of times its size.

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use vultus_tests::hostile::kind;
use vultus_tests::measure::{memory, peak_memory};
use vultus_tests::{Client, Node, NodeOptions, Upload, analysis, compiled, wait_until};

/// A PNG of 4 × 4 pixels.
fn tiny_png() -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(4, 4, image::Rgb([90, 120, 200]));
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// About `bytes` of JSON with one value for every 2.3 bytes.
fn dense(bytes: usize) -> Value {
    json!(vec![json!({"": 0}); bytes / 7])
}

/// Size of the JSON of [`dense`] that a body may hold by its number of values, in bytes.
const DENSE: usize = 225_000;

const ADD: &str = "mutation($input: AddMediaInput!) { addMedia(input: $input) { folder { id } } }";

/// A folder with 50 media and more than a megabyte of metadata.
async fn folder_with_metadata(client: &Client) -> Value {
    let created =
        client.data("mutation { createFolder(input: {}) { folder { id } } }", json!({})).await;
    let id = created["createFolder"]["folder"]["id"].clone();
    let png = tiny_png();
    for _ in 0..5 {
        let metadata = json!({"a": dense(DENSE / 10)});
        let medium = json!({"file": null, "tags": ["x_tiny"], "metadata": metadata});
        let input = json!({"folderId": id, "media": vec![medium; 10]});
        let file = |at| Upload::medium(at, "tiny.png", png.clone());
        client.upload_data(ADD, json!({"input": input}), (0..10).map(file).collect()).await;
    }
    id
}

#[tokio::test]
async fn metadata_costs_a_few_times_its_size() {
    let node = Node::start().await;
    let client = node.client().await;
    // What the first request of each kind costs once.
    client.data("{ folders { nodes { id metadata } } }", json!({})).await;
    let before = peak_memory(node.pid());
    let id = folder_with_metadata(&client).await;
    let written = peak_memory(node.pid());
    assert!(written - before < 48 << 20, "writing: the peak grew by {}", written - before);
    let all = "query($id: ID!) { folder(id: $id) { media(first: 50) { nodes { id metadata } } } }";
    let bare = "query($id: ID!) { folder(id: $id) { id } }";
    let reads = (0..8).map(|n| client.data(if n % 2 == 0 { all } else { bare }, json!({"id": id})));
    let read = join_all(reads).await;
    let media = read[0]["folder"]["media"]["nodes"].as_array().unwrap();
    assert_eq!(media.len(), 50);
    assert_eq!(media[49]["metadata"]["a"][0], json!({"": 0}));
    let grown = peak_memory(node.pid()) - written;
    assert!(grown < 48 << 20, "reading: the peak grew by {grown}");
}

#[tokio::test]
async fn undeclared_variables_of_a_stranger_cost_little() {
    let node = Node::start().await;
    let stranger = node.anonymous();
    let body = json!({"query": "{__typename}", "variables": {"a": dense(DENSE)}});
    let before = peak_memory(node.pid());
    for _ in 0..3 {
        for answer in join_all((0..6).map(|_| stranger.post_text(&body))).await {
            assert!(answer.contains("\"data\""), "{answer}");
        }
    }
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < 24 << 20, "the peak grew by {grown}");
}

/// An open subscription keeps neither variables that it does not declare nor the text of its
/// document.
#[tokio::test]
async fn open_subscriptions_keep_what_they_need() {
    let node = Node::start().await;
    let client = node.client().await;
    let created =
        client.data("mutation { createFolder(input: {}) { folder { id } } }", json!({})).await;
    let id = created["createFolder"]["folder"]["id"].clone();
    let comment = "x".repeat(300_000);
    let watch = format!("subscription($id: ID!) {{ folder(id: $id) {{ id }} }} # {comment}");
    let variables = json!({"id": id, "more": dense(DENSE)});
    let before = memory(&[node.pid()]);
    let mut socket = client.socket().await;
    for number in 0..40 {
        socket.subscribe(&number.to_string(), &watch, variables.clone()).await;
        assert_eq!(socket.next().await["type"], "next");
    }
    let grown = memory(&[node.pid()]).saturating_sub(before);
    assert!(grown < 40 << 20, "40 subscriptions take {grown}");
}

/// Sends `operations` and the start of a file, and no more.
fn stalled_upload(client: &Client, operations: &str) -> tokio::task::JoinHandle<()> {
    let part = |name: &str, content: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}")
    };
    let map = r#"{"0":["variables.input.media.0.file"]}"#;
    let start = [
        part("operations", operations) + "\r\n",
        part("map", map) + "\r\n",
        part("0", "the start of a file"),
    ];
    let start = stream::iter(start.map(Ok::<_, std::io::Error>)).chain(stream::pending());
    let request = reqwest::Client::new()
        .post(format!("{}/graphql", client.url()))
        .bearer_auth(client.token())
        .header("content-type", "multipart/form-data; boundary=B")
        .body(reqwest::Body::wrap_stream(start));
    tokio::spawn(async move { drop(request.send().await) })
}

#[tokio::test]
async fn stalled_uploads_keep_what_they_need() {
    const UPLOADS: usize = 12;
    let config = format!("[limits]\nuploads = {UPLOADS}\n");
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let create =
        "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
    let variables = json!({"input": {"media": [{"file": null}]}, "more": dense(DENSE)});
    let operations = json!({"query": create, "variables": variables}).to_string();
    let before = memory(&[node.pid()]);
    let stalled: Vec<_> = (0..UPLOADS).map(|_| stalled_upload(&client, &operations)).collect();
    // All have begun when no further one may.
    wait_until("all uploads to begin", || async {
        let files = vec![Upload::medium(0, "tiny.png", tiny_png())];
        let variables = json!({"input": {"media": [{"file": null}]}});
        let answer = client.upload(create, variables, files).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        (*code == json!("UNAVAILABLE")).then_some(())
    })
    .await;
    let grown = memory(&[node.pid()]).saturating_sub(before);
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(grown < 40 << 20, "{UPLOADS} stalled uploads take {grown}");
}

#[tokio::test]
async fn memory_that_is_used_up_is_unavailable() {
    let config = "[limits.memory]\nstranger_bytes = 1048576\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let body = json!({"query": "{__typename}", "variables": {"a": "x".repeat(300_000)}});
    let stranger = node.anonymous();
    let refused: Value = serde_json::from_str(&stranger.post_text(&body).await).unwrap();
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAVAILABLE", "{refused}");
    assert!(extensions["retryAfterMs"].as_u64().unwrap() > 0, "{refused}");
    // It was released, and others have memory of their own.
    assert_eq!(stranger.data("{__typename}", json!({})).await["__typename"], "Query");
    let answer = node.client().await.post_text(&body).await;
    assert!(answer.contains("\"data\""), "{answer}");
}

#[tokio::test]
async fn metadata_comes_back_exactly() {
    let node = Node::start().await;
    let client = node.client().await;
    let metadata = r#"{"z":12345678901234567890123,"a":[1.50,1e2,"\u00e9"],"$gt":{"":null}}"#;
    let create =
        "mutation($m: JSON) { createFolder(input: {metadata: $m}) { folder { id metadata } } }";
    let body = format!(r#"{{"query":"{create}","variables":{{"m":  {metadata} }}}}"#);
    let answer = reqwest::Client::new()
        .post(format!("{}/graphql", client.url()))
        .bearer_auth(client.token())
        .header("content-type", "application/json")
        .body(body);
    let text = answer.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&format!(r#""metadata":{metadata}"#)), "{text}");
    let id: Value = serde_json::from_str(&text).unwrap();
    let id = &id["data"]["createFolder"]["folder"]["id"];
    let body = json!({
        "query": "query($id: ID!) { folder(id: $id) { metadata } }",
        "variables": {"id": id}
    });
    let text = client.post_text(&body).await;
    assert!(text.contains(&format!(r#""metadata":{metadata}"#)), "{text}");
}

#[tokio::test]
async fn values_and_depth_of_json_are_limited() {
    let config = "[limits]\nmetadata_values = 50\nmetadata_depth = 3\n".to_owned();
    let node = Node::start_with(NodeOptions { config, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let create =
        "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
    let refused = async |input: Value| {
        let error = client.error(create, json!({"input": input})).await;
        assert_eq!(error["code"], "LIMIT_EXCEEDED", "{error}");
        (error["argument"].as_str().unwrap().to_owned(), error["reason"].clone())
    };
    let many = json!({"a": vec![0; 50]});
    let deep = json!({"a": {"b": [[]]}});
    let metadata = |json: &Value| json!({"metadata": json});
    let params = |json: &Value| json!({"analyses": [{"type": "liveness", "params": json}]});
    assert_eq!(refused(metadata(&many)).await, ("input.metadata".into(), json!("TOO_MANY_VALUES")));
    assert_eq!(refused(metadata(&deep)).await, ("input.metadata".into(), json!("TOO_DEEP")));
    let argument = "input.analyses[0].params".to_owned();
    assert_eq!(refused(params(&many)).await, (argument, json!("TOO_MANY_VALUES")));
    client.data(create, json!({"input": {"metadata": {"a": {"b": []}}}})).await;
}

#[tokio::test]
async fn results_of_plugins_cost_a_few_times_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let modes = ["allowed_values", "many_values"];
    let plugin = |mode: &str| {
        let kind = kind(mode);
        let define = format!("-DFAULTY={kind}");
        compiled(folder.path(), "faulty/faulty.c", &format!("lib{kind}.so"), &[&define])
    };
    let plugins = modes.map(plugin).to_vec();
    let node = Node::start_with(NodeOptions { plugins, ..NodeOptions::default() }).await;
    let client = node.client().await;
    let kinds = modes.map(kind);
    let before = peak_memory(node.pid());
    let request = |at: usize| json!({"type": kinds[at], "params": {"mode": modes[at]}});
    let requests = json!([request(0), request(1)]);
    let judged = client.judged(&[], requests).await;
    let allowed = analysis(&judged, &kinds[0]);
    assert_eq!(allowed["state"], "FINISHED", "{allowed:#}");
    assert_eq!(allowed["result"]["more"].as_array().unwrap().len(), 16_001);
    let failure = &analysis(&judged, &kinds[1])["failure"];
    assert_eq!(failure["code"], "BAD_RESULT", "{failure}");
    assert!(node.log().contains("at most 50000 JSON values"), "the log says why");
    let grown = peak_memory(node.pid()) - before;
    assert!(grown < 64 << 20, "the peak grew by {grown}");
}
