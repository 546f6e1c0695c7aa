//! Which companies have runs to claim, and at which turns those begin, known from recent claims.
//!
//! A claimed run leaves its entry in the index, which the server keeps for minutes, and a search
//! from the very start passes over all of these entries. So under load, claims start searching at
//! the turn of the last claimed run of a company, and only every [`VALID_FOR`] at the very start. A
//! run that another node queues before that turn waits until then.

use super::values::nanoseconds;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use vultus_core::CompanyId;
use vultus_store::NewGroup;

/// Minimum time for which a search from the very start is used.
const VALID_FOR: Duration = Duration::from_millis(100);
/// A search is used for this many times its own duration, if that is longer.
const WORTH: u32 = 10;

/// Where the queue of each company begins.
#[derive(Debug, Default)]
pub(super) struct QueueHeads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Raised when older knowledge becomes invalid: the result of a search that began before is
    /// not remembered.
    generation: u64,
    pools: HashMap<String, PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    heads: Option<Heads>,
    /// The earliest turn of each company that was queued since the last search from the very
    /// start. A search that is running may have missed it.
    queued_since: HashMap<CompanyId, i64>,
}

#[derive(Debug)]
struct Heads {
    turns: HashMap<CompanyId, i64>,
    /// Raised by new runs: a claim that found nothing may have missed them.
    queued: u64,
    valid_for: Duration,
    /// By the caller's clock.
    now: OffsetDateTime,
    /// By this process's clock.
    at: Instant,
}

/// The heads of a pool at one moment.
#[derive(Debug, Clone)]
pub(super) struct View {
    generation: u64,
    queued: u64,
    /// The turn at which the search for runs of a company starts.
    pub(super) turns: HashMap<CompanyId, i64>,
}

impl QueueHeads {
    /// What is known of a pool, unless it is too old.
    pub(super) fn known(&self, pool: &str, now: OffsetDateTime) -> Option<View> {
        let state = self.0.lock();
        let heads = state.pools.get(pool)?.heads.as_ref()?;
        let since = now - heads.now;
        let is_valid =
            heads.at.elapsed() < heads.valid_for && !since.is_negative() && since < heads.valid_for;
        is_valid.then(|| View {
            generation: state.generation,
            queued: heads.queued,
            turns: heads.turns.clone(),
        })
    }

    /// The generation in which a search from the very start begins.
    pub(super) fn generation(&self) -> u64 {
        self.0.lock().generation
    }

    /// Keeps what a search from the very start found, unless it is outdated already.
    pub(super) fn remember(
        &self,
        generation: u64,
        pool: &str,
        now: OffsetDateTime,
        took: Duration,
        turns: HashMap<CompanyId, i64>,
    ) -> View {
        let mut state = self.0.lock();
        if state.generation != generation {
            return View { generation, queued: 0, turns };
        }
        state.generation += 1;
        let generation = state.generation;
        let pool = state.pools.entry(pool.to_owned()).or_default();
        let mut turns = turns;
        for (company, turn_at) in pool.queued_since.drain() {
            earliest(&mut turns, company, turn_at);
        }
        let view = View { generation, queued: 0, turns: turns.clone() };
        let valid_for = VALID_FOR.max(took.saturating_mul(WORTH));
        pool.heads = Some(Heads { turns, queued: 0, valid_for, now, at: Instant::now() });
        view
    }

    /// Moves the head of a company from the turn in a view to that of a claimed run.
    pub(super) fn advance(&self, view: &View, pool: &str, company: CompanyId, turn_at: i64) {
        let from = view.turns.get(&company);
        self.change(view, pool, |heads| {
            if let Some(head) = heads.turns.get_mut(&company)
                && Some(&*head) == from
            {
                *head = turn_at.max(*head);
            }
        });
    }

    /// Takes a company without a run to claim out of the heads.
    pub(super) fn exhausted(&self, view: &View, pool: &str, company: CompanyId) {
        self.change(view, pool, |heads| {
            if heads.queued == view.queued {
                heads.turns.remove(&company);
            }
        });
    }

    fn change(&self, view: &View, pool: &str, change: impl FnOnce(&mut Heads)) {
        let mut state = self.0.lock();
        if state.generation == view.generation
            && let Some(heads) = state.pools.get_mut(pool).and_then(|pool| pool.heads.as_mut())
        {
            change(heads);
        }
    }

    /// Forgets the heads: a run with any turn was put back into the queue.
    pub(super) fn forget(&self) {
        let mut state = self.0.lock();
        *state = State { generation: state.generation + 1, ..State::default() };
    }

    /// Takes new runs of a company into account.
    pub(super) fn observe_new_runs(&self, company: CompanyId, new: Option<&NewGroup>) {
        let mut state = self.0.lock();
        for run in new.into_iter().flat_map(|new| &new.runs) {
            let turn_at = nanoseconds(run.turn_at);
            let pool = state.pools.entry(run.pool.clone()).or_default();
            earliest(&mut pool.queued_since, company, turn_at);
            if let Some(heads) = &mut pool.heads {
                earliest(&mut heads.turns, company, turn_at);
                heads.queued += 1;
            }
        }
    }
}

fn earliest(turns: &mut HashMap<CompanyId, i64>, company: CompanyId, turn_at: i64) {
    let known = turns.entry(company).or_insert(turn_at);
    *known = turn_at.min(*known);
}
