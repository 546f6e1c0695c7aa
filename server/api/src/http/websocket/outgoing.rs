//! The outgoing messages of one socket, and the deadline for its client to read them.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::Message;
use tokio::time::Instant;

use vultus_service::AnswerSlot;

/// Maximum number of waiting replies; at this number the socket stops reading from its client.
const MAX_WAITING: usize = 64;
/// Base time for a client to read its messages. After this time, and that by
/// [`SEND_BYTES_PER_SECOND`], it is disconnected.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum rate in bytes per second: long messages extend the time.
const SEND_BYTES_PER_SECOND: u64 = 64 << 10;

/// The waiting messages, and those that the connection has taken but not sent.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<(Message, Option<AnswerSlot>)>,
    unflushed: Option<Unflushed>,
}

/// Messages that the connection has taken but not sent.
struct Unflushed {
    since: Instant,
    bytes: u64,
    /// Released when all messages are sent.
    slots: Vec<AnswerSlot>,
}

impl Outgoing {
    /// Adds a message, with the slot of its answer.
    pub(super) fn push(&mut self, message: Message, slot: Option<AnswerSlot>) {
        self.waiting.push_back((message, slot));
    }

    /// Whether a message waits for the connection to take it.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the connection has unsent messages.
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed.is_some()
    }

    /// Whether all messages are sent.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.unflushed.is_none()
    }

    /// Whether there is room for one more reply.
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

    /// Notes that the library has put a message into the connection's buffer.
    pub(super) fn must_flush(&mut self) {
        self.unflushed();
    }

    fn unflushed(&mut self) -> &mut Unflushed {
        let nothing = || Unflushed { since: Instant::now(), bytes: 0, slots: Vec::new() };
        self.unflushed.get_or_insert_with(nothing)
    }

    /// Notes that the connection has sent all messages that it has taken.
    pub(super) fn flushed(&mut self) {
        self.unflushed = None;
    }

    /// The time at which the client counts as too slow.
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
    fn the_time_to_read_grows_with_the_bytes() {
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
