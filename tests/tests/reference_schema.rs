//! Checks the published schema with graphql-js, the reference implementation: it is valid,
//! everything is described, a server's introspection equals it, and typical client queries are
//! valid.

use serde_json::{Value, json};
use std::process::Command;
use vultus_tests::{Node, workspace_root};

/// Fragments on every interface and concrete type of `node`, as generated clients write them.
const NODE: &str = "query($id: ID!) { node(id: $id) { id __typename
    ... on Media { contentType } ... on Image { width } ... on Video { duration }
    ... on ShotSet { frameCount }
    ... on Analysis { type state } ... on LivenessAnalysis { score }
    ... on FaceMatchAnalysis { similarity } ... on CustomAnalysis { result }
    ... on Folder { revision } ... on User { role } } }";
const CREATE: &str = "mutation($input: CreateFolderInput!) {
  createFolder(input: $input) { folder { id state resolution } }
}";
const WATCH: &str =
    "subscription($id: ID!) { folder(id: $id) { revision summary { reasons { code } } } }";

fn node_js(arguments: &[&std::path::Path]) -> std::process::Output {
    let root = workspace_root();
    let package = root.join("target/tools/node_modules/graphql");
    assert!(
        package.join("package.json").exists(),
        "the package graphql is missing: run `make setup`"
    );
    let mut command = Command::new("node");
    command.arg(root.join("tests/graphql-js/check.mjs")).arg(package).args(arguments);
    command.output().expect("Node.js is installed by `make setup`")
}

#[tokio::test]
async fn published_schema_is_valid_described_and_introspectable() {
    let query = String::from_utf8(node_js(&[]).stdout).unwrap();
    assert!(query.contains("__schema"), "graphql-js prints its introspection query: {query:?}");
    let node = Node::start().await;
    let answer = node.client().await.query(&query, json!({})).await;
    assert_eq!(answer["errors"], Value::Null, "a server in development answers introspection");
    let (introspection, documents) =
        (node.scratch().join("introspection.json"), node.scratch().join("documents.json"));
    std::fs::write(&introspection, answer.to_string()).unwrap();
    let texts = json!({"node by fragments": NODE, "createFolder": CREATE, "folder": WATCH});
    std::fs::write(&documents, texts.to_string()).unwrap();
    let judged = node_js(&[&workspace_root().join("schema.graphql"), &documents, &introspection]);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}
