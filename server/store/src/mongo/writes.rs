//! Writes to one run under one token, put together: what comes while a transaction is on its way waits, and shares the next one. Side by
//! side they would write the same run and the same folder, and the server would let all but one begin again.

use super::collections::Collections;
use super::results::{self, Written};
use super::transaction::Attempts;
use crate::records::{AnalysisResult, Applied, LeaseToken};
use crate::traits::{Result, StoreError};
use mongodb::Client;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use vultus_core::AnalysisId;

/// What happens to an analysis.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Entered(OffsetDateTime),
    /// 0–1.
    Progress(f32),
    Result(Box<AnalysisResult>, OffsetDateTime),
}

/// One write, and who waits for what became of it.
#[derive(Debug)]
struct Waiting {
    analysis: AnalysisId,
    happening: Happening,
    answer: oneshot::Sender<Result<Applied>>,
}

#[derive(Debug, Default)]
struct State {
    /// Runs that a task writes, with what came meanwhile.
    waiting: HashMap<LeaseToken, Vec<Waiting>>,
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

    /// Writes what happened to an analysis, with whatever else of its run waits. It is written also if the caller goes away.
    pub(super) async fn write(&self, token: LeaseToken, analysis: AnalysisId, happening: Happening) -> Result<Applied> {
        let (answer, answered) = oneshot::channel();
        let own = Waiting { analysis, happening, answer };
        let is_first = match self.state().waiting.entry(token) {
            Entry::Occupied(mut others) => {
                others.get_mut().push(own);
                false
            }
            Entry::Vacant(none) => {
                none.insert(vec![own]);
                true
            }
        };
        if is_first {
            let leaving = Leaving { state: Arc::clone(&self.state), token, has_left: false };
            tokio::spawn(self.clone().write_all(leaving));
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("writing to a run: its task is gone".to_owned())))
    }

    async fn write_all(self, mut leaving: Leaving) {
        while let Some(waiting) = self.next(&mut leaving) {
            self.write_together(leaving.token, waiting).await;
        }
    }

    /// What waits now; `None` leaves the run to whoever comes next.
    fn next(&self, leaving: &mut Leaving) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        let waiting = state.waiting.get_mut(&leaving.token).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            state.waiting.remove(&leaving.token);
            leaving.has_left = true;
            return None;
        }
        Some(waiting)
    }

    async fn write_together(&self, token: LeaseToken, waiting: Vec<Waiting>) {
        let writes: Vec<_> = waiting.iter().map(|one| (one.analysis, &one.happening)).collect();
        // An answer that nobody waits for any more is nobody's loss.
        match self.transact(token, &writes).await {
            Ok(applied) => {
                for (one, applied) in waiting.into_iter().zip(applied) {
                    let _ = one.answer.send(Ok(applied));
                }
            }
            Err(StoreError::Unavailable(message)) => {
                for one in waiting {
                    let _ = one.answer.send(Err(StoreError::Unavailable(message.clone())));
                }
            }
            // One of them is refused: the others need not suffer for it.
            Err(error) => match <[Waiting; 1]>::try_from(waiting) {
                Ok([one]) => drop(one.answer.send(Err(error))),
                Err(several) => {
                    for one in several {
                        let alone = self.transact(token, &[(one.analysis, &one.happening)]).await;
                        let _ = one.answer.send(alone.map(|applied| applied.first().copied().unwrap_or(Applied::Stale)));
                    }
                }
            },
        }
    }

    async fn transact(&self, token: LeaseToken, writes: &[(AnalysisId, &Happening)]) -> Result<Vec<Applied>> {
        let mut attempts = Attempts::new(self.client.clone(), self.collections.clone(), "writing to a run");
        loop {
            let mut transaction = attempts.begin().await?;
            let done = results::write(&mut transaction, token, writes).await;
            if let Some(Written { applied, run_ended }) = attempts.end(transaction, done).await? {
                if run_ended {
                    self.state().ended.insert(token);
                }
                return Ok(applied);
            }
        }
    }
}

/// Sees to it that a task which ends in the midst of its work leaves nobody waiting for it.
struct Leaving {
    state: Arc<Mutex<State>>,
    token: LeaseToken,
    has_left: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.has_left {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&self.token);
        }
    }
}
