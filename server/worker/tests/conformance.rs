//! The suite behind `vultus plugin check`, on real plugins in the real process: it finds each
//! broken rule, and reports no other.
#![expect(clippy::unwrap_used, reason = "a failed setup must fail the test")]
#![expect(clippy::disallowed_methods, reason = "tests start compilers and workers")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vultus_worker_protocol::conformance::{
    ConformanceEvent, ConformanceRequest, ENVIRONMENT, RULES, RuleReport, RuleVerdict, SampleFile,
};
use vultus_worker_protocol::{
    PROTOCOL_VERSION, PluginFile, PluginOrigin, SandboxLevel, WorkerSetup,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A compiled C plugin in a temporary folder.
struct Library {
    folder: tempfile::TempDir,
}

impl Library {
    fn compile(source: &Path, define: &str) -> Self {
        let library = Self { folder: tempfile::tempdir().unwrap() };
        let status = Command::new("cc")
            .args([
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O1",
                "-shared",
                "-fPIC",
                "-fvisibility=hidden",
                "-pthread",
            ])
            .arg(format!("-D{define}"))
            .arg("-I")
            .arg(root().join("plugin-api/include"))
            .arg("-o")
            .args([&library.path(), source])
            .status()
            .unwrap();
        assert!(status.success(), "cc refuses {} with {define}", source.display());
        library
    }

    /// Compiles `wrong.c` so that it breaks one rule.
    fn wrong(define: &str) -> Self {
        Self::compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong.c"), define)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("plugin.so")
    }
}

/// The events of one process, and the rule that it had begun when it ended.
struct Told {
    reports: BTreeMap<String, RuleReport>,
    unfinished: Option<String>,
    failed: Option<String>,
}

impl Told {
    fn broken(&self) -> Vec<&str> {
        let broken = |report: &&RuleReport| report.verdict == RuleVerdict::Broken;
        self.reports.values().filter(broken).map(|report| report.rule.as_str()).collect()
    }
}

fn plugin_file(path: &Path, origin: PluginOrigin) -> PluginFile {
    PluginFile {
        path: path.display().to_string(),
        settings: json!({}),
        origin,
        grants: Vec::new(),
        only_for_features: false,
    }
}

fn examine(plugins: Vec<PluginFile>, media: Vec<SampleFile>, first_rule: Option<&str>) -> Told {
    let text = |path: &str| Some(root().join(path).canonicalize().unwrap().display().to_string());
    let setup = WorkerSetup {
        protocol: PROTOCOL_VERSION,
        plugins,
        onnxruntime: text("models/runtime/libonnxruntime.so"),
        weights_dir: text("models/weights"),
        threads: 1,
        limits: json!({}),
        decode: Value::Null,
        memory_bytes: Some(4 << 30),
        cpu_seconds: 120,
        sandbox: SandboxLevel::BestEffort,
        only_describe: false,
    };
    let request = ConformanceRequest { setup, media, first_rule: first_rule.map(str::to_owned) };
    let mut child = Command::new(env!("CARGO_BIN_EXE_vultus-worker"))
        .arg("conform")
        .env_clear()
        .envs([ENVIRONMENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&request).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut told = Told { reports: BTreeMap::new(), unfinished: None, failed: None };
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match serde_json::from_str(line).unwrap() {
            ConformanceEvent::Begin { rule, .. } => told.unfinished = Some(rule),
            ConformanceEvent::End(report) => {
                told.unfinished = None;
                told.reports.insert(report.rule.clone(), report);
            }
            ConformanceEvent::Opened { id, .. } => assert!(id.contains('.')),
            ConformanceEvent::Gap { sentence } => assert!(!sentence.is_empty()),
            ConformanceEvent::Failed { detail } => told.failed = Some(detail),
        }
    }
    told
}

/// Examines `wrong.c` compiled with one macro.
fn wrong(define: &str) -> Told {
    let library = Library::wrong(define);
    examine(vec![plugin_file(&library.path(), PluginOrigin::ThirdParty)], vec![], None)
}

fn breaks(define: &str, rules: &[&str]) {
    let told = wrong(define);
    assert_eq!(told.unfinished, None, "{define}");
    assert_eq!(told.broken(), rules, "{define}: {:#?}", told.reports);
}

#[test]
fn plugin_that_follows_all_rules_passes() {
    let told = wrong("RIGHT");
    assert_eq!(told.broken(), [""; 0], "{:#?}", told.reports);
    assert_eq!(told.reports.len(), RULES.len());
    assert_eq!(told.reports["memory"].verdict, RuleVerdict::Holds);
    assert!(!told.reports["file"].details[0].contains("should not"), "{:#?}", told.reports["file"]);
}

#[test]
fn second_exported_name_is_reported_and_breaks_nothing() {
    let told = wrong("WRONG_EXPORT");
    assert_eq!(told.broken(), [""; 0], "{:#?}", told.reports);
    assert!(
        told.reports["file"].details[0].ends_with("it should not export helper"),
        "{:#?}",
        told.reports["file"]
    );
}

#[test]
fn a_constructor_that_starts_a_thread_is_found() {
    breaks("WRONG_CONSTRUCTOR", &["file"]);
}

#[test]
fn changing_manifest_and_wrong_instance_count_are_found() {
    breaks("WRONG_MANIFEST", &["manifest_is_constant"]);
    let told = wrong("WRONG_ONLY_ONE");
    assert!(told.broken().contains(&"create"), "{:#?}", told.reports);
}

#[test]
fn a_result_against_its_schema_is_found() {
    let told = wrong("WRONG_SCHEMA");
    assert!(told.broken().contains(&"grey_input"), "{:#?}", told.reports);
    let details = &told.reports["grey_input"].details;
    assert!(details[0].contains("breaks its result_schema at /level"), "{details:?}");
}

#[test]
fn failure_instead_of_a_no_face_outcome_is_found() {
    let told = wrong("WRONG_NO_FACE");
    assert_eq!(told.broken(), ["grey_input"], "{:#?}", told.reports);
}

#[test]
fn misread_rows_media_and_parameters_are_found() {
    breaks("WRONG_STRIDE", &["padded_rows"]);
    breaks("WRONG_MEDIUM_SIZE", &["newer_host"]);
    breaks("WRONG_PARAMETER", &["parameters"]);
    breaks("WRONG_FEATURE", &["listed_features"]);
    breaks("WRONG_ARTIFACT", &["artifacts"]);
}

#[test]
fn a_result_that_depends_on_earlier_jobs_is_found() {
    let told = wrong("WRONG_STATE");
    assert!(told.broken().contains(&"same_input_same_result"), "{:#?}", told.reports);
}

#[test]
fn a_plugin_that_does_not_stop_in_time_is_found() {
    breaks("WRONG_CANCEL", &["cancel_before", "cancel_during"]);
    let slow = wrong("WRONG_SLOW_CANCEL");
    assert_eq!(slow.broken(), ["cancel_before", "cancel_during"], "{:#?}", slow.reports);
    assert!(slow.reports["cancel_before"].details[0].contains("at most 100 are allowed"));
}

#[test]
fn eight_byte_leak_and_unreleased_result_are_found() {
    breaks("WRONG_LEAK", &["memory"]);
    breaks("WRONG_RELEASE", &["memory"]);
}

#[test]
fn a_thread_and_a_descriptor_left_behind_are_found() {
    let thread = wrong("WRONG_THREAD");
    assert!(thread.broken().contains(&"leftovers"), "{:#?}", thread.reports);
    let descriptor = wrong("WRONG_DESCRIPTOR");
    assert!(descriptor.broken().contains(&"leftovers"), "{:#?}", descriptor.reports);
}

#[test]
fn examination_resumes_after_the_rule_that_ended_the_process() {
    let library = Library::wrong("WRONG_TINY");
    let file = || vec![plugin_file(&library.path(), PluginOrigin::ThirdParty)];
    let told = examine(file(), vec![], None);
    assert_eq!(told.unfinished.as_deref(), Some("tiny_input"));
    let rest = examine(file(), vec![], Some("huge_input"));
    assert_eq!((rest.broken(), rest.unfinished.as_deref()), (vec![], None), "{:#?}", rest.reports);
}

#[test]
fn c_example_and_built_in_analyzer_follow_all_rules() {
    let example = Library::compile(&root().join("analyzers/example-c/sharpness.c"), "EXAMPLE");
    let sample = |tag: &str| SampleFile {
        path: root().join("samples/files/obama.jpg").canonicalize().unwrap().display().to_string(),
        tags: vec![tag.to_owned()],
    };
    let told = examine(
        vec![plugin_file(&example.path(), PluginOrigin::ThirdParty)],
        vec![sample("photo_selfie")],
        None,
    );
    assert_eq!((told.broken(), &told.failed), (vec![], &None), "{:#?}", told.reports);
    assert_eq!(told.reports["own_media"].verdict, RuleVerdict::Holds);
    let built_in = |name: &str| {
        let beside =
            std::env::current_exe().unwrap().with_file_name(format!("libvultus_{name}.so"));
        plugin_file(&beside, PluginOrigin::BuiltIn)
    };
    let told = examine(
        vec![built_in("face_detect"), built_in("quality")],
        vec![sample("photo_selfie")],
        None,
    );
    assert_eq!((told.broken(), told.unfinished.as_deref()), (vec![], None), "{:#?}", told.reports);
    let verdict = |rule: &str| told.reports[rule].verdict;
    assert_eq!([verdict("own_media"), verdict("features_have_providers")], [RuleVerdict::Holds; 2]);
}

#[test]
fn unreadable_medium_does_not_count_against_the_plugin() {
    let library = Library::wrong("RIGHT");
    let medium = SampleFile { path: "/etc/hostname".into(), tags: vec![] };
    let told =
        examine(vec![plugin_file(&library.path(), PluginOrigin::ThirdParty)], vec![medium], None);
    assert!(told.failed.unwrap().contains("/etc/hostname"));
    assert!(told.reports.is_empty());
}
