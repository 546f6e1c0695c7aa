//! A run: a worker judges several analyses, each within its deadline. An analysis that is cancelled
//! is asked to stop, gets a grace period, and then loses its worker.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use vultus_worker_protocol::channel::MAX_DESCRIPTORS;
use vultus_worker_protocol::{AnalysisFailure, RunAnalysis, RunCosts, RunRequest, ToWorker};

use super::failure::{cancelled_failure, deadline_failure, failed};
use super::fate::WorkerFate;
use super::plugin_log::log;
use crate::analyzer::Analyzer;
use crate::inbound::WorkerMessage;
use crate::process::{Inbound, Worker};
use crate::run::{CancelState, Death, Judged, RunEnd, RunEvent};
use crate::statistics::StatisticsCounter;

/// Grace period: time that an analysis gets after its deadline or its cancellation before the
/// worker is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Time limit for decoding all media of a run.
const DECODE_DEADLINE: Duration = Duration::from_secs(60);
/// Time limit between two analyses, before the first and after the last.
const PAUSE_DEADLINE: Duration = Duration::from_secs(10);
/// Maximum number of log lines of the plugins in one run; further lines are dropped.
const LOG_LINES: u32 = 50;

/// Has `worker` judge a run. `media` are the descriptors of the request's media, in order;
/// `analyzer_of` returns the analyzer of an analysis type.
pub(crate) async fn run(
    worker: &mut Worker,
    request: RunRequest,
    media: Vec<OwnedFd>,
    events: &mpsc::Sender<RunEvent>,
    cancel: watch::Receiver<CancelState>,
    analyzer_of: impl Fn(&str) -> Option<Arc<Analyzer>>,
    statistics: &StatisticsCounter,
) -> (RunEnd, WorkerFate) {
    let unjudged = |analysis: &RunAnalysis| {
        let limit = Duration::from_millis(analysis.timeout_ms);
        let analyzer = analyzer_of(&analysis.kind);
        (analysis.id.clone(), UnjudgedAnalysis { limit, analyzer })
    };
    let analysis_types =
        request.analyses.iter().map(|analysis| (analysis.id.clone(), analysis.kind.clone()));
    let mut session = Session {
        run: request.run.clone(),
        unjudged: request.analyses.iter().map(unjudged).collect(),
        phase: Phase::Between,
        deadline: Instant::now() + PAUSE_DEADLINE,
        kill_at: None,
        told: BTreeSet::new(),
        told_all: false,
        log_lines: 0,
        events,
        statistics,
        analysis_types: analysis_types.collect(),
        entered: None,
    };
    if media.len() > MAX_DESCRIPTORS || media.len() != request.media.len() {
        return session.refuse_media(&request.analyses, media.len()).await;
    }
    worker.send(ToWorker::Run(Box::new(request)), media);
    session.drive(worker, cancel).await
}

/// What the worker is doing for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Between,
    Decoding,
    In(String),
}

/// An analysis without a verdict yet.
struct UnjudgedAnalysis {
    limit: Duration,
    analyzer: Option<Arc<Analyzer>>,
}

struct Session<'a> {
    run: String,
    unjudged: BTreeMap<String, UnjudgedAnalysis>,
    phase: Phase,
    /// When the phase must be over.
    deadline: Instant,
    /// When the worker is killed because a cancelled analysis is still running.
    kill_at: Option<Instant>,
    /// Analyses that the worker was told to stop.
    told: BTreeSet<String>,
    /// Whether the worker was told to stop the whole run.
    told_all: bool,
    log_lines: u32,
    events: &'a mpsc::Sender<RunEvent>,
    statistics: &'a StatisticsCounter,
    /// The type of each analysis of the run.
    analysis_types: BTreeMap<String, String>,
    /// The analysis that was entered last, and when.
    entered: Option<(String, Instant)>,
}

enum Step {
    Continue,
    Done(RunCosts),
    Violation(&'static str),
}

impl Session<'_> {
    async fn drive(
        &mut self,
        worker: &mut Worker,
        mut cancel: watch::Receiver<CancelState>,
    ) -> (RunEnd, WorkerFate) {
        cancel.mark_changed();
        let mut cancellable = true;
        loop {
            let timer = self.kill_at.map_or(self.deadline, |kill_at| kill_at.min(self.deadline));
            tokio::select! {
                biased;
                // Messages come last, so that a worker that sends without pause cannot outlast
                // its deadline.
                () = sleep_until(timer) => {
                    let cancelled = cancel.borrow().clone();
                    return self.too_late(&cancelled).await;
                }
                changed = cancel.changed(), if cancellable => {
                    cancellable = changed.is_ok();
                    let state = cancel.borrow_and_update().clone();
                    self.pass_on(worker, &state);
                }
                () = self.events.closed(), if !self.told_all => {
                    self.pass_on(worker, &CancelState { all: true, analyses: BTreeSet::new() });
                }
                inbound = worker.receive() => match inbound {
                    Inbound::Gone(detail) => return self.died(detail),
                    Inbound::Message(message) => match self.take(*message).await {
                        Step::Continue => {}
                        Step::Done(costs) => return (RunEnd::Done(costs), WorkerFate::Lives),
                        Step::Violation(what) => {
                            return self.died(format!("violated the protocol: {what}"));
                        }
                    },
                },
            }
        }
    }

    /// Tells the worker which analyses were cancelled since the last call. If one of them is
    /// running, the grace period begins.
    fn pass_on(&mut self, worker: &Worker, state: &CancelState) {
        if state.all && !self.told_all {
            self.told_all = true;
            worker.send(ToWorker::Cancel { run: self.run.clone(), analysis: None }, Vec::new());
        }
        for analysis in &state.analyses {
            if self.unjudged.contains_key(analysis) && self.told.insert(analysis.clone()) {
                let analysis = Some(analysis.clone());
                worker.send(ToWorker::Cancel { run: self.run.clone(), analysis }, Vec::new());
            }
        }
        if self.is_phase_cancelled() && self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + GRACE);
        }
    }

    fn is_phase_cancelled(&self) -> bool {
        self.told_all || matches!(&self.phase, Phase::In(analysis) if self.told.contains(analysis))
    }

    async fn take(&mut self, message: WorkerMessage) -> Step {
        match message {
            WorkerMessage::Decoding { run } if run == self.run && self.phase == Phase::Between => {
                self.enter(Phase::Decoding, DECODE_DEADLINE);
                Step::Continue
            }
            WorkerMessage::Entered { run, analysis }
                if run == self.run && !matches!(self.phase, Phase::In(_)) =>
            {
                let Some(limit) = self.unjudged.get(&analysis).map(|unjudged| unjudged.limit)
                else {
                    return Step::Violation("entered an analysis that is not to be judged");
                };
                self.enter(Phase::In(analysis.clone()), limit + GRACE);
                self.entered = Some((analysis.clone(), Instant::now()));
                self.tell(RunEvent::Entered { analysis }).await;
                Step::Continue
            }
            WorkerMessage::Progress { run, analysis, fraction } if run == self.run => {
                // A receiver that lags gets a later event instead.
                let _ = self.events.try_send(RunEvent::Progress { analysis, fraction });
                Step::Continue
            }
            WorkerMessage::Judged { run, judged }
                if run == self.run && self.phase == Phase::In(judged.analysis.clone()) =>
            {
                let analyzer = self.take_analyzer(&judged.analysis);
                self.enter(Phase::Between, PAUSE_DEADLINE);
                self.tell(RunEvent::Judged(Judged { analyzer, ..judged })).await;
                Step::Continue
            }
            WorkerMessage::RunDone { run, costs }
                if run == self.run && self.unjudged.is_empty() =>
            {
                Step::Done(costs)
            }
            WorkerMessage::Log { plugin, level, text } => {
                self.log_lines += 1;
                if self.log_lines <= LOG_LINES {
                    log(&plugin, level, &text);
                }
                Step::Continue
            }
            WorkerMessage::Ready(_)
            | WorkerMessage::Unfit(_)
            | WorkerMessage::Probed { .. }
            | WorkerMessage::Decoding { .. }
            | WorkerMessage::Entered { .. }
            | WorkerMessage::Progress { .. }
            | WorkerMessage::Judged { .. }
            | WorkerMessage::RunDone { .. } => Step::Violation("an unexpected message"),
        }
    }

    /// Counts an analysis as judged and returns its analyzer.
    fn take_analyzer(&mut self, analysis: &str) -> Option<Arc<Analyzer>> {
        self.unjudged.remove(analysis).and_then(|unjudged| unjudged.analyzer)
    }

    fn enter(&mut self, phase: Phase, limit: Duration) {
        self.phase = phase;
        self.deadline = Instant::now() + limit;
        self.kill_at = self.is_phase_cancelled().then(|| Instant::now() + GRACE);
    }

    async fn tell(&self, event: RunEvent) {
        if let RunEvent::Judged(judged) = &event
            && let Some(analysis_type) = self.analysis_types.get(&judged.analysis)
        {
            let entered =
                self.entered.as_ref().filter(|(analysis, _)| *analysis == judged.analysis);
            let took = entered.map(|(_, at)| at.elapsed());
            self.statistics.judged(analysis_type, judged, took);
        }
        // A closed receiver is noticed by `closed`, which cancels the run.
        let _ = self.events.send(event).await;
    }

    fn died(&self, detail: String) -> (RunEnd, WorkerFate) {
        let (active, decoding) = match &self.phase {
            Phase::Between => (None, false),
            Phase::Decoding => (None, true),
            Phase::In(analysis) => (Some(analysis.clone()), false),
        };
        let active_type = active.as_ref().and_then(|analysis| self.analysis_types.get(analysis));
        if let Some(analysis_type) = active_type {
            self.statistics.died(analysis_type);
        }
        let fate = if decoding { WorkerFate::DiedDecoding } else { WorkerFate::Crashed };
        (RunEnd::WorkerDied(Death { active, decoding, detail }), fate)
    }

    /// The deadline of the phase has passed. Ends the analyses that are to blame; the worker must
    /// be killed.
    async fn too_late(&mut self, cancelled: &CancelState) -> (RunEnd, WorkerFate) {
        if self.told_all {
            for analysis in std::mem::take(&mut self.unjudged).into_keys() {
                self.tell(failed(analysis, cancelled_failure())).await;
            }
            return (RunEnd::Done(RunCosts::default()), WorkerFate::Spent);
        }
        let Phase::In(active) = self.phase.clone() else {
            let (end, _) = self.died("exceeded a deadline outside any analysis".to_owned());
            return (end, WorkerFate::Spent);
        };
        let analyzer = self.take_analyzer(&active);
        if cancelled.covers(&active) {
            self.tell(failed(active, cancelled_failure())).await;
            return (RunEnd::WorkerStopped, WorkerFate::Spent);
        }
        let plugin = analyzer.as_ref().map(|analyzer| analyzer.plugin()).unwrap_or_default();
        self.tell(failed(active, deadline_failure(plugin))).await;
        (RunEnd::WorkerStopped, WorkerFate::Hung)
    }

    async fn refuse_media(
        &mut self,
        analyses: &[RunAnalysis],
        count: usize,
    ) -> (RunEnd, WorkerFate) {
        for analysis in analyses {
            let failure = AnalysisFailure {
                code: "TOO_MANY_MEDIA".to_owned(),
                message: format!(
                    "Analyses requested together take at most {MAX_DESCRIPTORS} media."
                ),
                detail: format!("{count} descriptors for the media of one run"),
                retryable: false,
            };
            self.tell(failed(analysis.id.clone(), failure)).await;
        }
        (RunEnd::Done(RunCosts::default()), WorkerFate::Lives)
    }
}
