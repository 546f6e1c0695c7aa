//! Writes to runs, put together: what comes while a transaction is on its way waits, and shares the next one, whichever runs it is of. Under
//! load most of what a write costs is its transaction, and side by side writes to one run or one folder would be in one another's way.
//!
//! When one of them cannot be written with the others (a stale token, a blob that was swept, another node at work on the same folder), those
//! of each run go on by themselves, and what comes for these runs meanwhile waits for that.

use super::collections::Collections;
use super::results::{self, Write, Written};
use super::transaction::Attempts;
use crate::records::{AnalysisResult, Applied, LeaseToken};
use crate::traits::{Result, StoreError};
use mongodb::Client;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use vultus_core::AnalysisId;

/// Most writes of one transaction, and about most bytes of their results: the server takes 16 MiB in one command.
const MOST_WRITES: usize = 64;
const MOST_BYTES: usize = 4 << 20;

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
                AnalysisResult::Finished { result, .. } => result.to_string().len(),
                AnalysisResult::Failed(_) => 0,
            },
            Self::Entered(_) | Self::Progress(_) => 0,
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

/// The writes of one node.
#[derive(Debug, Clone)]
pub(super) struct Writes {
    client: Client,
    collections: Collections,
    state: Arc<Mutex<State>>,
}

impl Writes {
    pub(super) fn new(client: Client, collections: Collections) -> Self {
        Self { client, collections, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run's last result was written here under this token. Asked once.
    pub(super) fn take_ended(&self, token: LeaseToken) -> bool {
        self.state().ended.remove(&token)
    }

    /// Writes what happened to an analysis, with whatever else waits. It is written also if the caller goes away.
    pub(super) async fn write(&self, token: LeaseToken, analysis: AnalysisId, happening: Happening) -> Result<Applied> {
        let (answer, answered) = oneshot::channel();
        let size = happening.size();
        self.enter(Waiting { token, analysis, happening, size, answer });
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("writing to a run: its task is gone".to_owned())))
    }

    fn enter(&self, write: Waiting) {
        let mut state = self.state();
        let own = Line::Of(write.token);
        let line = if state.waiting.contains_key(&own) { own } else { Line::Shared };
        self.queue(&mut state, line, write);
    }

    /// Puts a write in a line, with a task if it has none.
    fn queue(&self, state: &mut State, line: Line, write: Waiting) {
        if let Some(waiting) = state.waiting.get_mut(&line) {
            waiting.push(write);
            return;
        }
        state.waiting.insert(line, vec![write]);
        let leaving = Leaving { state: Arc::clone(&self.state), line, has_left: false };
        tokio::spawn(self.clone().serve(leaving));
    }

    async fn serve(self, mut leaving: Leaving) {
        while let Some(writes) = self.next(&mut leaving) {
            match leaving.line {
                Line::Shared => self.write_together(writes).await,
                Line::Of(_) => self.write_each(writes).await,
            }
        }
    }

    /// What waits now, as much as fits in a transaction; `None` leaves the line to whoever comes next.
    fn next(&self, leaving: &mut Leaving) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        let waiting = state.waiting.get_mut(&leaving.line).filter(|waiting| !waiting.is_empty());
        let Some(waiting) = waiting else {
            state.waiting.remove(&leaving.line);
            leaving.has_left = true;
            return None;
        };
        let mut bytes = 0;
        let fit = waiting.iter().take(MOST_WRITES).take_while(|one| {
            let is_first = bytes == 0;
            bytes += one.size;
            is_first || bytes <= MOST_BYTES
        });
        let fit = fit.count();
        Some(waiting.drain(..fit).collect())
    }

    async fn write_together(&self, waiting: Vec<Waiting>) {
        let writes: Vec<_> = waiting.iter().map(Waiting::write).collect();
        match self.transact_once(&writes).await {
            Ok(true) => waiting.into_iter().for_each(|one| one.answer(Ok(Applied::Yes))),
            Err(StoreError::Unavailable(message)) => {
                waiting.into_iter().for_each(|one| one.answer(Err(StoreError::Unavailable(message.clone()))));
            }
            Ok(false) | Err(_) => self.part(waiting),
        }
    }

    /// From now on these runs have lines of their own, until nothing of them waits.
    fn part(&self, waiting: Vec<Waiting>) {
        let mut state = self.state();
        let tokens: HashSet<LeaseToken> = waiting.iter().map(|one| one.token).collect();
        let shared = state.waiting.get_mut(&Line::Shared).map(std::mem::take).unwrap_or_default();
        let (theirs, others): (Vec<_>, _) = shared.into_iter().partition(|one| tokens.contains(&one.token));
        state.waiting.insert(Line::Shared, others);
        for one in waiting.into_iter().chain(theirs) {
            self.queue(&mut state, Line::Of(one.token), one);
        }
    }

    /// Whether all were written; `false` when one of them could not be, or others were in the way.
    async fn transact_once(&self, writes: &[Write<'_>]) -> Result<bool> {
        let mut attempts = Attempts::new(self.client.clone(), self.collections.clone(), "writing to runs");
        let mut transaction = attempts.begin().await?;
        let done = results::write_all(&mut transaction, writes).await;
        let Some(Some(ended)) = attempts.end(transaction, done).await? else { return Ok(false) };
        self.state().ended.extend(ended);
        Ok(true)
    }

    async fn write_each(&self, waiting: Vec<Waiting>) {
        for one in waiting {
            let applied = self.transact(one.write()).await;
            one.answer(applied);
        }
    }

    async fn transact(&self, write: Write<'_>) -> Result<Applied> {
        let mut attempts = Attempts::new(self.client.clone(), self.collections.clone(), "writing to a run");
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
