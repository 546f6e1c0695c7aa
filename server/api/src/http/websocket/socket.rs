//! One socket: moves messages between the client, the protocol's rules and the running operations.
//!
//! The loop waits for everything at once and awaits nothing by itself: operations are tasks
//! ([`super::operations`]), and tokens are judged beside them. A result is taken from an operation
//! only when everything before has gone out, and a client that reads too slowly is disconnected.

use std::future::{pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use async_graphql::{Response, Value};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use vultus_core::{Error, Principal};

use super::operations::{Operations, Yielded};
use super::outgoing::Outgoing;
use super::protocol::{
    Closing, Protocol, SUBPROTOCOL, Step, complete_message, error_message, next_message,
};
use crate::graphql::context::{Auth, RequestContext};
use crate::graphql::error::{error_response, publish};
use crate::http::request::GraphQlRequest;
use crate::http::request_id::RequestId;
use crate::http::{Node, credentials};
use vultus_service::{Authenticated, NextAnswer};

/// `connection_init` must come within this time.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether the token is still good: a socket outlives it by less than 5 s.
const RECHECK: Duration = Duration::from_secs(4);
/// How often a ping goes out, so that dead connections are found.
const PING: Duration = Duration::from_secs(30);
/// A closing client has this long to take what is left.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// So many times in a row a token may not be judged because the store does not answer.
const MAX_UNJUDGED: u32 = 3;

/// A token with what was found about it.
type Judged = (String, vultus_core::Result<Authenticated>);

pub(super) struct Socket {
    node: Node,
    request_id: RequestId,
    base_url: String,
    header_token: Option<String>,
    websocket: WebSocket,
    protocol: Protocol,
    /// Whose token it is, and the token, to be judged again from time to time.
    authenticated: Option<(Principal, String)>,
    /// A token that is being judged.
    judging: Option<BoxFuture<'static, Judged>>,
    unjudged: u32,
    operations: Operations,
    outgoing: Outgoing,
}

/// What the loop woke for.
enum Woken {
    Stopping,
    InitTimeout,
    TooSlow,
    Recheck,
    Judged(Judged),
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
    pub(super) fn new(
        node: Node,
        request_id: RequestId,
        base_url: String,
        token: Option<String>,
        websocket: WebSocket,
    ) -> Self {
        let protocol = Protocol::new(node.api.limits().json_values);
        Self {
            node,
            request_id,
            base_url,
            header_token: token,
            websocket,
            protocol,
            authenticated: None,
            judging: None,
            unjudged: 0,
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
        // Whatever still runs is dropped before the socket closes.
        self.operations.clear();
        if let End::Close(closing) = end {
            let frame = CloseFrame { code: closing.code, reason: closing.reason.into() };
            // The client may be gone already: there is nobody to tell then.
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
        let mut recheck = ticks(RECHECK);
        let mut ping = ticks(PING);
        loop {
            let woken = self.wait(init_deadline, &mut recheck, &mut ping).await;
            if let Err(end) = self.handle(woken) {
                return end;
            }
        }
    }

    async fn wait(
        &mut self,
        init_deadline: Instant,
        recheck: &mut Interval,
        ping: &mut Interval,
    ) -> Woken {
        let awaits_init = self.protocol.awaits_init();
        // Before its token is judged, a client has nothing to say.
        let is_judged = self.authenticated.is_some() || self.judging.is_none();
        let listens = is_judged && self.outgoing.has_room();
        let (may_yield, too_slow) = (self.outgoing.is_done(), self.outgoing.deadline());
        let Self { node, websocket, judging, operations, outgoing, .. } = self;
        // Reading and writing are two halves of one socket; each is polled for its own wish only.
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
            _ = recheck.tick() => Woken::Recheck,
            judged = judged(judging) => Woken::Judged(judged),
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
                    request_id = self.request_id.as_str(),
                    "a websocket is closed: its client reads too slowly"
                );
                return Err(End::Close(Closing::TOO_SLOW));
            }
            Woken::Recheck => self.recheck(),
            Woken::Judged(judged) => self.judged(judged)?,
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
            Woken::Yielded(yielded) => self.yielded(yielded),
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
                // The library has put a pong into its buffer, which goes out with the next flush.
                self.outgoing.must_flush();
                return Ok(());
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
        };
        match self.protocol.receive(text.as_str(), self.request_id.as_str()) {
            Step::Authenticate(payload) => self.authenticate(payload)?,
            Step::Start { id, request } => self.start(id, request),
            Step::Stop { id } => self.operations.stop(&id),
            Step::Reply(reply) => self.reply(reply),
            Step::Nothing => {}
            Step::Close(closing) => return Err(End::Close(closing)),
        }
        Ok(())
    }

    fn authenticate(&mut self, payload: Option<serde_json::Value>) -> Result<(), End> {
        let token =
            credentials::token_in_payload(payload.as_ref()).or_else(|| self.header_token.take());
        let Some(token) = token else { return Err(End::Close(Closing::FORBIDDEN)) };
        self.judge(token);
        Ok(())
    }

    /// Looks again whether the token has expired or its session was revoked.
    fn recheck(&mut self) {
        if let Some((_, token)) = &self.authenticated
            && self.judging.is_none()
        {
            self.judge(token.clone());
        }
    }

    fn judge(&mut self, token: String) {
        let services = self.node.services.clone();
        self.judging = Some(Box::pin(async move {
            let judged = services.authenticate(&token).await;
            (token, judged)
        }));
    }

    fn judged(&mut self, (token, judged): Judged) -> Result<(), End> {
        self.judging = None;
        let is_first = self.authenticated.is_none();
        match judged {
            Ok(authenticated) => {
                self.unjudged = 0;
                if is_first {
                    self.authenticated = Some((authenticated.principal, token));
                    let ack = self.protocol.acknowledge();
                    self.reply(ack);
                }
                Ok(())
            }
            // Nothing can be read from that store either: the socket may live until it answers.
            Err(Error::Unavailable { .. }) if !is_first && self.unjudged < MAX_UNJUDGED => {
                self.unjudged += 1;
                Ok(())
            }
            Err(Error::Unavailable { .. }) => Err(End::Close(Closing::TRY_AGAIN)),
            Err(error) => {
                note_fault(&error, &self.request_id);
                Err(End::Close(Closing::FORBIDDEN))
            }
        }
    }

    fn start(&mut self, id: String, request: GraphQlRequest) {
        let next = self.operations.next_answer();
        let results = self.results(&request, next.clone());
        self.operations.start(id, results, next);
    }

    fn results(&self, request: &GraphQlRequest, next: NextAnswer) -> BoxStream<'static, Response> {
        let request_id = self.request_id.as_str();
        let name = request.operation_name.as_deref();
        match self.node.api.check(&request.query, name, request.variables.as_ref()) {
            Ok(checked) => {
                let auth = match &self.authenticated {
                    Some((principal, _)) => Auth::Valid(*principal),
                    None => Auth::Absent,
                };
                let context = RequestContext::new(
                    self.node.services.clone(),
                    auth,
                    request_id.to_owned(),
                    self.base_url.clone(),
                )
                .with_next_answer(next);
                let name = request.operation_name.clone();
                self.node.api.stream(
                    checked,
                    request.query.clone(),
                    name,
                    request.library_variables(),
                    context,
                )
            }
            Err(error) => {
                let response = error_response(&error, request_id);
                futures::stream::once(async move { response }).boxed()
            }
        }
    }

    fn yielded(&mut self, yielded: Yielded) {
        let Yielded { id, response, slot, .. } = yielded;
        if !self.protocol.is_running(&id) {
            return;
        }
        let message = match response {
            Some(response) if was_not_executed(&response) => {
                self.protocol.ended(&id);
                self.operations.stop(&id);
                error_message(&id, &response.errors)
            }
            Some(response) => {
                let limit = self.node.api.limits().answer.bytes;
                next_message(&id, &response, limit, self.request_id.as_str())
            }
            None => {
                self.protocol.ended(&id);
                self.operations.stop(&id);
                complete_message(&id)
            }
        };
        self.outgoing.push(Message::Text(message.into()), slot);
    }
}

/// Waits for a moment, or without end where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// Waits for the judgement of a token, or without end where none is being judged.
async fn judged(judging: &mut Option<BoxFuture<'static, Judged>>) -> Judged {
    match judging {
        Some(judging) => judging.await,
        None => pending().await,
    }
}

/// The request itself was refused: by a limit, the syntax or the schema. Errors of resolvers have a
/// path.
fn was_not_executed(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// A refusal of the token is the client's matter; anything else is logged, since the close frame
/// cannot tell it.
fn note_fault(error: &Error, request_id: &RequestId) {
    match error {
        Error::Internal { .. } => drop(publish(error, request_id.as_str())),
        Error::Unauthenticated(_)
        | Error::Forbidden(_)
        | Error::NotFound { .. }
        | Error::InvalidInput { .. }
        | Error::Conflict { .. }
        | Error::LimitExceeded { .. }
        | Error::Unavailable { .. } => {}
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
