//! State of one claimed run, and its lease.

use super::context::DispatchContext;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use time::OffsetDateTime;
use vultus_blobs::BlobError;
use vultus_blobs::keyring::KeyringError;
use vultus_blobs::keys::{FolderKey, KeyError};
use vultus_core::{Analysis, AnalysisId};
use vultus_pools::run::{PoolName, RunCancel};
use vultus_store::{Applied, ClaimedRun, StoreError};

/// Time for which a run belongs to a node without a heartbeat.
pub(super) const LEASE: time::Duration = time::Duration::seconds(10);
/// Maximum number of attempts of an analysis whose failure is retryable.
const MAX_ATTEMPTS: u32 = 3;
/// Back-off before the second attempt, doubled for each further one.
const FIRST_RETRY: time::Duration = time::Duration::seconds(2);

/// Why a run is abandoned. Its lease then expires.
#[derive(Debug, thiserror::Error)]
pub(super) enum Abandoned {
    /// Another node has the run, or its folder was erased.
    #[error("the lease is not current any more")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The claim is incomplete.
    #[error(transparent)]
    Claim(#[from] vultus_core::Error),
    #[error("the parameters of an analysis cannot be read")]
    Params(#[from] serde_json::Error),
}

impl From<KeyringError> for Abandoned {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Store(error) => error.into(),
            KeyringError::Key(error) => error.into(),
        }
    }
}

/// One claimed run.
pub(super) struct RunContext {
    pub(super) dispatch: Arc<DispatchContext>,
    pub(super) pool: PoolName,
    pub(super) run: ClaimedRun,
    pub(super) cancel: RunCancel,
    /// Whether an analysis must be tried again later.
    retry: AtomicBool,
}

impl RunContext {
    pub(super) fn new(dispatch: Arc<DispatchContext>, pool: PoolName, run: ClaimedRun) -> Self {
        Self { dispatch, pool, run, cancel: RunCancel::new(), retry: AtomicBool::new(false) }
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.dispatch.clock.now()
    }

    /// The analysis of the run with this id. None if the worker names a wrong id.
    pub(super) fn analysis(&self, id: &str) -> Option<&Analysis> {
        let id = id.parse::<AnalysisId>().ok()?;
        self.run.analyses.iter().find(|analysis| analysis.id == id)
    }

    /// Id of the plugin that judges an analysis; empty if it is not known.
    pub(super) fn plugin_of(&self, analysis: Option<AnalysisId>) -> String {
        let analysis = self.run.analyses.iter().find(|known| Some(known.id) == analysis);
        analysis.and_then(|known| self.dispatch.pools.plugin_of(&known.kind)).unwrap_or_default()
    }

    pub(super) async fn folder_key(&self) -> Result<Arc<FolderKey>, KeyringError> {
        self.dispatch
            .keyring
            .folder(self.run.company_id, self.run.folder_id, &self.run.folder_key)
            .await
    }

    /// Extends the lease.
    pub(super) async fn keep_lease(&self) -> Result<(), Abandoned> {
        if self.dispatch.store.heartbeat(self.run.token, self.now(), LEASE).await? {
            return Ok(());
        }
        Err(Abandoned::Stale)
    }

    /// Gives the run back to the queue, to be claimed at `retry_at` at the earliest.
    pub(super) async fn release(&self, retry_at: Option<OffsetDateTime>) -> Result<(), Abandoned> {
        match self.dispatch.store.release_run(self.run.token, retry_at, self.now()).await? {
            Applied::Yes | Applied::AlreadyFinal => Ok(()),
            Applied::Stale => Err(Abandoned::Stale),
        }
    }

    /// Plans another attempt of an analysis. False if it has no attempt left.
    pub(super) fn retry_later(&self, analysis: &Analysis) -> bool {
        let has_attempts = analysis.attempts + 1 < MAX_ATTEMPTS;
        if has_attempts {
            self.retry.store(true, Relaxed);
        }
        has_attempts
    }

    /// Time of the next attempt, if [`Self::retry_later`] planned one.
    pub(super) fn retry_at(&self) -> Option<OffsetDateTime> {
        let attempts = self.run.analyses.iter().map(|analysis| analysis.attempts);
        let attempts = attempts.max().unwrap_or_default();
        self.retry.load(Relaxed).then(|| self.now() + FIRST_RETRY * 2i32.pow(attempts.min(8)))
    }
}
