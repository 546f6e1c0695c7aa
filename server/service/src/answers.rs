//! Limits the answers of one connection's subscriptions that are in memory. A subscription takes a
//! slot before it reads the next state and releases it when that state is sent. A slow client thus
//! holds a few answers, however many subscriptions it has, and gets the newest state.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one connection. The default is unlimited.
#[derive(Debug, Clone, Default)]
pub struct AnswerSlots(Option<Arc<Semaphore>>);

impl AnswerSlots {
    /// At most `slots` answers at a time.
    pub fn new(slots: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(slots))))
    }

    /// The handle for a new operation.
    pub fn operation(&self) -> NextAnswer {
        NextAnswer { slots: self.clone(), taken: Arc::default() }
    }
}

/// A taken slot; dropping it releases it.
#[derive(Debug)]
pub struct AnswerSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The slot of the state that was read last, shared by an operation and its connection.
#[derive(Debug, Clone, Default)]
pub struct NextAnswer {
    slots: AnswerSlots,
    taken: Arc<Mutex<Option<AnswerSlot>>>,
}

impl NextAnswer {
    /// Waits for a free slot. The operation must run as a task: a waiting future that is not polled
    /// could be given the slot and block the others.
    pub(crate) async fn reserve(&self) -> AnswerSlot {
        let permit = match &self.slots.0 {
            // The semaphore is never closed.
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        AnswerSlot { _permit: permit }
    }

    /// Assigns the slot to the state that is returned next.
    pub(crate) fn keep(&self, slot: AnswerSlot) {
        *self.taken.lock() = Some(slot);
    }

    /// Takes the slot of the returned state. The caller drops it when the state is sent.
    pub fn take(&self) -> Option<AnswerSlot> {
        self.taken.lock().take()
    }
}
