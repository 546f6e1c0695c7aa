//! One job on one worker: a probe or a run, with its deadlines and the cancel ladder (flag, grace,
//! kill).
//!
//! It decides what a message means for the job; what becomes of the worker afterwards is the worker seat's
//! matter.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use vultus_worker_protocol::channel::MAX_DESCRIPTORS;
use vultus_worker_protocol::{
    AnalysisFailure, ProbeRequest, RefusalReport, RunAnalysis, RunCosts, RunRequest, ToWorker,
};

use super::analyzer::Analyzer;
use super::inbound::{Probed, WorkerMessage};
use super::process::{Inbound, Worker};
use super::run::{CancelState, Death, Judged, RunEnd, RunEvent};
use super::statistics::StatisticsCounter;

/// What an analysis may take beyond its deadline or its cancellation before the worker is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Decoding all the media of a run.
const DECODE_DEADLINE: Duration = Duration::from_secs(60);
/// Between two analyses, before the first and after the last.
const PAUSE_DEADLINE: Duration = Duration::from_secs(10);
/// Lines that the plugins of one run may write to the log.
const LOG_LINES: u32 = 50;

/// What became of the worker in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerFate {
    /// It can take the next job.
    Lives,
    /// It died by itself, in plugin code or for no known reason: this counts as a crash of the
    /// pool.
    Crashed,
    /// It died over hostile media. That says nothing about the pool.
    DiedDecoding,
    /// It must be killed, at nobody's fault but the job's.
    Spent,
    /// It must be killed, since an analysis did not stop at its deadline: this counts as a crash of
    /// the pool.
    Hung,
}

/// A process that did not look at the clock for longer than this, and as much again, stood still.
const AWAKE_STEP: Duration = Duration::from_millis(100);

/// How a probe ended.
#[derive(Debug)]
pub(crate) enum ProbeEnd {
    /// The worker answered.
    Answered(Result<Probed, RefusalReport>),
    /// The worker died over it.
    Died,
    /// It took longer than the deadline.
    TooSlow,
}

/// Has `worker` examine one medium, within `limit` from now.
pub(crate) async fn probe(
    worker: &mut Worker,
    medium: OwnedFd,
    byte_size: u64,
    limit: Duration,
) -> (ProbeEnd, WorkerFate) {
    let mut too_slow = std::pin::pin!(awake_for(limit));
    let name = "probe".to_owned();
    worker.send(ToWorker::Probe(ProbeRequest { probe: name.clone(), byte_size }), vec![medium]);
    loop {
        let inbound = tokio::select! {
            inbound = worker.receive() => inbound,
            () = &mut too_slow => return (ProbeEnd::TooSlow, WorkerFate::Spent),
        };
        match inbound {
            Inbound::Gone(_) => return (ProbeEnd::Died, WorkerFate::DiedDecoding),
            Inbound::Message(message) => match *message {
                WorkerMessage::Probed { probe, result } if probe == name => {
                    return (ProbeEnd::Answered(result), WorkerFate::Lives);
                }
                WorkerMessage::Log { .. } => {}
                _ => return (ProbeEnd::Died, WorkerFate::Crashed),
            },
        }
    }
}

/// Waits for this long. Time in which this process stood still hardly counts: what came meanwhile
/// shall be read before it is called late.
async fn awake_for(limit: Duration) {
    let mut left = limit;
    while !left.is_zero() {
        let (step, begun) = (left.min(AWAKE_STEP), Instant::now());
        sleep(step).await;
        left = left.saturating_sub(begun.elapsed().min(2 * step));
    }
}

/// Has `worker` do a run. `media` are the descriptors of the request's media, in order;
/// `analyzer_of` is what is known of the plugin of the worker that judges a type.
pub(crate) async fn run(
    worker: &mut Worker,
    request: RunRequest,
    media: Vec<OwnedFd>,
    events: &mpsc::Sender<RunEvent>,
    cancel: watch::Receiver<CancelState>,
    analyzer_of: impl Fn(&str) -> Option<Arc<Analyzer>>,
    statistics: &StatisticsCounter,
) -> (RunEnd, WorkerFate) {
    let open = |a: &RunAnalysis| {
        (
            a.id.clone(),
            Open { limit: Duration::from_millis(a.timeout_ms), analyzer: analyzer_of(&a.kind) },
        )
    };
    let kinds = request.analyses.iter().map(|a| (a.id.clone(), a.kind.clone())).collect();
    let mut session = Session {
        run: request.run.clone(),
        unjudged: request.analyses.iter().map(open).collect(),
        phase: Phase::Between,
        deadline: Instant::now() + PAUSE_DEADLINE,
        kill_at: None,
        told: BTreeSet::new(),
        told_all: false,
        log_lines: 0,
        events,
        statistics,
        kinds,
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
struct Open {
    limit: Duration,
    /// Who judges it.
    analyzer: Option<Arc<Analyzer>>,
}

struct Session<'a> {
    run: String,
    unjudged: BTreeMap<String, Open>,
    phase: Phase,
    /// When the phase must be over.
    deadline: Instant,
    /// When the worker is killed because what was cancelled still runs.
    kill_at: Option<Instant>,
    told: BTreeSet<String>,
    told_all: bool,
    log_lines: u32,
    events: &'a mpsc::Sender<RunEvent>,
    statistics: &'a StatisticsCounter,
    /// The types of all analyses of the run.
    kinds: BTreeMap<String, String>,
    /// The analysis that was entered last, and when.
    entered: Option<(String, Instant)>,
}

enum Step {
    GoOn,
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
                // What the worker says comes last, so that one that never stops talking cannot talk
                // over its deadline.
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
                        Step::GoOn => {}
                        Step::Done(costs) => return (RunEnd::Done(costs), WorkerFate::Lives),
                        Step::Violation(what) => return self.died(format!("broke the protocol: {what}")),
                    },
                },
            }
        }
    }

    /// Tells the worker what was cancelled since; starts the ladder when that is what it is doing.
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
                Step::GoOn
            }
            WorkerMessage::Entered { run, analysis }
                if run == self.run && !matches!(self.phase, Phase::In(_)) =>
            {
                let Some(limit) = self.unjudged.get(&analysis).map(|open| open.limit) else {
                    return Step::Violation("entered an analysis that is not to be judged");
                };
                self.enter(Phase::In(analysis.clone()), limit + GRACE);
                self.entered = Some((analysis.clone(), Instant::now()));
                self.tell(RunEvent::Entered { analysis }).await;
                Step::GoOn
            }
            WorkerMessage::Progress { run, analysis, fraction } if run == self.run => {
                // A receiver that lags gets a later one.
                let _ = self.events.try_send(RunEvent::Progress { analysis, fraction });
                Step::GoOn
            }
            WorkerMessage::Judged { run, judged }
                if run == self.run && self.phase == Phase::In(judged.analysis.clone()) =>
            {
                let analyzer =
                    self.unjudged.remove(&judged.analysis).and_then(|open| open.analyzer);
                let judged = Judged { analyzer, ..judged };
                self.enter(Phase::Between, PAUSE_DEADLINE);
                self.tell(RunEvent::Judged(judged)).await;
                Step::GoOn
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
                Step::GoOn
            }
            WorkerMessage::Ready(_)
            | WorkerMessage::Unfit(_)
            | WorkerMessage::Probed { .. }
            | WorkerMessage::Decoding { .. }
            | WorkerMessage::Entered { .. }
            | WorkerMessage::Progress { .. }
            | WorkerMessage::Judged { .. }
            | WorkerMessage::RunDone { .. } => Step::Violation("a message out of turn"),
        }
    }

    fn enter(&mut self, phase: Phase, limit: Duration) {
        self.phase = phase;
        self.deadline = Instant::now() + limit;
        self.kill_at = self.is_phase_cancelled().then(|| Instant::now() + GRACE);
    }

    async fn tell(&self, event: RunEvent) {
        if let RunEvent::Judged(judged) = &event
            && let Some(kind) = self.kinds.get(&judged.analysis)
        {
            let entered =
                self.entered.as_ref().filter(|(analysis, _)| *analysis == judged.analysis);
            self.statistics.judged(kind, judged, entered.map(|(_, at)| at.elapsed()));
        }
        // A caller that is gone shows by `closed`, which cancels the run.
        let _ = self.events.send(event).await;
    }

    fn died(&self, detail: String) -> (RunEnd, WorkerFate) {
        let (active, decoding) = match &self.phase {
            Phase::Between => (None, false),
            Phase::Decoding => (None, true),
            Phase::In(analysis) => (Some(analysis.clone()), false),
        };
        if let Some(kind) = active.as_ref().and_then(|analysis| self.kinds.get(analysis)) {
            self.statistics.died(kind);
        }
        let fate = if decoding { WorkerFate::DiedDecoding } else { WorkerFate::Crashed };
        (RunEnd::WorkerDied(Death { active, decoding, detail }), fate)
    }

    /// The time of the phase is over. Judges what is to blame; the worker has to go.
    async fn too_late(&mut self, cancelled: &CancelState) -> (RunEnd, WorkerFate) {
        if self.told_all {
            for analysis in std::mem::take(&mut self.unjudged).into_keys() {
                self.tell(failed(analysis, cancelled_failure())).await;
            }
            return (RunEnd::Done(RunCosts::default()), WorkerFate::Spent);
        }
        let Phase::In(active) = self.phase.clone() else {
            let (end, _) =
                self.died("took longer than its deadline outside any analysis".to_owned());
            return (end, WorkerFate::Spent);
        };
        let analyzer = self.unjudged.remove(&active).and_then(|open| open.analyzer);
        let plugin = analyzer.as_ref().map(|analyzer| analyzer.plugin()).unwrap_or_default();
        if cancelled.covers(&active) {
            self.tell(failed(active, cancelled_failure())).await;
            return (RunEnd::WorkerStopped, WorkerFate::Spent);
        }
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
                message: format!("Analyses made together take at most {MAX_DESCRIPTORS} media."),
                detail: format!("{count} descriptors for the media of one run"),
                retryable: false,
            };
            self.tell(failed(analysis.id.clone(), failure)).await;
        }
        (RunEnd::Done(RunCosts::default()), WorkerFate::Lives)
    }
}

/// The event of an analysis that ends without a verdict.
pub(crate) fn failed(analysis: String, failure: AnalysisFailure) -> RunEvent {
    RunEvent::Judged(Judged {
        analysis,
        result: Err(failure),
        artifacts: Vec::new(),
        analyzer: None,
    })
}

/// The failure of an analysis that was asked to stop.
pub(crate) fn cancelled_failure() -> AnalysisFailure {
    AnalysisFailure {
        code: "CANCELLED".to_owned(),
        message: "The analysis was cancelled.".to_owned(),
        detail: String::new(),
        retryable: false,
    }
}

fn deadline_failure(plugin: &str) -> AnalysisFailure {
    AnalysisFailure {
        code: "DEADLINE_EXCEEDED".to_owned(),
        message: format!("The analyzer {plugin} exceeded its time limit."),
        detail: "the worker did not stop within the grace period and was killed".to_owned(),
        retryable: false,
    }
}

/// Writes a plugin's line to the log.
pub(crate) fn log(plugin: &str, level: u32, text: &str) {
    match level {
        0 => tracing::error!(plugin, ?text, "plugin"),
        1 => tracing::warn!(plugin, ?text, "plugin"),
        2 => tracing::info!(plugin, ?text, "plugin"),
        _ => tracing::debug!(plugin, ?text, "plugin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_in_which_the_process_stood_still_does_not_count() {
        let waiting = tokio::spawn(awake_for(5 * AWAKE_STEP));
        tokio::task::yield_now().await;
        // Nothing else runs in this process meanwhile, as when it is stopped.
        std::thread::sleep(10 * AWAKE_STEP);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        waiting.await.unwrap();
    }
}
