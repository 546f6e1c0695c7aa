//! Only a valid outcome is returned, whatever a plugin answers; and what a plugin does affects only
//! its own process.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use vultus_plugin_api::{Config, Failure, Outcome, Status};
use vultus_plugin_host::{JobRequest, Plugin};

use crate::support::{Library, TestHost, analyze, image};

/// Environment variable with the mode for a child process of these tests.
const MODE: &str = "VULTUS_TEST_FAULTY_MODE";

fn run(plugin: &Plugin, mode: &str) -> Result<Outcome, Failure> {
    let host = &mut TestHost::default();
    analyze(plugin, "faulty", json!({ "mode": mode }), vec![image(0)], host)
}

#[test]
fn invalid_outcome_is_an_internal_failure_naming_the_rule() {
    let plugin = Library::compile("faulty/faulty.c").open();
    assert_eq!(run(&plugin, "ok").unwrap().result, json!({ "value": 1 }));
    let cases = [
        ("nan", "is not the JSON of an outcome"),
        ("infinite", "is not the JSON of an outcome"),
        ("not_json", "is not the JSON of an outcome"),
        ("empty", "is not the JSON of an outcome"),
        ("unknown_field", "is not the JSON of an outcome"),
        ("unknown_resolution", "is not the JSON of an outcome"),
        ("not_utf8", "is not UTF-8"),
        ("many_values", "must have at most 50000 JSON values"),
        ("bad_schema", "breaks its result_schema at /value"),
        ("no_reason", "has no reason for a resolution other than SUCCESS"),
        ("bad_code", "has a malformed code in reason 0"),
        ("bad_medium", "refers to a medium or frame that does not exist in reason 0"),
        ("bad_frame", "refers to a medium or frame that does not exist in reason 0"),
    ];
    for (mode, rule) in cases {
        let failure = run(&plugin, mode).expect_err(mode);
        assert_eq!(failure.status, Status::Internal, "{mode}");
        let start = format!("the outcome of faulty by org.vultus.faulty: {rule}");
        assert!(failure.message.starts_with(&start), "{mode}: {failure}");
        assert!(!failure.message.contains("secret"), "the message repeats a value: {failure}");
    }
    let huge = run(&plugin, "huge").unwrap_err();
    assert_eq!(huge.message, "the outcome has 5242880 bytes, at most 4194304 are accepted");
}

#[test]
fn a_failure_keeps_status_and_message() {
    let plugin = Library::compile("faulty/faulty.c").open();
    assert_eq!(run(&plugin, "no such mode").unwrap_err(), Failure::invalid_input("unknown mode"));
}

#[test]
fn an_analysis_that_the_manifest_does_not_list_is_not_called() {
    let plugin = Library::compile("faulty/faulty.c").open();
    let host = &mut TestHost::default();
    let failure = analyze(&plugin, "liveness", json!({ "mode": "abort" }), vec![image(0)], host);
    assert_eq!(failure.unwrap_err().status, Status::Unsupported);
}

#[test]
fn an_instance_that_panicked_is_replaced_before_the_next_call() {
    let plugin = Library::compile("faulty/faulty.c").open();
    let mut instance = plugin.create(&Config::default()).unwrap();
    let mut run = |mode: &str| {
        let params = json!({ "mode": mode });
        let request = JobRequest { analysis: "faulty".into(), params, media: vec![image(0)] };
        instance.analyze(&mut TestHost::default(), &request)
    };
    assert_eq!(run("panic_status").unwrap_err().status, Status::Panic);
    // The instance that panicked would abort.
    assert!(run("ok").is_ok());
}

#[test]
fn artifacts_over_the_limits_are_refused_one_by_one() {
    let plugin = Library::compile("faulty/faulty.c").open();
    let mut host = TestHost::default();
    let params = json!({ "mode": "artifacts" });
    let outcome = analyze(&plugin, "faulty", params, vec![image(0)], &mut host).unwrap();
    assert_eq!(outcome.result, json!({ "value": 3 }));
    assert_eq!(host.artifacts.len(), 16);
}

#[test]
fn plugin_that_obeys_the_flag_ends_as_cancelled() {
    let plugin = Library::compile("faulty/faulty.c").open();
    let mut host = TestHost { cancelled: true, ..TestHost::default() };
    let params = json!({ "mode": "until_cancelled" });
    let failure = analyze(&plugin, "faulty", params, vec![image(0)], &mut host).unwrap_err();
    assert_eq!(failure, Failure::cancelled("cancelled as asked"));
}

/// Runs this test program again, with the one test that misbehaves.
fn child(mode: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "faulty::misbehaves_when_told_to_by_a_parent", "--nocapture"])
        .env(MODE, mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Does nothing unless another test started this process.
#[test]
fn misbehaves_when_told_to_by_a_parent() {
    let Ok(mode) = std::env::var(MODE) else {
        return;
    };
    let plugin = Library::compile("faulty/faulty.c").open();
    let mut host = TestHost { cancelled: true, echo: true, ..TestHost::default() };
    let outcome = analyze(&plugin, "faulty", json!({ "mode": mode }), vec![image(0)], &mut host);
    panic!("{mode} came back: {outcome:?}");
}

#[test]
fn only_the_process_of_a_crashing_plugin_ends() {
    const SIGABRT: i32 = 6;
    const SIGSEGV: i32 = 11;
    let status = |mode| child(mode).wait().unwrap();
    assert_eq!(status("abort").signal(), Some(SIGABRT));
    assert_eq!(status("segfault").signal(), Some(SIGSEGV));
    assert_eq!(status("exit").code(), Some(0));
}

#[test]
fn plugin_that_ignores_the_flag_ends_only_by_kill() {
    let mut child = child("loop");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "looping"), "the child never got there");
    assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}
