//! Kills and pauses parts of a cluster, or a single node, at random moments under load, then checks
//! that no acknowledged work is lost or done twice. The short form is a test, the long forms are
//! `make soak`.
//!
//! Timers are used only for faults (the random moment of the next one, the length of a pause) and
//! for the clients' back-off. Everything else waits for a condition with a deadline.

mod check;
mod faults;
mod load;
mod single;
mod watch;

pub use single::run_on_sqlite;

use crate::cluster::{Cluster, ClusterOptions};
use crate::place::compiled_plugin;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use watch::Finals;

/// Size of a run of the suite.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Minimum number of analysis runs. Clients request more until the last fault is over.
    pub runs: usize,
    /// Number of faults, each at a random moment.
    pub points: usize,
    /// Length of a pause.
    pub pause: Pause,
}

/// Length of the pause of a node.
#[derive(Debug, Clone, Copy)]
pub enum Pause {
    /// A fixed time.
    For(Duration),
    /// Until the lease of one of the node's runs has expired and another node has taken the run.
    UntilTakenOver,
}

/// What the suite counted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Folders whose creation was acknowledged.
    pub acknowledged: usize,
    /// Folders with an acknowledged change after that.
    pub changed: usize,
    /// Folders whose creation and deletion were acknowledged.
    pub erased: usize,
    /// Analyses with a verdict.
    pub finished: usize,
    /// Analyses that failed because their workers were killed twice.
    pub blamed: usize,
    /// Analyses that became final more than once.
    pub twice: usize,
    /// Writes with a stale fencing token that were rejected.
    pub stale_writes: usize,
    /// Longest time that a run without a valid lease waited while the database answered.
    pub longest_stuck: Duration,
    /// Time from the last fault until all analyses were final.
    pub drained_after: Duration,
    /// Media files that `vultus store verify` read at the end.
    pub files: u64,
    /// Number of faults of each kind.
    pub faults: HashMap<&'static str, usize>,
}

/// Maximum number of open requests and analyses, enough to keep every worker busy.
const OPEN: usize = 24;
/// Number of clients.
const CLIENTS: usize = 6;

/// State shared by the load, the faults and the checks.
struct Stage {
    /// Addresses of the nodes. A restarted node has a new address.
    urls: Mutex<Vec<String>>,
    token: String,
    plan: Plan,
    made: AtomicUsize,
    erased: AtomicUsize,
    over: CancellationToken,
    /// Acknowledged folders, with the number last acknowledged in their metadata.
    acknowledged: Mutex<HashMap<String, usize>>,
    /// How often each analysis became final, as reported by the database.
    finals: Mutex<HashMap<[u8; 16], usize>>,
    open: Semaphore,
}

/// Runs the suite. Panics if a guarantee is broken.
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
        Outcome { faults: faults::inflict(&mut cluster, &stage).await, ..Outcome::default() };
    let last_fault = Instant::now();
    stage.over.cancel();
    for task in load {
        task.await.expect("a load task does not panic");
    }
    check::drained(&cluster).await;
    outcome.drained_after = last_fault.elapsed();
    drained.cancel();
    outcome.longest_stuck = stuck.await.expect("the watch task does not panic");
    check::check(&cluster, &stage, &mut outcome).await;
    finals.end().await;
    outcome
}

fn random() -> u8 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u8
}

/// The current time, as the store writes it.
fn nanoseconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    i64::try_from(now.as_nanos()).expect("before 2262")
}
