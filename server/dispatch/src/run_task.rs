//! One run, from the claim to its release: events of the worker are sent to the store in order,
//! under the run's token, and written side by side: while the artifacts of one verdict go to disk,
//! the next analysis is entered and judged, and they share a commit. Whatever goes wrong, the run
//! is either given back, or its lease ends and somebody else takes it.

use super::claims::LEASE;
use super::run_failure::{missing_medium, not_offered, unstorable};
use super::stored_verdict;
use futures::StreamExt;
use futures::future::{join_all, ready};
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use vultus_blobs::keyring::{Keyring, KeyringError};
use vultus_blobs::keys::{FolderKey, KeyError};
use vultus_blobs::{BlobError, BlobStore, MemoryBudget, Reserved};
use vultus_core::analysis::TakenMedium;
use vultus_core::clock::Clock;
use vultus_core::{Analysis, AnalysisId, AnalysisState, MediaId, Medium};
use vultus_pools::ProbedFrame;
use vultus_pools::blame::{blamed, crash_failure};
use vultus_pools::run::{Judged, PoolName, RunCancel, RunEnd, RunEvent};
use vultus_pools::verdict::{self, Verdict};
use vultus_pools::worker_pools::WorkerPools;
use vultus_pools::{FreeWorker, Registration, RunningRuns};
use vultus_store::{AnalysisResult, Applied, ClaimedRun, Scope, Store, StoreError, WorkerDeath};
use vultus_worker_protocol::{
    AnalysisFailure, FrameReport, RunAnalysis, RunMedium, RunRequest, SlottedMedium,
};

/// Time between heartbeats: three fit into a lease.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Progress is written at most this often, and not before a run has taken so long.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Attempts of an analysis whose failure may pass.
const MAX_ATTEMPTS: u32 = 3;
/// Wait before the second attempt, doubled for each further one.
const FIRST_RETRY: time::Duration = time::Duration::seconds(2);
/// Claims of a run after which a medium that cannot be opened counts as gone.
const MAX_CLAIMS: u64 = 6;
/// Events of a run that wait to be written.
const EVENTS: usize = 64;
/// Times that artifacts are written again because the sweeper took them in between.
const WRITE_ATTEMPTS: u32 = 5;

/// What all runs of a node use.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) blobs: Arc<BlobStore>,
    pub(super) pools: WorkerPools,
    pub(super) running: RunningRuns,
    pub(super) keyring: Keyring,
    pub(super) memory: MemoryBudget,
    pub(super) clock: Clock,
}

/// Why a run is left as it is; its lease ends by itself.
#[derive(Debug, thiserror::Error)]
enum Abandoned {
    /// Somebody else has the run, or its folder is gone.
    #[error("the lease is not current any more")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<KeyringError> for Abandoned {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Store(error) => error.into(),
            KeyringError::Key(error) => error.into(),
        }
    }
}

/// What to do after a part of the run.
enum Next {
    GoOn,
    /// The run was given back already.
    Released,
}

/// One run.
pub(super) struct RunTask {
    shared: Arc<Shared>,
    pool: PoolName,
    run: ClaimedRun,
    cancel: RunCancel,
    judged: HashSet<AnalysisId>,
    retry: AtomicBool,
}

impl RunTask {
    pub(super) fn new(shared: Arc<Shared>, pool: PoolName, run: ClaimedRun) -> Self {
        Self {
            shared,
            pool,
            run,
            cancel: RunCancel::new(),
            judged: HashSet::new(),
            retry: AtomicBool::new(false),
        }
    }

    /// Works the run off; the first part on `worker`.
    pub(super) async fn work(mut self, worker: FreeWorker) {
        let run = self.run.token.run_id;
        match self.judge_all(worker).await {
            Ok(()) => tracing::debug!(%run, "run released"),
            Err(Abandoned::Stale) => {
                tracing::info!(%run, "run lost: its folder was erased, or another node has it")
            }
            Err(error) => {
                tracing::warn!(%run, error = &error as &dyn std::error::Error, "run abandoned; it is taken up again once its lease ends");
            }
        }
    }

    async fn judge_all(&mut self, worker: FreeWorker) -> Result<(), Abandoned> {
        let registration =
            self.shared.running.register(self.run.token.run_id, self.run.folder_id, &self.cancel);
        let mut worker = Some(worker);
        loop {
            let open: Vec<Analysis> = self
                .run
                .analyses
                .iter()
                .filter(|a| !self.judged.contains(&a.id))
                .cloned()
                .collect();
            let part: Vec<Analysis> =
                if self.run.one_by_one { open.into_iter().take(1).collect() } else { open };
            if part.is_empty() {
                break;
            }
            if let Next::Released = self.judge(part, worker.take(), &registration).await? {
                return Ok(());
            }
        }
        let retry_at = self.retry.load(Relaxed).then(|| self.retry_at());
        self.release(retry_at).await
    }

    /// Judges some of the analyses in one go. All of them count as dealt with afterwards, those to
    /// be retried too.
    async fn judge(
        &mut self,
        part: Vec<Analysis>,
        worker: Option<FreeWorker>,
        registration: &Registration,
    ) -> Result<Next, Abandoned> {
        let OpenMedia { media, missing, _reserved: reserved } = self.open_media(&part).await?;
        if !missing.is_empty() {
            for analysis in part.iter().filter(|analysis| {
                analysis.media.iter().any(|taken| missing.contains(&taken.media_id))
            }) {
                self.write_failure(analysis, &missing_medium()).await?;
                self.judged.insert(analysis.id);
            }
            return Ok(Next::GoOn);
        }
        let (media, descriptors): (Vec<OpenMedium>, Vec<OwnedFd>) = media.into_iter().unzip();
        let request = run_request(&self.run, &part, &media);
        let asked = request.analyses.clone();
        let end = self.drive(request, descriptors, worker, registration).await?;
        drop(reserved);
        self.judged.extend(part.iter().map(|analysis| analysis.id));
        match end {
            RunEnd::Done(costs) => {
                tracing::debug!(
                    run = %self.run.token.run_id, decode_us = costs.decode_us, detection_us = costs.detection_us,
                    embedding_us = costs.embedding_us, analysis_us = costs.analysis_us, total_us = costs.total_us,
                    media_decoded = costs.media_decoded, media_reused = costs.media_reused, "run judged"
                );
                Ok(Next::GoOn)
            }
            RunEnd::WorkerDied(death) => {
                tracing::warn!(run = %self.run.token.run_id, detail = death.detail, active = death.active, "a worker died in a run");
                let blamed = blamed(&death, &asked).and_then(|id| id.parse::<AnalysisId>().ok());
                let failure = crash_failure(&death, &self.plugin_of(blamed));
                let failure =
                    vultus_core::AnalysisFailure { code: failure.code, message: failure.message };
                let death = WorkerDeath { active: blamed };
                self.shared
                    .store
                    .record_death(self.run.token, death, &failure, self.shared.clock.now())
                    .await?;
                Ok(Next::Released)
            }
            RunEnd::WorkerStopped => {
                self.release(None).await?;
                Ok(Next::Released)
            }
            RunEnd::Unavailable { retry_after } => {
                self.release(Some(self.shared.clock.now() + retry_after)).await?;
                Ok(Next::Released)
            }
        }
    }

    /// Lets the worker work, writes what it says, keeps the lease, and passes cancellations on.
    async fn drive(
        &self,
        request: RunRequest,
        media: Vec<OwnedFd>,
        worker: Option<FreeWorker>,
        registration: &Registration,
    ) -> Result<RunEnd, Abandoned> {
        let (sender, mut events) = mpsc::channel(EVENTS);
        let (shared, pool, cancel) = (self.shared.clone(), self.pool.clone(), self.cancel.clone());
        let running = async move {
            match worker {
                Some(worker) => worker.run(request, media, sender, &cancel).await,
                None => shared.pools.run(&pool, request, media, sender, &cancel).await,
            }
        };
        let mut running = std::pin::pin!(running);
        let mut heartbeat =
            tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut writes = FuturesUnordered::new();
        let (mut end, mut all_told, mut in_hurry, mut last_progress) =
            (None, false, false, Instant::now());
        let ended = async {
            loop {
                if all_told
                    && writes.is_empty()
                    && let Some(end) = end.take()
                {
                    return Ok(end);
                }
                tokio::select! {
                    biased;
                    _ = heartbeat.tick() => {
                        self.keep_lease().await?;
                        self.stop_unwanted().await?;
                    }
                    () = registration.look_again() => self.stop_unwanted().await?,
                    Some(written) = writes.next() => written?,
                    event = events.recv(), if !all_told => match event {
                        Some(event) if is_too_soon(&event, &mut last_progress) => {}
                        Some(event) => writes.push(self.write_event(event)),
                        None => all_told = true,
                    },
                    ended = &mut running, if end.is_none() => end = Some(ended),
                    // After the writes: each has reached the store.
                    () = ready(()), if all_told && !in_hurry => {
                        self.shared.store.flush_kept_back(self.run.token);
                        in_hurry = true;
                    }
                }
            }
        }
        .await;
        if ended.is_err() {
            // Each write ends by itself: what it wrote in vain, it deletes.
            let written = async { while writes.next().await.is_some() {} };
            tokio::join!(biased; written, async { self.shared.store.flush_kept_back(self.run.token) });
        }
        ended
    }

    /// Cancels in the worker what was cancelled in the store; a folder that is gone ends the run.
    async fn stop_unwanted(&self) -> Result<(), Abandoned> {
        let ids: Vec<AnalysisId> = self.run.analyses.iter().map(|analysis| analysis.id).collect();
        let found = self.shared.store.analyses(Scope::Everything, &ids).await?;
        if found.is_empty() {
            return Err(Abandoned::Stale);
        }
        for (analysis, _) in found {
            if analysis.state == AnalysisState::Cancelled {
                self.cancel.cancel_analysis(&analysis.id.to_string());
            }
        }
        Ok(())
    }

    async fn write_event(&self, event: RunEvent) -> Result<(), Abandoned> {
        match event {
            RunEvent::Entered { analysis } => {
                let Some(id) = self.analysis(&analysis).map(|analysis| analysis.id) else {
                    return Ok(());
                };
                let applied = self
                    .shared
                    .store
                    .enter_analysis(self.run.token, id, self.shared.clock.now())
                    .await?;
                self.heed(applied, id)
            }
            RunEvent::Progress { analysis, fraction } => {
                let Some(id) = self.analysis(&analysis).map(|analysis| analysis.id) else {
                    return Ok(());
                };
                let applied =
                    self.shared.store.record_progress(self.run.token, id, fraction).await?;
                self.heed(applied, id)
            }
            RunEvent::Judged(judged) => self.write_judged(judged).await,
        }
    }

    async fn write_judged(&self, judged: Judged) -> Result<(), Abandoned> {
        let Some(analysis) = self.analysis(&judged.analysis).cloned() else { return Ok(()) };
        let known = judged
            .analyzer
            .clone()
            .or_else(|| self.shared.pools.analyzer(&self.pool, &analysis.kind));
        let Some(analyzer) = known else {
            tracing::warn!(pool = %self.pool, kind = analysis.kind, "a pool judged what it does not offer");
            return self.write_failure(&analysis, &not_offered()).await;
        };
        match verdict::accept(judged, &analyzer) {
            Ok(verdict) => self.write_verdict(&analysis, &verdict).await,
            // Cancelled in the store it is final already; cancelled by this node's end it is judged
            // later.
            Err(failure) if failure.code == "CANCELLED" => Ok(()),
            Err(failure) if failure.retryable && analysis.attempts + 1 < MAX_ATTEMPTS => {
                tracing::info!(analysis = %analysis.id, code = failure.code, detail = failure.detail, "analysis is tried again");
                self.retry.store(true, Relaxed);
                Ok(())
            }
            Err(failure) => self.write_failure(&analysis, &failure).await,
        }
    }

    async fn write_verdict(&self, analysis: &Analysis, verdict: &Verdict) -> Result<(), Abandoned> {
        let (folder, store) = (self.folder_key().await?, self.shared.store.as_ref());
        let (mut attempt, mut swept) = (0, Vec::new());
        loop {
            attempt += 1;
            let artifacts =
                stored_verdict::write_artifacts(verdict, analysis, &folder, &self.shared.blobs)
                    .await?;
            let keys: Vec<String> =
                artifacts.iter().map(|artifact| artifact.blob_key.clone()).collect();
            if !swept.is_empty() {
                store.revive(&swept).await?;
            }
            let result = stored_verdict::finished(verdict, analysis, artifacts);
            let applied = store
                .apply_result(self.run.token, analysis.id, &result, self.shared.clock.now())
                .await;
            match applied {
                Err(StoreError::BlobSwept { .. }) if attempt < WRITE_ATTEMPTS => {
                    swept = self.shared.blobs.await_deletions(store, &keys).await?;
                }
                Err(error @ StoreError::Internal { .. }) => {
                    self.delete_unwanted(&keys).await;
                    return self.not_stored(analysis, &error).await;
                }
                other => {
                    let applied = other?;
                    if applied != Applied::Yes {
                        self.delete_unwanted(&keys).await;
                    }
                    return self.heed(applied, analysis.id);
                }
            }
        }
    }

    /// A verdict that the store refuses for a reason that will not pass by waiting: tried again a
    /// few times, and then given up, so that the run does not come back for ever.
    async fn not_stored(&self, analysis: &Analysis, error: &StoreError) -> Result<(), Abandoned> {
        tracing::error!(analysis = %analysis.id, error = error as &dyn std::error::Error, "a verdict cannot be stored");
        if analysis.attempts + 1 < MAX_ATTEMPTS {
            self.retry.store(true, Relaxed);
            return Ok(());
        }
        self.write_failure(analysis, &unstorable()).await
    }

    async fn folder_key(&self) -> Result<Arc<FolderKey>, KeyringError> {
        self.shared
            .keyring
            .folder(self.run.company_id, self.run.folder_id, &self.run.folder_key)
            .await
    }

    /// Deletes the artifacts of a verdict that nobody wants any more: the folder may have been
    /// erased, and its pictures with it.
    async fn delete_unwanted(&self, keys: &[String]) {
        let (store, now) = (self.shared.store.as_ref(), self.shared.clock.now());
        if let Err(error) = self.shared.blobs.delete_unreferenced(store, keys, now).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "unwanted artifacts are left to the sweeper"
            );
        }
    }

    async fn write_failure(
        &self,
        analysis: &Analysis,
        failure: &AnalysisFailure,
    ) -> Result<(), Abandoned> {
        tracing::warn!(analysis = %analysis.id, code = failure.code, detail = failure.detail, "analysis failed");
        let failure = vultus_core::AnalysisFailure {
            code: failure.code.clone(),
            message: failure.message.clone(),
        };
        let result = AnalysisResult::Failed(failure);
        let applied = self
            .shared
            .store
            .apply_result(self.run.token, analysis.id, &result, self.shared.clock.now())
            .await?;
        self.heed(applied, analysis.id)
    }

    /// A write that did not take effect: the run is somebody else's, or the analysis is not wanted
    /// any more.
    fn heed(&self, applied: Applied, id: AnalysisId) -> Result<(), Abandoned> {
        match applied {
            Applied::Yes => Ok(()),
            Applied::Stale => Err(Abandoned::Stale),
            Applied::AlreadyFinal => {
                self.cancel.cancel_analysis(&id.to_string());
                Ok(())
            }
        }
    }

    async fn release(&self, retry_at: Option<time::OffsetDateTime>) -> Result<(), Abandoned> {
        match self
            .shared
            .store
            .release_run(self.run.token, retry_at, self.shared.clock.now())
            .await?
        {
            Applied::Yes | Applied::AlreadyFinal => Ok(()),
            Applied::Stale => Err(Abandoned::Stale),
        }
    }

    fn retry_at(&self) -> time::OffsetDateTime {
        let attempts =
            self.run.analyses.iter().map(|analysis| analysis.attempts).max().unwrap_or_default();
        self.shared.clock.now() + FIRST_RETRY * 2i32.pow(attempts.min(8))
    }

    fn analysis(&self, id: &str) -> Option<&Analysis> {
        let id = id.parse::<AnalysisId>().ok()?;
        self.run.analyses.iter().find(|analysis| analysis.id == id)
    }

    fn plugin_of(&self, analysis: Option<AnalysisId>) -> String {
        let kind =
            self.run.analyses.iter().find(|a| Some(a.id) == analysis).map(|a| a.kind.as_str());
        let plugins = self.shared.pools.plugins();
        let found = plugins.into_iter().find(|plugin| {
            plugin.manifest.analyses.iter().any(|spec| Some(spec.kind.as_str()) == kind)
        });
        found.map(|plugin| plugin.manifest.id).unwrap_or_default()
    }

    /// The media that these analyses take, decrypted into memory where a probe left no frame; and
    /// those that cannot be. Keeps the lease meanwhile: there may be no room in memory, and the
    /// storage may be far away.
    async fn open_media(&self, part: &[Analysis]) -> Result<OpenMedia, Abandoned> {
        let mut opening = std::pin::pin!(self.decrypt_media(part));
        let mut heartbeat =
            tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                _ = heartbeat.tick() => self.keep_lease().await?,
            }
        }
    }

    async fn decrypt_media(&self, part: &[Analysis]) -> Result<OpenMedia, Abandoned> {
        let taken: HashSet<MediaId> =
            part.iter().flat_map(|analysis| &analysis.media).map(|taken| taken.media_id).collect();
        let wanted: Vec<&Medium> =
            self.run.media.iter().filter(|medium| taken.contains(&medium.id)).collect();
        let known: HashSet<MediaId> = wanted.iter().map(|medium| medium.id).collect();
        let frames = wanted
            .iter()
            .map(|medium| self.shared.pools.frames().take(medium.id))
            .collect::<Vec<_>>();
        let encrypted = wanted.iter().zip(&frames).filter(|(_, frame)| frame.is_none());
        let reserved =
            self.shared.memory.reserve(encrypted.map(|(medium, _)| medium.byte_size).sum()).await;
        let mut open = OpenMedia {
            media: Vec::new(),
            missing: taken.difference(&known).copied().collect(),
            _reserved: reserved,
        };
        let folder = self.folder_key().await?;
        let opened = join_all(wanted.into_iter().zip(frames).map(async |(medium, frame)| {
            let opened = match frame {
                Some(ProbedFrame { report, pixels }) => Ok((Some(report), pixels)),
                None => self.plain_of(medium, &folder).await.map(|plain| (None, plain)),
            };
            (medium, opened)
        }));
        for (medium, opened) in opened.await {
            match opened {
                Ok((frame, descriptor)) => {
                    open.media.push((OpenMedium { medium: medium.clone(), frame }, descriptor))
                }
                Err(BlobError::NotFound) => drop(open.missing.insert(medium.id)),
                Err(error @ BlobError::Damaged(_)) => {
                    tracing::error!(medium = %medium.id, error = &error as &dyn std::error::Error, "a medium does not decrypt");
                    open.missing.insert(medium.id);
                }
                Err(error @ BlobError::Internal { .. }) if self.run.token.fence >= MAX_CLAIMS => {
                    tracing::error!(medium = %medium.id, error = &error as &dyn std::error::Error, "a medium cannot be opened");
                    open.missing.insert(medium.id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(open)
    }

    async fn plain_of(&self, medium: &Medium, folder: &FolderKey) -> Result<OwnedFd, BlobError> {
        let plain = self.shared.blobs.open(&medium.blob_key, folder).await?.plain().await?;
        plain.descriptor()
    }

    async fn keep_lease(&self) -> Result<(), Abandoned> {
        if self.shared.store.heartbeat(self.run.token, self.shared.clock.now(), LEASE).await? {
            return Ok(());
        }
        Err(Abandoned::Stale)
    }
}

/// A medium whose bytes, or whose decoded frame, can be read.
struct OpenMedium {
    medium: Medium,
    frame: Option<FrameReport>,
}

/// The media of a part of a run, in memory.
struct OpenMedia {
    media: Vec<(OpenMedium, OwnedFd)>,
    /// Those that cannot be opened.
    missing: HashSet<MediaId>,
    _reserved: Reserved,
}

/// Whether an event tells progress that is not worth writing so soon after the last.
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

fn run_request(run: &ClaimedRun, part: &[Analysis], media: &[OpenMedium]) -> RunRequest {
    let slotted = |taken: &TakenMedium| {
        let index = media.iter().position(|open| open.medium.id == taken.media_id)?;
        Some(SlottedMedium {
            index: u32::try_from(index).ok()?,
            slot: taken.slot.clone(),
            named: taken.named,
        })
    };
    let analysis = |analysis: &Analysis| RunAnalysis {
        id: analysis.id.to_string(),
        kind: analysis.kind.clone(),
        params: analysis.params.clone(),
        media: analysis.media.iter().filter_map(slotted).collect(),
        timeout_ms: analysis.timeout_ms,
    };
    let medium = |OpenMedium { medium, frame }: &OpenMedium| RunMedium {
        id: medium.id.to_string(),
        byte_size: medium.byte_size,
        tags: medium.tags.iter().map(ToString::to_string).collect(),
        frame: *frame,
    };
    RunRequest {
        run: run.token.run_id.to_string(),
        media: media.iter().map(medium).collect(),
        analyses: part.iter().map(analysis).collect(),
    }
}
