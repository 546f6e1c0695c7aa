//! Where the queue begins, known from recent claims.
//!
//! A claimed run leaves its entry in the index, which the server keeps for minutes, and a search
//! from the very start passes over all of these entries. So under load, claims start searching at
//! the turn of the last claimed run, and only every [`VALID_FOR`] at the very start. A run that
//! another node queues before that turn waits until then.

use super::values::nanoseconds;
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use vultus_store::NewGroup;

/// How long the known turn is used.
const VALID_FOR: Duration = Duration::from_millis(100);

/// Where the queue begins.
#[derive(Debug, Default)]
pub(super) struct QueueHead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Raised when older knowledge becomes invalid: the result of a claim that began before is not
    /// remembered.
    generation: u64,
    head: Option<Head>,
    /// The earliest turn that was queued since the last search from the very start. A search that
    /// is running may have missed it.
    queued_since: Option<i64>,
}

#[derive(Debug)]
struct Head {
    pools: Vec<String>,
    turn_at: i64,
    /// By the caller's clock.
    now: OffsetDateTime,
    /// By this process's clock.
    at: Instant,
}

impl QueueHead {
    /// The generation of the knowledge, and the turn to start searching at, if one is known.
    pub(super) fn known_turn(&self, pools: &[String], now: OffsetDateTime) -> (u64, Option<i64>) {
        let state = self.0.lock();
        let is_valid = |head: &&Head| {
            let since = now - head.now;
            head.pools == pools
                && head.at.elapsed() < VALID_FOR
                && !since.is_negative()
                && since < VALID_FOR
        };
        (state.generation, state.head.as_ref().filter(is_valid).map(|head| head.turn_at))
    }

    /// Moves the head to a run that was found from a known turn on. The next search from the very
    /// start stays due at the same time.
    pub(super) fn advance(&self, generation: u64, turn_at: i64) {
        let mut state = self.0.lock();
        let turn_at = state.queued_since.map_or(turn_at, |queued| queued.min(turn_at));
        if state.generation == generation
            && let Some(head) = state.head.as_mut()
        {
            head.turn_at = head.turn_at.max(turn_at);
        }
    }

    /// Sets the head to a run that was found from the very start.
    pub(super) fn remember(
        &self,
        generation: u64,
        pools: &[String],
        now: OffsetDateTime,
        turn_at: i64,
    ) {
        let mut state = self.0.lock();
        if state.generation == generation {
            let turn_at = state.queued_since.take().map_or(turn_at, |queued| queued.min(turn_at));
            state.head = Some(Head { pools: pools.to_vec(), turn_at, now, at: Instant::now() });
            state.generation += 1;
        }
    }

    /// Forgets the head: a run with any turn was put back into the queue.
    pub(super) fn forget(&self) {
        self.0.lock().forget();
    }

    /// Takes new runs into account; forgets the head if one of them comes before it.
    pub(super) fn observe_new_runs(&self, new: Option<&NewGroup>) {
        let turns = new.into_iter().flat_map(|new| &new.runs).map(|run| nanoseconds(run.turn_at));
        let Some(earliest) = turns.min() else { return };
        let mut state = self.0.lock();
        if state.head.as_ref().is_some_and(|head| earliest < head.turn_at) {
            state.forget();
        } else {
            let queued = state.queued_since.map_or(earliest, |queued| queued.min(earliest));
            state.queued_since = Some(queued);
        }
    }
}

impl State {
    fn forget(&mut self) {
        *self = Self { generation: self.generation + 1, ..Self::default() };
    }
}
