//! Worker pools with real worker processes and the faulty plugin.
//!
//! These tests need `vultus-worker` in the target folder: `cargo build -p vultus-worker`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests start compilers")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use vultus_pools::deployment::{PoolsConfig, WorkerStderr};
use vultus_pools::direct::run_direct;
use vultus_pools::plugins::{PluginFolder, Scan};
use vultus_pools::run::{PoolHealth, ProbeError, RunCancel, RunEnd, RunEvent};
use vultus_pools::worker_pools::WorkerPools;
use vultus_worker_protocol::{PluginFile, PluginOrigin, RunAnalysis, RunRequest, SandboxLevel};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The plugin `analyzers/faulty/faulty.c`, compiled.
fn faulty() -> PluginFile {
    static COMPILED: LazyLock<PathBuf> = LazyLock::new(compiled);
    let library: &PathBuf = &COMPILED;
    PluginFile {
        path: library.display().to_string(),
        settings: json!({}),
        origin: PluginOrigin::ThirdParty,
        grants: Vec::new(),
        only_for_features: false,
    }
}

/// Compiles the plugin once for all tests: a worker may open only the file that was there at its
/// start, so the file must not be replaced.
fn compiled() -> PathBuf {
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libfaulty.so");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-O1", "-shared", "-fPIC", "-I"])
        .arg(root().join("plugin-api/include"))
        .arg("-o")
        .args([&library, &root().join("analyzers/faulty/faulty.c")])
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}

fn config(workers: usize) -> PoolsConfig {
    let test = std::env::current_exe().unwrap();
    let worker_executable = test.parent().unwrap().join("../vultus-worker");
    assert!(worker_executable.exists(), "build the worker first: cargo build -p vultus-worker");
    PoolsConfig {
        worker_executable,
        built_in: vec![faulty()],
        providers_for_others: Vec::new(),
        third_party: Scan::default(),
        plugin_folder: None,
        onnxruntime: None,
        weights_dir: None,
        workers,
        spare_workers: 0,
        weights: HashMap::new(),
        probe_workers: 0,
        threads: 1,
        limits: json!({}),
        decode: Value::Null,
        memory_bytes: Some(1 << 30),
        cpu_seconds: 60,
        sandbox: SandboxLevel::BestEffort,
        start_timeout: Duration::from_secs(20),
        drain_timeout: Duration::from_secs(5),
        stderr: WorkerStderr::Discard,
    }
}

fn request(analyses: &[(&str, &str, u64)]) -> RunRequest {
    let analysis = |(id, mode, timeout_ms): &(&str, &str, u64)| RunAnalysis {
        id: (*id).to_owned(),
        kind: "faulty".to_owned(),
        params: json!({"mode": mode}),
        media: Vec::new(),
        timeout_ms: *timeout_ms,
    };
    RunRequest {
        run: "run".to_owned(),
        media: Vec::new(),
        analyses: analyses.iter().map(analysis).collect(),
    }
}

async fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the condition is not met in time");
        tokio::task::yield_now().await;
    }
}

/// Failure code of each analysis, or `ok`.
async fn judge(
    pools: &WorkerPools,
    analyses: &[(&str, &str, u64)],
    cancel: &RunCancel,
) -> Vec<String> {
    let direct = run_direct(pools, None, request(analyses), Vec::new(), cancel, |_| {}).await;
    let code = |result: &Result<_, vultus_worker_protocol::AnalysisFailure>| match result {
        Ok(_) => "ok".to_owned(),
        Err(failure) => failure.code.clone(),
    };
    direct.judged.iter().map(|judged| code(&judged.result)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn shut_down_pools_leave_no_child_and_take_no_work() {
    let pools = WorkerPools::start(config(2)).await.unwrap();
    assert_eq!(judge(&pools, &[("a", "ok", 5_000)], &RunCancel::new()).await, ["ok"]);
    let (name, pids) = (pools.pools()[0].clone(), pools.worker_pids());
    assert!(!pids.is_empty());
    pools.shutdown().await;
    assert!(pools.worker_pids().is_empty());
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
    assert!(pools.free_worker(&name).await.is_none());
    assert_eq!(
        judge(&pools, &[("a", "ok", 5_000)], &RunCancel::new()).await,
        ["ANALYZER_UNAVAILABLE"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn analysis_that_kills_two_workers_fails_alone() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let analyses = [("before", "ok", 5_000), ("bad", "segfault", 5_000), ("after", "ok", 5_000)];
    let direct =
        run_direct(&pools, None, request(&analyses), Vec::new(), &RunCancel::new(), |_| {}).await;
    let by_id = |id: &str| direct.judged.iter().find(|judged| judged.analysis == id).unwrap();
    assert!(by_id("before").result.is_ok() && by_id("after").result.is_ok());
    let failure = by_id("bad").result.as_ref().unwrap_err();
    assert_eq!(failure.code, "ANALYZER_CRASHED");
    assert!(failure.message.contains("org.vultus.faulty"), "{}", failure.message);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_death_names_its_active_analysis() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let (events, mut heard) = mpsc::channel(16);
    let run = request(&[("first", "ok", 5_000), ("second", "exit", 5_000)]);
    let end = pools
        .run(&pools.pools()[0].clone(), None, run, Vec::new(), events, &RunCancel::new())
        .await;
    let RunEnd::WorkerDied(death) = end else { panic!("{end:?}") };
    assert_eq!((death.active.as_deref(), death.decoding), (Some("second"), false));
    let mut judged = Vec::new();
    while let Some(event) = heard.recv().await {
        if let RunEvent::Judged(one) = event {
            judged.push(one.analysis);
        }
    }
    assert_eq!(judged, ["first"]);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn analysis_past_its_deadline_fails_alone() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let codes =
        judge(&pools, &[("hangs", "loop", 100), ("fine", "ok", 5_000)], &RunCancel::new()).await;
    assert_eq!(codes, ["DEADLINE_EXCEEDED", "ok"]);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_a_deaf_analysis_within_the_grace_period() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let cancel = RunCancel::new();
    let asked = Instant::now();
    let direct = run_direct(
        &pools,
        None,
        request(&[("deaf", "loop", 60_000), ("fine", "ok", 5_000)]),
        Vec::new(),
        &cancel,
        |event| {
            if let RunEvent::Entered { analysis } = event
                && analysis == "deaf"
            {
                cancel.cancel_analysis("deaf");
            }
        },
    )
    .await;
    assert_eq!(direct.judged[0].result.as_ref().unwrap_err().code, "CANCELLED");
    assert!(direct.judged[1].result.is_ok());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    cancel.cancel_run();
    assert_eq!(judge(&pools, &[("late", "ok", 5_000)], &cancel).await, ["CANCELLED"]);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_crashes_disable_a_pool_until_a_run_succeeds() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let name = pools.pools()[0].clone();
    for _ in 0..3 {
        let (events, _heard) = mpsc::channel(16);
        let end = pools
            .run(
                &name,
                None,
                request(&[("a", "abort", 5_000)]),
                Vec::new(),
                events,
                &RunCancel::new(),
            )
            .await;
        assert!(matches!(end, RunEnd::WorkerDied(_)), "{end:?}");
    }
    // A run ends before the death of its worker is counted.
    wait_until(|| pools.health(&name) != PoolHealth::Available).await;
    assert_eq!(
        judge(&pools, &[("a", "ok", 5_000)], &RunCancel::new()).await,
        ["ANALYZER_UNAVAILABLE"]
    );
    // A waiting caller gets the worker of the trial run.
    let worker = pools.free_worker(&name).await.unwrap();
    let (events, _heard) = mpsc::channel(16);
    let end =
        worker.run(request(&[("a", "ok", 5_000)]), Vec::new(), events, &RunCancel::new()).await;
    assert!(matches!(end, RunEnd::Done(_)), "{end:?}");
    assert_eq!(pools.health(&name), PoolHealth::Available);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn worker_killed_from_outside_is_replaced() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let before = pools.worker_pids();
    let pid = rustix::process::Pid::from_raw(before[0] as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(judge(&pools, &[("a", "ok", 5_000)], &RunCancel::new()).await, ["ok"]);
    assert_ne!(pools.worker_pids(), before);
    pools.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_built_in_plugin_stops_the_start() {
    let broken = tempfile::Builder::new().suffix(".so").tempfile().unwrap();
    let mut config = config(1);
    config.built_in[0].path = broken.path().display().to_string();
    let error = WorkerPools::start(config).await.unwrap_err();
    assert!(error.to_string().contains("is not an ELF shared library"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn third_party_plugin_that_fails_to_load_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libbroken.so"), b"no library").unwrap();
    let mut config = config(1);
    let plugins = PluginFolder::new(folder.path(), false, BTreeMap::new(), None).unwrap();
    config.third_party = plugins.scan().unwrap();
    config.plugin_folder = Some(plugins);
    let pools = WorkerPools::start(config).await.unwrap();
    assert_eq!(pools.refused().len(), 1);
    assert_eq!(pools.pools().len(), 1);
    assert_eq!(judge(&pools, &[("a", "ok", 5_000)], &RunCancel::new()).await, ["ok"]);
    pools.shutdown().await;
    assert!(pools.worker_pids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_for_a_worker_does_not_count_as_probe_time() {
    let pools = WorkerPools::start(config(1)).await.unwrap();
    let medium = tempfile::tempfile().unwrap();
    wait_until(|| pools.free_workers(&pools.pools()[0]) > 0).await;
    let begun = Instant::now();
    let occupied = tokio::spawn({
        let pools = pools.clone();
        async move { judge(&pools, &[("endless", "loop", 4_000)], &RunCancel::new()).await }
    });
    wait_until(|| pools.free_workers(&pools.pools()[0]) == 0).await;
    let probed = pools.probe(None, medium.into(), 0).await;
    let Err(ProbeError::Refused(refusal)) = probed else { panic!("{probed:?}") };
    assert!(!refusal.is_limit, "{refusal:?}");
    assert!(
        begun.elapsed() > Duration::from_secs(5),
        "the wait is longer than the timeout of a probe"
    );
    assert_eq!(occupied.await.unwrap(), ["DEADLINE_EXCEEDED"]);
    pools.shutdown().await;
}
