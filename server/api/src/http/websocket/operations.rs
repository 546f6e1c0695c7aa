//! The running operations of one socket. Each is a task, so that it makes progress while the socket
//! waits for its client or the check of its token.
//!
//! At most [`ANSWERS`] states of subscriptions are in memory at a time, each until it is sent. As
//! subscriptions are level-triggered, a slow client gets the newest state when it continues
//! reading, and no queue grows.

use std::collections::HashMap;

use async_graphql::Response;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use vultus_service::{AnswerSlot, AnswerSlots, NextAnswer};

/// Maximum number of subscription states that a socket may have in memory.
const ANSWERS: usize = 4;

/// An event of a running operation: a result, or its end.
pub(super) struct Yielded {
    pub(super) id: String,
    /// Distinguishes successive operations with the same id.
    number: u64,
    pub(super) response: Option<Response>,
    /// Held until the response is sent.
    pub(super) slot: Option<AnswerSlot>,
}

pub(super) struct Operations {
    running: HashMap<String, (u64, AbortOnDropHandle<()>)>,
    started: u64,
    slots: AnswerSlots,
    sender: mpsc::Sender<Yielded>,
    yielded: mpsc::Receiver<Yielded>,
}

impl Operations {
    pub(super) fn new() -> Self {
        // A yield waits in its task until the previous one is taken.
        let (sender, yielded) = mpsc::channel(1);
        let slots = AnswerSlots::new(ANSWERS);
        Self { running: HashMap::new(), started: 0, slots, sender, yielded }
    }

    /// The bound on answers that the next operation shares with this socket.
    pub(super) fn next_answer(&self) -> NextAnswer {
        self.slots.operation()
    }

    /// Starts an operation. `next` is the bound that its results were created with.
    pub(super) fn start(
        &mut self,
        id: String,
        results: BoxStream<'static, Response>,
        next: NextAnswer,
    ) {
        self.started += 1;
        let task = drive(id.clone(), self.started, results, next, self.sender.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(task));
        self.running.insert(id, (self.started, task));
    }

    /// Stops an operation, or removes one that has ended.
    pub(super) fn stop(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// Stops all operations.
    pub(super) fn clear(&mut self) {
        self.running.clear();
    }

    /// The next yield of a running operation. Cancel-safe: no yield is lost.
    pub(super) async fn next(&mut self) -> Yielded {
        loop {
            match self.yielded.recv().await {
                Some(yielded) if self.is_current(&yielded) => return yielded,
                // A yield of a stopped operation.
                Some(_) => {}
                // `self` holds a sender, so that the channel is never closed.
                None => std::future::pending().await,
            }
        }
    }

    fn is_current(&self, yielded: &Yielded) -> bool {
        self.running.get(&yielded.id).is_some_and(|(number, _)| *number == yielded.number)
    }
}

async fn drive(
    id: String,
    number: u64,
    mut results: BoxStream<'static, Response>,
    next: NextAnswer,
    sender: mpsc::Sender<Yielded>,
) {
    while let Some(response) = results.next().await {
        let slot = next.take();
        let yielded = Yielded { id: id.clone(), number, response: Some(response), slot };
        if sender.send(yielded).await.is_err() {
            return;
        }
    }
    // The socket may be closed already.
    let _ = sender.send(Yielded { id, number, response: None, slot: None }).await;
}
