//! The published schema, judged by graphql-js, the reference implementation: it is valid and all
//! described, a server's introspection tells the same, and the documents that clients begin with
//! are valid against it.

use serde_json::{Value, json};
use std::process::Command;
use vultus_tests::{Node, workspace_root};

/// Fragments on each interface and each concrete type under `node`, as generated clients write
/// them.
const NODE: &str = "query($id: ID!) { node(id: $id) { id __typename
    ... on Media { contentType } ... on Image { width } ... on Video { duration } ... on ShotSet { frameCount }
    ... on Analysis { type state } ... on LivenessAnalysis { score } ... on FaceMatchAnalysis { similarity } ... on CustomAnalysis { result }
    ... on Folder { revision } ... on User { role } } }";
const CREATE: &str = "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id state resolution } } }";
const WATCH: &str =
    "subscription($id: ID!) { folder(id: $id) { revision summary { reasons { code } } } }";

fn node_js(arguments: &[&std::path::Path]) -> std::process::Output {
    let root = workspace_root();
    let package = root.join("target/tools/node_modules/graphql");
    assert!(
        package.join("package.json").exists(),
        "the package graphql is not there: run make setup"
    );
    let mut command = Command::new("node");
    command.arg(root.join("tests/graphql-js/check.mjs")).arg(package).args(arguments);
    command.output().expect("node is installed by make setup")
}

#[tokio::test]
async fn the_published_schema_is_valid_described_and_what_a_server_tells_of_itself() {
    let query = String::from_utf8(node_js(&[]).stdout).unwrap();
    assert!(query.contains("__schema"), "graphql-js gives its introspection query: {query:?}");
    let node = Node::start().await;
    let told = node.client().await.query(&query, json!({})).await;
    assert_eq!(told["errors"], Value::Null, "a server in development answers introspection");
    let (introspection, documents) =
        (node.scratch().join("introspection.json"), node.scratch().join("documents.json"));
    std::fs::write(&introspection, told.to_string()).unwrap();
    let texts = json!({"node by fragments": NODE, "createFolder": CREATE, "folder": WATCH});
    std::fs::write(&documents, texts.to_string()).unwrap();
    let judged = node_js(&[&workspace_root().join("schema.graphql"), &documents, &introspection]);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}
