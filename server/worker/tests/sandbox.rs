//! The sandbox as a plugin sees it: what is refused, what is allowed, and the pitfalls of the
//! kernel's interfaces. The tests need a kernel with all of it: Linux 5.13 with Landlock, and user
//! namespaces.

mod node;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use node::{Judged, Node, analysis, plugin};
use serde_json::{Value, json};
use vultus_worker_protocol::{FromWorker, SandboxLevel};

fn judge(node: &mut Node, mode: &str) -> Judged {
    node.judge(&[], &[analysis("a", "faulty", json!({ "mode": mode }), &[])]).remove(0)
}

#[test]
fn sockets_files_processes_and_signals_are_refused() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    assert_eq!(node.ready().sandbox_gaps, Vec::<String>::new());
    let refusals = [
        ("socket", libc::EPERM),
        ("read_passwd", libc::EACCES),
        ("write_outside", libc::EPERM),
        ("fork", libc::EPERM),
        ("exec", libc::EPERM),
        ("signal_parent", libc::ENOSYS),
        ("anonymous_files", libc::ENOSYS),
    ];
    for (mode, error) in refusals {
        let failure = judge(&mut node, mode).unwrap_err();
        assert_eq!(failure.code, "ANALYZER_FAILED", "{mode}");
        assert!(
            failure.detail.ends_with(&format!("refused with error {error}")),
            "{mode}: {}",
            failure.detail
        );
    }
    assert!(!Path::new("/tmp/vultus-faulty-was-here").exists());
    assert!(judge(&mut node, "ok").is_ok());
}

#[test]
fn threads_are_allowed_and_the_temporary_folder_is_emptied() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    for _ in 0..2 {
        let judged = judge(&mut node, "allowed");
        assert!(judged.is_ok(), "{judged:?}");
    }
}

/// The temporary folder is memory beside the address space: its size bounds all files together, and
/// results go through it.
#[test]
fn files_of_a_worker_are_bounded_together() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    for _ in 0..2 {
        let judged = judge(&mut node, "files").unwrap();
        let megabytes = node::outcome_of(&judged)["result"]["value"].as_u64().unwrap();
        assert!((64..=192).contains(&megabytes), "{megabytes} MiB");
    }
    assert!(judge(&mut node, "artifacts").is_ok(), "the folder was emptied");
}

#[test]
fn constructors_of_a_library_run_inside_the_sandbox() {
    let mut node = Node::start(vec![plugin("faulty/early.c")]);
    node.ready();
    let judged = node.judge(&[], &[analysis("a", "early", json!({}), &[])]).remove(0).unwrap();
    let expected = json!({"socket": libc::EPERM, "file": libc::EACCES, "fork": libc::EPERM});
    assert_eq!(node::outcome_of(&judged)["result"], expected, "0 would mean that it worked");
}

#[test]
fn cpu_limit_applies_to_each_run_separately() {
    let mut node = Node::start_with(vec![plugin("faulty/faulty.c")], |setup| setup.cpu_seconds = 1);
    node.ready();
    // Together the runs use more than the limit of one.
    for run in 0..3 {
        assert!(judge(&mut node, "burn").is_ok(), "run {run}");
    }
    node.run("r", &[], &[analysis("a", "faulty", json!({"mode": "loop"}), &[])]);
    while node.try_receive().is_ok() {}
    let status = node.child().wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGXCPU), "{status}");
}

#[test]
fn every_thread_is_filtered_isolated_and_without_capabilities() {
    let mut node = Node::start(vec![plugin("example-c/sharpness.c")]);
    node.ready();
    let process = format!("/proc/{}", node.pid());
    for thread in std::fs::read_dir(format!("{process}/task")).unwrap() {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap_or_else(|| panic!("no {name}"));
            line[name.len()..].trim().to_owned()
        };
        assert_eq!(
            (field("Seccomp:"), field("Seccomp_filters:")),
            ("2".to_owned(), "2".to_owned())
        );
        assert_eq!(field("CapEff:").trim_matches('0'), "");
        assert_eq!(field("CapPrm:").trim_matches('0'), "");
    }
    for namespace in ["net", "mnt", "user"] {
        let of = |process: &str| std::fs::read_link(format!("{process}/ns/{namespace}")).unwrap();
        assert_ne!(of(&process), of("/proc/self"), "{namespace}");
    }
    let devices = std::fs::read_to_string(format!("{process}/net/dev")).unwrap();
    let devices: Vec<&str> =
        devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    assert!(
        devices.iter().all(|device| ["lo", "sit0", "tunl0", "ip6tnl0"].contains(device)),
        "{devices:?}"
    );
}

/// On a kernel that refuses the call, a worker with `required` reports why and ends before it opens
/// a plugin; otherwise it reports what is missing and works.
#[test]
fn missing_kernel_feature_is_reported_or_refused() {
    for (call, gap) in
        [(libc::SYS_landlock_create_ruleset, "Landlock"), (libc::SYS_unshare, "network namespace")]
    {
        let plugins = || vec![plugin("faulty/faulty.c")];
        let mut strict =
            Node::start_without(call, plugins(), |setup| setup.sandbox = SandboxLevel::Required);
        let (message, _) = strict.receive();
        let FromWorker::Unfit { detail } = message else { panic!("{message:?}") };
        assert!(detail.contains(gap) && detail.contains("workers.sandbox"), "{detail}");
        assert!(!strict.child().wait().unwrap().success());
        let mut lenient =
            Node::start_without(call, plugins(), |setup| setup.sandbox = SandboxLevel::BestEffort);
        let gaps = lenient.ready().sandbox_gaps;
        assert!(gaps.len() == 1 && gaps[0].contains(gap), "{gaps:?}");
        assert_eq!(
            node::outcome_of(&judge(&mut lenient, "ok").unwrap())["result"],
            json!({"value": 1})
        );
        assert_eq!(
            judge(&mut lenient, "socket").unwrap_err().code,
            "ANALYZER_FAILED",
            "the other parts of the sandbox still work"
        );
    }
}

/// The built-in analyzers need only the allowed files and calls.
#[test]
fn built_in_analyzers_work_in_the_sandbox_with_threads() {
    let mut node = Node::start_with(node::built_in_plugins(), |setup| setup.threads = 2);
    let ready = node.ready();
    assert!(ready.refused.is_empty(), "{:?}", ready.refused);
    let params = node::default_params(&ready, "liveness");
    let judged =
        node.judge(&["obama2.jpg"], &[analysis("l", "liveness", params, &[0])]).remove(0).unwrap();
    assert_ne!(node::outcome_of(&judged)["result"]["score"], Value::Null);
}
