//! Errors in GraphQL's form: the extensions of a [`Problem`], and the library's own errors as ours.

use async_graphql::{Enum, ErrorExtensionValues, Response, ServerError, Value};
use vultus_core::Error;

use super::request_limits::RequestLimits;
use crate::problem::{Code, Problem, argument_path};

/// Kind of an error: the closed list of `errors[].extensions.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Code")]
pub enum ErrorCode {
    /// There are no valid credentials: log in, or refresh the token.
    Unauthenticated,
    /// The role does not permit this.
    Forbidden,
    /// It does not exist or belongs to another user; the answer does not tell which.
    NotFound,
    /// The request is invalid; `argument` names the part that is wrong.
    InvalidInput,
    /// The request contradicts what is stored; `existingId` names the existing object, if any.
    Conflict,
    /// A limit was exceeded.
    LimitExceeded,
    /// A temporary failure: try again after `retryAfterMs`.
    Unavailable,
    /// A fault of the server. Tell its operator the `requestId`.
    Internal,
}

/// An error as GraphQL sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// One sentence for people.
    pub message: String,
    /// `code`, `retryable`, `requestId` and, if present, `argument`, `reason`, `existingId`,
    /// `retryAfterMs`.
    pub extensions: ErrorExtensionValues,
}

/// What the client is told of `error`; a fault of the server is logged.
pub fn publish(error: &Error, request_id: &str) -> WireError {
    Problem::report(error, request_id).into()
}

impl From<Problem> for WireError {
    fn from(problem: Problem) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", problem.code.name());
        extensions.set("retryable", problem.code.is_retryable());
        if let Some(milliseconds) = problem.retry_after_ms() {
            extensions.set("retryAfterMs", milliseconds);
        }
        let texts = [
            ("requestId", Some(problem.request_id)),
            ("argument", problem.argument),
            ("reason", problem.reason),
            ("existingId", problem.existing_id),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                extensions.set(name, text);
            }
        }
        Self { message: problem.message, extensions }
    }
}

/// Converts the errors of a response to their published form, and keeps the first ones only.
pub fn publish_response(response: &mut Response, request_id: &str, limits: &RequestLimits) {
    let left_out = cut_errors(response, limits.answer.errors);
    for error in &mut response.errors {
        let wire = match error.source::<Error>() {
            Some(ours) => publish(ours, request_id),
            None => publish(&from_library(error, limits), request_id),
        };
        error.message = wire.message;
        error.extensions = Some(wire.extensions);
        error.source = None;
    }
    if left_out > 0 {
        response.errors.push(left_out_error(left_out, request_id));
    }
}

/// Drops the errors after the first `limit`; returns their number.
fn cut_errors(response: &mut Response, limit: usize) -> usize {
    let left_out = response.errors.len().saturating_sub(limit);
    if left_out > 0 {
        response.errors.truncate(limit);
        response.errors.shrink_to_fit();
    }
    left_out
}

/// The error that replaces the dropped ones.
fn left_out_error(left_out: usize, request_id: &str) -> ServerError {
    let error = Error::LimitExceeded {
        argument: None,
        message: format!("{left_out} more errors are left out"),
        reason: Some("TOO_MANY_ERRORS".to_owned()),
    };
    let WireError { message, mut extensions } = publish(&error, request_id);
    extensions.set("leftOut", Value::from(left_out));
    let mut summary = ServerError::new(message, None);
    summary.extensions = Some(extensions);
    summary
}

/// Errors of the GraphQL library always concern the request. Its texts repeat values of the client,
/// which are cut off.
fn from_library(error: &ServerError, limits: &RequestLimits) -> Error {
    let text = error.message.as_str();
    if text == "Query is too complex." || text == "Query is nested too deep." {
        return Error::LimitExceeded {
            argument: Some("query".to_owned()),
            message: format!(
                "the query requests too much at once (complexity over {})",
                limits.query.complexity
            ),
            reason: Some("QUERY_COMPLEXITY".to_owned()),
        };
    }
    let argument = quoted_after(text, "Invalid value for argument \"");
    Error::InvalidInput {
        argument: argument.or_else(|| Some("query".to_owned())),
        message: without_values(text),
        reason: None,
    }
}

fn quoted_after(text: &str, prefix: &str) -> Option<String> {
    let rest = text.strip_prefix(prefix)?;
    rest.split('"').next().map(argument_path)
}

/// The library's text before it quotes a value of the request.
fn without_values(text: &str) -> String {
    const QUOTES_BEGIN: [&str; 5] = [
        ", found ",
        " does not contain the value",
        "Failed to parse \"DateTime\": ",
        "Invalid number",
        "invalid value",
    ];
    let end = QUOTES_BEGIN.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let cut = text[..end].trim_end_matches([':', ' ', ',']);
    if cut.is_empty() { "the request does not fit the schema".to_owned() } else { cut.to_owned() }
}

/// A response that consists of one error.
pub fn error_response(error: &Error, request_id: &str) -> Response {
    let wire = publish(error, request_id);
    let mut server_error = ServerError::new(wire.message, None);
    server_error.extensions = Some(wire.extensions);
    Response::from_errors(vec![server_error])
}

/// The `code` of the first error of a published response.
pub fn first_code(response: &Response) -> Option<&str> {
    response.errors.iter().find_map(|error| match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn value<'a>(wire: &'a WireError, name: &str) -> Option<&'a Value> {
        wire.extensions.get(name)
    }

    #[test]
    fn a_temporary_failure_says_when_to_try_again() {
        let error = Error::Unavailable {
            message: "busy".into(),
            retry_after: Duration::from_millis(1_500),
        };
        let wire = publish(&error, "r");
        assert_eq!(value(&wire, "retryable"), Some(&Value::from(true)));
        assert_eq!(value(&wire, "retryAfterMs"), Some(&Value::from(1_500)));
    }

    #[test]
    fn a_conflict_carries_the_id_of_the_existing_object() {
        let error = Error::Conflict {
            argument: Some("input.externalId".into()),
            message: "taken".into(),
            existing: Some("f-1".into()),
            reason: None,
        };
        let wire = publish(&error, "r");
        assert_eq!(value(&wire, "existingId"), Some(&Value::from("f-1")));
        assert_eq!(value(&wire, "argument"), Some(&Value::from("input.externalId")));
    }

    #[test]
    fn errors_of_the_library_do_not_repeat_client_values() {
        let mut response = Response::from_errors(vec![
            ServerError::new(
                "Invalid value for argument \"input.media.0.tags\", expected type \"String\"",
                None,
            ),
            ServerError::new("Expected input type \"Int\", found \"hunter2\".", None),
        ]);
        publish_response(&mut response, "r", &RequestLimits::default());
        assert!(!format!("{response:?}").contains("hunter2"));
        let first = response.errors[0].extensions.as_ref().unwrap();
        assert_eq!(first.get("argument"), Some(&Value::from("input.media[0].tags")));
        assert_eq!(first_code(&response), Some("INVALID_INPUT"));
    }

    fn left_out_of(count: usize) -> (usize, usize) {
        let mut response = Response::from_errors(vec![ServerError::new("wrong", None); count]);
        let left_out = cut_errors(&mut response, 20);
        (response.errors.len(), left_out)
    }

    #[test]
    fn errors_over_the_limit_are_dropped_and_counted() {
        assert_eq!(left_out_of(20), (20, 0));
        assert_eq!(left_out_of(25), (20, 5));
    }
}
