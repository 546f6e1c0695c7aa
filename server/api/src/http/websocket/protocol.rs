//! The rules of graphql-transport-ws as a state machine: text in, one step out. No sockets, no
//! schema, no clock.
//!
//! <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>

use std::borrow::Cow;
use std::collections::HashSet;

use async_graphql::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use vultus_core::Error;
use vultus_core::json::check_size;

use crate::graphql::RawRequest;
use crate::graphql::answer::to_json;
use crate::graphql::error::{error_response, publish};
use crate::http::{credentials, request};

/// Name of the subprotocol.
pub(super) const SUBPROTOCOL: &str = "graphql-transport-ws";
/// Maximum number of running operations of one socket.
pub(super) const MAX_OPERATIONS: usize = 100;
/// Maximum size of a ping's payload that its pong repeats, in bytes of JSON. A pong stays in memory
/// while its client does not read.
const MAX_PONG_BYTES: usize = 1_000;
/// Maximum length of an operation's id, in bytes.
const MAX_ID_BYTES: usize = 128;

/// A close code of the protocol with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Closing {
    /// Close code.
    pub(super) code: u16,
    /// One sentence, at most 123 bytes.
    pub(super) reason: &'static str,
}

impl Closing {
    /// The server is shutting down.
    pub(super) const GOING_AWAY: Self = Self { code: 1001, reason: "Going away" };
    /// A binary frame.
    pub(super) const UNSUPPORTED: Self =
        Self { code: 1003, reason: "Only text messages are supported" };
    /// The client reads too slowly.
    pub(super) const TOO_SLOW: Self = Self { code: 1008, reason: "The client reads too slowly" };
    /// The message is larger than the limit.
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: "The message is too large" };
    /// The token cannot be checked at present.
    pub(super) const TRY_AGAIN: Self = Self { code: 1013, reason: "Try again later" };
    /// The message is malformed.
    pub(super) const BAD_MESSAGE: Self = Self { code: 4400, reason: "Invalid message" };
    /// An operation before the connection was acknowledged.
    pub(super) const UNAUTHORIZED: Self = Self { code: 4401, reason: "Unauthorized" };
    /// The token is missing, invalid or expired.
    pub(super) const FORBIDDEN: Self = Self { code: 4403, reason: "Forbidden" };
    /// The client does not speak the subprotocol.
    pub(super) const NO_SUBPROTOCOL: Self =
        Self { code: 4406, reason: "Subprotocol not acceptable" };
    /// A fault of the server.
    pub(super) const INTERNAL: Self = Self { code: 4500, reason: "Internal server error" };
    /// No `connection_init` in time.
    pub(super) const INIT_TIMEOUT: Self =
        Self { code: 4408, reason: "Connection initialisation timeout" };
    /// The id of an operation that still runs.
    pub(super) const DUPLICATE_ID: Self =
        Self { code: 4409, reason: "Subscriber for this id already exists" };
    /// A second `connection_init`.
    pub(super) const SECOND_INIT: Self =
        Self { code: 4429, reason: "Too many initialisation requests" };
}

/// A message of a client. The payload stays text until its type is known: it is parsed once, and
/// what is not needed of it is never kept.
#[derive(Debug, Deserialize)]
struct ClientMessage<'m> {
    #[serde(borrow)]
    r#type: Cow<'m, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default, borrow)]
    payload: Option<&'m RawValue>,
}

/// The action that a message requires.
#[derive(Debug)]
pub(super) enum Step {
    /// Check the token, which the payload of `connection_init` may hold; then
    /// [`Protocol::acknowledge`], or close.
    Authenticate(Option<String>),
    /// Start an operation; when it ends, [`Protocol::ended`].
    Start { id: String, request: RawRequest },
    /// Stop an operation that the client has completed.
    Stop { id: String },
    /// Send this.
    Reply(String),
    /// Nothing.
    Nothing,
    /// Close the socket.
    Close(Closing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Initialising,
    Acknowledged,
}

/// State of one socket.
#[derive(Debug)]
pub(super) struct Protocol {
    phase: Phase,
    running: HashSet<String>,
    max_values: usize,
    max_depth: usize,
}

impl Protocol {
    /// Creates the state of a new socket. Messages may have at most `max_values` JSON values,
    /// nested at most `max_depth` deep.
    pub(super) fn new(max_values: usize, max_depth: usize) -> Self {
        Self { phase: Phase::Fresh, running: HashSet::new(), max_values, max_depth }
    }

    /// Whether `connection_init` is still awaited.
    pub(super) fn awaits_init(&self) -> bool {
        self.phase == Phase::Fresh
    }

    /// Handles one text message. `request_id` is for errors of the protocol itself.
    pub(super) fn receive(&mut self, text: &str, request_id: &str) -> Step {
        if check_size(text.as_bytes(), self.max_values, self.max_depth).is_err() {
            return Step::Close(Closing::BAD_MESSAGE);
        }
        let Ok(message) = serde_json::from_str::<ClientMessage<'_>>(text) else {
            return Step::Close(Closing::BAD_MESSAGE);
        };
        let ClientMessage { r#type, id, payload } = message;
        match (r#type.as_ref(), id, payload) {
            ("connection_init", _, Some(payload)) if !is_object_or_null(payload) => {
                Step::Close(Closing::BAD_MESSAGE)
            }
            ("connection_init", _, payload) => match self.phase {
                Phase::Fresh => {
                    self.phase = Phase::Initialising;
                    Step::Authenticate(credentials::token_in_payload(payload))
                }
                Phase::Initialising | Phase::Acknowledged => Step::Close(Closing::SECOND_INIT),
            },
            ("ping", _, payload) => Step::Reply(pong(payload)),
            ("pong", ..) => Step::Nothing,
            ("subscribe", Some(id), Some(payload)) => {
                match request::parse_checked(payload.get().as_bytes()) {
                    Ok(request) => self.subscribe(id, request, request_id),
                    Err(_) => Step::Close(Closing::BAD_MESSAGE),
                }
            }
            ("complete", Some(id), _) => {
                if self.running.remove(&id) {
                    Step::Stop { id }
                } else {
                    Step::Nothing
                }
            }
            _ => Step::Close(Closing::BAD_MESSAGE),
        }
    }

    fn subscribe(&mut self, id: String, request: RawRequest, request_id: &str) -> Step {
        match self.phase {
            Phase::Fresh | Phase::Initialising => return Step::Close(Closing::UNAUTHORIZED),
            Phase::Acknowledged => {}
        }
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Step::Close(Closing::BAD_MESSAGE);
        }
        if self.running.contains(&id) {
            return Step::Close(Closing::DUPLICATE_ID);
        }
        if self.running.len() >= MAX_OPERATIONS {
            let error = Error::LimitExceeded {
                argument: None,
                message: format!(
                    "this socket has {MAX_OPERATIONS} running operations, which is the limit"
                ),
                reason: Some("TOO_MANY_SUBSCRIPTIONS".to_owned()),
            };
            let wire = publish(&error, request_id);
            return Step::Reply(error_message(
                &id,
                &json!([{"message": wire.message, "extensions": wire.extensions}]),
            ));
        }
        self.running.insert(id.clone());
        Step::Start { id, request }
    }

    /// The token is valid: returns the message to send.
    pub(super) fn acknowledge(&mut self) -> String {
        self.phase = Phase::Acknowledged;
        json!({"type": "connection_ack"}).to_string()
    }

    /// Removes an operation that has ended; returns whether the client still waits for it.
    pub(super) fn ended(&mut self, id: &str) -> bool {
        self.running.remove(id)
    }

    /// Whether the operation is running, so that its results are sent.
    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.contains(id)
    }
}

fn is_object_or_null(payload: &RawValue) -> bool {
    payload.get().starts_with('{') || payload.get() == "null"
}

fn pong(payload: Option<&RawValue>) -> String {
    match payload.filter(|payload| payload.get().len() <= MAX_PONG_BYTES) {
        Some(payload) => json!({"type": "pong", "payload": payload}).to_string(),
        None => json!({"type": "pong"}).to_string(),
    }
}

/// A message that carries a result.
#[derive(Serialize)]
struct Next<'m> {
    r#type: &'static str,
    id: &'m str,
    payload: &'m Response,
}

/// The message with a result of an operation, or with an error if it exceeds `limit` bytes.
pub(super) fn next_message(id: &str, payload: &Response, limit: usize, request_id: &str) -> String {
    let written = |payload: &Response, limit: usize| {
        let text = to_json(&Next { r#type: "next", id, payload }, limit)?;
        String::from_utf8(text).map_err(|error| Error::internal("writing a message", error))
    };
    written(payload, limit).unwrap_or_else(|error| {
        // A single error, far below any limit.
        written(&error_response(&error, request_id), usize::MAX).unwrap_or_default()
    })
}

/// The message that an operation was refused. No other message follows for this id.
pub(super) fn error_message(id: &str, errors: &impl serde::Serialize) -> String {
    json!({"type": "error", "id": id, "payload": errors}).to_string()
}

/// The message that an operation has ended.
pub(super) fn complete_message(id: &str) -> String {
    json!({"type": "complete", "id": id}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &str = r#"{"type":"connection_init","payload":{"Authorization":"Bearer t"}}"#;

    fn subscribe(id: &str) -> String {
        json!({"type": "subscribe", "id": id, "payload": {"query": "subscription { a }"}})
            .to_string()
    }

    fn acknowledged() -> Protocol {
        let mut protocol = Protocol::new(1_000, 10);
        let step = protocol.receive(INIT, "r");
        assert!(matches!(step, Step::Authenticate(Some(token)) if token == "t"));
        assert!(protocol.acknowledge().contains("connection_ack"));
        protocol
    }

    fn close_code(step: &Step) -> Option<u16> {
        match step {
            Step::Close(closing) => Some(closing.code),
            _ => None,
        }
    }

    #[test]
    fn an_operation_before_the_acknowledgement_closes_with_4401() {
        let mut protocol = Protocol::new(1_000, 10);
        assert_eq!(close_code(&protocol.receive(&subscribe("1"), "r")), Some(4401));
        let mut protocol = Protocol::new(1_000, 10);
        protocol.receive(INIT, "r");
        assert_eq!(close_code(&protocol.receive(&subscribe("1"), "r")), Some(4401));
    }

    #[test]
    fn a_second_init_closes_with_4429() {
        assert_eq!(close_code(&acknowledged().receive(INIT, "r")), Some(4429));
    }

    #[test]
    fn a_running_id_closes_with_4409_and_is_free_after_its_end() {
        let mut protocol = acknowledged();
        assert!(matches!(protocol.receive(&subscribe("1"), "r"), Step::Start { .. }));
        assert_eq!(close_code(&protocol.receive(&subscribe("1"), "r")), Some(4409));
        assert!(protocol.ended("1"));
        assert!(matches!(protocol.receive(&subscribe("1"), "r"), Step::Start { .. }));
        assert!(matches!(
            protocol.receive(r#"{"type":"complete","id":"1"}"#, "r"),
            Step::Stop { .. }
        ));
        assert!(matches!(protocol.receive(&subscribe("1"), "r"), Step::Start { .. }));
    }

    #[test]
    fn a_malformed_message_closes_with_4400() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"type":"connect"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
        ] {
            assert_eq!(close_code(&acknowledged().receive(text, "r")), Some(4400), "{text}");
        }
    }

    #[test]
    fn a_pong_repeats_the_payload_before_and_after_init() {
        let ping = r#"{"type":"ping","payload":{"n":1}}"#;
        for mut protocol in [Protocol::new(1_000, 10), acknowledged()] {
            let Step::Reply(reply) = protocol.receive(ping, "r") else { panic!("no reply") };
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&reply).unwrap(),
                json!({"type": "pong", "payload": {"n": 1}})
            );
        }
    }

    #[test]
    fn an_operation_over_the_limit_gets_an_error() {
        let mut protocol = acknowledged();
        for n in 0..MAX_OPERATIONS {
            assert!(matches!(
                protocol.receive(&subscribe(&n.to_string()), "r"),
                Step::Start { .. }
            ));
        }
        let Step::Reply(reply) = protocol.receive(&subscribe("more"), "r") else {
            panic!("no reply")
        };
        assert!(reply.contains("LIMIT_EXCEEDED") && reply.contains(r#""type":"error""#), "{reply}");
        assert!(!protocol.is_running("more"));
    }

    #[test]
    fn completing_an_unknown_id_is_ignored() {
        assert!(matches!(
            acknowledged().receive(r#"{"type":"complete","id":"9"}"#, "r"),
            Step::Nothing
        ));
    }

    #[test]
    fn a_message_with_too_many_values_closes_with_4400() {
        let values = vec!["1"; 1_000].join(",");
        let text = format!(r#"{{"type":"connection_init","payload":{{"a":[{values}]}}}}"#);
        assert_eq!(close_code(&Protocol::new(1_000, 10).receive(&text, "r")), Some(4400));
    }

    #[test]
    fn a_long_payload_of_a_ping_is_not_repeated() {
        let ping = json!({"type": "ping", "payload": {"n": "1".repeat(1_000)}}).to_string();
        let Step::Reply(reply) = acknowledged().receive(&ping, "r") else { panic!("no reply") };
        assert_eq!(reply, r#"{"type":"pong"}"#);
    }

    #[test]
    fn a_result_over_the_limit_becomes_an_error() {
        let response = Response::new("x".repeat(1_000));
        assert!(next_message("1", &response, 2_000, "r").contains("xxx"));
        let message = next_message("1", &response, 1_000, "r");
        assert!(message.contains("ANSWER_TOO_LARGE") && !message.contains("xxx"), "{message}");
    }
}
