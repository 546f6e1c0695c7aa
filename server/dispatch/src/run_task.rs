//! One run, from the claim to its release. The events of the worker are written to the store in
//! order and concurrently: while the artifacts of one verdict are written to disk, the next
//! analysis is entered and judged, and their writes share a commit. In the end the run is released,
//! or its lease expires and another node claims it.

use super::context::DispatchContext;
use super::open_media::{HEARTBEAT, OpenMedia, OpenMedium};
use super::run_context::{Abandoned, RunContext};
use super::run_failure::missing_medium;
use super::run_request::run_request;
use futures::StreamExt;
use futures::future::ready;
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vultus_core::{Analysis, AnalysisId, AnalysisState, MediaId};
use vultus_pools::blame::{blamed, crash_failure};
use vultus_pools::run::{Death, PoolName, RunEnd, RunEvent};
use vultus_pools::{FreeWorker, Registration};
use vultus_store::{ClaimedRun, Scope, Selection, WorkerDeath};
use vultus_worker_protocol::{RunAnalysis, RunCosts, RunRequest};

/// Minimum interval of progress writes. A run that ends sooner writes no progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Capacity of the channel of events.
const EVENTS: usize = 64;

/// What follows after a part of the run.
enum Next {
    Continue,
    /// The run is released already.
    Released,
}

/// One run.
pub(super) struct RunTask {
    context: RunContext,
    /// Analyses that are done in this claim: final, or to be tried again later.
    done: HashSet<AnalysisId>,
}

impl RunTask {
    pub(super) fn new(dispatch: Arc<DispatchContext>, pool: PoolName, run: ClaimedRun) -> Self {
        Self { context: RunContext::new(dispatch, pool, run), done: HashSet::new() }
    }

    /// Judges all analyses of the run; the first part on `worker`.
    pub(super) async fn work(mut self, worker: FreeWorker) {
        let run = self.context.run.token.run_id;
        match self.judge_all(worker).await {
            Ok(()) => tracing::debug!(%run, "run released"),
            Err(Abandoned::Stale) => {
                tracing::info!(%run, "run lost: its folder was erased, or another node has it");
            }
            Err(error) => tracing::warn!(
                %run,
                error = &error as &dyn std::error::Error,
                "run abandoned; it is claimed again when its lease expires"
            ),
        }
    }

    async fn judge_all(&mut self, worker: FreeWorker) -> Result<(), Abandoned> {
        let RunContext { dispatch, run, cancel, .. } = &self.context;
        let registration = dispatch.running.register(run.token.run_id, run.folder_id, cancel);
        let mut worker = Some(worker);
        loop {
            let part = self.next_part();
            if part.is_empty() {
                break;
            }
            if let Next::Released = self.judge(part, worker.take(), &registration).await? {
                return Ok(());
            }
        }
        self.context.release(self.context.retry_at()).await
    }

    /// The analyses to judge next: all that are left, or one of them after a death without blame.
    fn next_part(&self) -> Vec<Analysis> {
        let run = &self.context.run;
        let left = run.analyses.iter().filter(|analysis| !self.done.contains(&analysis.id));
        let count = if run.one_by_one { 1 } else { usize::MAX };
        left.take(count).cloned().collect()
    }

    /// Judges some analyses together. Afterwards all of them are done in this claim.
    async fn judge(
        &mut self,
        part: Vec<Analysis>,
        worker: Option<FreeWorker>,
        registration: &Registration,
    ) -> Result<Next, Abandoned> {
        let OpenMedia { media, missing, reserved } = self.context.open_media(&part).await?;
        if !missing.is_empty() {
            self.fail_missing(&part, &missing).await?;
            return Ok(Next::Continue);
        }
        let (media, descriptors): (Vec<OpenMedium>, Vec<OwnedFd>) = media.into_iter().unzip();
        let request = run_request(&self.context.run, &part, &media)?;
        let asked = request.analyses.clone();
        let end = self.drive(request, descriptors, worker, registration).await?;
        drop(reserved);
        self.done.extend(part.iter().map(|analysis| analysis.id));
        match end {
            RunEnd::Done(costs) => {
                self.log_costs(costs);
                return Ok(Next::Continue);
            }
            RunEnd::WorkerDied(death) => self.record_death(death, &asked).await?,
            RunEnd::WorkerStopped => self.context.release(None).await?,
            RunEnd::Unavailable { retry_after } => {
                self.context.release(Some(self.context.now() + retry_after)).await?;
            }
        }
        Ok(Next::Released)
    }

    /// Fails the analyses that take a missing medium.
    async fn fail_missing(
        &mut self,
        part: &[Analysis],
        missing: &HashSet<MediaId>,
    ) -> Result<(), Abandoned> {
        for analysis in part {
            if analysis.media.iter().any(|taken| missing.contains(&taken.media_id)) {
                self.context.write_failure(analysis, &missing_medium()).await?;
                self.done.insert(analysis.id);
            }
        }
        Ok(())
    }

    /// Records the death of a worker. The store applies the rule of blame and releases the run.
    async fn record_death(&self, death: Death, asked: &[RunAnalysis]) -> Result<(), Abandoned> {
        let RunContext { dispatch, run, .. } = &self.context;
        tracing::warn!(
            run = %run.token.run_id,
            detail = death.detail,
            active = death.active,
            "a worker died in a run"
        );
        let active = blamed(&death, asked).and_then(|id| id.parse::<AnalysisId>().ok());
        let failure = crash_failure(&death, &self.context.plugin_of(active));
        let failure = vultus_core::AnalysisFailure { code: failure.code, message: failure.message };
        let death = WorkerDeath { active };
        dispatch.store.record_death(run.token, death, &failure, self.context.now()).await?;
        Ok(())
    }

    fn log_costs(&self, costs: RunCosts) {
        tracing::debug!(
            run = %self.context.run.token.run_id,
            decode_us = costs.decode_us,
            detection_us = costs.detection_us,
            embedding_us = costs.embedding_us,
            analysis_us = costs.analysis_us,
            total_us = costs.total_us,
            media_decoded = costs.media_decoded,
            media_reused = costs.media_reused,
            "run judged"
        );
    }

    /// Lets the worker judge, writes its events, extends the lease, and passes cancellations on.
    async fn drive(
        &self,
        request: RunRequest,
        media: Vec<OwnedFd>,
        worker: Option<FreeWorker>,
        registration: &Registration,
    ) -> Result<RunEnd, Abandoned> {
        let (context, store) = (&self.context, &self.context.dispatch.store);
        let token = context.run.token;
        let (sender, mut events) = mpsc::channel(EVENTS);
        let running = async move {
            match worker {
                Some(worker) => worker.run(request, media, sender, &context.cancel).await,
                None => {
                    let pools = &context.dispatch.pools;
                    let company = Some(context.run.company_id);
                    pools.run(&context.pool, company, request, media, sender, &context.cancel).await
                }
            }
        };
        let mut running = std::pin::pin!(running);
        let mut heartbeat =
            tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut writes = FuturesUnordered::new();
        let (mut end, mut is_closed, mut is_flushed) = (None, false, false);
        let mut last_progress = Instant::now();
        let ended = async {
            loop {
                if is_closed
                    && writes.is_empty()
                    && let Some(end) = end.take()
                {
                    return Ok(end);
                }
                tokio::select! {
                    biased;
                    _ = heartbeat.tick() => {
                        context.keep_lease().await?;
                        self.stop_unwanted().await?;
                    }
                    () = registration.look_again() => self.stop_unwanted().await?,
                    Some(written) = writes.next() => written?,
                    event = events.recv(), if !is_closed => match event {
                        Some(event) if is_too_soon(&event, &mut last_progress) => {}
                        Some(event) => writes.push(context.write_event(event)),
                        None => is_closed = true,
                    },
                    ended = &mut running, if end.is_none() => end = Some(ended),
                    // After the writes, so that each has reached the store.
                    () = ready(()), if is_closed && !is_flushed => {
                        store.flush_kept_back(token);
                        is_flushed = true;
                    }
                }
            }
        }
        .await;
        if ended.is_err() {
            // Writes that began must end: each deletes the artifacts that it wrote in vain.
            let written = async { while writes.next().await.is_some() {} };
            tokio::join!(biased; written, async { store.flush_kept_back(token) });
        }
        ended
    }

    /// Cancels in the worker the analyses that were cancelled in the store. An erased folder ends
    /// the run.
    async fn stop_unwanted(&self) -> Result<(), Abandoned> {
        let RunContext { dispatch, run, cancel, .. } = &self.context;
        let ids: Vec<AnalysisId> = run.analyses.iter().map(|analysis| analysis.id).collect();
        let found = dispatch.store.analyses(Scope::Everything, &ids, Selection::ENTITIES).await?;
        if found.is_empty() {
            return Err(Abandoned::Stale);
        }
        for (analysis, _) in found {
            if analysis.state == AnalysisState::Cancelled {
                cancel.cancel_analysis(&analysis.id.to_string());
            }
        }
        Ok(())
    }
}

/// Whether an event is progress that follows too soon after the last progress to be written.
fn is_too_soon(event: &RunEvent, last: &mut Instant) -> bool {
    if !matches!(event, RunEvent::Progress { .. }) {
        return false;
    }
    if last.elapsed() < PROGRESS_EVERY {
        return true;
    }
    *last = Instant::now();
    false
}
