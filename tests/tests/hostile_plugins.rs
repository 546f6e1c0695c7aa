//! Runs every fault of `analyzers/faulty` under a load of healthy analyses of another company: the
//! server keeps answering, the healthy analyses succeed, each faulty one fails alone with the name
//! of its plugin and a code, and no process or file is left behind.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use vultus_tests::hostile::{self, FAULTS, kind};
use vultus_tests::{
    Client, Node, NodeOptions, analysis, children_of, compiled, executable, sample, selfie_photo,
    wait_until,
};

/// Plugin files that the node must reject, and a word of the logged reason.
const REFUSED: [(&str, &str); 7] = [
    ("bad_magic", "magic"),
    ("other_major", "version"),
    ("short_struct", "bytes"),
    ("no_symbol", "VULTUS_PLUGIN"),
    ("missing_function", "create"),
    ("wrong_weights", "SHA-256"),
    ("truncated", "refused"),
];

const HEALTHY_CLIENTS: usize = 4;
const HEALTHY_EACH: usize = 50;

/// Compiles a plugin for each fault, the files that the node must reject, one with a newer minor
/// version, which must load, and a healthy one.
fn plugins(folder: &Path) -> Vec<PathBuf> {
    let mut all = hostile::plugins(folder);
    for (name, _) in REFUSED.iter().filter(|(name, _)| *name != "truncated") {
        all.push(compiled(folder, &format!("faulty/{name}.c"), &format!("lib{name}.so"), &[]));
    }
    let whole = std::fs::read(&all[0]).unwrap();
    let truncated = folder.join("libtruncated.so");
    std::fs::write(&truncated, &whole[..whole.len() / 3]).unwrap();
    all.push(truncated);
    all.push(compiled(folder, "faulty/newer_minor.c", "libnewer_minor.so", &[]));
    all.push(compiled(folder, "example-c/sharpness.c", "libsharpness.so", &[]));
    all.push(executable("libvultus_faulty.so"));
    all
}

/// Requests an analysis that must fail, and returns it.
async fn failed(client: &Client, kind: &str, mode: &str) -> Value {
    let analyses = json!([{"type": kind, "params": {"mode": mode}}]);
    let folder = client.judged(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
    assert_eq!(folder["resolution"], Value::Null, "a failed analysis gives no verdict: {folder:#}");
    analysis(&folder, kind).clone()
}

async fn assert_fails(client: &Client, kind: &str, mode: &str, code: &str) {
    let faulty = failed(client, kind, mode).await;
    assert_eq!(
        (&faulty["state"], &faulty["failure"]["code"]),
        (&json!("FAILED"), &json!(code)),
        "{mode}: {faulty:#}"
    );
    let message = faulty["failure"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("org.vultus.{kind}")), "{mode}: {message}");
}

/// Requests healthy analyses, which must succeed. Every tenth folder includes liveness.
async fn stay_healthy(client: &Client) {
    for number in 0..HEALTHY_EACH {
        let analyses: &[&str] =
            if number % 10 == 0 { &["sharpness", "liveness"] } else { &["sharpness"] };
        let folder = client.folder_with(&[selfie_photo(sample("obama2.jpg"))], analyses).await;
        for kind in analyses {
            assert_eq!(analysis(&folder, kind)["resolution"], "SUCCESS", "{folder:#}");
        }
    }
}

/// Polls the node's health until `done`. Every answer must be a success. Returns their number.
async fn ask_for_health(client: &Client, done: &AtomicBool) -> usize {
    let mut answers = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    while !done.load(Relaxed) {
        pace.tick().await;
        for path in ["/healthz", "/readyz"] {
            assert!(client.get(path).await.status().is_success(), "{path} after {answers} answers");
        }
        answers += 1;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_fails_alone_with_name_and_code() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[workers]\nmemory_bytes = 1073741824\nsandbox = \"required\"\n".to_owned();
    let node = Node::start_with(NodeOptions {
        config,
        plugins: plugins(folder.path()),
        ..NodeOptions::default()
    })
    .await;
    let healthy = node.client_of_company("Healthy", "healthy@example.org", "client").await;
    let hostile = node.client_of_company("Hostile", "hostile@example.org", "client").await;
    let done = AtomicBool::new(false);
    let load = async {
        let faults = FAULTS.map(|(mode, code)| (kind(mode), mode, code));
        let panics =
            [("panics", "panic", "ANALYZER_PANICKED"), ("panics", "abort", "ANALYZER_CRASHED")];
        let faults = futures::future::join_all(
            faults.iter().map(|(kind, mode, code)| assert_fails(&hostile, kind, mode, code)),
        );
        let panics = futures::future::join_all(
            panics.iter().map(|(kind, mode, code)| assert_fails(&hostile, kind, mode, code)),
        );
        let healthy =
            futures::future::join_all((0..HEALTHY_CLIENTS).map(|_| stay_healthy(&healthy)));
        futures::join!(faults, panics, healthy);
        done.store(true, Relaxed);
    };
    let anonymous = node.anonymous();
    let ((), answers) = futures::join!(load, ask_for_health(&anonymous, &done));
    assert!(answers > 0);
    assert_refused_files_are_named(&node).await;
    let flood = node.log().matches("a useless line").count();
    assert!((1..=50).contains(&flood), "{flood} lines of a flood are in the log");
    for left in ["/tmp/vultus-faulty-was-here", "/tmp/vultus-faulty"] {
        assert!(!Path::new(left).exists(), "{left} was written");
    }
    wait_until("no process of a plugin to be left beside its worker", || async {
        let workers = children_of(node.pid());
        workers.iter().all(|(pid, _)| children_of(*pid).is_empty()).then_some(())
    })
    .await;
    assert_eq!(node.spooled_files(), Vec::<PathBuf>::new());
    // Dropping the node checks that no worker outlives it.
}

async fn assert_refused_files_are_named(node: &Node) {
    let log = node.log();
    for (name, reason) in REFUSED {
        let line = log.lines().find(|line| {
            line.contains("a plugin is not used") && line.contains(&format!("lib{name}.so"))
        });
        let line = line.unwrap_or_else(|| panic!("the log does not name {name}:\n{log}"));
        assert!(line.contains(reason) || reason == "refused", "{line}");
    }
    let analyzers = node
        .client()
        .await
        .data("{ analyzers { id } serverInfo { sandbox { required gaps } } }", json!({}))
        .await;
    assert!(
        analyzers["analyzers"].to_string().contains("org.vultus.newer"),
        "a newer minor version loads: {analyzers}"
    );
    assert_eq!(analyzers["serverInfo"]["sandbox"], json!({"required": true, "gaps": []}));
}
