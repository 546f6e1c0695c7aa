//! A data folder of version 8, written by the last build before companies could be administered:
//! five roles, and a company for every user. `tests/fixtures` has it as a zip.

use serde_json::{Value, json};
use vultus_tests::{Client, Node, NodeOptions, PASSWORD, workspace_root};

/// The users besides the first administrator, with their roles.
const USERS: [(&str, &str); 6] = [
    ("operator@example.org", "OPERATOR"),
    ("client@example.org", "CLIENT"),
    ("lead@example.org", "CLIENT_ADMIN"),
    ("desk@example.org", "CLIENT_OPERATOR"),
    ("kiosk@example.org", "CLIENT"),
    ("root@example.org", "ADMIN"),
];
const FOLDERS: [&str; 3] = ["of-kiosk", "of-client", "of-root"];
const ALL: &str = "{ folders { nodes {
    externalId metadata resolution owner { email } company { id name }
    media { nodes { url byteSize } } analyses { nodes { type state } } } } }";

async fn external_ids(client: &Client) -> Vec<Value> {
    let folders = client.data("{ folders { nodes { externalId } } }", json!({})).await;
    let nodes = folders["folders"]["nodes"].as_array().unwrap().iter();
    nodes.map(|folder| folder["externalId"].clone()).collect()
}

#[tokio::test]
async fn data_of_version_8_are_kept() {
    let data = Some(workspace_root().join("tests/fixtures/data-of-version-8.zip"));
    let node = Node::start_with(NodeOptions { data, ..NodeOptions::default() }).await;
    let mut clients = Vec::new();
    for (email, role) in USERS {
        let client = node.anonymous().login(email, PASSWORD).await;
        let viewer = "{ viewer { user { role isService mayStart company { name } } } }";
        let user = client.data(viewer, json!({})).await["viewer"]["user"].clone();
        let company = match role {
            "ADMIN" | "OPERATOR" => Value::Null,
            _ => json!({"name": "default"}),
        };
        let is_service = email.starts_with("kiosk");
        let expected =
            json!({"role": role, "isService": is_service, "mayStart": null, "company": company});
        assert_eq!(user, expected, "{email}");
        clients.push(client);
    }
    let [operator, client, lead, desk, kiosk, root] = &clients[..] else { unreachable!() };
    for all in [operator, lead, desk, root] {
        assert_eq!(external_ids(all).await, FOLDERS);
    }
    assert_eq!(external_ids(client).await, ["of-client"]);
    assert_eq!(external_ids(kiosk).await, ["of-kiosk"]);
    let folders = root.data(ALL, json!({})).await["folders"]["nodes"].clone();
    for (folder, external_id) in folders.as_array().unwrap().iter().zip(FOLDERS) {
        assert_eq!(folder["metadata"], json!({"case": external_id}));
        let owner = external_id.replace("of-", "") + "@example.org";
        assert_eq!(folder["owner"]["email"], json!(owner), "{folder:#}");
        assert_eq!(folder["company"]["name"], "default", "an administrator's folder stays in it");
        assert_eq!(folder["analyses"]["nodes"], json!([{"type": "quality", "state": "FINISHED"}]));
        let medium = &folder["media"]["nodes"][0];
        let answer = root.get(medium["url"].as_str().unwrap()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(json!(answer.bytes().await.unwrap().len()), medium["byteSize"]);
    }
    // One company is active, so that an administrator need not name it.
    let created = root.create(&[], json!({"externalId": "after"})).await;
    let query = "query($id: ID!) { folder(id: $id) { company { name } } }";
    let company = root.data(query, json!({"id": created["id"]})).await;
    assert_eq!(company["folder"]["company"]["name"], "default");
}
