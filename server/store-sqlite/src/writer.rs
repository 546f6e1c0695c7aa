//! The thread that writes. Waiting commands share one transaction, each in a separate savepoint,
//! and are answered after COMMIT.
//!
//! So many requests share one fsync, a failing command does not affect the others, and an answered
//! write is on disk. Lease updates are not fsynced: they survive the process, and after a power
//! failure the runs are processed again.

mod effects;
mod retry;
mod turn;

pub(super) use effects::Effects;

use super::fault::Answer;
use super::readers::panicked;
use effects::merged;
use parking_lot::Mutex;
use retry::Retry;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;
use turn::Turn;
use vultus_store::StoreError;
use vultus_store::events::Change;
use vultus_store::signals::Signals;

/// Maximum number of commands in one transaction.
const BATCH: usize = 128;
/// How long a truncation of the log waits for reads that began before it. Then it is retried later.
const TRUNCATE_WAIT: Duration = Duration::from_millis(250);
/// Interval of checking for writes of other processes and of retrying pending truncations.
const TICK: Duration = Duration::from_millis(500);

/// Time limits of writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Maximum wait of a write for its turn. Then it is withdrawn and fails.
    pub(super) wait: Duration,
    /// Maximum time of a write that has begun. Then its caller gets an error, and does not learn
    /// whether it was committed.
    pub(super) longest: Duration,
}

/// Whether the log was truncated, or why that failed.
type Truncated = std::result::Result<bool, String>;
/// Outcome of a batch.
type Outcome = std::result::Result<(), String>;
/// Sends the answer of a command to its caller, once the outcome of the batch is known.
type Deliver = Box<dyn FnOnce(&Outcome) + Send>;
/// A command: its work within a savepoint, which returns whether to keep the savepoint. Without a
/// transaction it does nothing and answers with an error.
type Work = Box<dyn FnOnce(Option<(&Connection, &mut Effects)>) -> (bool, Deliver) + Send>;

/// Whether a write must survive a power failure once it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It is fsynced.
    Synced,
    /// It is in the operating system's cache; the next fsync includes it.
    Lazy,
}

impl Durability {
    /// Value of `PRAGMA synchronous`. With a write-ahead log, NORMAL syncs at checkpoints only and
    /// keeps the order of commits.
    fn pragma(self) -> &'static str {
        match self {
            Self::Synced => "FULL",
            Self::Lazy => "NORMAL",
        }
    }
}

enum Command {
    Write(Work, Durability),
    /// Moves the log into the file and truncates it. Answers false if a long read prevents that,
    /// and it is retried.
    Truncate(oneshot::Sender<Truncated>),
}

/// Handle of the thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    limits: Limits,
    commands: Mutex<Option<Sender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Writer {
    /// Starts the thread with a connection.
    pub(super) fn start(
        connection: Connection,
        busy_timeout: Duration,
        limits: Limits,
        signals: Arc<Signals>,
    ) -> std::io::Result<Self> {
        let (sender, commands) = channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread =
            thread.spawn(move || Loop::new(connection, signals, busy_timeout).run(&commands))?;
        let (commands, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Self { limits, commands, thread })
    }

    /// Runs `work` in the next batch, even if the caller goes away. A write that gets no turn in
    /// time is withdrawn.
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
        let (sender, mut answer) = oneshot::channel();
        let turn = Turn::default();
        let of_writer = turn.clone();
        let work: Work = Box::new(move |transaction| {
            if !of_writer.take() {
                return (false, Box::new(|_: &Outcome| {}) as Deliver);
            }
            // A panic undoes this command only.
            let done = match transaction {
                Some((connection, effects)) => {
                    catch_unwind(AssertUnwindSafe(|| work(connection, effects)))
                        .unwrap_or_else(|_| Err(panicked(context).into()))
                }
                None => Err(closed().into()),
            };
            let keep = done.is_ok();
            let deliver: Deliver = Box::new(move |outcome: &Outcome| {
                let answer = match outcome {
                    Ok(()) => done.map_err(|fault| fault.into_store(context)),
                    Err(error) => Err(StoreError::Unavailable(format!("{context}: {error}"))),
                };
                // The caller may be gone.
                let _ = sender.send(answer);
            });
            (keep, deliver)
        });
        self.send(Command::Write(work, durability))?;
        if let Ok(answered) = timeout(self.limits.wait, &mut answer).await {
            return answered.map_err(|_| closed())?;
        }
        if turn.take() {
            return Err(unavailable(context, "earlier writes take too long"));
        }
        match timeout(self.limits.longest, answer).await {
            Ok(answered) => answered.map_err(|_| closed())?,
            Err(_) => Err(unavailable(context, "the write takes too long; it may still be done")),
        }
    }

    /// Truncates the log. Returns false if a long read prevents that; the writer keeps retrying,
    /// also after an error.
    pub(super) async fn truncate(&self) -> Truncated {
        let (sender, answer) = oneshot::channel();
        self.send(Command::Truncate(sender)).map_err(|error| error.to_string())?;
        let answered = timeout(self.limits.wait, answer).await;
        let answered = answered.map_err(|_| "earlier writes take too long".to_owned())?;
        answered.map_err(|_| "the writer ended".to_owned())?
    }

    fn send(&self, command: Command) -> vultus_store::Result<()> {
        let commands = self.commands.lock();
        commands.as_ref().and_then(|commands| commands.send(command).ok()).ok_or_else(closed)
    }

    /// Completes the commands that were sent, closes the file and joins the thread.
    pub(super) fn stop(&self) {
        self.commands.lock().take();
        let thread = self.thread.lock().take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the writer thread of the store panicked");
        }
    }
}

fn unavailable(context: &str, reason: &str) -> StoreError {
    StoreError::Unavailable(format!("{context}: {reason}"))
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

struct Loop {
    connection: Connection,
    signals: Arc<Signals>,
    /// Changes when another connection writes. The other connections of this process only read.
    data_version: Option<i64>,
    /// When a truncation is tried again.
    retry: Option<Retry>,
    busy_timeout: Duration,
    /// Current setting of the connection.
    durability: Option<Durability>,
}

impl Loop {
    fn new(connection: Connection, signals: Arc<Signals>, busy_timeout: Duration) -> Self {
        Self {
            connection,
            signals,
            data_version: None,
            retry: None,
            busy_timeout,
            durability: None,
        }
    }

    fn run(mut self, commands: &Receiver<Command>) {
        let mut checked_at = Instant::now();
        self.check_for_foreign_writes();
        loop {
            match commands.recv_timeout(TICK) {
                Ok(command) => self.take_or_recover(command, commands),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if checked_at.elapsed() >= TICK {
                checked_at = Instant::now();
                self.check_for_foreign_writes();
                if self.retry.is_some_and(|retry| retry.at <= checked_at) {
                    let truncated = matches!(self.truncate(), Ok(true));
                    self.retry = Retry::after(self.retry, truncated);
                }
            }
        }
    }

    /// Keeps the thread alive if a batch panics: its commands fail, and later ones are processed.
    fn take_or_recover(&mut self, first: Command, commands: &Receiver<Command>) {
        if catch_unwind(AssertUnwindSafe(|| self.take(first, commands))).is_ok() {
            return;
        }
        tracing::error!("the writer of the store panicked; it continues with the next batch");
        if !self.connection.is_autocommit() {
            // If that fails too, the next BEGIN reports it.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Commits the first command together with those that wait already. Then one truncation serves
    /// all that asked for one.
    fn take(&mut self, first: Command, commands: &Receiver<Command>) {
        let mut durability = Durability::Lazy;
        let (mut batch, mut truncations) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Write(work, of_work) => {
                    batch.push(work);
                    if of_work == Durability::Synced {
                        durability = of_work;
                    }
                }
                Command::Truncate(answer) => truncations.push(answer),
            }
            let is_full = batch.len() + truncations.len() >= BATCH;
            next = if is_full { None } else { commands.try_recv().ok() };
        }
        self.commit_all(batch, durability);
        if !truncations.is_empty() {
            self.truncate_for(truncations);
        }
    }

    fn truncate_for(&mut self, callers: Vec<oneshot::Sender<Truncated>>) {
        let truncated = self.truncate().map_err(|fault| fault.into_store("truncating the log"));
        let truncated = truncated.map_err(|error| error.to_string());
        self.retry = Retry::after(None, truncated == Ok(true));
        for caller in callers {
            // The caller may be gone.
            let _ = caller.send(truncated.clone());
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
                // If that fails too, the next BEGIN reports it.
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
                effects.cases_changed |= own.cases_changed;
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
        for change in merged(&effects.changes) {
            self.signals.send(Change::Folder(change));
        }
        if effects.cases_changed {
            self.signals.send(Change::Cases);
        }
        if effects.run_waiting {
            self.signals.wake_for_runs();
        }
    }

    fn check_for_foreign_writes(&mut self) {
        let version =
            self.connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let Ok(version) = version else { return };
        if self.data_version.replace(version).is_some_and(|before| before != version) {
            self.signals.send(Change::Missed);
            self.signals.wake_for_runs();
        }
    }

    /// Moves the log into the file and truncates it. Reads go on meanwhile: those that begin now
    /// read from the file alone, and only earlier ones are waited for.
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
mod tests;
