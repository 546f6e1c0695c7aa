//! The store for clusters: one MongoDB replica set holds the data, is the queue, and carries the
//! events between nodes. GridFS in the same database is a storage of blobs ([`GridFs`]).
//!
//! Writes are acknowledged once most members have them in their journals; reads are from the
//! primary and see only what most members have. A change of one document is one atomic command; a
//! change of several is one transaction ([`transaction`]). Each use case runs as a task
//! ([`tasks`]). Erased documents are not overwritten in
//! MongoDB's files: the bytes of media are stored elsewhere, encrypted.

mod accounts;
mod additions;
mod api_keys;
mod audit;
mod backend;
mod case_listing;
mod cases;
mod claim;
mod collections;
mod connect;
mod directory;
mod documents;
mod erasing;
mod exporting;
mod fault;
mod folder_update;
mod folders;
mod gridfs;
mod lease;
mod listing;
mod logins;
mod policies;
mod projection;
mod queue;
mod queue_heads;
mod reading;
mod results;
mod run_event;
mod schema;
mod scope;
mod sessions;
mod sweeping;
mod tasks;
mod transaction;
mod values;
mod watch;
mod writes;

pub use gridfs::{GridFs, gridfs_blobs};

use connect::connect;

use collections::Collections;
use futures::stream::BoxStream;
use mongodb::Client;
use mongodb::options::{DatabaseOptions, ReadConcern};
use parking_lot::Mutex;
use queue_heads::QueueHeads;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use transaction::Attempts;
use vultus_store::SchemaState;
use vultus_store::audit::NewEntry;
use vultus_store::export::Record;
use vultus_store::signals::Signals;
use vultus_store::{Result, StoreError};
use writes::Writes;

/// Records that are read ahead of the consumer.
const RECORDS: usize = 64;

/// Concurrent claims of one node. Measured with three nodes on two cores: fewer wait for the
/// members, more conflict with each other.
const CLAIMS: usize = 4;

/// A store in one database of a replica set. Each use case runs as a task (see [`tasks`]).
#[derive(Debug)]
pub struct MongoStore {
    cases: Arc<Cases>,
    watching: Arc<Watching>,
}

/// Ends the watcher with the last handle of the store.
#[derive(Debug)]
struct Watching(CancellationToken);

/// The use cases, driven by their caller. Clones share everything but the entry.
#[derive(Debug, Clone)]
struct Cases {
    client: Client,
    collections: Collections,
    signals: Arc<Signals>,
    stop: CancellationToken,
    watcher: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// Limits claims: concurrent claims ask for the same run, and the server makes all but one of
    /// them retry.
    claiming: Arc<tokio::sync::Semaphore>,
    queue_heads: Arc<QueueHeads>,
    writes: Writes,
    /// Written with each write ([`vultus_store::Store::recording`]).
    entry: Option<Arc<NewEntry>>,
}

impl MongoStore {
    /// Connects to the replica set of a URI such as
    /// `mongodb://user:password@host1,host2,host3/vultus?replicaSet=rs0`, migrates the documents to
    /// the newest version, builds the indexes, and starts to watch for changes. Any number of nodes
    /// may do so at once.
    pub async fn open(uri: &str) -> Result<Arc<Self>> {
        let (client, database) = connect(uri).await?;
        let opened = async {
            schema::prepare(&database).await?;
            Ok::<_, fault::Fault>(watch::open(&database, None).await?)
        };
        let stream = match opened.await {
            Ok(stream) => stream,
            Err(fault) => {
                client.shutdown().immediate(true).await;
                return Err(fault.into_store("opening the database"));
            }
        };
        let (signals, stop) = (Arc::new(Signals::default()), CancellationToken::new());
        let watcher = tokio::spawn(watch::pass_on(
            database.clone(),
            stream,
            Arc::clone(&signals),
            stop.clone(),
        ));
        let collections = Collections::of(&database);
        let writes = Writes::new(client.clone(), collections.clone());
        let claiming = Arc::new(tokio::sync::Semaphore::new(CLAIMS));
        let watching = Arc::new(Watching(stop.clone()));
        let cases = Arc::new(Cases {
            client,
            collections,
            signals,
            stop,
            watcher: Arc::new(Mutex::new(Some(watcher))),
            claiming,
            queue_heads: Arc::default(),
            writes,
            entry: None,
        });
        Ok(Arc::new(Self { cases, watching }))
    }

    /// The schema version of a database. Changes nothing.
    pub async fn inspect(uri: &str) -> Result<SchemaState> {
        let (client, database) = connect(uri).await?;
        let state = schema::state(&database).await;
        client.shutdown().immediate(true).await;
        state.map_err(|fault| fault.into_store("inspecting the database"))
    }

    /// Runs a use case as a task and waits for it.
    async fn run<T, F>(&self, work: impl FnOnce(Arc<Cases>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let task = tokio::spawn(work(Arc::clone(&self.cases)));
        task.await.map_err(|error| StoreError::Internal {
            context: "waiting for a use case of the database".to_owned(),
            source: Box::new(error),
        })?
    }
}

impl Cases {
    fn attempts(&self, context: &'static str) -> Attempts {
        let attempts = Attempts::new(self.client.clone(), self.collections.clone(), context);
        attempts.recording(self.entry.clone())
    }

    /// Exports in one snapshot until the stream is dropped.
    async fn export_records(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let context = "exporting the data";
        let begun = self.client.start_session().snapshot(true).await;
        let mut session = begun.map_err(|error| fault::Fault::from(error).into_store(context))?;
        let (sender, records) = tokio::sync::mpsc::channel(RECORDS);
        // The driver keeps the read concern of a collection, and then would not read a snapshot.
        let concern = DatabaseOptions::builder().read_concern(ReadConcern::snapshot()).build();
        let collections = Collections::of(
            &self.client.database_with_options(self.collections.database.name(), concern),
        );
        tokio::spawn(async move {
            if let Err(fault) = exporting::export(&collections, &mut session, &sender).await {
                // The receiver may be gone.
                let _ = sender.send(Err(fault.into_store(context))).await;
            }
        });
        Ok(Box::pin(futures::stream::unfold(records, |mut records| async move {
            let record = records.recv().await?;
            Some((record, records))
        })))
    }

    async fn shut(&self) {
        self.stop.cancel();
        let watcher = self.watcher.lock().take();
        if let Some(watcher) = watcher
            && let Err(error) = watcher.await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the task that watches the database failed"
            );
        }
        self.client.clone().shutdown().immediate(true).await;
        self.signals.close();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
