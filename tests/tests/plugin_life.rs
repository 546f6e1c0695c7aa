//! Plugins are added, replaced under load and removed without a restart. The lock file decides
//! which plugins are loaded, which share a pool, and what they are granted.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use vultus_tests::{
    Client, Node, NodeOptions, analysis, compiled, executable, sample, selfie_photo, wait_until,
    workspace_root,
};

const WATCHED: &str = "[plugins]\nwatch_seconds = 1\n";
const ANALYSES: usize = 500;
const PER_FOLDER: usize = 10;
const CLIENTS: usize = 4;

async fn watched(plugins: Vec<std::path::PathBuf>) -> Node {
    Node::start_with(NodeOptions { config: WATCHED.to_owned(), plugins, ..NodeOptions::default() })
        .await
}

/// Puts a file into the plugin folder with a rename, as operators should.
fn install(node: &Node, file: &Path, name: &str) {
    let incoming = node.plugins().join("incoming");
    std::fs::copy(file, &incoming).unwrap();
    std::fs::rename(&incoming, node.plugins().join(name)).unwrap();
}

fn vultus(config: &Path, arguments: &[&str]) -> Output {
    Command::new(executable("vultus"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Updates the lock file. Returns the output of the command.
fn lock(node: &Node) -> String {
    let output = vultus(&node.config_file(), &["plugins", "lock"]);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// Replaces text in the lock file.
fn edit_lock(node: &Node, from: &str, to: &str) {
    let path = node.plugins().join("plugins.lock");
    let before = std::fs::read_to_string(&path).unwrap();
    let after = before.replace(from, to);
    assert_ne!(before, after, "{before}");
    std::fs::write(&path, after).unwrap();
}

/// Version of a plugin in use.
async fn version(client: &Client, id: &str) -> Option<String> {
    let analyzers = client.data("{ analyzers { id version } }", json!({})).await;
    let found =
        analyzers["analyzers"].as_array()?.iter().find(|analyzer| analyzer["id"] == id).cloned()?;
    found["version"].as_str().map(str::to_owned)
}

async fn until_version(client: &Client, id: &str, wanted: Option<&str>) {
    wait_until(&format!("{id} to have the version {wanted:?}"), || async {
        (version(client, id).await.as_deref() == wanted).then_some(())
    })
    .await;
}

async fn until_logged(node: &Node, parts: &[&str]) {
    wait_until(&format!("{parts:?} in the log"), || async {
        node.log().lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
    })
    .await;
}

/// Requests ten analyses of one folder, which must finish. Returns the versions that judged them.
async fn judge_ten(client: &Client) -> Vec<String> {
    let analyses = vec![json!({"type": "faulty"}); PER_FOLDER];
    let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], json!(analyses)).await;
    let analyses = folder["analyses"]["nodes"].as_array().unwrap();
    assert_eq!(analyses.len(), PER_FOLDER);
    let version_of = |judged: &Value| {
        assert_eq!(judged["state"], "FINISHED", "{judged:#}");
        let version = judged["provenance"]["analyzerVersion"].as_str().unwrap();
        assert_eq!(
            judged["result"]["value"].to_string(),
            version[..1],
            "the recorded version is the one that judged: {judged:#}"
        );
        version.to_owned()
    };
    analyses.iter().map(version_of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrade_under_load_fails_nothing_and_records_versions() {
    let folder = tempfile::tempdir().unwrap();
    let old = compiled(folder.path(), "faulty/faulty.c", "libfaulty.so", &[]);
    let new = compiled(folder.path(), "faulty/faulty.c", "libnew.so", &["-DVERSION=\"2.0.0\""]);
    let node = watched(vec![old]).await;
    let client = node.client().await;
    let (judged, upgraded) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = async || {
        let mut versions = Vec::new();
        while judged.fetch_add(PER_FOLDER, Relaxed) < ANALYSES || upgraded.load(Relaxed) == 0 {
            versions.extend(judge_ten(&client).await);
        }
        versions
    };
    let upgrade = async {
        wait_until("the load to have started", || async {
            (judged.load(Relaxed) >= ANALYSES / 5).then_some(())
        })
        .await;
        install(&node, &new, "libfaulty.so");
        until_version(&client, "org.vultus.faulty", Some("2.0.0")).await;
        upgraded.store(1, Relaxed);
    };
    let (versions, ()) =
        futures::join!(futures::future::join_all((0..CLIENTS).map(|_| work())), upgrade);
    let count =
        |version: &str| versions.iter().flatten().filter(|judged| *judged == version).count();
    assert!(count("1.0.0") > 0 && count("2.0.0") > 0, "{} and {}", count("1.0.0"), count("2.0.0"));
    assert!(count("1.0.0") + count("2.0.0") >= ANALYSES);
    assert!(judge_ten(&client).await.iter().all(|version| version == "2.0.0"));
}

#[tokio::test]
async fn faulty_upgrade_is_ignored_and_removed_plugin_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let good = compiled(folder.path(), "faulty/faulty.c", "libgood.so", &[]);
    let crashing = compiled(
        folder.path(),
        "faulty/faulty.c",
        "libcrashing.so",
        &["-DVERSION=\"2.0.0\"", "-DDEFAULT_MODE=\"segfault\""],
    );
    let rival = compiled(folder.path(), "faulty/faulty.c", "librival.so", &["-DVERSION=\"3.0.0\""]);
    let node = watched(Vec::new()).await;
    let client = node.client().await;
    let id = "org.vultus.faulty";
    install(&node, &good, "libfaulty.so");
    until_version(&client, id, Some("1.0.0")).await;
    install(&node, &crashing, "libfaulty.so");
    until_logged(&node, &["a plugin is not used", "libfaulty.so", "self-test"]).await;
    install(&node, &rival, "librival.so");
    until_logged(&node, &["a plugin is not used", "librival.so", "in use already"]).await;
    assert!(
        judge_ten(&client).await.iter().all(|version| version == "1.0.0"),
        "the old version stays in use"
    );
    std::fs::remove_file(node.plugins().join("libfaulty.so")).unwrap();
    // The id is free now.
    until_version(&client, id, Some("3.0.0")).await;
    std::fs::remove_file(node.plugins().join("librival.so")).unwrap();
    until_version(&client, id, None).await;
    let refused = client
        .refused(&[selfie_photo(sample("obama2.jpg"))], json!({"analyses": [{"type": "faulty"}]}))
        .await;
    assert_eq!(refused["reason"], "UNKNOWN_ANALYSIS", "{refused}");
}

#[tokio::test]
async fn lock_file_decides_which_plugins_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let old = compiled(folder.path(), "faulty/faulty.c", "libfaulty.so", &[]);
    let new = compiled(folder.path(), "faulty/faulty.c", "libnew.so", &["-DVERSION=\"2.0.0\""]);
    let node = watched(vec![old]).await;
    let client = node.client().await;
    let id = "org.vultus.faulty";
    assert!(lock(&node).contains("+ org.vultus.faulty 1.0.0"));
    install(&node, &new, "libfaulty.so");
    until_logged(
        &node,
        &["a plugin is not used", "libfaulty.so", "the lock file does not name it"],
    )
    .await;
    assert_eq!(version(&client, id).await.as_deref(), Some("1.0.0"));
    let output = lock(&node);
    assert!(output.contains("- org.vultus.faulty 1.0.0"), "{output}");
    assert!(output.contains("+ org.vultus.faulty 2.0.0"), "{output}");
    until_version(&client, id, Some("2.0.0")).await;
    std::fs::write(node.plugins().join("plugins.lock"), "[plugins]\n").unwrap();
    until_version(&client, id, None).await;
    let check = vultus(&node.config_file(), &["plugins", "lock", "--check"]);
    assert_eq!(check.status.code(), Some(1), "{}", text(&check));
}

#[test]
fn production_without_a_lock_file_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    compiled(&plugins, "faulty/faulty.c", "libfaulty.so", &[]);
    let config = folder.path().join("vultus.toml");
    let models = workspace_root().join("models");
    let data = folder.path().join("data");
    std::fs::write(
        &config,
        format!(
            "mode = \"production\"\npublic_url = \"https://vultus.example\"\n\
             listen = \"127.0.0.1:0\"\ndata_dir = {data:?}\n\
             plugins_dir = {plugins:?}\nmodels_dir = {models:?}\n\
             workers.sandbox = \"best_effort\"\n"
        ),
    )
    .unwrap();
    let refused = vultus(&config, &["serve"]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("vultus plugin lock"), "{}", text(&refused));
    assert!(vultus(&config, &["plugins", "lock"]).status.success());
    let listed = vultus(&config, &["plugins", "list", "--json"]);
    assert!(text(&listed).contains("org.vultus.faulty"), "{}", text(&listed));
}

#[tokio::test]
async fn shared_features_need_one_pool_and_templates_a_grant() {
    let folder = tempfile::tempdir().unwrap();
    let provider = compiled(folder.path(), "faulty/newer_minor.c", "libnewer.so", &[]);
    let consumer = compiled(folder.path(), "faulty/feature_user.c", "libuser.so", &[]);
    let curious = compiled(
        folder.path(),
        "faulty/feature_user.c",
        "libcurious.so",
        &["-DFEATURE=\"face_template/1\"", "-DFRAME=0"],
    );
    let node = watched(vec![provider, consumer]).await;
    let client = node.client().await;
    let id = "org.vultus.feature-user";
    let needs = [
        "org.vultus.feature-user needs the feature nothing/1",
        "org.vultus.newer of the pool newer",
    ];
    until_logged(&node, &needs).await;
    lock(&node);
    edit_lock(
        &node,
        "[plugins.\"org.vultus.feature-user\"]\n",
        "[plugins.\"org.vultus.feature-user\"]\npool = \"both\"\n",
    );
    edit_lock(
        &node,
        "[plugins.\"org.vultus.newer\"]\n",
        "[plugins.\"org.vultus.newer\"]\npool = \"both\"\n",
    );
    until_version(&client, id, Some("1.0.0")).await;
    let judge = async || {
        let folder =
            client.folder_with(&[selfie_photo(sample("obama2.jpg"))], &["feature_user"]).await;
        let judged = analysis(&folder, "feature_user").clone();
        assert_eq!(judged["state"], "FINISHED", "{judged:#}");
        judged["result"]["bytes"].as_u64().unwrap()
    };
    assert_eq!(judge().await, "null".len() as u64);
    // A plugin with the same id asks for templates.
    std::fs::remove_file(node.plugins().join("libuser.so")).unwrap();
    until_version(&client, id, None).await;
    install(&node, &curious, "libcurious.so");
    lock(&node);
    until_logged(
        &node,
        &["requests the restricted feature face_template/1", "org.vultus.feature-user"],
    )
    .await;
    edit_lock(&node, "pool = \"both\"\n\n", "pool = \"both\"\ngrants = [\"face_template/1\"]\n\n");
    until_version(&client, id, Some("1.0.0")).await;
    assert!(judge().await > 100, "a template");
}
