//! A node: starts its parts in order, and stops them in the reverse order.

use super::ServeError;
use super::background::Background;
use super::data_folder::{self, DataFolder};
use super::directory::ensure_administrator;
use super::http::{self, Surface};
use super::open::{check_place, open_blobs, open_keyring};
use super::options::{
    background_options, dispatcher_parts, keys_dir, pools_with_copies, service_options,
};
use crate::config::{Config, Mode, StoreUrl};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_auth::signing_keys::SigningKeys;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::{BlobStore, DiskReserve, Sweeper};
use vultus_core::clock::Clock;
use vultus_dispatch::Dispatcher;
use vultus_oidc::Issuers;
use vultus_pools::{RunningRuns, WorkerPools};
use vultus_service::{Parts, Services};
use vultus_store::Store;
use vultus_store::space::Space;
use vultus_worker_protocol::SandboxLevel;

/// After the drain time open connections get this long to end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What a node of a cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Takes requests, examines uploads and does instant checks; other nodes judge what is stored.
    Api,
    /// Judges what is stored; serves its health check only.
    Work,
    /// Both.
    All,
}

/// Runs a node until `stop` completes. `ready` gets the address once the node takes requests.
pub async fn serve(
    config: Config,
    role: NodeRole,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let folder = DataFolder::lock(&config.data_dir)?;
    if config.mode == Mode::Production && config.sandbox() == SandboxLevel::BestEffort {
        tracing::warn!(
            "workers.sandbox is best_effort in production: a worker that lacks parts of its \
             sandbox is used all the same"
        );
    }
    let limits = http::connection_limits(&config)?;
    let listener = http::listen(config.listen).await?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::Listen { address: config.listen, source })?;
    let node = Node::start(&config, role, &folder).await?;
    let surface = match role {
        NodeRole::Work => Surface::Health,
        NodeRole::Api | NodeRole::All => Surface::Api,
    };
    let http_stop = CancellationToken::new();
    let services = node.services.clone();
    let serving = http::serve(listener, surface, services, &config, limits, http_stop.clone());
    let server = tokio::spawn(serving);
    tracing::info!(%address, "ready");
    ready(address);
    stop.await;
    tracing::info!("stopping");
    node.services.begin_shutdown();
    if let Some(dispatcher) = node.dispatcher {
        dispatcher.shutdown(config.shutdown.drain_seconds).await;
    }
    http_stop.cancel();
    let served = match tokio::time::timeout(LAST_ANSWERS, server).await {
        Ok(joined) => joined.unwrap_or_else(|error| Err(io::Error::other(error))),
        Err(_) => Ok(()),
    };
    node.background.stop().await;
    node.services.finish_shutdown().await;
    node.pools.shutdown().await;
    if let Err(error) = node.store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
    }
    drop(folder);
    tracing::info!("stopped");
    served.map_err(ServeError::Http)
}

struct Node {
    store: Arc<dyn Store>,
    pools: WorkerPools,
    services: Services,
    dispatcher: Option<Dispatcher>,
    background: Background,
}

impl Node {
    async fn start(
        config: &Config,
        role: NodeRole,
        folder: &DataFolder,
    ) -> Result<Self, ServeError> {
        let issuers = Issuers::new(config.oidc.issuers.clone())?;
        let keys = Keys::open(&keys_dir(config, folder.path()))?;
        let signing = SigningKeys::open(&keys, &keys_dir(config, folder.path()))?;
        let blobs = open_blobs(config, folder.path()).await?;
        blobs.clear_spool()?;
        let reserve = DiskReserve::open(folder.path(), config.disk.reserve_bytes)?;
        blobs.watch_space(reserve.clone());
        let opened = open_store(config, folder, &keys, &blobs, reserve.clone());
        let started = start_pools(config, role, folder);
        let ((store, keyring), pools) = tokio::try_join!(opened, started)?;
        let passwords = Passwords::new(config.passwords.concurrency)?;
        if role != NodeRole::Work {
            ensure_administrator(&store, &keyring, &passwords, &keys, config).await?;
        }
        let parts = Parts {
            store: store.clone(),
            blobs: blobs.clone(),
            keyring,
            pools: pools.clone(),
            running: RunningRuns::default(),
            keys,
            signing,
            issuers,
            passwords,
            clock: Clock::system(),
        };
        let for_dispatcher = dispatcher_parts(config, &parts);
        let services = match Services::start(parts, service_options(config)) {
            Ok(services) => services,
            Err(error) => {
                pools.shutdown().await;
                return Err(error.into());
            }
        };
        let dispatcher = (role != NodeRole::Api).then(|| Dispatcher::start(for_dispatcher));
        let sweeper = Sweeper::new(blobs, store.clone());
        if matches!(config.store.url, StoreUrl::Sqlite) {
            complete_deletions(&sweeper).await;
        }
        let options = background_options(config);
        let background =
            Background::start(sweeper, reserve, store.clone(), options, &pools, &services)?;
        Ok(Self { store, pools, services, dispatcher, background })
    }
}

/// Completes what was being deleted when the last node of this data folder was killed.
async fn complete_deletions(sweeper: &Sweeper) {
    if let Err(error) = sweeper.complete_deletions(Clock::system().now()).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "deletions from before the start are not complete yet"
        );
    }
}

/// Opens the store and its keys. Refuses a node whose keys or files are not those of the other
/// nodes.
async fn open_store(
    config: &Config,
    folder: &DataFolder,
    keys: &Keys,
    blobs: &BlobStore,
    space: Arc<dyn Space>,
) -> Result<(Arc<dyn Store>, Keyring), ServeError> {
    let store = data_folder::open_store_in(&config.store.url, folder.path(), Some(space)).await?;
    if !store.register_keys(&keys.fingerprint()).await.map_err(ServeError::CompareKeys)? {
        return Err(ServeError::OtherKeys { folder: keys_dir(config, folder.path()) });
    }
    let keyring = open_keyring(config, folder.path(), &store).await?;
    if matches!(config.store.url, StoreUrl::Mongo(_)) {
        check_place(store.as_ref(), blobs).await?;
    }
    Ok((store, keyring))
}

/// Starts the workers, and logs what they lack.
async fn start_pools(
    config: &Config,
    role: NodeRole,
    folder: &DataFolder,
) -> Result<WorkerPools, ServeError> {
    let mut pools_config = pools_with_copies(config, Some(folder.path().join("plugins")))?;
    if role == NodeRole::Work {
        pools_config.probe_workers = 0;
    }
    let pools = WorkerPools::start(pools_config).await?;
    for gap in pools.sandbox_gaps() {
        tracing::warn!(gap, "the sandbox of the workers is weaker here");
    }
    for refused in pools.refused() {
        tracing::warn!(path = refused.path, detail = refused.detail, "a plugin is not used");
    }
    for plugin in pools.plugins() {
        for (file, _) in plugin.weights.iter().filter(|(_, sha256)| sha256.is_empty()) {
            tracing::warn!(plugin = plugin.manifest.id, file, "an optional model is not installed");
        }
    }
    Ok(pools)
}
