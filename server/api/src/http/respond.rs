//! Answers of the transport: GraphQL bodies with the right status.

use async_graphql::{Response as GraphQlResponse, Value};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json as value;
use vultus_core::Error;

use super::json;
use super::request_id::RequestId;
use crate::graphql::answer::to_json;
use crate::graphql::error::{error_response, first_code, publish};

/// Refuses a whole request with one error, with the status that fits it.
pub(super) fn refusal(error: &Error, request_id: &RequestId) -> Response {
    refusal_with(status_of(error), error, request_id)
}

/// The same with another status.
pub(super) fn refusal_with(status: StatusCode, error: &Error, request_id: &RequestId) -> Response {
    let wire = publish(error, request_id.as_str());
    let body = value!({"errors": [{"message": wire.message, "extensions": wire.extensions}]});
    let mut response = json(status, body.to_string().into_bytes());
    if let Error::Unavailable { retry_after, .. } = error {
        let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
        if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    response
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::InvalidInput { .. } => StatusCode::BAD_REQUEST,
        Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::LimitExceeded { reason, .. } => match reason.as_deref() {
            Some("BODY_TOO_LARGE" | "TOO_MANY_BYTES" | "TOO_MANY_FILES" | "BATCH_TOO_LARGE") => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            _ => StatusCode::BAD_REQUEST,
        },
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether a token came with the request and was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Refused,
    Other,
}

/// Answers one executed request: 200 whatever its fields say; 400 when it was refused before
/// anything ran; 401 when it needed the token that was refused.
pub(super) fn single(response: &GraphQlResponse, token: Token, answer: Vec<u8>) -> Response {
    let status = if token == Token::Refused && first_code(response) == Some("UNAUTHENTICATED") {
        StatusCode::UNAUTHORIZED
    } else if never_ran(response) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    json(status, answer)
}

fn never_ran(response: &GraphQlResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The answer as JSON; over `limit` bytes: an error in its place.
pub(super) fn text(response: &GraphQlResponse, limit: usize, request_id: &RequestId) -> Vec<u8> {
    to_json(response, limit).unwrap_or_else(|error| {
        let response = error_response(&error, request_id.as_str());
        // One error of ours, far below any limit.
        to_json(&response, usize::MAX).unwrap_or_default()
    })
}

/// Answers a batch, in the order of its requests.
pub(super) fn batch(answers: &[Vec<u8>]) -> Response {
    let mut text =
        Vec::with_capacity(answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 1);
    for answer in answers {
        text.push(if text.is_empty() { b'[' } else { b',' });
        text.extend_from_slice(answer);
    }
    text.push(b']');
    json(StatusCode::OK, text)
}
