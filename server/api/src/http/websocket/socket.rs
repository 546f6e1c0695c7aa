//! One socket: passes messages between the client, the protocol's rules and the running operations.
//!
//! The loop waits for all events at once; handling an event does not wait: operations are tasks
//! ([`super::operations`]), and tokens are checked concurrently. A result is taken from an
//! operation only when all earlier messages are sent, and a client that reads too slowly is
//! disconnected.

use std::error::Error as _;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::operation::Operation;
use super::operations::{Event, Operations, Yielded};
use super::outgoing::Outgoing;
use super::protocol::{
    Closing, Protocol, SUBPROTOCOL, Step, complete_message, error_message, next_message,
};
use super::rights::{Rights, closing_of};
use crate::graphql::RawRequest;
use crate::http::node::Node;
use crate::http::request_id::RequestId;
use crate::http::respond::never_ran;
use crate::problem::log_fault;
use vultus_service::{Authenticated, ClientInfo};

/// Maximum time until `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of pings, which detect dead connections.
const PING: Duration = Duration::from_secs(30);
/// Time for a client to read the last messages of a closing socket.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A token with the result of its check.
type CheckedToken = (String, vultus_core::Result<Authenticated>);

/// What the request that opened a socket tells.
pub(super) struct Origin {
    pub(super) request_id: RequestId,
    pub(super) base_url: String,
    pub(super) client: ClientInfo,
    /// The token in the headers.
    pub(super) token: Option<String>,
}

pub(super) struct Socket {
    node: Node,
    origin: Origin,
    websocket: WebSocket,
    protocol: Protocol,
    /// The rights of the client, once its token is checked.
    rights: Option<Rights>,
    /// The running check of the token.
    token_check: Option<BoxFuture<'static, CheckedToken>>,
    operations: Operations,
    outgoing: Outgoing,
}

/// An event of the loop.
enum Woken {
    Stopping,
    InitTimeout,
    TooSlow,
    RightsChanged,
    TokenChecked(CheckedToken),
    Ping,
    Writable(Result<(), axum::Error>),
    Flushed(Result<(), axum::Error>),
    Incoming(Option<Result<Message, axum::Error>>),
    Yielded(Yielded),
}

/// Why the loop ends.
enum End {
    Close(Closing),
    Gone,
}

impl Socket {
    pub(super) fn new(node: Node, origin: Origin, websocket: WebSocket) -> Self {
        let limits = node.api.limits();
        let protocol = Protocol::new(limits.json_values, limits.json_depth);
        Self {
            node,
            origin,
            websocket,
            protocol,
            rights: None,
            token_check: None,
            operations: Operations::new(),
            outgoing: Outgoing::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let speaks_it = self
            .websocket
            .protocol()
            .is_some_and(|protocol| protocol.as_bytes() == SUBPROTOCOL.as_bytes());
        let end = if speaks_it { self.serve().await } else { End::Close(Closing::NO_SUBPROTOCOL) };
        // Running operations are dropped before the socket closes.
        self.operations.clear();
        if let End::Close(closing) = end {
            let frame = CloseFrame { code: closing.code, reason: closing.reason.into() };
            // The client may have disconnected already; then the close frame is lost.
            let _ = timeout(CLOSE_TIMEOUT, async {
                self.websocket.send(Message::Close(Some(frame))).await?;
                while let Some(Ok(_)) = self.websocket.next().await {}
                Ok::<(), axum::Error>(())
            })
            .await;
        }
    }

    async fn serve(&mut self) -> End {
        let init_deadline = Instant::now() + INIT_TIMEOUT;
        let mut ping = ticks(PING);
        loop {
            let woken = self.wait(init_deadline, &mut ping).await;
            if let Err(end) = self.handle(woken) {
                return end;
            }
        }
    }

    async fn wait(&mut self, init_deadline: Instant, ping: &mut Interval) -> Woken {
        let awaits_init = self.protocol.awaits_init();
        // Until its token is checked, a client may not send anything.
        let may_send = self.rights.is_some() || self.token_check.is_none();
        let listens = may_send && self.outgoing.has_room();
        let (may_yield, too_slow) = (self.outgoing.is_done(), self.outgoing.deadline());
        let Self { node, websocket, rights, token_check, operations, outgoing, .. } = self;
        // Reading and writing share one socket; each is polled only when needed.
        let mut io = poll_fn(|cx| {
            if outgoing.waits() {
                if let Poll::Ready(result) = websocket.poll_ready_unpin(cx) {
                    return Poll::Ready(Woken::Writable(result));
                }
            } else if outgoing.is_unflushed()
                && let Poll::Ready(result) = websocket.poll_flush_unpin(cx)
            {
                return Poll::Ready(Woken::Flushed(result));
            }
            if listens && let Poll::Ready(message) = websocket.poll_next_unpin(cx) {
                return Poll::Ready(Woken::Incoming(message));
            }
            Poll::Pending
        });
        tokio::select! {
            () = node.services.stopping().cancelled() => Woken::Stopping,
            () = sleep_until(init_deadline), if awaits_init => Woken::InitTimeout,
            () = until(too_slow) => Woken::TooSlow,
            () = changed(rights.as_ref()) => Woken::RightsChanged,
            checked = finished(token_check) => Woken::TokenChecked(checked),
            _ = ping.tick() => Woken::Ping,
            woken = &mut io => woken,
            yielded = operations.next(), if may_yield => Woken::Yielded(yielded),
        }
    }

    fn handle(&mut self, woken: Woken) -> Result<(), End> {
        match woken {
            Woken::Stopping => return Err(End::Close(Closing::GOING_AWAY)),
            Woken::InitTimeout => return Err(End::Close(Closing::INIT_TIMEOUT)),
            Woken::TooSlow => {
                tracing::info!(
                    request_id = self.origin.request_id.as_str(),
                    "websocket closed: the client reads too slowly"
                );
                return Err(End::Close(Closing::TOO_SLOW));
            }
            Woken::RightsChanged => return Err(End::Close(Closing::FORBIDDEN)),
            Woken::TokenChecked(checked) => self.token_checked(checked)?,
            Woken::Ping => {
                if self.outgoing.is_done() {
                    self.outgoing.push(Message::Ping(bytes::Bytes::new()), None);
                }
            }
            Woken::Writable(ready) => {
                ready.map_err(|_| End::Gone)?;
                if let Some(message) = self.outgoing.next() {
                    self.websocket.start_send_unpin(message).map_err(|_| End::Gone)?;
                }
            }
            Woken::Flushed(result) => {
                result.map_err(|_| End::Gone)?;
                self.outgoing.flushed();
            }
            Woken::Incoming(message) => self.incoming(message)?,
            Woken::Yielded(yielded) => self.yielded(yielded)?,
        }
        Ok(())
    }

    fn reply(&mut self, text: String) {
        self.outgoing.push(Message::Text(text.into()), None);
    }

    fn incoming(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(End::Close(Closing::UNSUPPORTED)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                // The library has put a pong into its buffer, which the next flush sends.
                self.outgoing.must_flush();
                return Ok(());
            }
            Some(Err(error)) if is_too_large(&error) => {
                return Err(End::Close(Closing::TOO_LARGE));
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
        };
        match self.protocol.receive(text.as_str(), self.origin.request_id.as_str()) {
            Step::Authenticate(token) => self.authenticate(token)?,
            Step::Start { id, request } => self.start(id, request)?,
            Step::Stop { id } => self.operations.stop(&id),
            Step::Reply(reply) => self.reply(reply),
            Step::Nothing => {}
            Step::Close(closing) => return Err(End::Close(closing)),
        }
        Ok(())
    }

    fn authenticate(&mut self, token: Option<String>) -> Result<(), End> {
        let Some(token) = token.or_else(|| self.origin.token.take()) else {
            return Err(End::Close(Closing::FORBIDDEN));
        };
        let services = self.node.services.clone();
        self.token_check = Some(Box::pin(async move {
            let result = services.authenticate(&token).await;
            (token, result)
        }));
        Ok(())
    }

    fn token_checked(&mut self, (token, result): CheckedToken) -> Result<(), End> {
        self.token_check = None;
        let services = &self.node.services;
        match result.and_then(|authenticated| services.open_websocket(&authenticated)) {
            Ok(socket) => {
                self.rights = Some(Rights::new(services.clone(), socket, token));
                let ack = self.protocol.acknowledge();
                self.reply(ack);
                Ok(())
            }
            Err(error) => {
                // The close frame cannot tell a fault of the server from a refused token.
                log_fault(&error, self.origin.request_id.as_str());
                Err(End::Close(closing_of(&error)))
            }
        }
    }

    /// Starts an operation. Its task prepares it, so that a large one does not delay the others of
    /// this socket, and keeps nothing of its message but the declared variables.
    fn start(&mut self, id: String, request: RawRequest) -> Result<(), End> {
        let Some(rights) = self.rights.clone() else {
            return Err(End::Close(Closing::UNAUTHORIZED));
        };
        let next = self.operations.next_answer();
        let operation = Operation {
            node: self.node.clone(),
            request_id: self.origin.request_id.clone(),
            base_url: self.origin.base_url.clone(),
            client: self.origin.client.clone(),
            principal: rights.principal().clone(),
            next: next.clone(),
        };
        self.operations.start(id, operation.results(request), next, rights);
        Ok(())
    }

    fn yielded(&mut self, yielded: Yielded) -> Result<(), End> {
        let Yielded { id, event, slot, .. } = yielded;
        if !self.protocol.is_running(&id) {
            return Ok(());
        }
        let message = match event {
            Event::Refused(closing) => return Err(End::Close(closing)),
            Event::Result(response) if never_ran(&response) => {
                self.protocol.ended(&id);
                self.operations.stop(&id);
                error_message(&id, &response.errors)
            }
            Event::Result(response) => {
                let limit = self.node.api.limits().answer.bytes;
                next_message(&id, &response, limit, self.origin.request_id.as_str())
            }
            Event::Ended => {
                self.protocol.ended(&id);
                self.operations.stop(&id);
                complete_message(&id)
            }
        };
        self.outgoing.push(Message::Text(message.into()), slot);
        Ok(())
    }
}

/// Waits until the rights change; without rights, never returns.
async fn changed(rights: Option<&Rights>) {
    match rights {
        Some(rights) => rights.changed().await,
        None => pending().await,
    }
}

/// Waits until `moment`; without one, never returns.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Waits for the running check of a token; without one, never returns.
async fn finished(token_check: &mut Option<BoxFuture<'static, CheckedToken>>) -> CheckedToken {
    match token_check {
        Some(check) => check.await,
        None => pending().await,
    }
}

/// Whether the message exceeds the limit.
fn is_too_large(error: &axum::Error) -> bool {
    let error = error.source().and_then(|error| error.downcast_ref::<tungstenite::Error>());
    matches!(error, Some(tungstenite::Error::Capacity(_)))
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
