//! Turns at a scarce resource that many wait for: the company that holds the fewest is next, and
//! within it the user that holds the fewest, so that who asks for much does not delay the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vultus_core::fair::{Owner, Tenant};
use vultus_core::{Error, Result};

/// Maximum time that a turn is waited for.
const WAIT: Duration = Duration::from_secs(10);
/// Time after which a client should retry.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A number of turns. Clones share it.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    held: HashMap<Tenant, usize>,
    waiting: VecDeque<(Owner, oneshot::Sender<Turn>)>,
}

/// A turn; it ends on drop.
pub(crate) struct Turn {
    turns: Option<Turns>,
    owner: Owner,
}

impl Turns {
    pub(crate) fn new(all: usize) -> Self {
        let state = State { free: all.max(1), held: HashMap::new(), waiting: VecDeque::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a turn; UNAVAILABLE after [`WAIT`]. For tasks only: a turn that was given to a
    /// future that is not polled blocks the others.
    pub(crate) async fn take(&self, owner: Owner) -> Result<Turn> {
        let (sender, given) = oneshot::channel();
        {
            let mut state = self.0.lock();
            state.waiting.push_back((owner, sender));
            self.give(&mut state);
        }
        match tokio::time::timeout(WAIT, given).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::Unavailable {
                message: "too many files are being examined; try again".to_owned(),
                retry_after: RETRY_AFTER,
            }),
        }
    }

    /// Gives the free turns to those that wait.
    fn give(&self, state: &mut State) {
        state.waiting.retain(|(_, sender)| !sender.is_closed());
        while state.free > 0 {
            let Some((owner, sender)) = state.next() else { return };
            state.count(owner, 1);
            let turn = Turn { turns: Some(self.clone()), owner };
            if let Err(mut refused) = sender.send(turn) {
                // Gave up just now. Without its state the turn ends without a lock.
                refused.turns = None;
                state.count(owner, -1);
            }
        }
    }
}

impl State {
    fn next(&mut self) -> Option<(Owner, oneshot::Sender<Turn>)> {
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

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            let mut state = turns.0.lock();
            state.count(self.owner, -1);
            turns.give(&mut state);
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
    async fn company_with_the_fewest_turns_is_next() {
        let turns = Turns::new(2);
        let mut held = vec![turns.take(owner(1, 1)).await.unwrap()];
        held.push(turns.take(owner(1, 1)).await.unwrap());
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(turns.take(owner(1, 1)))).collect();
        for wait in &mut waiting {
            assert!(futures::poll!(wait.as_mut()).is_pending());
        }
        let mut colleague = Box::pin(turns.take(owner(1, 2)));
        assert!(futures::poll!(colleague.as_mut()).is_pending());
        let mut other = Box::pin(turns.take(owner(2, 3)));
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
        let turns = Turns::new(1);
        let held = turns.take(owner(1, 1)).await.unwrap();
        let mut gone = Box::pin(turns.take(owner(2, 2)));
        assert!(futures::poll!(gone.as_mut()).is_pending());
        let mut waits = Box::pin(turns.take(owner(3, 3)));
        assert!(futures::poll!(waits.as_mut()).is_pending());
        drop(gone);
        drop(held);
        drop(waits.await.unwrap());
        let state = turns.0.lock();
        assert!(state.free == 1 && state.held.is_empty() && state.waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_does_not_come_is_unavailable() {
        let turns = Turns::new(1);
        let _held = turns.take(owner(1, 1)).await.unwrap();
        assert!(matches!(turns.take(owner(2, 2)).await, Err(Error::Unavailable { .. })));
    }
}
