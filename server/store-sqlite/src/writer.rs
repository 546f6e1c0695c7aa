//! The one thread that writes: commands are gathered into one transaction, each in a savepoint of
//! its own, and answered after COMMIT.
//!
//! So many requests share one fsync, none sees another's failure, and an answered write is on disk.
//! A batch of writes that only move leases is not synced: it outlives the process, and after a
//! power failure the runs are simply judged again.

use super::fault::Answer;
use rusqlite::Connection;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vultus_store::StoreError;
use vultus_store::events::{Change, FolderChange};
use vultus_store::signals::Signals;

/// Most commands in one transaction.
const BATCH: usize = 128;
/// How long an emptying of the log waits for readers in other processes, before it is tried again
/// later.
const TRUNCATE_WAIT: Duration = Duration::from_millis(250);
/// How often writes of other processes are looked for, and owed checkpoints retried.
const TICK: Duration = Duration::from_millis(500);

/// What a command does to the world once it is committed.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Folders that changed.
    pub(super) changes: Vec<FolderChange>,
    /// A run may be waiting now.
    pub(super) run_waiting: bool,
}

/// How a batch ended, for those in it.
type Outcome = std::result::Result<(), String>;
/// Gives a command's answer to who asked, once it is known how the batch ended.
type Deliver = Box<dyn FnOnce(&Outcome) + Send>;
/// A command: its work in a savepoint, which says whether to keep what it did. Without a
/// transaction it does nothing.
type Work = Box<dyn FnOnce(Option<(&Connection, &mut Effects)>) -> (bool, Deliver) + Send>;

/// Whether a write must outlive a power failure before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It is on disk.
    Synced,
    /// The operating system has it; the next synced write takes it along.
    Lazy,
}

impl Durability {
    /// Value of `PRAGMA synchronous`. With a write-ahead log, NORMAL syncs at checkpoints only, and
    /// loses no order.
    fn pragma(self) -> &'static str {
        match self {
            Self::Synced => "FULL",
            Self::Lazy => "NORMAL",
        }
    }
}

enum Command {
    Write(Work, Durability),
    /// Moves the log into the file and truncates it; false if another process reads and it must be
    /// retried.
    Truncate(oneshot::Sender<Answer<bool>>),
}

/// The thread that writes, from outside.
#[derive(Debug)]
pub(super) struct Writer {
    commands: Mutex<Option<Sender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Writer {
    /// Starts the thread over a connection.
    pub(super) fn start(
        connection: Connection,
        busy_timeout: Duration,
        signals: Arc<Signals>,
    ) -> std::io::Result<Self> {
        let (sender, commands) = channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread =
            thread.spawn(move || Loop::new(connection, signals, busy_timeout).run(&commands))?;
        Ok(Self { commands: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Does `work` in the next batch. It is done even if nobody waits for the answer any more.
    pub(super) async fn write<T, F>(
        &self,
        context: &'static str,
        durability: Durability,
        work: F,
    ) -> vultus_store::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Effects) -> Answer<T> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let work: Work = Box::new(move |transaction| {
            let done = match transaction {
                Some((connection, effects)) => work(connection, effects),
                None => Err(closed().into()),
            };
            let keep = done.is_ok();
            let deliver = Box::new(move |outcome: &Outcome| {
                let answer = match outcome {
                    Ok(()) => done.map_err(|fault| fault.into_store(context)),
                    Err(error) => Err(StoreError::Unavailable(format!("{context}: {error}"))),
                };
                // Nobody waits: the request went away.
                let _ = sender.send(answer);
            });
            (keep, deliver)
        });
        self.send(Command::Write(work, durability))?;
        answer.await.map_err(|_| closed())?
    }

    /// Truncates the log; false if another process reads from it and the writer goes on trying.
    pub(super) async fn truncate(&self, context: &'static str) -> vultus_store::Result<bool> {
        let (sender, answer) = oneshot::channel();
        self.send(Command::Truncate(sender))?;
        answer.await.map_err(|_| closed())?.map_err(|fault| fault.into_store(context))
    }

    fn send(&self, command: Command) -> vultus_store::Result<()> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_ref().and_then(|commands| commands.send(command).ok()).ok_or_else(closed)
    }

    /// Finishes what was sent, closes the file and joins the thread.
    pub(super) fn stop(&self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the store's writer had panicked");
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

struct Loop {
    connection: Connection,
    signals: Arc<Signals>,
    /// Changes when another connection writes, never by our own writes; the other connections of
    /// this process only read.
    data_version: Option<i64>,
    truncate_owed: bool,
    busy_timeout: Duration,
    /// How the connection commits now.
    durability: Option<Durability>,
}

impl Loop {
    fn new(connection: Connection, signals: Arc<Signals>, busy_timeout: Duration) -> Self {
        Self {
            connection,
            signals,
            data_version: None,
            truncate_owed: false,
            busy_timeout,
            durability: None,
        }
    }

    fn run(mut self, commands: &Receiver<Command>) {
        let mut looked_at = Instant::now();
        self.look_for_foreign_writes();
        loop {
            match commands.recv_timeout(TICK) {
                Ok(command) => self.take(command, commands),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked_at.elapsed() >= TICK {
                looked_at = Instant::now();
                self.look_for_foreign_writes();
                if self.truncate_owed {
                    self.truncate_owed = !matches!(self.truncate(), Ok(true));
                }
            }
        }
    }

    /// Commands that wait already join the first one's batch; a truncation comes after the batch
    /// before it.
    fn take(&mut self, first: Command, commands: &Receiver<Command>) {
        let mut next = Some(first);
        while let Some(command) = next.take() {
            match command {
                Command::Write(work, mut durability) => {
                    let mut batch = vec![work];
                    while batch.len() < BATCH {
                        match commands.try_recv() {
                            Ok(Command::Write(work, of_work)) => {
                                batch.push(work);
                                if of_work == Durability::Synced {
                                    durability = of_work;
                                }
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit_all(batch, durability);
                }
                Command::Truncate(answer) => {
                    let truncated = self.truncate();
                    self.truncate_owed |= !matches!(truncated, Ok(true));
                    // Nobody waits: the request went away.
                    let _ = answer.send(truncated);
                }
            }
        }
    }

    fn commit_all(&mut self, batch: Vec<Work>, durability: Durability) {
        let mut works = batch.into_iter();
        while works.len() > 0 {
            let mut deliveries = Vec::with_capacity(works.len());
            let mut effects = Effects::default();
            let outcome = self.commit_some(durability, &mut works, &mut deliveries, &mut effects);
            if outcome.is_ok() {
                self.announce(&effects);
            } else if !self.connection.is_autocommit() {
                // If that fails too, the next BEGIN says so to those who ask next.
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            for deliver in deliveries {
                deliver(&outcome);
            }
        }
    }

    /// One transaction over as many commands as it lasts for: SQLite may end it by itself, when the
    /// disk is full for example. Then nothing of it is kept, and the rest goes into the next one.
    fn commit_some(
        &mut self,
        durability: Durability,
        works: &mut std::vec::IntoIter<Work>,
        deliveries: &mut Vec<Deliver>,
        effects: &mut Effects,
    ) -> Outcome {
        let set = self.set_durability(durability);
        let connection = &self.connection;
        let sql = |text: &str| connection.execute_batch(text).map_err(|error| error.to_string());
        if let Err(error) = set.and_then(|()| sql("BEGIN IMMEDIATE")) {
            deliveries.extend(works.map(|work| work(None).1));
            return Err(error);
        }
        for work in works.by_ref() {
            if let Err(error) = sql("SAVEPOINT command") {
                deliveries.push(work(None).1);
                return Err(error);
            }
            let mut own = Effects::default();
            let (keep, deliver) = work(Some((connection, &mut own)));
            deliveries.push(deliver);
            if connection.is_autocommit() {
                return Err(
                    "the disk is full or failing, and the transaction was undone".to_owned()
                );
            }
            if keep {
                sql("RELEASE command")?;
                effects.changes.append(&mut own.changes);
                effects.run_waiting |= own.run_waiting;
            } else {
                sql("ROLLBACK TO command; RELEASE command")?;
            }
        }
        sql("COMMIT")
    }

    fn set_durability(&mut self, durability: Durability) -> Outcome {
        if self.durability == Some(durability) {
            return Ok(());
        }
        self.durability = None;
        self.connection
            .pragma_update(None, "synchronous", durability.pragma())
            .map_err(|error| error.to_string())?;
        self.durability = Some(durability);
        Ok(())
    }

    fn announce(&self, effects: &Effects) {
        for (at, change) in effects.changes.iter().enumerate() {
            let later = &effects.changes[at + 1..];
            if !later.iter().any(|other| other.folder_id == change.folder_id) {
                self.signals.send(Change::Folder(*change));
            }
        }
        if effects.run_waiting {
            self.signals.wake_for_runs();
        }
    }

    fn look_for_foreign_writes(&mut self) {
        let version =
            self.connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let Ok(version) = version else { return };
        if self.data_version.replace(version).is_some_and(|before| before != version) {
            self.signals.send(Change::Missed);
            self.signals.wake_for_runs();
        }
    }

    fn truncate(&self) -> Answer<bool> {
        self.connection.busy_timeout(TRUNCATE_WAIT)?;
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(self.busy_timeout)?;
        Ok(busy? == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(pages: u32) -> (Writer, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        let connection = Connection::open(data.path().join("db")).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x INTEGER UNIQUE, y BLOB)")
            .unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        (Writer::start(connection, TICK, Arc::default()).unwrap(), data)
    }

    async fn insert(writer: &Writer, x: u32, bytes: u32) -> vultus_store::Result<usize> {
        let sql = "INSERT INTO t VALUES (?1, zeroblob(?2))";
        writer
            .write("inserting", Durability::Synced, move |connection, _| {
                Ok(connection.execute(sql, (x, bytes))?)
            })
            .await
    }

    async fn rows(writer: &Writer) -> u32 {
        let count = |connection: &Connection, _: &mut Effects| {
            Ok(connection.query_row("SELECT count(*) FROM t", (), |row| row.get(0))?)
        };
        writer.write("counting", Durability::Lazy, count).await.unwrap()
    }

    #[tokio::test]
    async fn a_failed_command_is_undone_alone_and_the_others_of_its_batch_are_kept() {
        let (writer, _data) = writer(1000);
        let commands = (0..100).map(|number| {
            let writer = &writer;
            async move {
                let twice =
                    writer.write("inserting twice", Durability::Lazy, move |connection, _| {
                        connection.execute("INSERT INTO t VALUES (?1, NULL)", [1000 + number])?;
                        // Every third breaks the unique index after its first insert.
                        let second = if number % 3 == 0 { 1000 + number } else { 2000 + number };
                        Ok(connection.execute("INSERT INTO t VALUES (?1, NULL)", [second])?)
                    });
                twice.await
            }
        });
        let answers = futures::future::join_all(commands).await;
        let kept = u32::try_from(answers.iter().filter(|answer| answer.is_ok()).count()).unwrap();
        assert_eq!(kept, 66);
        assert_eq!(rows(&writer).await, 2 * kept);
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_what_fits_is_still_written() {
        let (writer, _data) = writer(40);
        let large = insert(&writer, 1, 1 << 20).await;
        assert!(matches!(large, Err(StoreError::Unavailable(_))), "{large:?}");
        insert(&writer, 2, 10).await.unwrap();
        assert_eq!(rows(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_stopped_writer_finishes_what_it_was_sent_and_refuses_more() {
        let (writer, data) = writer(1000);
        insert(&writer, 1, 10).await.unwrap();
        writer.stop();
        assert!(matches!(insert(&writer, 2, 10).await, Err(StoreError::Unavailable(_))));
        let rows: u32 = Connection::open(data.path().join("db"))
            .unwrap()
            .query_row("SELECT count(*) FROM t", (), |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
    }
}
