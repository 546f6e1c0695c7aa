//! One socket: moves messages between the client, the protocol's rules and the running operations.
//!
//! A running operation is asked for its next result only when everything before has gone out. As
//! subscriptions are level-triggered, a slow client so gets the newest state when it reads on,
//! holds up nobody else, and fills no queue.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::time::Duration;

use async_graphql::{Response, Value};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::future::{AbortHandle, Abortable};
use futures::stream::{BoxStream, SelectAll};
use futures::{SinkExt, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use vultus_core::{Error, Principal};

use super::protocol::{
    Closing, Protocol, SUBPROTOCOL, Step, complete_message, error_message, next_message,
};
use crate::graphql::context::{Auth, RequestContext};
use crate::graphql::error::{error_response, publish};
use crate::http::request::GraphQlRequest;
use crate::http::request_id::RequestId;
use crate::http::{Node, credentials};

/// `connection_init` must come within this time.
const INIT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is looked whether the token is still good: a socket outlives it by less than 5 s.
const RECHECK: Duration = Duration::from_secs(4);
/// How often a ping goes out, so that dead connections are found.
const PING: Duration = Duration::from_secs(30);
/// A closing client has this long to take what is left.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Replies that may wait; until they are gone, the client is not listened to.
const MAX_WAITING: usize = 64;

/// What a running operation yields: its results, then that it is over.
struct Yielded {
    id: String,
    response: Option<Response>,
}

pub(super) struct Socket {
    node: Node,
    request_id: RequestId,
    base_url: String,
    header_token: Option<String>,
    websocket: WebSocket,
    protocol: Protocol,
    /// Whose token it is, and the token, to be judged again from time to time.
    authenticated: Option<(Principal, String)>,
    operations: SelectAll<Abortable<BoxStream<'static, Yielded>>>,
    aborts: HashMap<String, AbortHandle>,
    waiting: VecDeque<Message>,
    unflushed: bool,
}

/// What the loop woke for.
enum Woken {
    Stopping,
    InitTimeout,
    Recheck,
    Ping,
    Writable(Result<(), axum::Error>),
    Flushed(Result<(), axum::Error>),
    Incoming(Option<Result<Message, axum::Error>>),
    Yielded(Option<Yielded>),
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
            operations: SelectAll::new(),
            aborts: HashMap::new(),
            waiting: VecDeque::new(),
            unflushed: false,
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
            match self.handle(woken).await {
                Ok(()) => {}
                Err(end) => return end,
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
        let nothing_waits = self.waiting.is_empty();
        let Self { node, websocket, operations, waiting, unflushed, .. } = self;
        // Reading and writing are two halves of one socket; each is polled for its own wish only.
        let mut io = poll_fn(|cx| {
            if !waiting.is_empty() {
                if let std::task::Poll::Ready(result) = websocket.poll_ready_unpin(cx) {
                    return std::task::Poll::Ready(Woken::Writable(result));
                }
            } else if *unflushed
                && let std::task::Poll::Ready(result) = websocket.poll_flush_unpin(cx)
            {
                return std::task::Poll::Ready(Woken::Flushed(result));
            }
            if waiting.len() < MAX_WAITING
                && let std::task::Poll::Ready(message) = websocket.poll_next_unpin(cx)
            {
                return std::task::Poll::Ready(Woken::Incoming(message));
            }
            std::task::Poll::Pending
        });
        let may_yield = nothing_waits && !*unflushed && !operations.is_empty();
        tokio::select! {
            () = node.services.stopping().cancelled() => Woken::Stopping,
            () = sleep_until(init_deadline), if awaits_init => Woken::InitTimeout,
            _ = recheck.tick() => Woken::Recheck,
            _ = ping.tick() => Woken::Ping,
            woken = &mut io => woken,
            yielded = operations.next(), if may_yield => Woken::Yielded(yielded),
        }
    }

    async fn handle(&mut self, woken: Woken) -> Result<(), End> {
        match woken {
            Woken::Stopping => return Err(End::Close(Closing::GOING_AWAY)),
            Woken::InitTimeout => return Err(End::Close(Closing::INIT_TIMEOUT)),
            Woken::Recheck => self.recheck().await?,
            Woken::Ping => {
                if self.waiting.is_empty() && !self.unflushed {
                    self.waiting.push_back(Message::Ping(bytes::Bytes::new()));
                }
            }
            Woken::Writable(ready) => {
                ready.map_err(|_| End::Gone)?;
                if let Some(message) = self.waiting.pop_front() {
                    self.websocket.start_send_unpin(message).map_err(|_| End::Gone)?;
                    self.unflushed = true;
                }
            }
            Woken::Flushed(result) => {
                result.map_err(|_| End::Gone)?;
                self.unflushed = false;
            }
            Woken::Incoming(message) => self.incoming(message).await?,
            Woken::Yielded(Some(yielded)) => self.yielded(yielded),
            Woken::Yielded(None) => {}
        }
        Ok(())
    }

    async fn incoming(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(End::Close(Closing::UNSUPPORTED)),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                // The library has put a pong into its buffer, which goes out with the next flush.
                self.unflushed = true;
                return Ok(());
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
        };
        match self.protocol.receive(text.as_str(), self.request_id.as_str()) {
            Step::Authenticate(payload) => self.authenticate(payload).await?,
            Step::Start { id, request } => self.start(id, request),
            Step::Stop { id } => self.stop(&id),
            Step::Reply(reply) => self.waiting.push_back(Message::Text(reply.into())),
            Step::Nothing => {}
            Step::Close(closing) => return Err(End::Close(closing)),
        }
        Ok(())
    }

    async fn authenticate(&mut self, payload: Option<serde_json::Value>) -> Result<(), End> {
        let token =
            credentials::token_in_payload(payload.as_ref()).or_else(|| self.header_token.take());
        let Some(token) = token else { return Err(End::Close(Closing::FORBIDDEN)) };
        match self.node.services.authenticate(&token).await {
            Ok(authenticated) => {
                self.authenticated = Some((authenticated.principal, token));
                let ack = self.protocol.acknowledge();
                self.waiting.push_back(Message::Text(ack.into()));
                Ok(())
            }
            Err(error) => {
                note_fault(&error, &self.request_id);
                Err(End::Close(Closing::FORBIDDEN))
            }
        }
    }

    /// Closes the socket when its token has expired or its session was revoked.
    async fn recheck(&mut self) -> Result<(), End> {
        let Some((_, token)) = &self.authenticated else { return Ok(()) };
        match self.node.services.authenticate(token).await {
            Ok(_) => Ok(()),
            Err(error) => {
                note_fault(&error, &self.request_id);
                Err(End::Close(Closing::FORBIDDEN))
            }
        }
    }

    fn start(&mut self, id: String, request: GraphQlRequest) {
        let results = self.results(&request);
        let (handle, registration) = AbortHandle::new_pair();
        let (of_results, of_end) = (id.clone(), id.clone());
        let stream = results
            .map(move |response| Yielded { id: of_results.clone(), response: Some(response) })
            .chain(futures::stream::once(async move { Yielded { id: of_end, response: None } }))
            .boxed();
        self.aborts.insert(id, handle);
        self.operations.push(Abortable::new(stream, registration));
    }

    fn results(&self, request: &GraphQlRequest) -> BoxStream<'static, Response> {
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
                );
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

    fn stop(&mut self, id: &str) {
        if let Some(handle) = self.aborts.remove(id) {
            handle.abort();
        }
    }

    fn yielded(&mut self, yielded: Yielded) {
        let Yielded { id, response } = yielded;
        if !self.protocol.is_running(&id) {
            return;
        }
        let message = match response {
            Some(response) if was_not_executed(&response) => {
                self.protocol.ended(&id);
                self.stop(&id);
                error_message(&id, &response.errors)
            }
            Some(response) => {
                let limit = self.node.api.limits().answer.bytes;
                next_message(&id, &response, limit, self.request_id.as_str())
            }
            None => {
                self.protocol.ended(&id);
                self.aborts.remove(&id);
                complete_message(&id)
            }
        };
        self.waiting.push_back(Message::Text(message.into()));
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
