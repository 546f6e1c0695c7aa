//! The body of an answer, with the memory that it takes until it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use crate::memory::Reserved;

/// A body that holds its memory until the connection has taken it, or is gone.
pub(super) struct HeldBody {
    body: Body,
    _held: Reserved,
}

impl HeldBody {
    pub(super) fn new(body: Body, held: Reserved) -> Self {
        Self { body, _held: held }
    }

    /// The body as the type of all answers.
    pub(super) fn into_body(self) -> Body {
        Body::new(self)
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
