//! Measures the time from start to ready, and the memory of an idle node with one worker.

use std::process::ExitCode;
use std::time::Instant;
use vultus_tests::measure::{Figure, bench, memory};
use vultus_tests::{Node, NodeOptions, children_of};

/// Maximum memory of the node and one worker, in megabytes.
const MEMORY_BAR: f64 = 350.0;
/// Maximum seconds from start to ready.
const START_BAR: f64 = 3.0;

fn main() -> ExitCode {
    bench("Idle node with one worker", measure())
}

async fn measure() -> Vec<Figure> {
    let options = || NodeOptions {
        config: "[log]\nlevel = \"warn\"\n[workers]\ncount = 1\n".to_owned(),
        ..NodeOptions::default()
    };
    // The first start also creates keys and the first administrator, so the second one is measured.
    let mut node = Node::start_with(options()).await;
    node.stop();
    let begun = Instant::now();
    node.launch().await;
    let start = begun.elapsed().as_secs_f64();
    let workers = node.workers();
    let all: Vec<u32> = children_of(node.pid()).into_iter().map(|(pid, _)| pid).collect();
    let mib = |pids: &[u32]| memory(pids) as f64 / f64::from(1 << 20);
    let node_and_worker = mib(&[&[node.pid()][..], &workers[..1]].concat());
    let everything = mib(&[&[node.pid()][..], &all[..]].concat());
    vec![
        Figure::against("start to ready", format!("{start:.2} s"), "≤ 3 s", start <= START_BAR),
        Figure::against(
            "memory of the node and one worker (PSS)",
            format!("{node_and_worker:.0} MiB"),
            "≤ 350 MB",
            node_and_worker * 1.048_576 <= MEMORY_BAR,
        ),
        Figure::plain("memory including the probe worker", format!("{everything:.0} MiB")),
    ]
}
