//! The threads that read. Each has a read-only connection; reads wait in one queue.
//!
//! A caller holds nothing. A read is a job that a thread takes and executes, whether its caller is
//! polled or not, and also if it is gone. A caller that waits too long gets an error, and a
//! watchdog interrupts and replaces a reader whose read takes too long.

mod watchdog;

use super::fault::Answer;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::{Connection, InterruptHandle};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use vultus_store::StoreError;

/// Maximum number of waiting reads. Further callers get an error at once.
const MAX_WAITING: usize = 16_384;
/// How long an interrupted read may take to end before its caller gets an error.
const INTERRUPT_WAIT: Duration = Duration::from_secs(2);

/// Time limits of reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Maximum wait of a read for a reader.
    pub(super) wait: Duration,
    /// Maximum time of a read. Then it is interrupted; after twice this time its reader is
    /// replaced.
    pub(super) longest: Duration,
}

type Open = Box<dyn Fn() -> Answer<Connection> + Send + Sync>;

/// Handle of the readers.
pub(super) struct Readers(Arc<Shared>);

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readers")
    }
}

struct Shared {
    state: Mutex<State>,
    /// Wakes readers: a new job, or the end of the store.
    work: Condvar,
    /// Wakes the watchdog at the end of the store.
    closing: Condvar,
    /// Notified when a read or a reader ends.
    ended: Notify,
    open: Open,
    limits: Limits,
    /// Intended number of readers.
    count: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    reading: HashMap<u64, Reading>,
    readers: usize,
    last_id: u64,
    closed: bool,
}

struct Job {
    id: u64,
    context: &'static str,
    work: Box<dyn FnOnce(&Connection) -> Health + Send>,
}

/// A running read.
struct Reading {
    context: &'static str,
    since: Instant,
    interrupt: Arc<InterruptHandle>,
    overdue: Overdue,
}

impl State {
    /// Number of readers without those that were replaced.
    fn useful_readers(&self) -> usize {
        let replaced =
            self.reading.values().filter(|reading| reading.overdue == Overdue::Replaced).count();
        self.readers - replaced
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    No,
    Interrupted,
    Replaced,
}

/// Whether a connection can be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// The read panicked.
    Doubtful,
}

impl Readers {
    /// Starts a thread for each connection, and the watchdog. `open` opens further connections.
    pub(super) fn start(
        connections: Vec<Connection>,
        limits: Limits,
        open: impl Fn() -> Answer<Connection> + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            closing: Condvar::new(),
            ended: Notify::new(),
            open: Box::new(open),
            limits,
            count: connections.len(),
        });
        // Dropping it after an error ends the started threads.
        let readers = Self(Arc::clone(&shared));
        for connection in connections {
            shared.start_reader(connection)?;
        }
        let watchdog = std::thread::Builder::new().name("store-watchdog".to_owned());
        watchdog.spawn(move || shared.watch())?;
        Ok(readers)
    }

    /// Reads in one snapshot.
    pub(super) async fn read<T, F>(&self, context: &'static str, work: F) -> vultus_store::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Answer<T> + Send + 'static,
    {
        tracing::trace!(read = context, "reading the store");
        let (sender, mut answer) = oneshot::channel();
        let work = Box::new(move |connection: &Connection| {
            if sender.is_closed() {
                return Health::Sound;
            }
            let done = catch_unwind(AssertUnwindSafe(|| in_snapshot(connection, work)));
            let (answer, health) = match done {
                Ok(answer) => (answer.map_err(|fault| fault.into_store(context)), Health::Sound),
                Err(_) => (Err(panicked(context)), Health::Doubtful),
            };
            // The caller may be gone.
            let _ = sender.send(answer);
            health
        });
        let job = self.0.enqueue(context, work)?;
        if let Ok(answered) = timeout(self.0.limits.wait, &mut answer).await {
            return answered.map_err(|_| closed())?;
        }
        if self.0.withdraw(job) {
            return Err(unavailable(context, "no reader was free in time"));
        }
        // The read is running; the watchdog interrupts it.
        match timeout(self.0.limits.longest + INTERRUPT_WAIT, answer).await {
            Ok(answered) => answered.map_err(|_| closed())?,
            Err(_) => Err(unavailable(context, "the read takes too long")),
        }
    }

    /// Rejects new reads, waits for those in the queue, and closes the files.
    pub(super) async fn close(&self) {
        self.0.begin_close();
        let deadline = Instant::now() + self.0.limits.longest;
        if !self.0.wait_until(deadline, |state| state.readers == 0).await {
            tracing::error!("the store is closed while a read is running");
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.0.begin_close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn enqueue(
        &self,
        context: &'static str,
        work: Box<dyn FnOnce(&Connection) -> Health + Send>,
    ) -> vultus_store::Result<u64> {
        let mut state = self.lock();
        if state.closed {
            return Err(closed());
        }
        if state.jobs.len() >= MAX_WAITING {
            return Err(unavailable(context, "too many reads wait"));
        }
        state.last_id += 1;
        let id = state.last_id;
        state.jobs.push_back(Job { id, context, work });
        drop(state);
        self.work.notify_one();
        Ok(id)
    }

    /// Removes a job from the queue. Returns false if a reader has taken it already.
    fn withdraw(&self, job: u64) -> bool {
        let mut state = self.lock();
        let at = state.jobs.iter().position(|waiting| waiting.id == job);
        at.and_then(|at| state.jobs.remove(at)).is_some()
    }

    fn begin_close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.closing.notify_all();
    }

    /// Waits for a condition that may hold after a read or a reader ends.
    async fn wait_until(&self, deadline: Instant, holds: impl Fn(&State) -> bool) -> bool {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Enabled before the check, so that no notification after it is missed.
            ended.as_mut().enable();
            if holds(&self.lock()) {
                return true;
            }
            if timeout_at(deadline, ended).await.is_err() {
                return false;
            }
        }
    }

    fn start_reader(self: &Arc<Self>, connection: Connection) -> std::io::Result<()> {
        let mut state = self.lock();
        state.readers += 1;
        state.last_id += 1;
        let guard = ReaderGuard { shared: Arc::clone(self), reader: state.last_id };
        drop(state);
        let thread = std::thread::Builder::new().name("store-reader".to_owned());
        // If the thread cannot start, dropping the closure corrects the count of readers.
        thread.spawn(move || guard.shared.serve(guard.reader, connection)).map(drop)
    }

    /// The loop of a reader.
    fn serve(&self, reader: u64, mut connection: Connection) {
        let mut interrupt = Arc::new(connection.get_interrupt_handle());
        while let Some(job) = self.next(reader, &interrupt) {
            let health = (job.work)(&connection);
            if health == Health::Doubtful || !connection.is_autocommit() {
                match (self.open)() {
                    Ok(fresh) => {
                        connection = fresh;
                        interrupt = Arc::new(connection.get_interrupt_handle());
                        tracing::warn!(read = job.context, "a reader of the store was reopened");
                    }
                    // Unwinding has ended its transaction, so that it stays usable.
                    Err(fault) => tracing::error!(
                        error = &fault.into_store(job.context) as &dyn std::error::Error,
                        "a reader of the store could not be reopened"
                    ),
                }
            }
            self.lock().reading.remove(&reader);
            self.ended.notify_waiters();
        }
    }

    /// The next job of a reader; `None` if the reader must end.
    fn next(&self, reader: u64, interrupt: &Arc<InterruptHandle>) -> Option<Job> {
        let mut state = self.lock();
        loop {
            // A replaced reader has finished its read.
            if state.useful_readers() > self.count {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                let reading = Reading {
                    context: job.context,
                    since: Instant::now(),
                    interrupt: Arc::clone(interrupt),
                    overdue: Overdue::No,
                };
                state.reading.insert(reader, reading);
                return Some(job);
            }
            if state.closed && state.jobs.is_empty() {
                return None;
            }
            self.work.wait(&mut state);
        }
    }
}

/// Drop guard: corrects the count of readers when one ends, also by a panic.
struct ReaderGuard {
    shared: Arc<Shared>,
    reader: u64,
}

impl Drop for ReaderGuard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.readers -= 1;
        state.reading.remove(&self.reader);
        drop(state);
        self.shared.ended.notify_waiters();
    }
}

pub(super) fn in_snapshot<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Answer<T>,
) -> Answer<T> {
    let snapshot = connection.unchecked_transaction()?;
    let answer = work(&snapshot);
    snapshot.finish()?;
    answer
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn unavailable(context: &str, reason: &str) -> StoreError {
    StoreError::Unavailable(format!("{context}: {reason}"))
}

/// Error of work that panicked. The panic hook has logged the message.
pub(super) fn panicked(context: &str) -> StoreError {
    StoreError::Internal { context: context.to_owned(), source: "it panicked".into() }
}

#[cfg(test)]
mod tests;
