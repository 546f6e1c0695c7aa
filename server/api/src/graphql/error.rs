//! From the domain's error to what clients see: the one place where that happens, and where a fault
//! of ours is logged.

use async_graphql::{Enum, ErrorExtensionValues, Response, ServerError, Value};
use vultus_core::Error;

use super::answer::{cut_errors, left_out_error};
use super::request_limits::RequestLimits;

/// Longest message and longest name of an argument in an error, in bytes: both may repeat names
/// of the request.
const MAX_MESSAGE_BYTES: usize = 1_000;

/// What kind of error it is: the closed list of `errors[].extensions.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ErrorCode {
    /// There are no valid credentials: log in, or refresh the token.
    Unauthenticated,
    /// The role may not do this.
    Forbidden,
    /// It does not exist, or belongs to somebody else, which looks the same.
    NotFound,
    /// The request is wrong; `argument` names the part that is.
    InvalidInput,
    /// It contradicts what is stored; `existingId` names the other thing where there is one.
    Conflict,
    /// A limit was exceeded.
    LimitExceeded,
    /// It may work later, not before `retryAfterMs`.
    Unavailable,
    /// A fault of the server. Tell its operator the `requestId`.
    Internal,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::InvalidInput,
        Self::Conflict,
        Self::LimitExceeded,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::InvalidInput => "INVALID_INPUT",
            Self::Conflict => "CONFLICT",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Unauthenticated(_) => Self::Unauthenticated,
            Error::Forbidden(_) => Self::Forbidden,
            Error::NotFound { .. } => Self::NotFound,
            Error::InvalidInput { .. } => Self::InvalidInput,
            Error::Conflict { .. } => Self::Conflict,
            Error::LimitExceeded { .. } => Self::LimitExceeded,
            Error::Unavailable { .. } => Self::Unavailable,
            Error::Internal { .. } => Self::Internal,
        }
    }
}

/// An error as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// One sentence for people.
    pub message: String,
    /// `code`, `retryable`, `requestId` and, where there are any, `argument`, `reason`,
    /// `existingId`, `retryAfterMs`.
    pub extensions: ErrorExtensionValues,
}

/// What the client is told of `error`. A fault of ours is logged here with its chain, once, and
/// shows only the request id.
pub fn publish(error: &Error, request_id: &str) -> WireError {
    let code = ErrorCode::of(error);
    let mut extensions = ErrorExtensionValues::default();
    let mut message = error.to_string();
    match error {
        Error::Unauthenticated(_) | Error::Forbidden(_) => {}
        Error::NotFound { argument, .. } => set(&mut extensions, "argument", argument.as_deref()),
        Error::InvalidInput { argument, reason, .. }
        | Error::LimitExceeded { argument, reason, .. } => {
            set(&mut extensions, "argument", argument.as_deref());
            set(&mut extensions, "reason", reason.as_deref());
        }
        Error::Conflict { argument, existing, .. } => {
            set(&mut extensions, "argument", argument.as_deref());
            set(&mut extensions, "existingId", existing.as_deref());
        }
        Error::Unavailable { retry_after, .. } => {
            extensions
                .set("retryAfterMs", u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
        }
        Error::Internal { .. } => {
            tracing::error!(request_id, error = %chain(error), "request failed");
            message = "internal error: tell the operator of this server the requestId".to_owned();
        }
    }
    extensions.set("code", code.name());
    extensions
        .set("retryable", matches!(error, Error::Unavailable { .. } | Error::Internal { .. }));
    extensions.set("requestId", request_id);
    let message = shortened(&message).to_owned();
    WireError { message, extensions }
}

fn set(extensions: &mut ErrorExtensionValues, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        extensions.set(name, shortened(value));
    }
}

/// The beginning of a text that is too long.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

/// The error with all its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Makes every error of a response fit for the wire, and keeps the first ones only.
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

/// What the GraphQL library objects to is always the request; its texts repeat values of the
/// client, which are cut off.
fn from_library(error: &ServerError, limits: &RequestLimits) -> Error {
    let text = error.message.as_str();
    if text == "Query is too complex." || text == "Query is nested too deep." {
        return Error::LimitExceeded {
            argument: Some("query".to_owned()),
            message: format!(
                "the query asks for too much at once (complexity over {})",
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

/// `input.media.0.file` as `input.media[0].file`.
pub fn argument_path(dotted: &str) -> String {
    let mut path = String::with_capacity(dotted.len() + 4);
    for part in dotted.split('.') {
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(part);
        }
    }
    path
}

/// The library's text up to the place where it quotes a value of the request.
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

/// A whole response that is nothing but one error.
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
    fn a_fault_of_ours_shows_only_the_request_id() {
        let cause = std::io::Error::other("disk /var/secret is on fire");
        let wire = publish(&Error::internal("writing blob 7", cause), "r-1");
        let shown = format!("{wire:?}");
        assert!(!shown.contains("secret") && !shown.contains("blob"), "{shown}");
        assert_eq!(value(&wire, "code"), Some(&Value::from("INTERNAL")));
        assert_eq!(value(&wire, "requestId"), Some(&Value::from("r-1")));
    }

    #[test]
    fn what_may_work_later_says_when() {
        let error = Error::Unavailable {
            message: "busy".into(),
            retry_after: Duration::from_millis(1_500),
        };
        let wire = publish(&error, "r");
        assert_eq!(value(&wire, "retryable"), Some(&Value::from(true)));
        assert_eq!(value(&wire, "retryAfterMs"), Some(&Value::from(1_500)));
    }

    #[test]
    fn a_conflict_carries_the_id_of_what_is_there() {
        let error = Error::Conflict {
            argument: Some("input.externalId".into()),
            message: "taken".into(),
            existing: Some("f-1".into()),
        };
        let wire = publish(&error, "r");
        assert_eq!(value(&wire, "existingId"), Some(&Value::from("f-1")));
        assert_eq!(value(&wire, "argument"), Some(&Value::from("input.externalId")));
    }

    #[test]
    fn texts_of_the_library_lose_the_values_of_the_client_and_name_the_argument() {
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

    #[test]
    fn a_message_is_cut_at_1000_bytes() {
        let wire = publish(&Error::Forbidden("ö".repeat(1_000)), "r");
        assert_eq!(wire.message.len(), MAX_MESSAGE_BYTES);
    }
}
