//! [`Services`]: the facade that wires the parts and delegates to them.

use crate::accounts::{Accounts, Credentials};
use crate::additions::Additions;
use crate::analyses::Analyses;
use crate::audit::{Audit, Caller};
use crate::audit_chains::AuditChains;
use crate::challenges::Challenges;
use crate::check::Checks;
use crate::check_memory::CheckMemory;
use crate::checker::Checker;
use crate::credential_directory::CredentialDirectory;
use crate::decisions::DecisionDesk;
use crate::detached::DetachedWork;
use crate::directory::Directory;
use crate::downloads::Downloads;
use crate::erasing_companies::CompanyEraser;
use crate::events::Events;
use crate::folders::Folders;
use crate::hub::Hub;
use crate::idempotency::IdempotencyLocks;
use crate::info::Info;
use crate::media_files::MediaFiles;
use crate::options::Options;
use crate::queue_room::QueueRoom;
use crate::session_watch::SessionWatch;
use crate::shared_reads::SharedReads;
use crate::signing_watch;
use crate::storage_room::StorageRoom;
use crate::uploads::Uploads;
use crate::websockets::Websockets;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use vultus_auth::audit_heads::HeadKey;
use vultus_auth::brakes::LoginKeyring;
use vultus_auth::challenges::ChallengeTokens;
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_auth::refresh_tokens::RefreshTokens;
use vultus_auth::signing_keys::SigningKeys;
use vultus_auth::tokens::AccessTokens;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::Keyring;
use vultus_core::clock::Clock;
use vultus_core::fair::FairPermits;
use vultus_core::{Error, Principal, Result};
use vultus_oidc::Issuers;
use vultus_pools::{RunningRuns, WorkerPools};
use vultus_store::Store;
use vultus_store::audit::Origin;

/// What [`Services`] is built on.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The files of media.
    pub blobs: Arc<BlobStore>,
    /// The keys of companies and folders.
    pub keyring: Keyring,
    /// The workers.
    pub pools: WorkerPools,
    /// The runs of this node, which are notified of cancellations.
    pub running: RunningRuns,
    /// Secret keys.
    pub keys: Keys,
    /// Identity providers whose users are accepted.
    pub issuers: Issuers,
    /// Keys that sign access tokens.
    pub signing: SigningKeys,
    /// Makes and checks password hashes.
    pub passwords: Passwords,
    /// The clock.
    pub clock: Clock,
}

/// All use cases, with the origin of the requests for them. Cheap to clone.
#[derive(Clone)]
pub struct Services(pub(crate) Arc<Facade>, Option<Origin>);

/// The parts; each owns what it needs.
pub(crate) struct Facade {
    pub(crate) accounts: Accounts,
    pub(crate) additions: Additions,
    pub(crate) audit: Audit,
    pub(crate) challenges: Challenges,
    pub(crate) folders: Folders,
    pub(crate) analyses: Analyses,
    pub(crate) events: Events,
    pub(crate) checks: Checks,
    pub(crate) uploads: Uploads,
    pub(crate) downloads: Downloads,
    pub(crate) credentials: CredentialDirectory,
    pub(crate) desk: DecisionDesk,
    pub(crate) directory: Directory,
    pub(crate) eraser: CompanyEraser,
    pub(crate) info: Info,
    pub(crate) websockets: Websockets,
    detached: DetachedWork,
    background: Mutex<JoinSet<()>>,
    stopping: CancellationToken,
}

impl Services {
    /// The use cases for requests from this address: the audit log names its network.
    #[must_use]
    pub fn for_client(&self, address: IpAddr) -> Self {
        Self(Arc::clone(&self.0), Some(Origin::of(address)))
    }

    /// The caller with the origin of the request.
    pub(crate) fn by(&self, principal: &Principal) -> Caller {
        Caller::new(principal, self.1)
    }

    /// The origin of the request.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.1
    }

    /// Wires the parts, and starts the tasks that forward the store's changes to subscriptions,
    /// watch the sessions of websockets and reread the keys of access tokens.
    /// Fails if an analyzer rejects its policy.
    pub fn start(parts: Parts, options: Options) -> Result<Self> {
        let Parts {
            store,
            blobs,
            keyring,
            pools,
            running,
            keys,
            signing,
            passwords,
            clock,
            issuers,
        } = parts;
        let checker = Checker::new(pools, options.checker, clock.clone())?;
        let login_keys = Arc::new(LoginKeyring::new(&keys));
        let audit = Audit::new(store.clone(), clock.clone());
        let directory = Directory {
            store: store.clone(),
            audit: audit.clone(),
            origin: None,
            keyring: keyring.clone(),
            passwords: passwords.clone(),
            login_keys: login_keys.clone(),
            clock: clock.clone(),
        };
        let credentials = Credentials {
            access_tokens: AccessTokens::new(signing.clone(), lifetime(options.access_lifetime)?),
            refresh_tokens: RefreshTokens::new(&keys),
            refresh_lifetime: lifetime(options.refresh_lifetime)?,
            session_lifetime: lifetime(options.session_lifetime)?,
            passwords,
            login_keys: login_keys.clone(),
            issuers,
        };
        let (stopping, detached, hub) =
            (CancellationToken::new(), DetachedWork::default(), Hub::default());
        let mut background = JoinSet::new();
        background.spawn(hub.clone().forward(store.changes(), stopping.clone()));
        let sessions = SessionWatch::new(store.clone(), signing.clone(), clock.clone());
        background.spawn(signing_watch::run(signing, stopping.clone()));
        background.spawn(sessions.clone().run(stopping.clone()));
        let chains = AuditChains::new(store.clone(), HeadKey::new(&keys), clock.clone());
        background.spawn(chains.run(stopping.clone()));
        let files = MediaFiles {
            store: store.clone(),
            blobs: blobs.clone(),
            keyring,
            clock: clock.clone(),
        };
        let analyses = Analyses {
            store: store.clone(),
            audit: audit.clone(),
            running: running.clone(),
            clock: clock.clone(),
        };
        let limits = &checker.limits;
        let storage = StorageRoom::new(store.clone(), options.company_bytes);
        let challenges = Challenges {
            store: store.clone(),
            audit: audit.clone(),
            tokens: Arc::new(ChallengeTokens::new(&keys)),
            clock: clock.clone(),
        };
        let facade = Arc::new(Facade {
            audit: audit.clone(),
            accounts: Accounts::new(
                store.clone(),
                audit.clone(),
                credentials,
                detached.clone(),
                clock.clone(),
            ),
            folders: Folders {
                store: store.clone(),
                audit: audit.clone(),
                files: files.clone(),
                running: running.clone(),
                frames: checker.pools.frames().clone(),
                json: limits.json,
                storage: storage.clone(),
                detached: detached.clone(),
                clock: clock.clone(),
            },
            events: Events {
                store: store.clone(),
                hub,
                shared_reads: SharedReads::new(store.clone()),
                analyses: analyses.clone(),
                max_wait: limits.wait,
                stopping: stopping.clone(),
            },
            analyses,
            uploads: Uploads {
                blobs: blobs.clone(),
                permits: FairPermits::new(options.uploads),
                shares: options.shares,
                check_memory: CheckMemory::new(options.check_memory_bytes),
                max_bytes: limits.upload_bytes,
            },
            additions: Additions {
                store: store.clone(),
                audit: audit.clone(),
                files: files.clone(),
                checker: checker.clone(),
                room: QueueRoom::new(store.clone(), options.company_runs),
                storage,
                challenges: challenges.clone(),
                locks: IdempotencyLocks::default(),
                detached: detached.clone(),
                clock: clock.clone(),
            },
            challenges,
            checks: Checks {
                store: store.clone(),
                audit: audit.clone(),
                checker: checker.clone(),
                permits: FairPermits::new(options.checks),
                shares: options.shares,
            },
            credentials: CredentialDirectory::new(store.clone(), clock.clone()),
            desk: DecisionDesk::new(store.clone(), clock.clone(), options.decisions),
            eraser: CompanyEraser::within(
                files.clone(),
                running.clone(),
                detached.clone(),
                audit.clone(),
                HeadKey::new(&keys),
            ),
            directory,
            downloads: Downloads {
                store: store.clone(),
                audit,
                files,
                link_key: keys.downloads,
                clock,
                permits: FairPermits::new(options.downloads),
                share: options.shares.company,
            },
            info: Info {
                store,
                blobs,
                checker,
                public_url: options.public_url,
                sandbox_required: options.sandbox_required,
                stopping: stopping.clone(),
            },
            detached,
            websockets: Websockets {
                sessions,
                permits: FairPermits::new(options.websockets),
                shares: options.shares,
            },
            background: Mutex::new(background),
            stopping,
        });
        Ok(Self(facade, None))
    }

    /// Ends waits and subscriptions with the current state; from then on [`Services::ready`]
    /// reports `stopping`.
    pub fn begin_shutdown(&self) {
        self.0.stopping.cancel();
    }

    /// Cancelled when the shutdown begins, for long-lived connections.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Begins the shutdown, then joins the background tasks.
    pub async fn finish_shutdown(&self) {
        self.begin_shutdown();
        self.0.detached.finish().await;
        let mut background = std::mem::take(&mut *self.0.background.lock());
        while let Some(ended) = background.join_next().await {
            if let Err(error) = ended {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a background task of the services failed"
                );
            }
        }
    }
}

fn lifetime(duration: std::time::Duration) -> Result<Duration> {
    Duration::try_from(duration)
        .map_err(|error| Error::internal("converting the lifetime of a token", error))
}
