//! The command line: `check` without a server, evaluations, and the operator's commands.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use vultus_tests::{executable, large_suites, sample_path, workspace_root};

fn vultus(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(executable("vultus"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("VULTUS_MODELS_DIR", workspace_root().join("models"))
        .output()
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(left.is_empty(), "`vultus {}` left files: {left:?}", arguments.join(" "));
    output
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!(
            "not JSON: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn portrait(name: &str) -> String {
    sample_path(name).display().to_string()
}

#[test]
fn check_reports_the_verdict_as_exit_code_and_json() {
    let media = |file: &str, tags: &str| format!("{}:{tags}", portrait(file));
    let (selfie, id) =
        (media("obama2.jpg", "photo_selfie"), media("obama.jpg", "photo_id,photo_id_front"));
    let analyses = ["--analysis", "liveness", "--analysis", "face_match"];
    let same =
        vultus(&[&["check", "--media", &selfie, "--media", &id, "--json"][..], &analyses].concat());
    let verdict = json_of(&same);
    assert_eq!(same.status.code(), Some(0), "{verdict:#}");
    assert_eq!(verdict["resolution"], "SUCCESS");
    assert_eq!(
        (&verdict["analyses"][0]["type"], &verdict["analyses"][0]["state"]),
        (&"liveness".into(), &"FINISHED".into())
    );
    assert!(verdict["analyses"][0]["score"].as_f64().unwrap() < 0.5);
    assert!(verdict["analyses"][1]["similarity"].as_f64().unwrap() >= 0.5);
    assert_eq!(verdict["analyses"][1]["media"].as_array().unwrap().len(), 2);

    let (selfie, reference) = (portrait("obama2.jpg"), portrait("biden.jpg"));
    let pair = ["--selfie", &selfie, "--reference", &reference];
    let other = vultus(&[&["check", "--analysis", "face_match"][..], &pair].concat());
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stdout).contains("DECLINED"));
}

#[test]
fn check_of_an_unreadable_file_names_the_file() {
    let unreadable =
        vultus(&["check", "--media", "/etc/hostname:photo_selfie", "--analysis", "liveness"]);
    assert_eq!(unreadable.status.code(), Some(1));
    let message = String::from_utf8_lossy(&unreadable.stderr).into_owned();
    assert!(message.contains("/etc/hostname"), "{message}");

    let missing = vultus(&["check", "--media", "/no/such/file.jpg", "--analysis", "liveness"]);
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn operator_commands_succeed() {
    let schema = vultus(&["schema"]);
    let published = std::fs::read_to_string(workspace_root().join("schema.graphql")).unwrap();
    assert!(
        String::from_utf8_lossy(&schema.stdout) == published,
        "`vultus schema` does not print schema.graphql"
    );
    let plugins = json_of(&vultus(&["plugins", "list", "--json"]));
    let ids: Vec<&str> = plugins["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["manifest"]["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.contains(&"org.vultus.liveness") && ids.contains(&"org.vultus.face-match"),
        "{ids:?}"
    );
    assert_eq!(plugins["refused"], Value::Array(vec![]));
    let models = vultus(&["models", "verify", "--json"]);
    assert_eq!(json_of(&models)["intact"], true);
    assert_eq!(vultus(&["config", "check"]).status.code(), Some(0));
    let printed = vultus(&["config", "print"]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("data_dir"));
}

#[test]
fn config_check_reports_all_problems() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "listen = \"nowhere\"\nspeed = 11\n").unwrap();
    let output = vultus(&["--config", file.path().to_str().unwrap(), "config", "check"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("listen") && message.contains("speed"), "{message}");
}

#[test]
fn evaluations_reproduce_the_published_figures() {
    let Some(data) = large_suites() else { return };
    let eval = |arguments: &[&str]| json_of(&vultus(arguments));
    let path =
        |relative: &str| std::fs::canonicalize(data.join(relative)).unwrap().display().to_string();
    let full = eval(&[
        "eval",
        "face-match",
        "--pairs",
        &path("lfw_full_grey_pairs.csv"),
        "--root",
        &path("lfw_full_grey"),
        "--json",
    ]);
    assert!(full["accuracy"].as_f64().unwrap() >= 0.983, "{full:#}");
    assert_eq!(full["failures_to_acquire"].as_f64(), Some(0.0), "{full:#}");
    let nuaa = eval(&[
        "eval",
        "liveness",
        "--list",
        &path("liveness/nuaa.csv"),
        "--root",
        &path("liveness"),
        "--json",
    ]);
    assert!(
        nuaa["apcer"].as_f64().unwrap() <= 0.02 && nuaa["bpcer"].as_f64().unwrap() <= 0.02,
        "{nuaa:#}"
    );
    let aligned = aligned_subset(Path::new(&path("lfw_aligned112_pairs.csv")));
    let aligned = eval(&[
        "eval",
        "face-match",
        "--pairs",
        aligned.path().to_str().unwrap(),
        "--root",
        &path("lfw_aligned112"),
        "--aligned",
        "--json",
    ]);
    assert!(aligned["accuracy"].as_f64().unwrap() >= 0.985, "{aligned:#}");
}

/// Every sixth pair. `make eval` evaluates the whole list.
fn aligned_subset(list: &Path) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(list).unwrap();
    let (heading, rows) = text.split_once('\n').unwrap();
    let some: Vec<&str> = rows.lines().step_by(6).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{heading}\n{}\n", some.join("\n"))).unwrap();
    file
}
