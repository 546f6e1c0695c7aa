//! What callers of the worker pools say and hear: events, ends, cancellation. No processes here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::analyzer::Analyzer;
use tokio::sync::watch;
use vultus_plugin_api::Manifest;
use vultus_worker_protocol::{AnalysisFailure, ArtifactReport, Judgement, RefusalReport, RunCosts};

use super::statistics::AnalysisStatistics;

/// Name of a pool of workers: `built-in`, `probe`, or the key of a third-party plugin's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// The pool with the given name.
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
    /// At least one worker is ready, or will be shortly.
    Available,
    /// Too many crashes, or no worker starts. A new attempt is made after the time given.
    Unavailable {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// It crashed whenever it was tried. No further attempt is made until its plugins are replaced,
    /// or the operator asks for one.
    Quarantined,
}

/// How a plugin is doing, for operators; whether it is given work is [`PoolHealth`]'s matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is wrong.
    Ready,
    /// It takes work, and something is wrong: one sentence.
    Degraded(String),
    /// It takes no work for a while: one sentence.
    Unavailable(String),
    /// It takes no work until the operator does something: one sentence.
    Quarantined(String),
}

/// A plugin as the workers of a pool opened it.
#[derive(Debug, Clone)]
pub struct LoadedPlugin {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where its file is.
    pub path: PathBuf,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub file_sha256: String,
    /// SHA-256 of each weight file that it names and that is present: (file, sha256).
    pub weights: Vec<(String, String)>,
    /// The pool that runs it.
    pub pool: PoolName,
    /// How it is doing.
    pub condition: Condition,
    /// How its analyses went, by type.
    pub statistics: BTreeMap<String, AnalysisStatistics>,
}

/// What happens during a run, in order. Analyses of the run not yet judged at its end got no
/// verdict in it.
#[derive(Debug)]
pub enum RunEvent {
    /// The worker began an analysis.
    Entered {
        /// The analysis.
        analysis: String,
    },
    /// How far an analysis is. Left out when the receiver lags.
    Progress {
        /// The analysis.
        analysis: String,
        /// Fraction done, 0–1.
        fraction: f32,
    },
    /// An analysis has its verdict or its failure: exactly once for each analysis of a run.
    Judged(Judged),
}

/// The end of one analysis.
#[derive(Debug)]
pub struct Judged {
    /// The analysis.
    pub analysis: String,
    /// Its verdict, or why there is none.
    pub result: Result<Box<Judgement>, AnalysisFailure>,
    /// What it left behind, such as the best shot, with the bytes.
    pub artifacts: Vec<(ArtifactReport, Vec<u8>)>,
    /// What the node knows of who judges this in the pool where it was judged, which may be another
    /// one by now.
    pub analyzer: Option<Arc<Analyzer>>,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// Every analysis of the run was judged.
    Done(RunCosts),
    /// The worker died by itself. Analyses not judged must be tried again under the rule of blame.
    WorkerDied(Death),
    /// The supervisor ended the worker, since an analysis ignored its deadline or its cancellation.
    /// That analysis was judged (`DEADLINE_EXCEEDED` or `CANCELLED`); the others must be tried
    /// again, and nobody is to blame for that.
    WorkerStopped,
    /// No worker takes work (crash breaker open, or shutting down); nothing was started.
    Unavailable {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

/// The death of a worker during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The analysis that the worker was in, when it was in one.
    pub active: Option<String>,
    /// Whether the worker was decoding the media of the run (then `active` is absent).
    pub decoding: bool,
    /// How it died, for the operator's log.
    pub detail: String,
}

/// Why a probe gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// The medium is refused.
    Refused(RefusalReport),
    /// No worker could look at it in time.
    Unavailable {
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
}

/// Asks a run to stop, as a whole or one analysis of it. Cheap to clone; all clones mean the same
/// run.
#[derive(Debug, Clone)]
pub struct RunCancel {
    state: Arc<watch::Sender<CancelState>>,
}

/// What was asked to stop, so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelState {
    /// Everything.
    pub(crate) all: bool,
    /// These analyses.
    pub(crate) analyses: BTreeSet<String>,
}

impl CancelState {
    /// Whether `analysis` is to stop.
    pub(crate) fn covers(&self, analysis: &str) -> bool {
        self.all || self.analyses.contains(analysis)
    }
}

impl RunCancel {
    /// For a new run: nothing is asked to stop.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(CancelState::default())) }
    }

    /// Stops the whole run: analyses not judged yet end `CANCELLED`.
    pub fn cancel_run(&self) {
        self.state.send_modify(|state| state.all = true);
    }

    /// Stops one analysis; it ends `CANCELLED` unless it was judged already.
    pub fn cancel_analysis(&self, analysis: &str) {
        self.state.send_modify(|state| {
            state.analyses.insert(analysis.to_owned());
        });
    }

    /// Whether the whole run was asked to stop.
    pub fn is_run_cancelled(&self) -> bool {
        self.state.borrow().all
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
