//! Writes to runs, put together: what comes while a transaction is on its way waits, and shares the
//! next one, whichever runs it is of. Under load most of what a write costs is its transaction, and
//! side by side writes to one run or one folder would be in one another's way. That an analysis has
//! begun, or got on, waits for a result to share one with: most analyses end sooner than anybody
//! looks.
//!
//! When one of them cannot be written with the others (a stale token, a blob that was swept,
//! another node at work on the same folder), those of each run go on by themselves, and what comes
//! for these runs meanwhile waits for that.

use super::collections::Collections;
use super::results::{self, Write, Written};
use super::transaction::Attempts;
use mongodb::Client;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::sync::{Notify, oneshot};
use tokio::time::{timeout, timeout_at};
use vultus_core::AnalysisId;
use vultus_store::{AnalysisResult, Applied, LeaseToken};
use vultus_store::{Result, StoreError};

/// Most writes of one transaction: fewer than the runs that a claim looks past, since a node that
/// stands still in the midst of one keeps all of its runs from being claimed.
const MOST_WRITES: usize = 24;
/// About most bytes of their results: the server takes 16 MiB in one command.
const MOST_BYTES: usize = 4 << 20;
/// More than a reason, an artifact or a provenance takes.
const ENTRY_BYTES: usize = 1 << 10;
/// Attempts at a transaction of several while others are in the way.
const ATTEMPTS: u32 = 2;
/// How long a transaction of several may take before its commit: a connection on which nothing
/// comes back holds up no other run for longer.
const TOGETHER: Duration = Duration::from_secs(2);
/// How long what is no result waits for one.
const LINGER: Duration = Duration::from_secs(1);

/// What happens to an analysis.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Entered(OffsetDateTime),
    /// 0–1.
    Progress(f32),
    Result(Box<AnalysisResult>, OffsetDateTime),
}

impl Happening {
    /// About as many bytes as it has in a command.
    fn size(&self) -> usize {
        match self {
            Self::Result(result, _) => match &**result {
                AnalysisResult::Finished { result, reasons, artifacts, .. } => {
                    result.to_string().len() + ENTRY_BYTES * (1 + reasons.len() + artifacts.len())
                }
                AnalysisResult::Failed(failure) => failure.message.len() + ENTRY_BYTES,
            },
            Self::Entered(_) | Self::Progress(_) => ENTRY_BYTES,
        }
    }
}

/// One write, and who waits for what became of it.
#[derive(Debug)]
struct Waiting {
    token: LeaseToken,
    analysis: AnalysisId,
    happening: Happening,
    size: usize,
    entered: Instant,
    /// Until when it waits for a result to share a transaction with.
    lingers_until: Option<Instant>,
    answer: oneshot::Sender<Result<Applied>>,
}

impl Waiting {
    fn write(&self) -> Write<'_> {
        (self.token, self.analysis, &self.happening)
    }

    /// An answer that nobody waits for any more is nobody's loss.
    fn answer(self, answer: Result<Applied>) {
        let _ = self.answer.send(answer);
    }
}

/// Where writes wait for those before them: a task is at work on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    Shared,
    Of(LeaseToken),
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<Line, Vec<Waiting>>,
    /// Runs whose last result was written here, until they are released: then nobody need be asked.
    ended: HashSet<LeaseToken>,
}

impl State {
    /// What to do in a line now.
    fn next(&mut self, line: Line) -> Next {
        let Some(waiting) = self.waiting.get_mut(&line).filter(|waiting| !waiting.is_empty())
        else {
            self.waiting.remove(&line);
            return Next::Leave;
        };
        // One that does not linger takes the others along.
        let until = waiting
            .iter()
            .map(|one| one.lingers_until)
            .min()
            .flatten()
            .filter(|until| *until > Instant::now());
        if let Some(until) = until.filter(|_| line == Line::Shared && waiting.len() < MOST_WRITES) {
            return Next::Linger(until);
        }
        let mut bytes = 0;
        let fit = waiting.iter().take(MOST_WRITES).take_while(|one| {
            bytes += one.size;
            bytes <= MOST_BYTES
        });
        let fit = fit.count().max(1);
        Next::Write(waiting.drain(..fit).collect())
    }

    /// Puts a write in a line; whether the line is new, so that it needs a task.
    fn queue(&mut self, line: Line, write: Waiting) -> bool {
        let waiting = self.waiting.entry(line);
        let is_new = matches!(waiting, Entry::Vacant(_));
        waiting.or_default().push(write);
        is_new
    }
}

/// What the task of a line does.
enum Next {
    /// As much as fits in a transaction.
    Write(Vec<Waiting>),
    /// Until then nothing that waits is in a hurry.
    Linger(Instant),
    /// Nothing waits: the line is left to whoever comes next.
    Leave,
}

/// The writes of one node.
#[derive(Debug, Clone)]
pub(super) struct Writes {
    client: Client,
    collections: Collections,
    state: Arc<Mutex<State>>,
    /// Something came, or does not linger any more.
    came: Arc<Notify>,
}

impl Writes {
    pub(super) fn new(client: Client, collections: Collections) -> Self {
        Self { client, collections, state: Arc::default(), came: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run's last result was written here under this token. Asked once.
    pub(super) fn take_ended(&self, token: LeaseToken) -> bool {
        self.state().ended.remove(&token)
    }

    /// Writes what happened to an analysis, with whatever else waits. It is written also if the
    /// caller goes away.
    pub(super) async fn write(
        &self,
        token: LeaseToken,
        analysis: AnalysisId,
        happening: Happening,
    ) -> Result<Applied> {
        let (answer, answered) = oneshot::channel();
        let (size, entered) = (happening.size(), Instant::now());
        let lingers_until = (!matches!(happening, Happening::Result(..))).then(|| entered + LINGER);
        self.enter(Waiting { token, analysis, happening, size, entered, lingers_until, answer });
        answered.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("writing to a run: its task is gone".to_owned()))
        })
    }

    /// No result comes that what waits of this run could wait for.
    pub(super) fn hurry(&self, token: LeaseToken) {
        let mut state = self.state();
        let theirs = state
            .waiting
            .get_mut(&Line::Shared)
            .into_iter()
            .flatten()
            .filter(|one| one.token == token);
        theirs.for_each(|one| one.lingers_until = None);
        drop(state);
        self.came.notify_one();
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
        self.came.notify_one();
    }

    /// Starts the task of a line. Without the lock: where no task can start any more, the line is
    /// given up at once.
    fn open(&self, line: Line) {
        let leaving = Leaving { state: Arc::clone(&self.state), line, has_left: false };
        tokio::spawn(self.clone().serve(leaving));
    }

    async fn serve(self, mut leaving: Leaving) {
        loop {
            let next = self.state().next(leaving.line);
            match (next, leaving.line) {
                (Next::Write(writes), Line::Shared) => self.write_together(writes).await,
                (Next::Write(writes), Line::Of(_)) => self.write_each(writes).await,
                (Next::Linger(until), _) => {
                    drop(timeout_at(until.into(), self.came.notified()).await)
                }
                (Next::Leave, _) => break,
            }
        }
        leaving.has_left = true;
    }

    async fn write_together(&self, waiting: Vec<Waiting>) {
        let writes: Vec<_> = waiting.iter().map(Waiting::write).collect();
        for _ in 0..ATTEMPTS {
            match self.transact_together(&writes).await {
                Together::Written => {
                    return waiting.into_iter().for_each(|one| one.answer(Ok(Applied::Yes)));
                }
                Together::Unknown(error) => return refuse(waiting, &error.to_string()),
                Together::InTheWay => {}
                Together::NotWritten => break,
            }
        }
        self.part(waiting);
    }

    /// From now on these runs have lines of their own, until nothing of them waits.
    fn part(&self, waiting: Vec<Waiting>) {
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
        // What is not ended here, the driver ends by itself.
        let Ok(Ok((transaction, done))) = timeout(TOGETHER, begun).await else {
            return Together::NotWritten;
        };
        match done {
            Ok(Some(ended)) => match attempts.end(transaction, Ok(ended)).await {
                Ok(Some(ended)) => {
                    self.state().ended.extend(ended);
                    Together::Written
                }
                Ok(None) => Together::InTheWay,
                Err(error) => Together::Unknown(error),
            },
            not_written => match timeout(TOGETHER, attempts.end(transaction, not_written)).await {
                Ok(Ok(None)) => Together::InTheWay,
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
        let mut attempts =
            Attempts::new(self.client.clone(), self.collections.clone(), "writing to a run")
                .since(entered);
        loop {
            let mut transaction = attempts.begin().await?;
            let done = results::write(&mut transaction, write).await;
            if let Some(Written { applied, run_ended }) = attempts.end(transaction, done).await? {
                if run_ended {
                    self.state().ended.insert(write.0);
                }
                return Ok(applied);
            }
        }
    }
}

/// What became of several writes.
enum Together {
    Written,
    /// Nothing is written: one of them cannot be, or the server does not answer.
    NotWritten,
    /// Nothing is written: other transactions were in the way.
    InTheWay,
    /// They may be written or not.
    Unknown(StoreError),
}

fn refuse(waiting: impl IntoIterator<Item = Waiting>, message: &str) {
    waiting
        .into_iter()
        .for_each(|one| one.answer(Err(StoreError::Unavailable(message.to_owned()))));
}

/// Sees to it that a task which ends in the midst of its work leaves nobody waiting for it.
struct Leaving {
    state: Arc<Mutex<State>>,
    line: Line,
    has_left: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.has_left {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.line);
        }
    }
}
