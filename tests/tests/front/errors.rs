//! Errors, provoked in many ways through a running node: what they tell, and what they do not.

use crate::{connect, until_closed};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt;
use vultus_tests::{
    CREATE_FOLDER, Client, DELETE_FOLDER, Node, Upload, analysis, media_input, sample, selfie_photo,
};

const MISSING: &str = "0192d0c4-0000-7000-8000-000000000000";

/// Words of the inside: source files, crates, the database, the system, memory.
const INSIDE: [&str; 34] = [
    ".rs",
    "/src/",
    "/root",
    "/home",
    "/tmp",
    "/srv",
    "/proc",
    "/usr",
    ".cargo",
    "panicked",
    "backtrace",
    "unwrap",
    "sqlite",
    "SQL",
    "SELECT",
    "INSERT",
    "constraint",
    "mongo",
    "bson",
    "$match",
    "tokio",
    "hyper",
    "axum",
    "async_graphql",
    "async-graphql",
    "serde",
    "vultus_",
    "vultus-",
    "os error",
    "ffmpeg",
    "libav",
    "onnx",
    "argon",
    "0x",
];
/// Part of what is sent that no error repeats.
const SECRET: &str = "zq7secret";

/// The errors among many answers, and a check of each.
#[derive(Default)]
struct Provoked(usize);

impl Provoked {
    fn note(&mut self, asked: &str, answer: &str) {
        let is_error = answer.contains("\"errors\"") || answer.starts_with("HTTP/1.1 4");
        self.0 += usize::from(is_error);
        for word in INSIDE.into_iter().chain([SECRET]) {
            assert!(!answer.contains(word), "{word:?} in the answer to {asked}: {answer}");
        }
    }
}

fn bad_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-5),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("../../etc/passwd"),
        json!("'; DROP TABLE folders; --"),
        json!({"$gt": ""}),
        json!([[]]),
        json!(MISSING),
        json!("ä".repeat(3_000)),
        json!({"media": [{"file": SECRET, "tags": ["x"]}], "metadata": SECRET}),
        json!({"folderId": "1", "analyses": [{"type": "unknown", "params": {"a": SECRET}}]}),
    ]
}

const OPERATIONS: [&str; 16] = [
    "query($v: ID!) { folder(id: $v) { id } }",
    "query($v: ID!) { node(id: $v) { id } }",
    "query($v: ID!) { analysis(id: $v) { id } }",
    "query($v: Int!) { folders(first: $v) { nodes { id } } }",
    "query($v: String!) { folders(first: 1, after: $v) { nodes { id } } }",
    "query($v: FolderFilter!) { folders(first: 1, filter: $v) { nodes { id } } }",
    "mutation($v: CreateFolderInput!) { createFolder(input: $v) { folder { id } } }",
    "mutation($v: String!) { createFolder(input: {externalId: $v}) { folder { id } } }",
    "mutation($v: AddMediaInput!) { addMedia(input: $v) { folder { id } } }",
    "mutation($v: RequestAnalysesInput!) { requestAnalyses(input: $v) { folder { id } } }",
    "mutation($v: ID!) { cancelAnalysis(input: {analysisId: $v}) { analysis { id } } }",
    "mutation($v: ID!) { updateFolder(input: {folderId: $v, metadata: 5}) { folder { id } } }",
    "mutation($v: ID!) { deleteMedia(input: {mediaId: $v}) { deletedId } }",
    "mutation($v: ID!) { deleteFolder(input: {folderId: $v}) { deletedId } }",
    "mutation($v: String!) { refresh(input: {refreshToken: $v}) { accessToken } }",
    "mutation($v: CheckInput!) { check(input: $v) { resolution } }",
];

async fn operations(client: &Client, provoked: &mut Provoked) {
    for query in OPERATIONS {
        for value in bad_values() {
            let body = json!({"query": query, "variables": {"v": value}});
            provoked.note(query, &client.post_text(&body).await);
        }
    }
    let whole = "query Q($a: Int = 1) { folders(first: $a) { nodes { id @skip(if: true) } } }";
    for end in (1..whole.len()).step_by(2) {
        let cut = &whole[..end];
        provoked.note(cut, &client.post_text(&json!({"query": cut})).await);
    }
    let login = format!(
        "mutation {{ login(input: {{email: \"a@b\", password: \"{SECRET}\"}}) {{ accessToken }} }}"
    );
    provoked.note(&login, &client.post_text(&json!({"query": login})).await);
}

async fn media(client: &Client, provoked: &mut Provoked) {
    let picture = sample("obama.jpg");
    let files: [&[u8]; 6] =
        [b"", b"GIF89a", b"<svg/>", b"PK\x03\x04", &picture[..500], b"\0\0\0\x18ftypheic"];
    for bytes in files {
        let (variables, _) = media_input(&[selfie_photo(Vec::new())], json!({}));
        let name = "/srv/../etc/passwd\0";
        let file = Upload::medium(0, name, bytes.to_vec());
        let answer = client.upload(CREATE_FOLDER, variables, vec![file]).await;
        provoked.note("an upload", &answer.to_string());
    }
}

async fn requests(node: &Node, token: &str, provoked: &mut Provoked) {
    let bodies = [
        "",
        "{",
        "[]",
        "5",
        "\"x\"",
        "{\"query\":5}",
        "[[[[",
        "{\"query\":\"{a}\",\"variables\":5}",
    ];
    let kinds = ["application/json", "text/plain", "multipart/form-data; boundary=b", "x"];
    let paths = ["/graphql", "/media/medium/1?expires=1&signature=zz", "/../../etc/passwd", "/%00"];
    let mut texts = Vec::new();
    for body in bodies {
        for kind in kinds {
            texts.push(format!(
                "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n\
                 X-Requested-With: x\r\nAuthorization: Bearer {token}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
    }
    for path in paths {
        for method in ["GET", "PUT", "TRACE"] {
            texts.push(format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Authorization: Bearer {SECRET}\r\n\r\n"
            ));
        }
    }
    for text in texts {
        let mut stream = connect(node, Ipv4Addr::LOCALHOST.into()).await;
        stream.write_all(text.as_bytes()).await.unwrap();
        provoked.note(&text, &until_closed(&mut stream).await);
    }
}

async fn socket(client: &Client, provoked: &mut Provoked) {
    let mut socket = client.socket().await;
    for (number, query) in OPERATIONS.iter().enumerate() {
        socket.subscribe(&number.to_string(), query, json!({"v": {"$gt": SECRET}})).await;
        let answer = socket.next().await;
        assert_eq!(answer["type"], "error", "{answer}");
        provoked.note(query, &json!({"errors": answer["payload"]}).to_string());
    }
}

#[tokio::test]
async fn hundreds_of_provoked_errors_leak_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    let mut provoked = Provoked::default();
    operations(&client, &mut provoked).await;
    media(&client, &mut provoked).await;
    requests(&node, client.token(), &mut provoked).await;
    socket(&client, &mut provoked).await;
    assert!(provoked.0 >= 250, "{} errors were provoked", provoked.0);
}

/// An id of another company is answered as one that does not exist, byte for byte.
#[tokio::test]
async fn foreign_ids_are_answered_byte_for_byte_as_missing_ones() {
    let node = Node::start().await;
    let owner = node.client_of_company("Owner", "owner@example.org", "client-admin").await;
    let other = node.client_of_company("Other", "other@example.org", "client-admin").await;
    let other = other.with_header("x-request-id", "same");
    let photo = selfie_photo(sample("obama2.jpg"));
    let folder = owner.folder_with(&[photo], &["quality"]).await;
    let medium = &folder["media"]["nodes"][0]["id"];
    let of_folder = [0, 1, 11, 13];
    let of_analysis = [1, 2, 10];
    let ids = [
        (&folder["id"], &of_folder[..]),
        (medium, &[1, 12]),
        (&analysis(&folder, "quality")["id"], &of_analysis),
    ];
    for (id, operations) in ids {
        for query in operations.iter().map(|at| OPERATIONS[*at]) {
            let answer = async |id: &Value| {
                let query = query.replace("metadata: 5", "metadata: {}");
                let body = json!({"query": query, "variables": {"v": id}});
                other.post_text(&body).await.replace(id.as_str().unwrap(), "id")
            };
            assert_eq!(answer(id).await, answer(&json!(MISSING)).await, "{query}");
        }
    }
    let analyses = json!([{"type": "quality"}]);
    let request = "mutation($i: RequestAnalysesInput!) { requestAnalyses(input: $i) {
        folder { id } } }";
    let answer = async |id: &Value| {
        let variables = json!({"i": {"folderId": id, "analyses": analyses}});
        other.query(request, variables).await.to_string()
    };
    assert_eq!(answer(&folder["id"]).await, answer(&json!(MISSING)).await);
    owner.data(DELETE_FOLDER, json!({"input": {"folderId": folder["id"]}})).await;
}

#[tokio::test]
async fn a_missing_required_variable_executes_nothing() {
    let node = Node::start().await;
    let client = node.client().await;
    let query = "mutation($f: UpdateFolderInput!) {
        createFolder(input: {}) { folder { id } } updateFolder(input: $f) { folder { id } } }";
    let error = client.error(query, json!({})).await;
    let told = (&error["code"], &error["argument"]);
    assert_eq!(told, (&json!("INVALID_INPUT"), &json!("variables.f")));
    let folders = client.data("{ folders(first: 1) { nodes { id } } }", json!({})).await;
    assert_eq!(folders["folders"]["nodes"], json!([]));
}
