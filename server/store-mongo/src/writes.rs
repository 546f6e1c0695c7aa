//! Batches the writes of a node to its runs. Under load most of the cost of a write is its
//! transaction, and concurrent transactions of one run or folder would conflict.
//!
//! Writes that arrive while a transaction is running wait in the shared line and share the next
//! transaction, whichever runs they belong to. The start and the progress of an analysis are held
//! back for up to [`LINGER`] to share a transaction with a result: most analyses end before a
//! client reads their progress.
//!
//! When one write fails in a shared transaction (a stale token, a swept blob, a conflict with
//! another node in the same folder), the writes of each run move to a line for that run alone.
//! Later writes of these runs wait there too, until the line is empty.

use super::collections::Collections;
use super::results::{self, Written};
use super::run_event::{RunEvent, Write};
use super::transaction::Attempts;
use futures::FutureExt;
use mongodb::Client;
use parking_lot::{Mutex, MutexGuard};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::time::{timeout, timeout_at};
use vultus_core::AnalysisId;
use vultus_store::{Applied, LeaseToken};
use vultus_store::{Result, StoreError};

/// Maximum writes of one transaction. Fewer than the runs that a claim can skip
/// ([`super::claim`]), because a node that is suspended within a transaction blocks the claims of
/// all its runs.
const MAX_WRITES: usize = 24;
/// Approximate maximum size of their results. The server accepts 16 MiB in one command.
const MAX_BYTES: usize = 4 << 20;

/// Attempts at a shared transaction that conflicts with others.
const ATTEMPTS: u32 = 2;
/// Maximum time of a shared transaction before its commit, so that a dead connection delays the
/// other runs no longer than this.
const TOGETHER: Duration = Duration::from_secs(2);
/// Maximum time that a non-result write is held back to share a transaction with a result.
const LINGER: Duration = Duration::from_secs(1);

/// A write whose caller waits for the answer.
#[derive(Debug)]
struct Waiting {
    token: LeaseToken,
    analysis: AnalysisId,
    event: RunEvent,
    size: usize,
    entered: Instant,
    /// Until when it is held back; `None` if it is not.
    lingers_until: Option<Instant>,
    answer: oneshot::Sender<Result<Applied>>,
}

impl Waiting {
    fn write(&self) -> Write<'_> {
        (self.token, self.analysis, &self.event)
    }

    /// Passes the answer on, unless the caller went away.
    fn answer(self, answer: Result<Applied>) {
        let _ = self.answer.send(answer);
    }
}

/// A queue of writes with one task that writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    Shared,
    Of(LeaseToken),
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Line, Vec<Waiting>>,
    /// Runs whose last result this node wrote, until they are released: the release then needs no
    /// query.
    ended: HashSet<LeaseToken>,
}

impl State {
    /// The next step of a line's task.
    fn next(&mut self, line: Line) -> Next {
        let Some(waiting) = self.waiting.get_mut(&line).filter(|waiting| !waiting.is_empty())
        else {
            self.waiting.remove(&line);
            return Next::Leave;
        };
        // A write that is not held back takes the others along.
        let until = waiting
            .iter()
            .map(|one| one.lingers_until)
            .min()
            .flatten()
            .filter(|until| *until > Instant::now());
        if let Some(until) = until.filter(|_| line == Line::Shared && waiting.len() < MAX_WRITES) {
            return Next::Linger(until);
        }
        let mut bytes = 0;
        let fit = waiting.iter().take(MAX_WRITES).take_while(|one| {
            bytes += one.size;
            bytes <= MAX_BYTES
        });
        let fit = fit.count().max(1);
        Next::Write(waiting.drain(..fit).collect())
    }

    /// Adds a write to a line. Returns whether the line is new and needs a task.
    fn queue(&mut self, line: Line, write: Waiting) -> bool {
        let waiting = self.waiting.entry(line);
        let is_new = matches!(waiting, Entry::Vacant(_));
        waiting.or_default().push(write);
        is_new
    }
}

/// The next step of a line's task.
enum Next {
    /// Write these, which fit in one transaction.
    Write(Vec<Waiting>),
    /// Wait: all writes of the line are held back until then.
    Linger(Instant),
    /// End: the line is empty and removed.
    Leave,
}

/// The writes of one node.
#[derive(Debug, Clone)]
pub(super) struct Writes {
    client: Client,
    collections: Collections,
    state: Arc<Mutex<State>>,
    /// A write was added, or is not held back any more.
    changed: Arc<Notify>,
}

impl Writes {
    pub(super) fn new(client: Client, collections: Collections) -> Self {
        Self { client, collections, state: Arc::default(), changed: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Returns whether this node wrote the run's last result under this token, and forgets it.
    pub(super) fn take_ended(&self, token: LeaseToken) -> bool {
        self.state().ended.remove(&token)
    }

    /// Writes an event of an analysis together with other waiting writes. It is written even if the
    /// caller goes away.
    pub(super) async fn write(
        &self,
        token: LeaseToken,
        analysis: AnalysisId,
        event: RunEvent,
    ) -> Result<Applied> {
        let (answer, answered) = oneshot::channel();
        let (size, entered) = (event.size(), Instant::now());
        let lingers_until = (!matches!(event, RunEvent::Result(..))).then(|| entered + LINGER);
        self.enter(Waiting { token, analysis, event, size, entered, lingers_until, answer });
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("writing to a run: the writing task ended".to_owned()))
        })
    }

    /// Writes at once what is held back of this run, because no result of it is about to follow.
    pub(super) fn flush_kept_back(&self, token: LeaseToken) {
        let mut state = self.state();
        for write in state.waiting.get_mut(&Line::Shared).into_iter().flatten() {
            if write.token == token {
                write.lingers_until = None;
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn enter(&self, write: Waiting) {
        let mut state = self.state();
        let own = Line::Of(write.token);
        let line = if state.waiting.contains_key(&own) { own } else { Line::Shared };
        let is_new = state.queue(line, write);
        drop(state);
        if is_new {
            self.open(line);
        }
        self.changed.notify_one();
    }

    /// Starts the task of a line. The caller must not hold the lock: if the runtime is shutting
    /// down, the guard is dropped at once and takes it.
    fn open(&self, line: Line) {
        let guard = LineGuard { state: Arc::clone(&self.state), line, is_done: false };
        tokio::spawn(self.clone().serve(guard));
    }

    async fn serve(self, mut guard: LineGuard) {
        loop {
            let next = self.state().next(guard.line);
            match (next, guard.line) {
                (Next::Write(writes), Line::Shared) => self.write_together(writes).await,
                (Next::Write(writes), Line::Of(_)) => self.write_each(writes).await,
                (Next::Linger(until), _) => {
                    drop(timeout_at(until.into(), self.changed.notified()).await)
                }
                (Next::Leave, _) => break,
            }
        }
        guard.is_done = true;
    }

    async fn write_together(&self, waiting: Vec<Waiting>) {
        let writes: Vec<_> = waiting.iter().map(Waiting::write).collect();
        for _ in 0..ATTEMPTS {
            match self.transact_together(&writes).await {
                Together::Written => {
                    return waiting.into_iter().for_each(|one| one.answer(Ok(Applied::Yes)));
                }
                Together::Unknown(error) => return refuse(waiting, &error.to_string()),
                Together::Conflict => {}
                Together::NotWritten => break,
            }
        }
        self.split(waiting);
    }

    /// Moves the writes of these runs from the shared line to one line per run.
    fn split(&self, waiting: Vec<Waiting>) {
        let mut state = self.state();
        let tokens: HashSet<LeaseToken> = waiting.iter().map(|one| one.token).collect();
        let shared = state.waiting.get_mut(&Line::Shared).map(std::mem::take).unwrap_or_default();
        let (theirs, others): (Vec<_>, _) =
            shared.into_iter().partition(|one| tokens.contains(&one.token));
        state.waiting.insert(Line::Shared, others);
        let mut new = Vec::new();
        for one in waiting.into_iter().chain(theirs) {
            let line = Line::Of(one.token);
            if state.queue(line, one) {
                new.push(line);
            }
        }
        drop(state);
        new.into_iter().for_each(|line| self.open(line));
    }

    async fn transact_together(&self, writes: &[Write<'_>]) -> Together {
        let mut attempts =
            Attempts::new(self.client.clone(), self.collections.clone(), "writing to runs");
        let begun = async {
            let mut transaction = attempts.begin().await?;
            let done = results::write_all(&mut transaction, writes).await;
            Ok::<_, StoreError>((transaction, done))
        };
        // The driver aborts a transaction that is dropped here.
        let Ok(Ok((transaction, done))) = timeout(TOGETHER, begun).await else {
            return Together::NotWritten;
        };
        match done {
            Ok(Some(ended)) => match attempts.end(transaction, Ok(ended)).await {
                Ok(Some(ended)) => {
                    self.state().ended.extend(ended);
                    Together::Written
                }
                Ok(None) => Together::Conflict,
                Err(error) => Together::Unknown(error),
            },
            not_written => match timeout(TOGETHER, attempts.end(transaction, not_written)).await {
                Ok(Ok(None)) => Together::Conflict,
                _ => Together::NotWritten,
            },
        }
    }

    async fn write_each(&self, waiting: Vec<Waiting>) {
        let mut waiting = waiting.into_iter();
        while let Some(one) = waiting.next() {
            let applied = self.transact(one.write(), one.entered).await;
            let unavailable = match &applied {
                Err(StoreError::Unavailable(message)) => Some(message.clone()),
                _ => None,
            };
            one.answer(applied);
            if let Some(message) = unavailable {
                return refuse(waiting, &message);
            }
        }
    }

    async fn transact(&self, write: Write<'_>, entered: Instant) -> Result<Applied> {
        let attempts =
            Attempts::new(self.client.clone(), self.collections.clone(), "writing to a run")
                .since(entered);
        let written = attempts.run(move |t| results::write(t, write).boxed()).await?;
        let Written { applied, run_ended } = written;
        if run_ended {
            self.state().ended.insert(write.0);
        }
        Ok(applied)
    }
}

/// Outcome of a shared transaction.
enum Together {
    Written,
    /// Nothing is written: one of the writes failed, or the server does not answer.
    NotWritten,
    /// Nothing is written: it conflicted with another transaction.
    Conflict,
    /// All are written, or none; the answer to the commit was lost.
    Unknown(StoreError),
}

fn refuse(waiting: impl IntoIterator<Item = Waiting>, message: &str) {
    waiting
        .into_iter()
        .for_each(|one| one.answer(Err(StoreError::Unavailable(message.to_owned()))));
}

/// Drop guard of a line's task: if the task panics or is aborted, removes the line, so that waiting
/// callers get an error instead of hanging and the next write starts a new task.
struct LineGuard {
    state: Arc<Mutex<State>>,
    line: Line,
    is_done: bool,
}

impl Drop for LineGuard {
    fn drop(&mut self) {
        if !self.is_done {
            self.state.lock().waiting.remove(&self.line);
        }
    }
}
