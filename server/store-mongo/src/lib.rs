//! The backend for clusters: one MongoDB replica set, which holds the data, is the queue, and
//! carries the events between nodes.
//!
//! Writes are answered once most members have them in their journals; reads see only what most
//! members have, from the primary. What concerns one document is one atomic command; what concerns
//! several is one transaction ([`transaction`]). What must be erased from raw files is not seen to
//! here: the bytes of media lie elsewhere, encrypted.

mod accounts;
mod additions;
mod backend;
mod collections;
mod connect;
mod documents;
mod exporting;
mod fault;
mod folders;
mod gridfs;
mod listing;
mod queue;
mod results;
mod schema;
mod scope;
mod sweeping;
mod transaction;
mod values;
mod watch;
mod writes;

pub use gridfs::{GridFs, gridfs_blobs};

use connect::connect;
use fault::is_duplicate;

use collections::Collections;
use futures::stream::BoxStream;
use mongodb::Client;
use mongodb::options::{DatabaseOptions, ReadConcern};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use transaction::Attempts;
use vultus_store::SchemaState;
use vultus_store::export::Record;
use vultus_store::signals::Signals;
use vultus_store::{Result, StoreError};
use writes::Writes;

/// Records that are read ahead of who takes them.
const RECORDS: usize = 64;

/// The driver's error as the contract has it; `context` is what was being done.
pub(crate) fn into_store_error(context: &str, error: mongodb::error::Error) -> StoreError {
    fault::Fault::from(error).into_store(context)
}

/// Claims of one node at the same time: measured with three nodes on two cores, fewer wait for the
/// members, more are in each other's way.
const CLAIMS: usize = 4;

/// A store in one database of a replica set.
#[derive(Debug)]
pub struct MongoStore {
    client: Client,
    collections: Collections,
    signals: Arc<Signals>,
    stop: CancellationToken,
    watcher: Mutex<Option<JoinHandle<()>>>,
    /// For claims: all that ask at once ask for the same run, and the server has all but one try
    /// again.
    claiming: tokio::sync::Semaphore,
    beginning: queue::Beginning,
    writes: Writes,
}

impl MongoStore {
    /// Connects to the replica set of a URI such as
    /// `mongodb://user:password@host1,host2,host3/vultus?replicaSet=rs0`, brings the documents to
    /// the newest version, builds the indexes, and begins to watch. Any number of nodes may do it
    /// at once.
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
        let claiming = tokio::sync::Semaphore::new(CLAIMS);
        Ok(Arc::new(Self {
            client,
            collections,
            signals,
            stop,
            watcher: Mutex::new(Some(watcher)),
            claiming,
            beginning: queue::Beginning::default(),
            writes,
        }))
    }

    /// How new the documents of a database are. Changes nothing.
    pub async fn inspect(uri: &str) -> Result<SchemaState> {
        let (client, database) = connect(uri).await?;
        let state = schema::state(&database).await;
        client.shutdown().immediate(true).await;
        state.map_err(|fault| fault.into_store("looking at the database"))
    }

    fn attempts(&self, context: &'static str) -> Attempts {
        Attempts::new(self.client.clone(), self.collections.clone(), context)
    }

    /// Reads in one snapshot, for as long as somebody takes the records.
    async fn export_records(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let context = "exporting the data";
        let begun = self.client.start_session().snapshot(true).await;
        let mut session = begun.map_err(|error| fault::Fault::from(error).into_store(context))?;
        let (sender, records) = tokio::sync::mpsc::channel(RECORDS);
        // The driver leaves a read concern that a collection has as it is, and then reads no
        // snapshot.
        let concern = DatabaseOptions::builder().read_concern(ReadConcern::snapshot()).build();
        let collections = Collections::of(
            &self.client.database_with_options(self.collections.database.name(), concern),
        );
        tokio::spawn(async move {
            if let Err(fault) = exporting::export(&collections, &mut session, &sender).await {
                // Nobody may be left to be told.
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
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watcher) = watcher
            && let Err(error) = watcher.await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the task that watches the database ended badly"
            );
        }
        self.client.clone().shutdown().immediate(true).await;
        self.signals.close();
    }
}

impl Drop for MongoStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
