//! Answers of the transport: GraphQL bodies with the right status.

use async_graphql::{Response as GraphQlResponse, Value};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json as value;
use vultus_core::Error;

use super::json;
use super::request_id::RequestId;
use crate::graphql::error::{first_code, publish};

/// Refuses a whole request with one error, with the status that fits it.
pub(super) fn refusal(error: &Error, request_id: &RequestId) -> Response {
    refusal_with(status_of(error), error, request_id)
}

/// The same with another status.
pub(super) fn refusal_with(status: StatusCode, error: &Error, request_id: &RequestId) -> Response {
    let wire = publish(error, request_id.as_str());
    let mut response = json(
        status,
        &value!({"errors": [{"message": wire.message, "extensions": wire.extensions}]}),
    );
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
pub(super) fn single(response: &GraphQlResponse, token: Token) -> Response {
    let status = if token == Token::Refused && first_code(response) == Some("UNAUTHENTICATED") {
        StatusCode::UNAUTHORIZED
    } else if never_ran(response) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    json(status, response)
}

fn never_ran(response: &GraphQlResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Answers a batch, in the order of its requests.
pub(super) fn batch(responses: &[GraphQlResponse]) -> Response {
    json(StatusCode::OK, &responses)
}
