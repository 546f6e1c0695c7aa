//! Results as server-sent events, for clients whose network lets no websocket through: one
//! operation for each connection.
//!
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md> ("distinct connections mode")

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Response as GraphQlResponse;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use vultus_core::{Error, Result};
use vultus_service::{AnswerSlot, AnswerSlots, NextAnswer, Services};

use super::accept::AnswerType;
use super::body::BodySource;
use super::post::{BODY_COST, Exchange, client_info, owner};
use super::request_id::RequestId;
use super::websocket::{Operation, Rights};
use super::{body, credentials, request, respond};
use crate::graphql::context::Auth;

/// Interval of the comments that keep the connection open through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// What the results of an operation are sent with.
pub(super) struct Events {
    pub(super) services: Services,
    pub(super) rights: Rights,
    /// The bound on answers that wait.
    pub(super) next: NextAnswer,
    /// Maximum size of a result in bytes.
    pub(super) limit: usize,
    pub(super) request_id: RequestId,
}

/// A result, with what bounds the number of those that wait for the client.
type Sent = (Box<GraphQlResponse>, Option<AnswerSlot>);

/// What the operation says to the connection. When it says nothing more without an end, the
/// client's rights have changed: the connection is cut, and the client connects anew.
enum Said {
    Result(Sent),
    End,
}

impl Events {
    /// The answer whose body is the results. The operation is a task of its connection: it makes
    /// progress while the client does not read, and is aborted when the client is gone.
    pub(super) fn answer(self, results: BoxStream<'static, GraphQlResponse>) -> Response {
        let Self { services, rights, next, limit, request_id } = self;
        let (sender, receiver) = mpsc::channel(1);
        let task = AbortOnDropHandle::new(tokio::spawn(drive(results, rights, next, sender)));
        let stopping = services.stopping().clone();
        let state = Connection { receiver, _task: task, slot: None, is_over: false };
        let events = unfold(state, move |mut connection| {
            let (stopping, request_id) = (stopping.clone(), request_id.clone());
            async move {
                // The connection has taken the result before.
                connection.slot = None;
                if connection.is_over {
                    return None;
                }
                let said =
                    stopping.run_until_cancelled(timeout(KEEP_ALIVE, connection.receiver.recv()));
                let event = match said.await? {
                    Err(_) => Bytes::from_static(b":\n\n"),
                    Ok(Some(Said::Result((response, slot)))) => {
                        connection.slot = slot;
                        next_event(&response, limit, &request_id)
                    }
                    Ok(Some(Said::End)) => {
                        connection.is_over = true;
                        Bytes::from_static(b"event: complete\ndata:\n\n")
                    }
                    Ok(None) => return None,
                };
                Some((Ok::<_, Infallible>(event), connection))
            }
        });
        let mut response = Body::from_stream(events).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(AnswerType::Events.content_type());
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Proxies of this kind otherwise collect the events.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl Exchange {
    /// The results of the operation in a JSON body.
    pub(super) async fn events_of_body(&self, body: BodySource) -> Result<Response> {
        let rights = self.rights().await?;
        let limit = self.node.api.limits().body_bytes;
        let mut reserved =
            self.node.memory.reserve_none(owner(&Auth::Valid(rights.principal().clone())));
        let body = body::read_all(body, limit, |bytes| reserved.grow(bytes * BODY_COST)).await?;
        self.events(rights, &body)
    }

    /// The results of the operation in a query string.
    pub(super) async fn events_of_text(&self, text: &[u8]) -> Result<Response> {
        let rights = self.rights().await?;
        self.events(rights, text)
    }

    /// The connection counts as a websocket, and has the rights of one.
    async fn rights(&self) -> Result<Rights> {
        let services = &self.node.services;
        let Some(token) = credentials::token(&self.headers) else {
            return Err(Error::Unauthenticated("an access token is missing".to_owned()));
        };
        let authenticated = services.authenticate(&token).await?;
        let socket = services.open_websocket(&authenticated)?;
        Ok(Rights::new(services.clone(), socket, token))
    }

    fn events(&self, rights: Rights, text: &[u8]) -> Result<Response> {
        let request = request::parse_single(text, self.node.api.limits())?;
        let services = &self.node.services;
        let next = AnswerSlots::new(1).operation();
        let operation = Operation {
            node: self.node.clone(),
            request_id: self.request_id.clone(),
            base_url: self.base_url.clone(),
            client: client_info(self.client, &self.headers),
            principal: rights.principal().clone(),
            next: next.clone(),
        };
        let events = Events {
            services: services.clone(),
            rights,
            next,
            limit: self.node.api.limits().answer.bytes,
            request_id: self.request_id.clone(),
        };
        Ok(events.answer(operation.results(request)))
    }
}

struct Connection {
    receiver: mpsc::Receiver<Said>,
    _task: AbortOnDropHandle<()>,
    /// Held until the connection asks for the next event.
    slot: Option<AnswerSlot>,
    is_over: bool,
}

/// Runs the operation. Rights are checked before it begins and before each result is sent.
async fn drive(
    mut results: BoxStream<'static, GraphQlResponse>,
    rights: Rights,
    next: NextAnswer,
    sender: mpsc::Sender<Said>,
) {
    loop {
        if rights.check().await.is_err() {
            return;
        }
        let response = tokio::select! {
            () = rights.changed() => return,
            response = results.next() => response,
        };
        let Some(response) = response else { break };
        if rights.check().await.is_err() {
            return;
        }
        let said = Said::Result((Box::new(response), next.take()));
        if sender.send(said).await.is_err() {
            return;
        }
    }
    // The client may be gone.
    let _ = sender.send(Said::End).await;
}

/// One line of data. JSON of clients may hold line breaks between its values, where they mean the
/// same as blanks.
fn next_event(response: &GraphQlResponse, limit: usize, request_id: &RequestId) -> Bytes {
    let mut text = respond::text(response, limit, request_id);
    text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    [b"event: next\ndata: ".as_slice(), &text, b"\n\n"].concat().into()
}
