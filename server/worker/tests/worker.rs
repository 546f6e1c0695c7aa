//! The worker process as the node sees it: started with a socket, controlled by messages.

mod node;

use std::fs;
use std::time::Duration;

use node::{Node, ended_within, plugin, sample, sharpness_of};
use serde_json::json;
use vultus_worker_protocol::{
    EXIT_OUT_OF_MEMORY, FromWorker, ProbeRequest, RunMedium, RunRequest, ToWorker,
};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn worker_keeps_no_inherited_descriptor_or_right() {
    let _kept = node::leak_descriptor_to_children();
    let mut node = Node::start(Vec::new());
    node.ready();
    let process = format!("/proc/{}", node.pid());
    let mut open: Vec<String> = fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    open.sort();
    // The socket has a second handle, for the receiving thread.
    assert_eq!(open, ["0", "1", "2", "3", "4"]);
    for descriptor in ["0", "1", "2"] {
        assert_eq!(
            fs::read_link(format!("{process}/fd/{descriptor}")).unwrap().to_str(),
            Some("/dev/null")
        );
    }
    assert_eq!(fs::read(format!("{process}/environ")).unwrap(), b"");
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Umask:\t0077"), "{status}");
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(soft("Max core file size"), "0");
    assert_eq!(soft("Max address space"), (2u64 << 30).to_string());
}

#[test]
fn worker_ends_when_the_socket_closes_even_in_an_endless_call() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    node.run("r", &[], &[node::analysis("a", "faulty", json!({"mode": "loop"}), &[])]);
    node.until(|message| matches!(message, FromWorker::Entered { .. }));
    assert!(ended_within(node.hang_up(), SOON));
}

#[test]
fn worker_dies_with_the_thread_that_spawned_it() {
    let node = std::thread::spawn(|| {
        let mut node = Node::start(Vec::new());
        node.ready();
        node
    });
    let mut node = node.join().unwrap();
    assert!(ended_within(node.child(), SOON));
}

#[test]
fn probe_describes_a_picture_and_returns_a_thumbnail() {
    let mut node = Node::start(Vec::new());
    node.ready();
    let (file, size) = sample("obama.jpg");
    node.send(&ToWorker::Probe(ProbeRequest { probe: "p".to_owned(), byte_size: size }), &[file]);
    let (message, beside) = node.receive();
    let FromWorker::Probed { probe, result: Ok(report) } = message else { panic!("{message:?}") };
    assert_eq!(
        (probe.as_str(), report.kind.name(), report.content_type.as_str()),
        ("p", "IMAGE", "image/jpeg")
    );
    let thumbnail = vultus_worker_protocol::memfd::read_sealed(
        beside.into_iter().next().unwrap(),
        report.thumbnail_bytes,
        1 << 20,
    );
    assert!(thumbnail.unwrap().starts_with(&[0xff, 0xd8]));
}

#[test]
fn probe_refuses_other_files_and_the_worker_continues() {
    let mut node = Node::start(Vec::new());
    node.ready();
    for _ in 0..2 {
        let text = node::bytes(b"certainly no picture");
        node.send(&ToWorker::Probe(ProbeRequest { probe: "p".to_owned(), byte_size: 20 }), &[text]);
        let (message, _) = node.receive();
        let FromWorker::Probed { result: Err(refusal), .. } = message else {
            panic!("{message:?}")
        };
        assert_eq!(refusal.code, "UNSUPPORTED_FORMAT");
    }
}

#[test]
fn probed_frame_gives_the_same_result_as_the_file() {
    // Only a worker without plugins may create anonymous files, in which frames are sent.
    let mut prober = Node::start(Vec::new());
    prober.ready();
    let (file, size) = sample("obama.jpg");
    let probe = ProbeRequest { probe: "p".to_owned(), byte_size: size };
    prober.send(&ToWorker::Probe(probe), &[file.try_clone().unwrap()]);
    let (FromWorker::Probed { result: Ok(report), .. }, beside) = prober.receive() else {
        panic!("the probe is answered")
    };
    let mut node = Node::start(vec![plugin("example-c/sharpness.c")]);
    node.ready();
    let frame = report.frame.expect("a picture leaves its frame");
    assert_eq!((frame.source_width, frame.source_height), (report.width, report.height));
    let analysis = || node::analysis("a", "sharpness", json!({}), &[0]);
    let over_file = sharpness_of(&node.judge(&["obama.jpg"], &[analysis()])[0]);
    let mut over_frame = |pixels: std::os::fd::OwnedFd| {
        let medium =
            RunMedium { id: "m".to_owned(), byte_size: size, tags: Vec::new(), frame: Some(frame) };
        let request =
            RunRequest { run: "r".to_owned(), media: vec![medium], analyses: vec![analysis()] };
        node.send(&ToWorker::Run(Box::new(request)), &[pixels]);
        node.judged_until_done().remove(0)
    };
    let pixels = beside.into_iter().last().unwrap();
    assert_eq!(sharpness_of(&over_frame(pixels)), over_file);
    let cut = vultus_worker_protocol::memfd::sealed("cut", &[0; 12]).unwrap();
    let failure = over_frame(cut).expect_err("an incomplete frame is not judged");
    assert!(failure.retryable, "the next attempt decodes the file: {failure:?}");
}

#[test]
fn results_are_the_same_alone_and_in_every_combination() {
    let mut node = Node::start(vec![plugin("example-c/sharpness.c")]);
    node.ready();
    let media = ["obama.jpg", "biden.jpg"];
    let alone = |node: &mut Node, index: usize| {
        let judged = node.judge(&media, &[node::analysis("a", "sharpness", json!({}), &[index])]);
        sharpness_of(&judged[0])
    };
    let (first, second) = (alone(&mut node, 0), alone(&mut node, 1));
    assert_ne!(first, second);
    let both = node.judge(
        &media,
        &[
            node::analysis("b", "sharpness", json!({}), &[1]),
            node::analysis("a", "sharpness", json!({}), &[0]),
        ],
    );
    assert_eq!([sharpness_of(&both[1]), sharpness_of(&both[0])], [first, second]);
}

#[test]
fn unreadable_medium_fails_only_the_analyses_that_take_it() {
    let mut node = Node::start(vec![plugin("example-c/sharpness.c")]);
    node.ready();
    let judged = node.judge(
        &["obama.jpg", "not a picture"],
        &[
            node::analysis("broken", "sharpness", json!({}), &[0, 1]),
            node::analysis("whole", "sharpness", json!({}), &[0]),
        ],
    );
    let failure = judged[0].as_ref().unwrap_err();
    assert_eq!(failure.code, "MEDIA_UNREADABLE");
    assert!(failure.message.contains("UNSUPPORTED_FORMAT"), "{}", failure.message);
    assert!(judged[1].is_ok());
}

#[test]
fn worker_without_memory_ends_with_its_exit_code() {
    let mut node = Node::start(vec![plugin("example-c/sharpness.c")]);
    node.ready();
    let sizes = std::fs::read_to_string(format!("/proc/{}/statm", node.pid())).unwrap();
    let pages: u64 = sizes.split(' ').next().unwrap().parse().unwrap();
    let most = Some(pages * 4096 + (1 << 20));
    let limit = rustix::process::Rlimit { current: most, maximum: most };
    let process = rustix::process::Pid::from_child(node.child());
    rustix::process::prlimit(Some(process), rustix::process::Resource::As, limit).unwrap();
    node.run("r", &["obama.jpg"], &[node::analysis("a", "sharpness", json!({}), &[0])]);
    while node.try_receive().is_ok() {}
    assert_eq!(node.child().wait().unwrap().code(), Some(EXIT_OUT_OF_MEMORY));
}

#[test]
fn invalid_outcomes_are_bad_results() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    for (mode, code) in [
        ("bad_schema", "BAD_RESULT"),
        ("not_json", "BAD_RESULT"),
        ("panic_status", "ANALYZER_PANICKED"),
    ] {
        let judged = node.judge(&[], &[node::analysis("a", "faulty", json!({"mode": mode}), &[])]);
        assert_eq!(judged[0].as_ref().unwrap_err().code, code, "{mode}");
    }
}

#[test]
fn cancellation_reaches_a_running_analysis() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    let slow = node::analysis("a", "faulty", json!({"mode": "until_cancelled"}), &[]);
    node.run("r", &[], &[slow, node::analysis("b", "faulty", json!({"mode": "ok"}), &[])]);
    node.until(|message| matches!(message, FromWorker::Entered { .. }));
    node.send(&ToWorker::Cancel { run: "r".to_owned(), analysis: Some("a".to_owned()) }, &[]);
    let judged = node.judged_until_done();
    assert_eq!(judged[0].as_ref().unwrap_err().code, "CANCELLED");
    assert!(judged[1].is_ok());
}

#[test]
fn analysis_that_checks_its_deadline_ends_by_it() {
    let mut node = Node::start(vec![plugin("faulty/faulty.c")]);
    node.ready();
    let mut slow = node::analysis("a", "faulty", json!({"mode": "until_cancelled"}), &[]);
    slow.timeout_ms = 50;
    let judged = node.judge(&[], &[slow]);
    assert_eq!(judged[0].as_ref().unwrap_err().code, "DEADLINE_EXCEEDED");
}

#[test]
fn refused_plugin_is_reported_and_the_others_are_used() {
    let mut node = Node::start(vec![plugin("faulty/bad_magic.c"), plugin("example-c/sharpness.c")]);
    let ready = node.ready();
    assert_eq!(ready.plugins.len(), 1);
    assert_eq!(ready.refused.len(), 1);
    assert!(!ready.refused[0].detail.is_empty() && ready.refused[0].path.contains("bad_magic"));
}

#[test]
fn built_in_scores_do_not_depend_on_other_analyses() {
    let mut node = Node::start(node::built_in_plugins());
    let ready = node.ready();
    assert!(ready.refused.is_empty(), "{:?}", ready.refused);
    let liveness = |media: &[usize]| {
        node::analysis("l", "liveness", node::default_params(&ready, "liveness"), media)
    };
    let face_match =
        node::analysis("m", "face_match", node::default_params(&ready, "face_match"), &[0, 1]);
    let media = ["obama.jpg", "obama2.jpg", "biden.jpg"];
    let mut result = |analyses: &[vultus_worker_protocol::RunAnalysis]| -> Vec<_> {
        let judged = node.judge(&media, analyses);
        judged.into_iter().map(|judged| judged.unwrap()).collect::<Vec<_>>()
    };
    let live_alone = result(&[liveness(&[0])]).remove(0);
    let match_alone = result(std::slice::from_ref(&face_match)).remove(0);
    let together = result(&[
        node::analysis("o", "liveness", liveness(&[2]).params, &[2]),
        face_match,
        liveness(&[0]),
    ]);
    assert_eq!(together[1].outcome, match_alone.outcome);
    assert_eq!(together[2].outcome, live_alone.outcome);
    let score = node::outcome_of(&live_alone)["result"]["score"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&score), "{score}");
    assert_ne!(
        node::outcome_of(&together[0])["result"]["score"],
        node::outcome_of(&live_alone)["result"]["score"]
    );
    let weights: Vec<&str> = match_alone.weights.iter().map(|(file, _)| file.as_str()).collect();
    assert!(weights.contains(&"face_detection_yunet.onnx"));
    assert!(weights.contains(&"face_recognition_sface.onnx"));
    assert_eq!(match_alone.plugin_sha256.len(), 64);
}

#[test]
fn third_parties_that_ask_for_a_restricted_feature_are_refused() {
    let mut plugins = node::built_in_plugins();
    for plugin in plugins.iter_mut().filter(|plugin| plugin.path.contains("liveness")) {
        plugin.origin = vultus_worker_protocol::PluginOrigin::ThirdParty;
    }
    let ready = Node::start(plugins).ready();
    assert_eq!(ready.refused.len(), 1);
    assert!(ready.refused[0].detail.contains("restricted"), "{}", ready.refused[0].detail);
}
