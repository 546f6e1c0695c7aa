//! The one place that wires a node together, starts it and stops it. No rules of its own.

mod background;
mod data_folder;
mod error;
mod limits;
pub mod operations;
mod options;

pub use data_folder::{DataError, DataFolder};
pub use error::ServeError;
pub use options::{checker_options, pools_config, unlocked_plugins};

use crate::config::{BlobsPlace, Config, Mode, StoreConfig};
use axum::serve::ListenerExt;
use background::Background;
use options::{keys_dir, master_key_source, pools_with_copies};
use secrecy::ExposeSecret;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vultus_api::http::{HttpOptions, Surroundings};
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_blobs::keyring::{Keyring, KeyringError};
use vultus_blobs::{BlobStore, BucketOptions, MemoryBudget, Sweeper};
use vultus_core::clock::Clock;
use vultus_dispatch::{Dispatcher, DispatcherParts};
use vultus_pools::{RunningRuns, WorkerPools};
use vultus_service::{AddedUser, Parts, Services, UserDirectory};
use vultus_store::Store;

/// After the drain time open connections get this long to end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Blobs of which a node must have one to be in the right place.
const STORED_BLOBS: u32 = 8;

/// What a node of a cluster does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Takes requests, examines uploads and does instant checks; what is stored is judged by other
    /// nodes.
    Api,
    /// Judges what is stored; serves nothing but its health.
    Work,
    /// Both.
    All,
}

/// Runs a node until `stop` is done. `ready` is told the address once the node takes requests.
pub async fn serve(
    config: Config,
    role: NodeRole,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let folder = DataFolder::lock(&config.data_dir)?;
    let listener = listen(config.listen).await?;
    let address = listener
        .local_addr()
        .map_err(|source| ServeError::Listen { address: config.listen, source })?;
    let node = Node::start(&config, role, &folder).await?;
    let http_stop = CancellationToken::new();
    let server = tokio::spawn(serve_http(listener, &node, &config, role, http_stop.clone()));
    tracing::info!(%address, "ready");
    ready(address);
    stop.await;
    tracing::info!("stopping");
    node.services.begin_shutdown();
    if let Some(dispatcher) = node.dispatcher {
        dispatcher.shutdown(config.drain).await;
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

/// Done when the process is asked to end: SIGTERM, or Ctrl-C. From the call on they are waited for,
/// not only once it is polled: a signal right after the node is ready must not kill it.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Makes or reads companies and users in the configured store, also while a node serves from it.
pub async fn in_directory<T>(
    config: &Config,
    work: impl AsyncFnOnce(&UserDirectory) -> vultus_core::Result<T>,
) -> Result<T, ServeError> {
    data_folder::make(&config.data_dir)?;
    let store = data_folder::open_store(&config.store, &config.data_dir).await?;
    let keyring = open_keyring(config, &config.data_dir, &store).await?;
    let users = UserDirectory::new(store.clone(), keyring, Passwords::new(1)?, Clock::system());
    let done = work(&users).await;
    if let Err(error) = store.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "closing the store failed");
    }
    done.map_err(ServeError::Directory)
}

/// The keys of the store's companies, opened once to see that the master key is the right one.
async fn open_keyring(
    config: &Config,
    folder: &Path,
    store: &Arc<dyn Store>,
) -> Result<Keyring, ServeError> {
    let is_new = store.companies().await.map_err(KeyringError::from)?.is_empty();
    let keyring =
        Keyring::new(store.clone(), Arc::new(master_key_source(config, folder).open(is_new)?));
    keyring.check().await?;
    Ok(keyring)
}

/// The storage of blobs that the configuration names, with the spool in the data folder.
async fn open_blobs(config: &Config, folder: &Path) -> Result<Arc<BlobStore>, ServeError> {
    let bucket = match &config.blobs.place {
        BlobsPlace::File => return Ok(BlobStore::local(folder)?),
        BlobsPlace::GridFs(uri) => {
            return Ok(vultus_store_mongo::gridfs_blobs(folder, uri.expose_secret()).await?);
        }
        BlobsPlace::Bucket(bucket) => bucket,
    };
    let secret = config.blobs.secret_access_key.clone();
    let options = BucketOptions {
        bucket: bucket.name.clone(),
        prefix: bucket.prefix.clone(),
        endpoint: bucket.endpoint.clone(),
        region: bucket.region.clone(),
        access_key: bucket.access_key_id.clone().zip(secret),
    };
    Ok(BlobStore::bucket(folder, &options)?)
}

/// Whether blobs lie here where the other nodes', or the ones before, put them.
async fn check_place(store: &dyn Store, blobs: &BlobStore) -> Result<(), ServeError> {
    let finds_stored = async || {
        let stored = store.some_blobs(STORED_BLOBS).await.map_err(ServeError::CompareBlobs)?;
        Ok::<_, ServeError>(stored.is_empty() || blobs.has_any(&stored).await?)
    };
    // Twice, as they may be erased in between.
    let is_here = (finds_stored().await? || finds_stored().await?)
        && store
            .register_blobs_place(&blobs.identity().await?)
            .await
            .map_err(ServeError::CompareBlobs)?;
    if is_here { Ok(()) } else { Err(ServeError::OtherBlobs) }
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
        let keys_dir = keys_dir(config, folder.path());
        let keys = Keys::open(&keys_dir)?;
        let blobs = open_blobs(config, folder.path()).await?;
        blobs.clear_spool()?;
        let mut pools_config = pools_with_copies(config, Some(folder.path().join("plugins")))?;
        if role == NodeRole::Work {
            pools_config.probe_workers = 0;
        }
        let opened = async {
            let store = data_folder::open_store(&config.store, folder.path()).await?;
            if !store.register_keys(&keys.fingerprint()).await.map_err(ServeError::CompareKeys)? {
                return Err(ServeError::OtherKeys { folder: keys_dir });
            }
            let keyring = open_keyring(config, folder.path(), &store).await?;
            if matches!(config.store, StoreConfig::Mongo(_)) {
                check_place(store.as_ref(), &blobs).await?;
            }
            Ok::<_, ServeError>((store, keyring))
        };
        let started = async { Ok::<_, ServeError>(WorkerPools::start(pools_config).await?) };
        let ((store, keyring), pools) = tokio::try_join!(opened, started)?;
        for gap in pools.sandbox_gaps() {
            tracing::warn!(gap, "the sandbox of the workers is weaker here");
        }
        for refused in pools.refused() {
            tracing::warn!(path = refused.path, detail = refused.detail, "a plugin is not used");
        }
        let passwords = Passwords::new(config.password_concurrency)?;
        if role != NodeRole::Work {
            first_administrator(&store, &keyring, &passwords, config).await?;
        }
        let (clock, running) = (Clock::system(), RunningRuns::default());
        let parts = Parts {
            store: store.clone(),
            blobs: blobs.clone(),
            keyring: keyring.clone(),
            pools: pools.clone(),
            running: running.clone(),
            keys,
            passwords,
            clock: clock.clone(),
        };
        let services = match Services::start(parts, options::service_options(config)) {
            Ok(services) => services,
            Err(error) => {
                pools.shutdown().await;
                return Err(error.into());
            }
        };
        let dispatcher = (role != NodeRole::Api).then(|| {
            Dispatcher::start(DispatcherParts {
                store: store.clone(),
                blobs: blobs.clone(),
                keyring,
                memory: MemoryBudget::new(config.blobs.memory_bytes),
                pools: pools.clone(),
                running: running.clone(),
                clock: clock.clone(),
                node: uuid::Uuid::now_v7().to_string(),
                sole_node: matches!(config.store, StoreConfig::Sqlite),
                removed_after: config.workers.removed_after,
            })
        });
        let sweeper = Sweeper::new(blobs, store.clone());
        if let Err(error) = sweeper.complete_deletions(Clock::system().now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "deletions from before the start are not complete yet"
            );
        }
        let background = Background::start(sweeper, config, &pools, &services)?;
        Ok(Self { store, pools, services, dispatcher, background })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

fn serve_http(
    listener: TcpListener,
    node: &Node,
    config: &Config,
    role: NodeRole,
    stop: CancellationToken,
) -> impl Future<Output = io::Result<()>> + Send + use<> {
    let options = HttpOptions {
        surroundings: match config.mode {
            Mode::Development => Surroundings::Development,
            Mode::Production => Surroundings::Production,
        },
        allowed_origins: config.allowed_origins.clone(),
        limits: limits::request_limits(&config.limits),
    };
    let router = match role {
        NodeRole::Work => vultus_api::http::health_router(node.services.clone(), options),
        NodeRole::Api | NodeRole::All => vultus_api::http::router(node.services.clone(), options),
    };
    // Small frames of a websocket shall not wait for one another. A connection that refuses the
    // option works without it.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    async move { axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await }
}

#[expect(
    clippy::print_stdout,
    reason = "the first password goes to whoever starts the node, and never to the logs"
)]
async fn first_administrator(
    store: &Arc<dyn Store>,
    keyring: &Keyring,
    passwords: &Passwords,
    config: &Config,
) -> Result<(), ServeError> {
    let users =
        UserDirectory::new(store.clone(), keyring.clone(), passwords.clone(), Clock::system());
    if let Some(AddedUser { user, password: Some(password) }) =
        users.ensure_administrator(&config.admin_email).await.map_err(ServeError::Directory)?
    {
        println!(
            "First administrator: {}  password: {}  (shown this once)",
            user.email,
            password.expose_secret()
        );
    }
    Ok(())
}
