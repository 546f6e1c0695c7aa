//! The use cases, one file per aggregate, with their access rules. No transport and no database
//! types.
//!
//! Every method that takes a caller goes through [`vultus_auth::policy`]. What the caller may not
//! see is `NotFound`, exactly as if it did not exist; the edge names the argument (`Error::at`)
//! where an id was given directly.
//!
//! ```text
//! account    login refresh logout authenticate still_valid viewer user users
//! folder     create_folder add_media request_analyses update_folder delete_folder folder folders_by_ids
//!            folder_by_external_id list_folders groups replay
//! media      medium delete_medium
//! analysis   analysis analyses cancel_analysis
//! events     watch_folder watch_analysis wait_final
//! instant    check overall_resolution; Checker does it without a store
//! downloads  signed_path open_download
//! info       analyzers server_info sandbox total_costs ready public_url
//! upload     begin_upload begin_instant_upload → UploadSink → UploadedFile
//! ```

mod account;
mod admission;
mod analysis;
mod answers;
mod catalog;
mod downloads;
mod errors;
mod events;
mod folder;
mod idempotency;
mod info;
mod instant;
mod intake;
mod media;
mod options;
mod params;
mod plan;
mod request;
mod shared_reads;
pub mod types;
mod upload;
mod users;

pub use answers::{AnswerSlot, AnswerSlots, NextAnswer};
pub use downloads::MAX_LINK_LIFETIME;
pub use instant::{Checker, overall_resolution};
pub use options::{CheckerOptions, Options, RequestLimits};
pub use types::*;
pub use users::{DEFAULT_COMPANY, UserDirectory};
pub use vultus_pools::{AnalysisStatistics, TotalCosts};

use account::SessionCache;
use admission::MemoryBudget;
use events::Hub;
use idempotency::Turns;
use secrecy::SecretSlice;
use shared_reads::SharedReads;
use std::sync::{Arc, Mutex, PoisonError};
use time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use vultus_auth::backoff::UnknownNames;
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_auth::tokens::AccessTokens;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::{Error, Result};
use vultus_pools::{RunningRuns, WorkerPools};
use vultus_store::Store;

/// At the end requests that write get this long.
const LAST_WRITES: std::time::Duration = std::time::Duration::from_secs(5);

/// What the use cases work with.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The bytes of media.
    pub blobs: Arc<BlobStore>,
    /// The keys of companies and folders.
    pub keyring: Keyring,
    /// The workers.
    pub pools: WorkerPools,
    /// The runs of this node, to be told of cancellations.
    pub running: RunningRuns,
    /// Secret keys.
    pub keys: Keys,
    /// Makes and checks password hashes.
    pub passwords: Passwords,
    /// The clock.
    pub clock: Clock,
}

/// All use cases. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    blobs: Arc<BlobStore>,
    running: RunningRuns,
    clock: Clock,
    keyring: Keyring,
    checker: Checker,
    hub: Arc<Hub>,
    hub_task: Mutex<Option<JoinHandle<()>>>,
    shared_reads: SharedReads,
    /// What must come to its end though its client leaves.
    to_finish: TaskTracker,
    turns: Turns,
    public_url: Option<Url>,
    sandbox_required: bool,
    access_tokens: AccessTokens,
    refresh_lifetime: Duration,
    download_key: SecretSlice<u8>,
    passwords: Passwords,
    sessions: SessionCache,
    unknown_names: UnknownNames,
    /// Held from the judgement of a login until its failure is counted.
    failed_logins: Arc<tokio::sync::Mutex<()>>,
    uploads: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    check_memory: MemoryBudget,
    stopping: CancellationToken,
}

impl Services {
    /// Wires the use cases, and starts the task that spreads changes to those that watch. A policy
    /// that an analyzer refuses is an error.
    pub fn start(parts: Parts, options: Options) -> Result<Self> {
        let checker = Checker::new(parts.pools, options.checker, parts.clock.clone())?;
        let stopping = CancellationToken::new();
        let hub = Arc::new(Hub::default());
        let hub_task =
            tokio::spawn(events::spread(hub.clone(), parts.store.changes(), stopping.clone()));
        let lifetime = |duration| {
            Duration::try_from(duration).map_err(|e| Error::internal("reading a token's life", e))
        };
        Ok(Self {
            inner: Arc::new(Inner {
                access_tokens: AccessTokens::new(&parts.keys, lifetime(options.access_lifetime)?),
                refresh_lifetime: lifetime(options.refresh_lifetime)?,
                download_key: parts.keys.downloads,
                passwords: parts.passwords,
                keyring: parts.keyring,
                store: parts.store,
                blobs: parts.blobs,
                running: parts.running,
                clock: parts.clock,
                checker,
                hub,
                hub_task: Mutex::new(Some(hub_task)),
                shared_reads: SharedReads::default(),
                to_finish: TaskTracker::new(),
                turns: Turns::default(),
                public_url: options.public_url,
                sandbox_required: options.sandbox_required,
                sessions: SessionCache::default(),
                unknown_names: UnknownNames::default(),
                failed_logins: Arc::default(),
                uploads: Arc::new(Semaphore::new(options.uploads)),
                checks: Arc::new(Semaphore::new(options.checks)),
                check_memory: MemoryBudget::new(options.check_memory_bytes),
                stopping,
            }),
        })
    }

    /// Ends waits and watches early, with the current state, and makes [`Services::ready`] say no.
    pub fn begin_shutdown(&self) {
        self.inner.stopping.cancel();
    }

    /// Cancelled once the shutdown begins: for connections that live long.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Does `work` to its end, though whoever waits for it goes away in the middle.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let task = self.inner.to_finish.spawn(work);
        task.await.map_err(|error| Error::internal("finishing a request", error))?
    }

    /// Joins the background tasks, after [`Services::begin_shutdown`].
    pub async fn finish_shutdown(&self) {
        self.begin_shutdown();
        self.inner.to_finish.close();
        if tokio::time::timeout(LAST_WRITES, self.inner.to_finish.wait()).await.is_err() {
            tracing::warn!("requests that write did not come to their end");
        }
        let task = self.inner.hub_task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the task that spreads changes ended badly"
            );
        }
    }
}
