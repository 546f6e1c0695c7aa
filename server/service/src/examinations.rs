//! Permits to have a file examined. They bound how many files are decrypted for the workers at the
//! same time: the company that holds the fewest is next, and within it the user that holds the
//! fewest. Which company then gets a free worker is decided by the pool, by [`vultus_core::turns`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vultus_core::fair::{Owner, Tenant};
use vultus_core::{Error, Result};

/// Maximum time that a permit is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// Time after which a client should retry.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A number of examinations. Clones share it.
#[derive(Clone)]
pub(crate) struct Examinations(Arc<Mutex<State>>);

struct State {
    free: usize,
    held: HashMap<Tenant, usize>,
    waiting: VecDeque<(Owner, oneshot::Sender<Permit>)>,
}

/// A permit; it ends on drop.
pub(crate) struct Permit {
    examinations: Option<Examinations>,
    owner: Owner,
}

impl Examinations {
    pub(crate) fn new(all: usize) -> Self {
        let state = State { free: all.max(1), held: HashMap::new(), waiting: VecDeque::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a permit; UNAVAILABLE after [`WAIT`]. For tasks only: a permit that was given to a
    /// future that is not polled blocks the others.
    pub(crate) async fn take(&self, owner: Owner) -> Result<Permit> {
        let (sender, given) = oneshot::channel();
        {
            let mut state = self.0.lock();
            state.waiting.push_back((owner, sender));
            self.give(&mut state);
        }
        match tokio::time::timeout(WAIT, given).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::Unavailable {
                message: "too many files are being examined; try again".to_owned(),
                retry_after: RETRY_AFTER,
            }),
        }
    }

    /// Gives the free permits to those that wait.
    fn give(&self, state: &mut State) {
        state.waiting.retain(|(_, sender)| !sender.is_closed());
        while state.free > 0 {
            let Some((owner, sender)) = state.next() else { return };
            state.count(owner, 1);
            let permit = Permit { examinations: Some(self.clone()), owner };
            if let Err(mut refused) = sender.send(permit) {
                // Gave up just now. Without its state the permit ends without a lock.
                refused.examinations = None;
                state.count(owner, -1);
            }
        }
    }
}

impl State {
    fn next(&mut self) -> Option<(Owner, oneshot::Sender<Permit>)> {
        let held = |tenant: Tenant| self.held.get(&tenant).copied().unwrap_or_default();
        let first = self.waiting.iter().enumerate().min_by_key(|(place, (owner, _))| {
            (held(Tenant::Company(owner.company)), held(Tenant::User(owner.user)), *place)
        });
        let place = first?.0;
        self.waiting.remove(place)
    }

    fn count(&mut self, owner: Owner, change: isize) {
        self.free = self.free.saturating_add_signed(-change);
        for tenant in [Tenant::Company(owner.company), Tenant::User(owner.user)] {
            let held = self.held.entry(tenant).or_default();
            *held = held.saturating_add_signed(change);
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(examinations) = self.examinations.take() {
            let mut state = examinations.0.lock();
            state.count(self.owner, -1);
            examinations.give(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;
    use uuid::Uuid;
    use vultus_core::{CompanyId, UserId};

    fn owner(company: u128, user: u128) -> Owner {
        Owner { company: CompanyId(Uuid::from_u128(company)), user: UserId(Uuid::from_u128(user)) }
    }

    #[tokio::test]
    async fn company_with_the_fewest_examinations_is_next() {
        let examinations = Examinations::new(2);
        let mut held = vec![examinations.take(owner(1, 1)).await.unwrap()];
        held.push(examinations.take(owner(1, 1)).await.unwrap());
        let mut waiting: Vec<_> =
            (0..50).map(|_| Box::pin(examinations.take(owner(1, 1)))).collect();
        for wait in &mut waiting {
            assert!(futures::poll!(wait.as_mut()).is_pending());
        }
        let mut colleague = Box::pin(examinations.take(owner(1, 2)));
        assert!(futures::poll!(colleague.as_mut()).is_pending());
        let mut other = Box::pin(examinations.take(owner(2, 3)));
        assert!(futures::poll!(other.as_mut()).is_pending());
        held.pop();
        let Poll::Ready(other) = futures::poll!(other.as_mut()) else { panic!("not the other") };
        drop(other.unwrap());
        let Poll::Ready(colleague) = futures::poll!(colleague.as_mut()) else {
            panic!("not the colleague")
        };
        drop(colleague.unwrap());
        assert!(futures::poll!(waiting[0].as_mut()).is_ready());
    }

    #[tokio::test]
    async fn who_gives_up_loses_no_turn() {
        let examinations = Examinations::new(1);
        let held = examinations.take(owner(1, 1)).await.unwrap();
        let mut gone = Box::pin(examinations.take(owner(2, 2)));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        let mut waits = Box::pin(examinations.take(owner(3, 3)));
        assert!(futures::poll!(waits.as_mut()).is_pending());
        drop(gone);
        drop(held);
        drop(waits.await.unwrap());
        let state = examinations.0.lock();
        assert!(state.free == 1 && state.held.is_empty() && state.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_is_unavailable() {
        let examinations = Examinations::new(1);
        let _held = examinations.take(owner(1, 1)).await.unwrap();
        assert!(matches!(examinations.take(owner(2, 2)).await, Err(Error::Unavailable { .. })));
    }
}
