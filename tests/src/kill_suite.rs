//! Kills and pauses parts of a cluster at random while it works, and counts by itself what came of
//! it: the short form is a test, the long ones `make soak`.
//!
//! The only timers are the faults themselves (the random moment of the next one, the length of a
//! pause) and the clients' back-off; all else waits for conditions.

mod check;
mod faults;
mod load;
mod watch;

use crate::cluster::{Cluster, ClusterOptions};
use crate::place::compiled_plugin;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use watch::Finals;

/// How much is done to the cluster.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Runs asked for, at least: as long as points are left, more are.
    pub runs: usize,
    /// Random moments at which something is killed or paused.
    pub points: usize,
    /// How long a paused node stays so.
    pub pause: Pause,
}

/// How long a paused node stays so.
#[derive(Debug, Clone, Copy)]
pub enum Pause {
    /// This long.
    For(Duration),
    /// Until another node has one of the runs that were being judged, and its lease is over
    /// therefore.
    UntilTakenOver,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Folders whose making was acknowledged.
    pub acknowledged: usize,
    /// Changes of folders that were acknowledged after that.
    pub changed: usize,
    /// Folders whose making and erasure were acknowledged.
    pub erased: usize,
    /// Analyses that have a verdict.
    pub finished: usize,
    /// Those that failed because their workers were killed twice.
    pub blamed: usize,
    /// Analyses that became final more than once.
    pub twice: usize,
    /// Writes under a stale token that were refused.
    pub stale_writes: usize,
    /// Longest time that a run waited although its lease was over or nobody had it, and the
    /// database answered.
    pub longest_stuck: Duration,
    /// From the last fault until nothing was left to do.
    pub drained_after: Duration,
    /// Files of media that were read again at the end, each whole.
    pub files: u64,
    /// How often each thing was done.
    pub done: HashMap<&'static str, usize>,
}

/// Requests that are on their way or not final, at most: enough that every worker has work.
const OPEN: usize = 24;
/// Clients.
const CLIENTS: usize = 6;

/// What the load, the faults and the counting share.
struct Stage {
    /// Addresses of the nodes; a restarted one has another.
    urls: Mutex<Vec<String>>,
    token: String,
    plan: Plan,
    made: AtomicUsize,
    erased: AtomicUsize,
    over: CancellationToken,
    /// Folders, with the number that was last acknowledged to be in their metadata.
    acknowledged: Mutex<HashMap<String, usize>>,
    /// How often analyses became final, as the database reports it.
    finals: Mutex<HashMap<[u8; 16], usize>>,
    open: Semaphore,
}

/// Runs the suite; panics where a promise is broken.
pub async fn run(plan: Plan) -> Outcome {
    let mut cluster = Cluster::start(ClusterOptions {
        members: 3,
        roles: vec!["all"; 3],
        plugins: vec![compiled_plugin("faulty/faulty.c", "libfaulty.so")],
        config: "tokens.access_seconds = 86400\n".to_owned(),
    })
    .await;
    let stage = Arc::new(Stage {
        urls: Mutex::new(cluster.nodes.iter().map(|node| node.url.clone()).collect()),
        token: cluster.client(0).await.token().to_owned(),
        plan,
        made: AtomicUsize::new(0),
        erased: AtomicUsize::new(0),
        over: CancellationToken::new(),
        acknowledged: Mutex::default(),
        finals: Mutex::default(),
        open: Semaphore::new(OPEN),
    });
    let finals = Finals::begin(cluster.set.client().await, stage.clone()).await;
    let drained = CancellationToken::new();
    let stuck = tokio::spawn(watch::longest_stuck(cluster.set.client().await, drained.clone()));
    let load: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(load::load(stage.clone()))).collect();
    let mut outcome =
        Outcome { done: faults::inflict(&mut cluster, &stage).await, ..Outcome::default() };
    let last_fault = Instant::now();
    stage.over.cancel();
    for task in load {
        task.await.expect("the load goes on");
    }
    check::drained(&cluster).await;
    outcome.drained_after = last_fault.elapsed();
    drained.cancel();
    outcome.longest_stuck = stuck.await.expect("the watch goes on");
    check::check(&cluster, &stage, &mut outcome).await;
    finals.end().await;
    outcome
}

fn random() -> u8 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u8
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Now, as the store has times.
fn nanoseconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    i64::try_from(now.as_nanos()).expect("before 2262")
}
