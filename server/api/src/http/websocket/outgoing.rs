//! What one socket has to send, and when its client has proved to read too slowly.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::Message;
use tokio::time::Instant;

use vultus_service::AnswerSlot;

/// Replies that may wait; until they are gone, the client is not listened to.
const MAX_WAITING: usize = 64;
/// A client is disconnected if it has not read what is sent to it after this time...
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// ...and the time that it takes at this rate.
const SEND_BYTES_PER_SECOND: u64 = 64 << 10;

/// The messages that wait, and what the connection has taken of those before.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<(Message, Option<AnswerSlot>)>,
    unflushed: Option<Unflushed>,
}

/// What was given to the connection and has not gone out.
struct Unflushed {
    since: Instant,
    bytes: u64,
    /// Given back once all has gone out.
    slots: Vec<AnswerSlot>,
}

impl Outgoing {
    /// Adds a message, with the slot of the answer in it.
    pub(super) fn push(&mut self, message: Message, slot: Option<AnswerSlot>) {
        self.waiting.push_back((message, slot));
    }

    /// Whether a message waits for the connection to take it.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the connection has not sent all that it has taken.
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed.is_some()
    }

    /// Whether everything has gone out.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.unflushed.is_none()
    }

    /// Whether there is room for the reply to one more message of the client.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// The next message, for the connection to take.
    pub(super) fn next(&mut self) -> Option<Message> {
        let (message, slot) = self.waiting.pop_front()?;
        let unflushed = self.unflushed();
        if let Message::Text(text) = &message {
            unflushed.bytes += text.as_str().len() as u64;
        }
        unflushed.slots.extend(slot);
        Some(message)
    }

    /// The connection has put an answer of its own into its buffer.
    pub(super) fn must_flush(&mut self) {
        self.unflushed();
    }

    fn unflushed(&mut self) -> &mut Unflushed {
        let nothing = || Unflushed { since: Instant::now(), bytes: 0, slots: Vec::new() };
        self.unflushed.get_or_insert_with(nothing)
    }

    /// All that the connection has taken has gone out.
    pub(super) fn flushed(&mut self) {
        self.unflushed = None;
    }

    /// When the client has proved to be too slow.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let Unflushed { since, bytes, .. } = self.unflushed.as_ref()?;
        let at_that_rate = bytes.saturating_mul(1000) / SEND_BYTES_PER_SECOND;
        Some(*since + SEND_TIMEOUT + Duration::from_millis(at_that_rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_read_grows_with_the_bytes_and_ends_once_sent() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.deadline(), None);
        let before = Instant::now();
        outgoing.push(Message::Text("x".repeat(128 << 10).into()), None);
        assert_eq!(outgoing.deadline(), None, "the connection has not taken it");
        outgoing.next().unwrap();
        assert!(outgoing.deadline().unwrap() >= before + SEND_TIMEOUT + Duration::from_secs(2));
        outgoing.flushed();
        assert!(outgoing.is_done() && outgoing.deadline().is_none());
    }
}
