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

use super::protocol::Closing;
use super::rights::Rights;
use vultus_service::{AnswerSlot, AnswerSlots, NextAnswer};

/// Maximum number of subscription states that a socket may have in memory.
const ANSWERS: usize = 4;

/// What a running operation comes to.
pub(super) enum Event {
    /// A result.
    Result(Box<Response>),
    /// It has ended.
    Ended,
    /// It may not begin, or its result may not be sent: close the socket.
    Refused(Closing),
}

/// An event of a running operation.
pub(super) struct Yielded {
    pub(super) id: String,
    /// Distinguishes successive operations with the same id.
    number: u64,
    pub(super) event: Event,
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

    /// Starts an operation. `next` is the bound that its results were created with, and `rights`
    /// those that it needs.
    pub(super) fn start(
        &mut self,
        id: String,
        results: BoxStream<'static, Response>,
        next: NextAnswer,
        rights: Rights,
    ) {
        self.started += 1;
        let operation = Operation { id: id.clone(), number: self.started, rights, next };
        let task = operation.drive(results, self.sender.clone());
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

/// A running operation.
struct Operation {
    id: String,
    number: u64,
    rights: Rights,
    next: NextAnswer,
}

impl Operation {
    async fn drive(self, mut results: BoxStream<'static, Response>, sender: mpsc::Sender<Yielded>) {
        loop {
            // Before the operation begins, and again before each result is sent.
            if let Err(closing) = self.rights.check().await {
                // The socket may be closed already.
                let _ = sender.send(self.yielded(Event::Refused(closing), None)).await;
                return;
            }
            let Some(response) = results.next().await else { break };
            if let Err(closing) = self.rights.check().await {
                let _ = sender.send(self.yielded(Event::Refused(closing), None)).await;
                return;
            }
            let slot = self.next.take();
            let result = self.yielded(Event::Result(Box::new(response)), slot);
            if sender.send(result).await.is_err() {
                return;
            }
        }
        let _ = sender.send(self.yielded(Event::Ended, None)).await;
    }

    fn yielded(&self, event: Event, slot: Option<AnswerSlot>) -> Yielded {
        Yielded { id: self.id.clone(), number: self.number, event, slot }
    }
}
