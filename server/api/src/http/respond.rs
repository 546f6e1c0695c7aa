//! Answers of the transport: GraphQL bodies with their HTTP status.

use async_graphql::{Response as GraphQlResponse, ServerError, Value};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json as value;
use vultus_core::Error;

use super::accept::AnswerType;
use super::request_id::RequestId;
use crate::graphql::answer::to_json;
use crate::graphql::error::{error_response, first_code};
use crate::problem::Problem;

/// Refuses a whole request with one error, with the status that fits it.
pub(super) fn refusal(error: &Error, request_id: &RequestId) -> Response {
    let problem = Problem::report(error, request_id.as_str());
    answer(problem.status, &problem)
}

/// The same in the form that the client accepts.
pub(super) fn refusal_as(form: AnswerType, error: &Error, request_id: &RequestId) -> Response {
    in_form(form, refusal(error, request_id))
}

/// The same with another status.
pub(super) fn refusal_with(status: StatusCode, error: &Error, request_id: &RequestId) -> Response {
    answer(status, &Problem::report(error, request_id.as_str()))
}

fn answer(status: StatusCode, problem: &Problem) -> Response {
    let extensions = Extensions {
        argument: problem.argument.as_deref(),
        code: problem.code.name(),
        existing_id: problem.existing_id.as_deref(),
        reason: problem.reason.as_deref(),
        request_id: &problem.request_id,
        retry_after_ms: problem.retry_after_ms(),
        retryable: problem.code.is_retryable(),
    };
    let body = value!({"errors": [{"message": problem.message, "extensions": extensions}]});
    let mut response = json(status, body.to_string().into_bytes());
    challenge(&mut response);
    if let Some(after) = problem.retry_after {
        let seconds = after.as_millis().div_ceil(1_000).max(1);
        if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
    }
    response
}

/// The extensions of an error, with the names that GraphQL gives them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<&'p str>,
    code: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_id: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'p str>,
    request_id: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    retryable: bool,
}

/// Whether the token of the request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Refused,
    Other,
}

/// Answers one request: 200 even with errors of its fields; 401 if it needs the token that was
/// refused. A request that was refused before execution is 400 as
/// `application/graphql-response+json`, and 200 as `application/json`, where clients show no errors
/// of another status (GraphQL over HTTP, 6.4).
pub(super) fn single(
    response: &GraphQlResponse,
    token: Token,
    answer: Vec<u8>,
    form: AnswerType,
) -> Response {
    let status = if token == Token::Refused && first_code(response) == Some("UNAUTHENTICATED") {
        StatusCode::UNAUTHORIZED
    } else if form == AnswerType::GraphQlResponse && never_ran(response) {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut response = in_form(form, json(status, answer));
    challenge(&mut response);
    response
}

/// An answer that is not a stream of events is JSON.
fn in_form(form: AnswerType, mut response: Response) -> Response {
    if form == AnswerType::GraphQlResponse {
        let content_type = HeaderValue::from_static(form.content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// Says how to authenticate where that is missing (RFC 9110, 11.6.1).
fn challenge(response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// Whether the request was refused by a limit, the syntax or the schema. Errors of resolvers have
/// a path.
pub(super) fn never_ran(response: &GraphQlResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// The answer as JSON, or an error if it exceeds `limit` bytes. Of a request that never ran, there
/// are only errors (GraphQL, 7.1).
pub(super) fn text(response: &GraphQlResponse, limit: usize, request_id: &RequestId) -> Vec<u8> {
    let written = |response: &GraphQlResponse, limit: usize| {
        if never_ran(response) {
            to_json(&OnlyErrors { errors: &response.errors }, limit)
        } else {
            to_json(response, limit)
        }
    };
    written(response, limit).unwrap_or_else(|error| {
        let response = error_response(&error, request_id.as_str());
        // A single error, far below any limit.
        written(&response, usize::MAX).unwrap_or_default()
    })
}

#[derive(Serialize)]
struct OnlyErrors<'r> {
    errors: &'r [ServerError],
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

/// Adds the header that stops browsers from guessing types.
pub(super) fn nosniff(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// A JSON body with a status.
pub(super) fn json(status: StatusCode, text: Vec<u8>) -> Response {
    let mut response = (status, text).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(AnswerType::Json.content_type()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::error::publish;
    use std::time::Duration;

    #[tokio::test]
    async fn http_and_graphql_say_the_same_of_an_error() {
        let request_id = RequestId::new("r-1");
        for error in [
            Error::not_found("folder", "folderId"),
            Error::Conflict {
                argument: Some("input.externalId".to_owned()),
                message: "taken".to_owned(),
                existing: Some("f-1".to_owned()),
                reason: None,
            },
            Error::LimitExceeded {
                argument: None,
                message: "too many".to_owned(),
                reason: Some("TOO_MANY_FILES".to_owned()),
            },
            Error::Unavailable {
                message: "busy".to_owned(),
                retry_after: Duration::from_millis(1_500),
            },
        ] {
            let body = refusal(&error, &request_id).into_body();
            let body = axum::body::to_bytes(body, 1_000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let wire = publish(&error, request_id.as_str());
            assert_eq!(body["errors"][0]["message"], wire.message);
            let extensions = serde_json::to_value(wire.extensions).unwrap();
            assert_eq!(body["errors"][0]["extensions"], extensions);
        }
    }
}
