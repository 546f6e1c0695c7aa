//! Bounds how many answers of one connection's subscriptions are in memory: a subscription takes a
//! slot before it reads the next state and gives it back once that state is sent. A slow client
//! then costs a few answers, however many subscriptions it has, and gets the newest state.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one connection. The default has no bound.
#[derive(Debug, Clone, Default)]
pub struct AnswerSlots(Option<Arc<Semaphore>>);

impl AnswerSlots {
    /// So many answers at a time.
    pub fn new(slots: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(slots))))
    }

    /// The handle of a new operation.
    pub fn operation(&self) -> NextAnswer {
        NextAnswer { slots: self.clone(), taken: Arc::default() }
    }
}

/// A slot that is taken until it is dropped.
#[derive(Debug)]
pub struct AnswerSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What one operation and its connection share: the slot of the state that was read last.
#[derive(Debug, Clone, Default)]
pub struct NextAnswer {
    slots: AnswerSlots,
    taken: Arc<Mutex<Option<AnswerSlot>>>,
}

impl NextAnswer {
    /// Waits for a free slot. The operation must be a task: the slot may be handed to it while it
    /// is not polled.
    pub(super) async fn reserve(&self) -> AnswerSlot {
        let permit = match &self.slots.0 {
            // It is never closed.
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        AnswerSlot { _permit: permit }
    }

    /// The state that is given next has this slot.
    pub(super) fn keep(&self, slot: AnswerSlot) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(slot);
    }

    /// Takes the slot of the state that was given, to be dropped when it is sent.
    pub fn take(&self) -> Option<AnswerSlot> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
