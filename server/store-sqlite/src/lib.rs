//! The default store: one SQLite file (WAL; every commit is fsynced, except lease updates), one
//! thread that writes, a few threads that read.
//!
//! Other processes may write too (the command line while the node runs); their writes are noticed
//! within a second. The lock that keeps a second node out of a data folder is not in this crate.

mod accounts;
mod additions;
mod api_keys;
mod audit;
mod backend;
mod case_listing;
mod cases;
mod directory;
mod documents;
mod erasing;
mod expiry;
mod exporting;
mod fault;
mod folder_state;
mod folders;
mod json_columns;
mod legacy;
mod listing;
mod logins;
mod policies;
mod queue;
mod readers;
mod results;
mod rows;
mod run_state;
mod schema;
mod scope;
mod sessions;
mod sweeping;
mod values;
mod writer;

use fault::{Answer, Fault};
use futures::stream::BoxStream;
use readers::{Limits, Readers};
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vultus_store::audit::NewEntry;
use vultus_store::export::Record;
use vultus_store::signals::Signals;
use vultus_store::space::Space;
use vultus_store::{Result, StoreError};
use writer::{Durability, Effects, Writer};

/// Prepared statements kept per connection.
const STATEMENTS: usize = 96;
/// Maximum size of the log that stays on disk after a checkpoint.
const LOG_BYTES: i64 = 64 << 20;
/// Records that are read ahead of the consumer.
const RECORDS: usize = 64;

/// How to open the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Number of connections that read.
    pub readers: usize,
    /// How long to wait for another process that writes.
    pub busy_timeout: Duration,
    /// Maximum wait of a read for a free connection; then it fails with `Unavailable`.
    pub read_wait: Duration,
    /// Maximum time of a read; then it is interrupted.
    pub longest_read: Duration,
    /// Maximum wait of a write for its turn; then it fails with `Unavailable` and is not done.
    pub write_wait: Duration,
    /// Maximum time of a write that has begun; then it fails with `Unavailable`.
    pub longest_write: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            read_wait: Duration::from_secs(5),
            longest_read: Duration::from_secs(30),
            write_wait: Duration::from_secs(10),
            longest_write: Duration::from_secs(60),
        }
    }
}

/// A store in one SQLite file. Clones share everything but the entry.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
    options: Options,
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    signals: Arc<Signals>,
    space: Option<Arc<dyn Space>>,
    /// Written with each write ([`vultus_store::Store::recording`]).
    entry: Option<Arc<NewEntry>>,
}

impl SqliteStore {
    /// Opens the file, creates it (mode 0600) if it does not exist, and migrates it to the newest
    /// schema. Blocks the thread for a moment.
    pub fn open(path: &Path, options: Options) -> Result<Arc<Self>> {
        Self::open_in(path, options, None)
    }

    /// As [`SqliteStore::open`]; nothing new is stored while the space is low, and deletions use
    /// its reserve.
    pub fn open_in(
        path: &Path,
        options: Options,
        space: Option<Arc<dyn Space>>,
    ) -> Result<Arc<Self>> {
        let context = "opening the data";
        let io =
            |source| StoreError::Internal { context: context.to_owned(), source: Box::new(source) };
        // The -wal and -shm files of SQLite get the mode of the file itself.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(io)?;
        let (writer, readers) =
            connect(path, options).map_err(|fault| fault.into_store(context))?;
        let signals = Arc::new(Signals::default());
        let limits = writer::Limits { wait: options.write_wait, longest: options.longest_write };
        let writer = Writer::start(writer, options.busy_timeout, limits, Arc::clone(&signals))
            .map_err(io)?;
        let limits = Limits { wait: options.read_wait, longest: options.longest_read };
        let reopened = path.to_owned();
        let readers =
            Readers::start(readers, limits, move || open_reader(&reopened, options)).map_err(io)?;
        Ok(Arc::new(Self {
            path: path.to_owned(),
            options,
            writer: Arc::new(writer),
            readers: Arc::new(readers),
            signals,
            space,
            entry: None,
        }))
    }

    async fn read<T, F>(&self, context: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Answer<T> + Send + 'static,
    {
        self.readers.read(context, work).await
    }

    async fn write<T, F>(&self, context: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static,
    {
        self.writer.write(context, Durability::Synced, recorded(self.entry.clone(), work)).await
    }

    /// Writes what takes space. Fails while the disk is nearly full.
    async fn write_new<T, F>(&self, context: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static,
    {
        if self.space.as_ref().is_some_and(|space| space.is_low()) {
            return Err(StoreError::Unavailable(format!("{context}: the disk is nearly full")));
        }
        self.write(context, work).await
    }

    /// Writes what frees space, or what a caller needs for that, also on a full disk: out of the
    /// reserve.
    async fn write_freeing<T, F>(&self, context: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Clone + Send + 'static,
    {
        let Some(space) = self.space.clone() else { return self.write(context, work).await };
        space.make_room();
        match self.write(context, work.clone()).await {
            // The disk filled up meanwhile, or is full in another way.
            Err(StoreError::Unavailable(_)) if space.give_up_reserve() => {
                self.write(context, work).await
            }
            done => done,
        }
    }

    /// Writes without fsync: leases and RUNNING analyses, which a power failure may undo.
    async fn write_lazily<T, F>(&self, context: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static,
    {
        self.writer.write(context, Durability::Lazy, work).await
    }

    /// Removes deleted rows from the raw files: moves the log into the file, where they are
    /// overwritten (`secure_delete`), and truncates the log. The deletion is committed, so that a
    /// failure is no error of it: the writer keeps retrying.
    async fn forget_deleted(&self) {
        match self.writer.truncate().await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("a read keeps deleted rows in the log until it ends"),
            Err(reason) => tracing::warn!(reason, "deleted rows are still in the log"),
        }
    }

    /// Exports in one snapshot on a separate connection until the stream is dropped.
    fn export_records(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let context = "exporting the data";
        let connection =
            open_reader(&self.path, self.options).map_err(|fault| fault.into_store(context))?;
        let (sender, records) = tokio::sync::mpsc::channel(RECORDS);
        tokio::task::spawn_blocking(move || {
            let exported = readers::in_snapshot(&connection, |connection| {
                exporting::export(connection, &mut |record| {
                    sender.blocking_send(Ok(record)).is_ok()
                })
            });
            if let Err(fault) = exported {
                // The receiver may be gone.
                let _ = sender.blocking_send(Err(fault.into_store(context)));
            }
        });
        Ok(Box::pin(futures::stream::unfold(records, |mut records| async move {
            let record = records.recv().await?;
            Some((record, records))
        })))
    }

    async fn shut(&self) -> Result<()> {
        self.readers.close().await;
        let writer = Arc::clone(&self.writer);
        let stopped = tokio::task::spawn_blocking(move || writer.stop()).await;
        self.signals.close();
        stopped.map_err(|source| StoreError::Internal {
            context: "closing the store".to_owned(),
            source: Box::new(source),
        })
    }
}

/// `work` that also writes the entry, unless it changes nothing.
fn recorded<T, F>(
    entry: Option<Arc<NewEntry>>,
    work: F,
) -> impl FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static
where
    F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static,
{
    move |connection, effects| {
        let Some(entry) = entry else { return work(connection, effects) };
        let chain = audit::chain(connection, entry.chain);
        let done = work(connection, effects)?;
        if !effects.unchanged {
            audit::insert(connection, &entry.waiting(chain?))?;
        }
        Ok(done)
    }
}

fn connect(path: &Path, options: Options) -> Answer<(Connection, Vec<Connection>)> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut writer = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    prepare(&writer, options)?;
    let mode: String = writer.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0))?;
    if mode != "wal" {
        let source =
            format!("its file system does not allow a write-ahead log (journal mode `{mode}`)")
                .into();
        return Err(Fault::Known(StoreError::Internal {
            context: "opening the data".to_owned(),
            source,
        }));
    }
    // For the migration; later each batch sets what it needs.
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "secure_delete", "ON")?;
    writer.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    schema::migrate(&mut writer)?;
    let mut readers = Vec::new();
    for _ in 0..options.readers.max(1) {
        readers.push(open_reader(path, options)?);
    }
    Ok((writer, readers))
}

fn open_reader(path: &Path, options: Options) -> Answer<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_ONLY;
    let reader = Connection::open_with_flags(path, flags)?;
    prepare(&reader, options)?;
    Ok(reader)
}

fn prepare(connection: &Connection, options: Options) -> Answer<()> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Sorting and savepoints must not write to temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
