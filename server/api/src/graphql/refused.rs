//! A request that was refused before its execution.

use async_graphql::{Pos, Response, ServerError};
use vultus_core::Error;

use super::error::publish;

/// Why a request was refused, and at which position of its document, if that is known.
#[derive(Debug)]
pub struct RefusedRequest {
    /// The reason.
    pub error: Error,
    /// Line and column in the document, counted from 1.
    pub position: Option<Pos>,
}

impl RefusedRequest {
    /// The response with this one error.
    pub fn response(&self, request_id: &str) -> Response {
        let wire = publish(&self.error, request_id);
        let mut error = ServerError::new(wire.message, self.position);
        error.extensions = Some(wire.extensions);
        Response::from_errors(vec![error])
    }
}

impl From<Error> for RefusedRequest {
    fn from(error: Error) -> Self {
        Self { error, position: None }
    }
}
