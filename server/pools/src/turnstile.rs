//! Permits for idle workers. Companies that wait for one take turns.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use vultus_core::CompanyId;
use vultus_core::turns::Turns;

/// The permits of one lane of a pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Turnstile {
    state: Arc<Mutex<State>>,
    turns: Turns,
    /// Its name in the turns.
    name: Arc<str>,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    closed: bool,
    waiting: HashMap<CompanyId, VecDeque<oneshot::Sender<Permit>>>,
}

/// Stands for an idle worker. Dropping it gives the worker back.
#[derive(Debug)]
pub(crate) struct Permit {
    turnstile: Turnstile,
    is_spent: bool,
}

impl Permit {
    /// Uses the permit up: its worker is not idle any more.
    pub(crate) fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_spent {
            self.turnstile.add();
        }
    }
}

impl Turnstile {
    pub(crate) fn new(turns: Turns, name: &str) -> Self {
        Self { state: Arc::default(), turns, name: Arc::from(name) }
    }

    /// Adds a permit.
    pub(crate) fn add(&self) {
        self.state.lock().free += 1;
        self.grant();
    }

    /// Takes a permit back, unless a caller holds it.
    pub(crate) fn withdraw(&self) -> bool {
        let mut state = self.state.lock();
        let is_free = state.free > 0;
        state.free -= usize::from(is_free);
        is_free
    }

    /// Number of permits that no caller holds.
    pub(crate) fn available(&self) -> usize {
        self.state.lock().free
    }

    /// Gives out no more permits.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.clear();
    }

    /// Waits for a permit. `None` once it is closed. A caller that stops waiting loses its place.
    pub(crate) async fn acquire(&self, company: CompanyId) -> Option<Permit> {
        let (sender, granted) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.closed {
                return None;
            }
            let own = state.waiting.entry(company).or_default();
            own.retain(|waiter| !waiter.is_closed());
            own.push_back(sender);
        }
        self.grant();
        granted.await.ok()
    }

    /// Counts how long a company held a worker.
    pub(crate) fn ended(&self, company: CompanyId, took: std::time::Duration) {
        self.turns.ended(&self.name, company, took);
    }

    /// Gives free permits to the callers whose turn it is.
    fn grant(&self) {
        while let Some((company, waiter)) = self.next() {
            let permit = Permit { turnstile: self.clone(), is_spent: false };
            match waiter.send(permit) {
                Ok(()) => self.turns.claimed(&self.name, company),
                Err(permit) => {
                    permit.spend();
                    self.state.lock().free += 1;
                }
            }
        }
    }

    /// The caller whose turn it is, if a permit is free; the permit is taken.
    fn next(&self) -> Option<(CompanyId, oneshot::Sender<Permit>)> {
        let mut state = self.state.lock();
        if state.closed || state.free == 0 {
            return None;
        }
        let mut companies: Vec<CompanyId> = state.waiting.keys().copied().collect();
        self.turns.sort(&self.name, &mut companies);
        let company = *companies.first()?;
        let own = state.waiting.get_mut(&company)?;
        let waiter = own.pop_front()?;
        if own.is_empty() {
            state.waiting.remove(&company);
        }
        state.free -= 1;
        Some((company, waiter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, poll};
    use std::pin::pin;
    use std::time::Duration;
    use uuid::Uuid;

    fn company(number: u128) -> CompanyId {
        CompanyId(Uuid::from_u128(number))
    }

    fn turnstile() -> Turnstile {
        Turnstile::new(Turns::default(), "lane")
    }

    #[tokio::test]
    async fn companies_that_wait_take_turns() {
        let turnstile = turnstile();
        let (first, second) = (company(1), company(2));
        let mut waiting = Vec::new();
        for asking in [first, first, first, second, second] {
            let mut permit = Box::pin(turnstile.acquire(asking));
            assert!(poll!(&mut permit).is_pending());
            waiting.push((asking, permit));
        }
        let mut order = Vec::new();
        for _ in 0..5 {
            turnstile.add();
            let at = waiting.iter_mut().position(|(_, permit)| {
                permit.as_mut().now_or_never().is_some_and(|permit| {
                    permit.expect("it is open").spend();
                    true
                })
            });
            order.push(waiting.remove(at.expect("one is served")).0);
        }
        assert_eq!(order, [first, second, first, second, first]);
    }

    #[tokio::test]
    async fn company_that_held_workers_for_long_waits_longer() {
        let turnstile = turnstile();
        turnstile.add();
        turnstile.acquire(company(1)).await.expect("it is open").spend();
        turnstile.ended(company(1), Duration::from_secs(5));
        let mut first = pin!(turnstile.acquire(company(1)));
        assert!(poll!(&mut first).is_pending());
        for _ in 0..10 {
            let mut second = pin!(turnstile.acquire(company(2)));
            assert!(poll!(&mut second).is_pending());
            turnstile.add();
            second.await.expect("it is its turn").spend();
        }
        assert!(poll!(&mut first).is_pending());
    }

    #[tokio::test]
    async fn permit_of_a_caller_that_left_goes_to_the_next() {
        let turnstile = turnstile();
        let mut left = Box::pin(turnstile.acquire(company(1)));
        assert!(poll!(&mut left).is_pending());
        let mut next = pin!(turnstile.acquire(company(2)));
        assert!(poll!(&mut next).is_pending());
        turnstile.add();
        // Granted, but never received.
        drop(left);
        assert!(next.await.is_some());
        assert_eq!(turnstile.available(), 1);
    }

    #[tokio::test]
    async fn closed_turnstile_gives_no_permit() {
        let turnstile = turnstile();
        let mut waiting = pin!(turnstile.acquire(company(1)));
        assert!(poll!(&mut waiting).is_pending());
        turnstile.close();
        assert!(waiting.await.is_none() && turnstile.acquire(company(1)).await.is_none());
    }
}
