//! Where requests are parsed: small ones at once, others on threads for blocking work, of which
//! they get a few. A company, and all strangers together, parse one at a time, so that no client
//! delays the requests of others by parsing its own.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use vultus_core::{CompanyId, Error, Result};

use crate::memory::Owner;

/// Size from which a request is parsed elsewhere, in bytes. A smaller one takes about a
/// millisecond at most.
const LARGE_BYTES: usize = 4 << 10;
/// Maximum wait for one of the threads.
const WAIT: Duration = Duration::from_secs(5);
/// Time after which a client should retry when all threads are busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Number of known companies above which those that parse nothing are forgotten.
const KEPT: usize = 1024;

/// The threads that parse large requests. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Parsing {
    threads: Arc<Semaphore>,
    /// The turn of each company; `None`: of strangers.
    turns: Arc<Mutex<HashMap<Option<CompanyId>, Weak<Semaphore>>>>,
}

impl Parsing {
    /// Half of the processors, at least one.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads((processors / 2).max(1))
    }

    fn with_threads(threads: usize) -> Self {
        Self { threads: Arc::new(Semaphore::new(threads)), turns: Arc::default() }
    }

    /// Runs `work`, which parses this many bytes. The caller is a task: it may be aborted, and
    /// then the work goes on to its end, holding its thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        owner: Owner,
        bytes: usize,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if bytes < LARGE_BYTES {
            return work();
        }
        let turn = self.turn(owner);
        let permits = async {
            // First the own turn: each owner thus has one place in the queue for the threads.
            let own = turn.acquire_owned().await;
            (own, self.threads.clone().acquire_owned().await)
        };
        let waiting = tokio::time::timeout(WAIT, permits);
        let Ok((Ok(own), Ok(thread))) = waiting.await else {
            return Err(Error::Unavailable {
                message: "the server is parsing too many large requests; try again".to_owned(),
                retry_after: RETRY_AFTER,
            });
        };
        let parsed = tokio::task::spawn_blocking(move || {
            let parsed = work();
            drop((own, thread));
            parsed
        });
        parsed.await.map_err(|error| Error::internal("parsing a request", error))?
    }

    fn turn(&self, owner: Owner) -> Arc<Semaphore> {
        let owner = match owner {
            Owner::Stranger => None,
            Owner::User(company, _) => Some(company),
        };
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get(&owner).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() > KEPT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(owner, Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use uuid::Uuid;
    use vultus_core::UserId;

    fn user(number: u128) -> Owner {
        Owner::User(CompanyId(Uuid::from_u128(number)), UserId(Uuid::from_u128(number)))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_next_owner_waits_for_one_request_of_each_other() {
        let parsing = Parsing::with_threads(1);
        let (go, gate) = mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let blocked = parsing.run(user(9), LARGE_BYTES, move || Ok(gate.recv().is_ok()));
        let mut blocked = Box::pin(blocked);
        assert!(futures::poll!(blocked.as_mut()).is_pending());
        let mut waiting = Vec::new();
        for owner in [Owner::Stranger, Owner::Stranger, Owner::Stranger, user(1), user(1), user(2)]
        {
            let order = order.clone();
            let note = move || {
                order.lock().push(owner);
                Ok(())
            };
            let mut request = Box::pin(parsing.run(owner, LARGE_BYTES, note));
            assert!(futures::poll!(request.as_mut()).is_pending());
            waiting.push(request);
        }
        go.send(()).expect("it waits");
        assert!(blocked.await.expect("it is parsed"));
        for request in futures::future::join_all(waiting).await {
            request.expect("it is parsed");
        }
        let order = order.lock().clone();
        let first: Vec<_> = order.iter().take(3).copied().collect();
        assert_eq!(first, [Owner::Stranger, user(1), user(2)], "{order:?}");
    }
}
