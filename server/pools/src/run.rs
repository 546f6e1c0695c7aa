//! The interface between the pools and their callers: events, ends, cancellation. No processes
//! here.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vultus_core::JsonText;
use vultus_plugin_api::outcome;
use vultus_worker_protocol::{AnalysisFailure, ArtifactReport, Judgement, RefusalReport, RunCosts};

use super::analyzer::Analyzer;

/// Name of a pool of workers: `built-in`, `probe`, or the key of a third-party plugin's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// The name of a pool.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text, for logs and for the queue.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a pool can take work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolHealth {
    /// At least one worker is ready or starting.
    Available,
    /// Too many crashes, or no worker starts. The pool tries again by itself.
    Unavailable {
        /// Time after which a caller should ask again.
        retry_after: Duration,
    },
    /// It crashed at every attempt. There is no further attempt until its plugins are replaced or
    /// the operator requests one.
    Quarantined,
}

/// Events of a run, in order. An analysis without a [`RunEvent::Judged`] event got no verdict in
/// this run.
#[derive(Debug)]
pub enum RunEvent {
    /// The worker has begun an analysis.
    Entered {
        /// The analysis.
        analysis: String,
    },
    /// Progress of an analysis. Dropped if the receiver lags.
    Progress {
        /// The analysis.
        analysis: String,
        /// Fraction done, 0–1.
        fraction: f32,
    },
    /// An analysis has a verdict or a failure. At most one such event for each analysis of a run.
    Judged(Judged),
}

/// The end of one analysis.
#[derive(Debug)]
pub struct Judged {
    /// The analysis.
    pub analysis: String,
    /// The verdict, or the reason why there is none.
    pub result: Result<Box<ParsedJudgement>, AnalysisFailure>,
    /// Artifacts, such as the best shot, with their bytes. Names, types and sizes are checked.
    pub artifacts: Vec<(ArtifactReport, Vec<u8>)>,
    /// The analyzer of the pool that judged the analysis; the pool may have been replaced since.
    pub analyzer: Option<Arc<Analyzer>>,
}

/// A judgement of a worker. Its outcome keeps the limits; it is not checked against the analyzer.
#[derive(Debug)]
pub struct ParsedJudgement {
    /// The verdict.
    pub resolution: outcome::Resolution,
    /// The reasons.
    pub reasons: Vec<outcome::Reason>,
    /// The result, as the worker sent it.
    pub result: JsonText,
    /// What the worker states about the judgement. Its outcome is empty.
    pub statement: Judgement,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// Every analysis of the run has a verdict or a failure.
    Done(RunCosts),
    /// The worker died by itself. Analyses without a verdict must be tried again under the rule of
    /// [`blame`](super::blame).
    WorkerDied(Death),
    /// The pool killed the worker because an analysis ignored its deadline or its cancellation.
    /// That analysis has failed (`DEADLINE_EXCEEDED` or `CANCELLED`); the others must be tried
    /// again, without blame.
    WorkerStopped,
    /// No worker takes work (crash breaker open, or shutdown); nothing was started.
    Unavailable {
        /// Time after which a caller should ask again.
        retry_after: Duration,
    },
}

/// The death of a worker during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The analysis that was active, if any.
    pub active: Option<String>,
    /// Whether the worker was decoding the media of the run. Then `active` is absent.
    pub decoding: bool,
    /// How the worker died, for the operator's log.
    pub detail: String,
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// The medium is refused.
    Refused(RefusalReport),
    /// No worker could examine the medium in time.
    Unavailable {
        /// Time after which a caller should ask again.
        retry_after: Duration,
    },
}

/// Cancels a run or one of its analyses. Cheap to clone; all clones refer to the same run.
#[derive(Debug, Clone)]
pub struct RunCancel {
    state: Arc<watch::Sender<CancelState>>,
}

/// What has been cancelled so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelState {
    /// The whole run.
    pub(crate) all: bool,
    /// These analyses.
    pub(crate) analyses: BTreeSet<String>,
}

impl CancelState {
    /// Whether `analysis` is cancelled.
    pub(crate) fn covers(&self, analysis: &str) -> bool {
        self.all || self.analyses.contains(analysis)
    }
}

impl RunCancel {
    /// For a new run: nothing is cancelled.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(CancelState::default())) }
    }

    /// Cancels the whole run: analyses without a verdict end `CANCELLED`.
    pub fn cancel_run(&self) {
        self.state.send_modify(|state| state.all = true);
    }

    /// Cancels one analysis; it ends `CANCELLED` unless it has a verdict already.
    pub fn cancel_analysis(&self, analysis: &str) {
        self.state.send_modify(|state| {
            state.analyses.insert(analysis.to_owned());
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<CancelState> {
        self.state.subscribe()
    }
}

impl Default for RunCancel {
    fn default() -> Self {
        Self::new()
    }
}
