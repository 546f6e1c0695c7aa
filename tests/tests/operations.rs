//! `vultus store …`: moves an installation from SQLite to MongoDB and back, backs it up and
//! restores it, and says why a command cannot run.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vultus_tests::{
    Client, Node, NodeOptions, REQUEST_ANALYSES, ReplicaSet, executable, id_photo, sample,
    selfie_photo, selfie_video, still_clip, workspace_root,
};

/// Writes a configuration with its data folder below `place`, and this store. Returns the file.
fn config(place: &Path, name: &str, store: &str) -> PathBuf {
    let models = workspace_root().join("models");
    let data = place.join(name);
    let text =
        format!("data_dir = {data:?}\nmodels_dir = {models:?}\nlisten = \"127.0.0.1:0\"\n{store}");
    let file = place.join(format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

/// Writes a configuration beside a node's data folder, with a copy of the node's secret keys.
fn config_with_keys(node: &Node, name: &str, store: &str) -> PathBuf {
    let (from, to) = (node.data().join("keys"), node.scratch().join(name).join("keys"));
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    config(node.scratch(), name, store)
}

fn path(file: &Path) -> String {
    file.display().to_string()
}

/// Configures a new MongoDB database that also stores the media.
fn on_mongodb() -> String {
    let uri = ReplicaSet::shared(1).uri(&format!("operations-{}", uuid::Uuid::now_v7()));
    format!("store.url = {uri:?}\nblobs.url = \"gridfs\"\n")
}

fn vultus(config: &Path, arguments: &[&str]) -> Output {
    Command::new(executable("vultus"))
        .arg("--config")
        .arg(config)
        .arg("store")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn succeeds(config: &Path, arguments: &[&str]) -> String {
    let output = vultus(config, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(config: &Path, arguments: &[&str]) -> String {
    let output = vultus(config, arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// The line of a count, such as `folders: 2`.
fn counted<'t>(text: &'t str, what: &str) -> &'t str {
    text.lines()
        .find(|line| line.starts_with(what))
        .unwrap_or_else(|| panic!("no `{what}` in {text}"))
}

/// Starts the stopped node with another configuration, and logs in.
async fn launch_with(node: &mut Node, config: &Path) -> Client {
    std::fs::copy(config, node.config_file()).unwrap();
    node.launch().await;
    node.client().await
}

/// What clients see of folders: the answers without links, which differ each time, and the files
/// behind the links.
async fn seen(client: &Client, ids: &[String]) -> (Vec<Value>, Vec<Vec<u8>>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for id in ids {
        let mut folder = client.folder(id).await;
        let links = client
            .data(
                "query($id: ID!) { folder(id: $id) { media(first: 9) { nodes { url } } } }",
                json!({"id": id}),
            )
            .await;
        let mut urls = take_urls(&mut folder);
        urls.extend(take_urls(&mut links.clone()));
        for url in urls {
            let answer = client.get(&url).await;
            assert!(answer.status().is_success(), "{url}: {}", answer.status());
            files.push(answer.bytes().await.unwrap().to_vec());
        }
        folders.push(folder);
    }
    (folders, files)
}

fn take_urls(value: &mut Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.remove("url").and_then(|url| url.as_str().map(str::to_owned));
            let mut all: Vec<String> = fields.values_mut().flat_map(take_urls).collect();
            all.extend(own);
            all
        }
        Value::Array(items) => items.iter_mut().flat_map(take_urls).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_the_same_after_a_move_to_mongodb_and_back() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let clip = still_clip(node.scratch(), "obama2.jpg", 5.0);
    let pair = [selfie_photo(sample("obama2.jpg")), id_photo(sample("obama.jpg"))];
    let first = client.folder_with(&pair, &["face_match", "liveness"]).await;
    let second =
        client.create(&[selfie_video(clip.clone())], json!({"externalId": "case/7"})).await;
    let ids: Vec<String> =
        [&first, &second].map(|folder| folder["id"].as_str().unwrap().to_owned()).into();
    let before = seen(&client, &ids).await;
    assert_eq!(before.0[0]["state"], "FINISHED", "{:#}", before.0[0]);
    assert!(before.1.len() >= 4 && before.1.contains(&clip), "two photos, a best shot and a video");

    let sqlite = node.config_file();
    let mongodb = config_with_keys(&node, "on-mongodb", &on_mongodb());
    let running = fails(&sqlite, &["copy", "--to", &path(&mongodb)]);
    assert!(running.contains("in use by another node"), "{running}");
    node.stop();
    let text = succeeds(&sqlite, &["copy", "--to", &path(&mongodb)]);
    println!("SQLite to MongoDB:\n{text}");
    assert_eq!(counted(&text, "folders"), "folders: 2");
    let sum = counted(&text, "sha256").to_owned();
    assert_eq!(
        succeeds(&sqlite, &["copy", "--to", &path(&mongodb)]),
        text,
        "a second copy has nothing left to do"
    );

    let own = std::fs::read_to_string(&sqlite).unwrap();
    let client = launch_with(&mut node, &mongodb).await;
    assert_eq!(seen(&client, &ids).await, before, "on MongoDB");
    // The moved installation judges stored media and stores new analyses.
    let analyses = json!([{"type": "liveness"}]);
    let input = json!({"folderId": ids[1], "analyses": analyses, "waitMs": 30_000});
    client.data(REQUEST_ANALYSES, json!({"input": input})).await;
    let judged = client.final_folder(&ids[1]).await;
    assert_eq!(judged["state"], "FINISHED", "{judged:#}");
    let before = seen(&client, &ids).await;
    node.stop();
    assert!(succeeds(&mongodb, &["verify"]).contains("faults: 0; orphans: 0"));

    let back = config_with_keys(&node, "back", "");
    let returned = succeeds(&mongodb, &["copy", "--to", &path(&back)]);
    println!("MongoDB to SQLite:\n{returned}");
    assert_eq!(counted(&returned, "folders"), "folders: 2");
    assert_ne!(counted(&returned, "sha256"), sum, "the copy has the new analysis");
    let client = launch_with(&mut node, &back).await;
    assert_eq!(seen(&client, &ids).await, before, "on SQLite again");
    node.stop();
    assert!(succeeds(&back, &["verify"]).contains("faults: 0; orphans: 0"));

    // The first installation is unchanged, and a copy never overwrites another installation.
    let old = node.scratch().join("old.toml");
    std::fs::write(&old, own).unwrap();
    let filled = fails(&old, &["copy", "--to", &path(&mongodb)]);
    assert!(filled.contains("not empty"), "{filled}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_beside_a_node_restores_into_either_store() {
    let node =
        Node::start_with(NodeOptions { config: on_mongodb(), ..NodeOptions::default() }).await;
    let client = node.client().await;
    client.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await;
    let of_node = node.config_file();
    let backup = node.scratch().join("backup").display().to_string();
    let made = succeeds(&of_node, &["backup", &backup]);
    assert_eq!((counted(&made, "folders"), counted(&made, "users")), ("folders: 1", "users: 1"));
    assert!(fails(&of_node, &["backup", &backup]).contains("not empty"));
    // A later folder is not in the backup.
    client.create(&[selfie_photo(sample("obama2.jpg"))], json!({})).await;

    let sum = counted(&made, "sha256");
    for (name, store) in [("restored-sqlite", String::new()), ("restored-mongodb", on_mongodb())] {
        let keyless = config(node.scratch(), name, &store);
        let no_key = fails(&keyless, &["restore", &backup]);
        assert!(no_key.contains("master.key"), "{no_key}");
        let target = config_with_keys(&node, name, &store);
        let restored = succeeds(&target, &["restore", &backup]);
        assert_eq!(
            (counted(&restored, "folders"), counted(&restored, "sha256")),
            ("folders: 1", sum),
            "{name}"
        );
        assert!(succeeds(&target, &["verify"]).contains("faults: 0; orphans: 0"), "{name}");
        let pending: Value =
            serde_json::from_str(&succeeds(&target, &["migrate", "--dry-run", "--json"])).unwrap();
        assert_eq!(
            (&pending["schema"], &pending["plainFolders"]),
            (&pending["newestSchema"], &json!(0)),
            "{name}"
        );
        assert!(
            succeeds(&target, &["migrate"]).contains("encrypted: 0 files of 0 folders"),
            "{name}"
        );
        assert!(
            fails(&target, &["restore", node.scratch().to_str().unwrap()])
                .contains("no complete backup"),
            "{name}"
        );
    }
    let filled = fails(&of_node, &["restore", &backup]);
    assert!(filled.contains("in use by another node"), "{filled}");
}

#[tokio::test]
async fn impossible_copy_says_why_and_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let from = config(place.path(), "from", "");
    // The first use creates the store and its key.
    let made = Command::new(executable("vultus"))
        .arg("--config")
        .arg(&from)
        .args(["user", "add", "--email", "a@example.org", "--role", "admin"])
        .env_clear()
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let to = |name: &str, store: &str| config(place.path(), name, store).display().to_string();
    let cases = [
        (
            to(
                "no-server",
                "store.url = \"mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=300\"\n",
            ),
            "no server answers at 127.0.0.1:1",
        ),
        (to("malformed", "store.url = \"mongodb://\"\n"), "the URI is not valid"),
        (to("keyless", ""), "master.key"),
        (to("gridfs", "blobs.url = \"gridfs\"\n"), "the store is SQLite"),
        (from.display().to_string(), "both configurations name the same store"),
        (place.path().join("absent.toml").display().to_string(), "absent.toml"),
    ];
    for (target, reason) in cases {
        if reason != "master.key" {
            let keys = Path::new(&target).with_extension("").join("keys");
            std::fs::create_dir_all(&keys).unwrap();
            let own = place.path().join("from/keys/master.key");
            if keys.join("master.key") != own {
                std::fs::copy(own, keys.join("master.key")).unwrap();
            }
        }
        let text = fails(&from, &["copy", "--to", &target]);
        assert!(text.contains(reason), "{target}: {text}");
        let database = Path::new(&target).with_extension("").join("vultus.db");
        assert!(target == from.display().to_string() || !database.exists(), "{target}");
    }
    // If both configurations name the same data folder, only the store is copied, not the files.
    let uri = ReplicaSet::shared(1).uri(&format!("operations-{}", uuid::Uuid::now_v7()));
    let beside = place.path().join("beside.toml");
    let data = place.path().join("from");
    std::fs::write(&beside, format!("data_dir = {data:?}\nstore.url = {uri:?}\n")).unwrap();
    let text = succeeds(&from, &["copy", "--to", &beside.display().to_string()]);
    assert!(text.contains("users: 1") && text.contains("files are left where they are"), "{text}");
    assert!(succeeds(&beside, &["verify"]).contains("faults: 0"));
}
