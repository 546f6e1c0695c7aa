//! Clients that disconnect during a request: the server completes deletions.
//!
//! These tests need `vultus-worker` in the target folder: `cargo build -p vultus-worker`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::poll;
use serde_json::{Value, json};
use vultus_auth::keys::Keys;
use vultus_auth::passwords::Passwords;
use vultus_auth::signing_keys::SigningKeys;
use vultus_blobs::BlobStore;
use vultus_blobs::keyring::Keyring;
use vultus_blobs::keys::MasterKey;
use vultus_core::clock::Clock;
use vultus_core::fair::{Share, Shares};
use vultus_core::{CompanyId, FolderId, JsonLimits, MediaId, Principal};
use vultus_pools::deployment::{PoolsConfig, WorkerStderr};
use vultus_pools::plugins::Scan;
use vultus_pools::{RunningRuns, WorkerPools};
use vultus_service::{
    CheckerOptions, DecisionOptions, NewFolder, Options, Parts, RequestLimits, Selection, Services,
};
use vultus_store::contract::{at, medium, new_id, user_of};
use vultus_store::{Company, FolderAdditions, Scope, Store};
use vultus_store_sqlite::{Options as SqliteOptions, SqliteStore};
use vultus_worker_protocol::SandboxLevel;

struct Node {
    data: tempfile::TempDir,
    store: Arc<dyn Store>,
    keyring: Keyring,
    caller: Principal,
    blobs: Arc<BlobStore>,
    pools: WorkerPools,
    services: Services,
}

impl Node {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            SqliteStore::open(&data.path().join("vultus.db"), SqliteOptions::default()).unwrap();
        let blobs = BlobStore::local(data.path()).unwrap();
        let master = MasterKey::new(&[7; 32]);
        let id: CompanyId = new_id();
        let company = Company {
            id,
            name: "Company".to_owned(),
            wrapped_key: master.make_company_key(id),
            created_at: at(0),
            suspended_at: None,
            deleting_at: None,
        };
        store.create_company(&company).await.unwrap();
        let user = user_of(&company);
        store.create_user(&user, "$argon2id$hash").await.unwrap();
        let caller = Principal::User { account: (&user).into(), session_id: new_id() };
        let keyring = Keyring::new(store.clone(), Arc::new(master));
        let pools = WorkerPools::start(workers()).await.unwrap();
        let keys = Keys::open(data.path()).unwrap();
        let parts = Parts {
            store: store.clone(),
            blobs: blobs.clone(),
            keyring: keyring.clone(),
            pools: pools.clone(),
            running: RunningRuns::default(),
            issuers: vultus_oidc::Issuers::default(),
            signing: SigningKeys::open(&keys, data.path()).unwrap(),
            keys,
            passwords: Passwords::new(1).unwrap(),
            clock: Clock::system(),
        };
        let services = Services::start(parts, options()).unwrap();
        Self { data, store, keyring, caller, blobs, pools, services }
    }

    /// Number of blob files.
    fn files(&self) -> usize {
        fn below(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
            entries.map(|path| if path.is_dir() { below(&path) } else { 1 }).sum()
        }
        below(&self.data.path().join("blobs"))
    }

    async fn folder_with_two_media(&self) -> (FolderId, [MediaId; 2]) {
        let request = NewFolder::default();
        let created = self.services.create_folder(&self.caller, request, None).await.unwrap();
        let folder = self.folder(created.folder_id).await;
        let key =
            self.keyring.folder(folder.company_id, folder.id, &folder.wrapped_key).await.unwrap();
        let mut media = [medium(folder.id, 0), medium(folder.id, 0)];
        for (medium, bytes) in media.iter_mut().zip([&b"first"[..], b"second"]) {
            let blob = self.blobs.put_bytes(&key, bytes).await.unwrap();
            medium.blob_key = blob.key().to_owned();
            medium.thumbnail_key = None;
            let additions = FolderAdditions {
                media: vec![medium.clone()],
                group: None,
                now: None,
                most_media: None,
                most_analyses: None,
            };
            self.store.add_to_folder(Scope::Everything, folder.id, &additions, None).await.unwrap();
        }
        assert_eq!(self.files(), 2);
        (folder.id, media.map(|medium| medium.id))
    }

    async fn folder(&self, id: FolderId) -> vultus_core::Folder {
        let found = self.services.contents(&self.caller, id, Selection::ENTITIES).await;
        found.unwrap().folder
    }

    async fn wait_for_files(&self, count: usize) {
        let begun = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while self.files() != count {
            // No sweeper runs here, and one would wait for ten minutes.
            assert!(begun.elapsed() < Duration::from_secs(20), "there are {} files", self.files());
            tick.tick().await;
        }
    }

    async fn stop(self) {
        self.services.finish_shutdown().await;
        self.pools.shutdown().await;
    }
}

/// Limits that no request of these tests meets.
fn options() -> Options {
    let limits = RequestLimits {
        media_per_request: 10,
        analyses_per_request: 10,
        media_per_folder: 10,
        analyses_per_folder: 100,
        json: JsonLimits { bytes: 1 << 16, values: 1_000, depth: 16 },
        wait: Duration::from_secs(30),
        upload_bytes: 1 << 20,
        pixels: 1 << 20,
        video: Duration::from_secs(10),
    };
    Options {
        public_url: None,
        access_lifetime: Duration::from_secs(900),
        refresh_lifetime: Duration::from_secs(3600),
        session_lifetime: Duration::from_secs(3600),
        uploads: 8,
        downloads: 8,
        checks: 8,
        check_memory_bytes: 1 << 24,
        company_runs: 10_000,
        company_bytes: None,
        sandbox_required: false,
        decisions: DecisionOptions {
            undo_within: time::Duration::HOUR,
            claim: time::Duration::MINUTE,
        },
        checker: CheckerOptions {
            policies: BTreeMap::new(),
            limits,
            upload_memory_bytes: 1 << 24,
            examinations: 4,
            require_challenge: false,
        },
        shares: Shares { company: Share::percent(75), user: Share::percent(65) },
        websockets: 10,
    }
}

/// Workers without plugins, as no request here needs one.
fn workers() -> PoolsConfig {
    let test = std::env::current_exe().unwrap();
    let worker_executable: PathBuf = test.parent().unwrap().join("../vultus-worker");
    assert!(worker_executable.exists(), "build the worker first: cargo build -p vultus-worker");
    PoolsConfig {
        worker_executable,
        built_in: Vec::new(),
        providers_for_others: Vec::new(),
        third_party: Scan::default(),
        plugin_folder: None,
        onnxruntime: None,
        weights_dir: None,
        workers: 1,
        spare_workers: 0,
        weights: Default::default(),
        probe_workers: 0,
        threads: 1,
        limits: json!({}),
        decode: Value::Null,
        memory_bytes: Some(1 << 30),
        cpu_seconds: 60,
        start_timeout: Duration::from_secs(20),
        drain_timeout: Duration::from_secs(5),
        stderr: WorkerStderr::Discard,
        sandbox: SandboxLevel::BestEffort,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn medium_deletion_completes_after_the_client_leaves() {
    let node = Node::start().await;
    let (_, media) = node.folder_with_two_media().await;
    poll_once_and_drop(node.services.delete_medium(&node.caller, media[0], Selection::ALL)).await;
    node.wait_for_files(1).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folder_deletion_completes_after_the_client_leaves() {
    let node = Node::start().await;
    let (folder, _) = node.folder_with_two_media().await;
    poll_once_and_drop(node.services.delete_folder(&node.caller, folder)).await;
    node.wait_for_files(0).await;
    assert!(
        node.store.folders(Scope::Everything, &[folder], Selection::ALL).await.unwrap().is_empty()
    );
    node.stop().await;
}

/// Starts a request and drops it, as the server does when the client disconnects.
async fn poll_once_and_drop(request: impl Future) {
    let mut request = Box::pin(request);
    assert!(poll!(&mut request).is_pending());
}
