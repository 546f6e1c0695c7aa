//! Whether a connection has a running request, or has become a websocket. Shared by the service,
//! which knows it, and the stream, whose timeouts depend on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use axum::http::StatusCode;
use axum::response::Response;
use futures::task::AtomicWaker;

use crate::http::held_body::HeldBody;

#[derive(Debug, Default)]
pub(super) struct Liveliness {
    /// Requests that run.
    requests: AtomicUsize,
    /// Requests so far.
    begun: AtomicUsize,
    is_upgraded: AtomicBool,
    /// The connection's task, which has to look again when a request ends.
    reader: AtomicWaker,
}

impl Liveliness {
    /// Whether the connection waits for its client to send a request.
    pub(super) fn awaits_request(&self) -> bool {
        self.requests.load(Ordering::Acquire) == 0 && !self.is_upgraded()
    }

    /// Wakes the task when a running request ends.
    pub(super) fn wake_when_sent(&self, task: &Waker) {
        self.reader.register(task);
    }

    /// Number of requests so far: while it stays the same, the connection awaits the same request.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    /// Whether the connection is a websocket, which has its own timeouts.
    pub(super) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Acquire)
    }

    pub(super) fn begin_request(liveliness: &Arc<Self>) -> RunningRequest {
        liveliness.begun.fetch_add(1, Ordering::AcqRel);
        liveliness.requests.fetch_add(1, Ordering::AcqRel);
        RunningRequest(liveliness.clone())
    }
}

/// A request whose answer is not sent yet.
pub(super) struct RunningRequest(Arc<Liveliness>);

impl RunningRequest {
    /// Ties the request's end to the end of the response's body.
    pub(super) fn until_sent(self, response: Response) -> Response {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0.is_upgraded.store(true, Ordering::Release);
            return response;
        }
        response.map(|body| HeldBody::new(body, self).into_body())
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}
