//! What clients are told of an error: its code, status, argument and texts, whatever the protocol.
//! GraphQL and HTTP map from here. The one place where a fault of the server is logged.

use std::time::Duration;

use axum::http::StatusCode;
use vultus_core::Error;

/// Longest message and longest name of an argument in an error, in bytes: both may repeat names
/// of the request.
const MAX_TEXT_BYTES: usize = 1_000;

/// The kind of an error: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No valid credentials.
    Unauthenticated,
    /// The role does not permit it.
    Forbidden,
    /// The object does not exist or belongs to another user.
    NotFound,
    /// The request is invalid.
    InvalidInput,
    /// The request contradicts what is stored.
    Conflict,
    /// A limit was exceeded.
    LimitExceeded,
    /// A temporary failure.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl Code {
    /// All codes.
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

    /// The name that clients see.
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

    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Unavailable | Self::Internal => true,
            Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::InvalidInput
            | Self::Conflict
            | Self::LimitExceeded => false,
        }
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::Unauthenticated(_) | Error::TokenRefused { .. } => Self::Unauthenticated,
            Error::Forbidden(_) => Self::Forbidden,
            Error::NotFound { .. } => Self::NotFound,
            Error::InvalidInput { .. } => Self::InvalidInput,
            Error::Conflict { .. } => Self::Conflict,
            Error::LimitExceeded { .. } => Self::LimitExceeded,
            Error::Unavailable { .. } => Self::Unavailable,
            Error::Internal { .. } => Self::Internal,
        }
    }

    /// The HTTP status of a request that this error refuses as a whole.
    fn status(self, reason: Option<&str>) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::InvalidInput => StatusCode::BAD_REQUEST,
            Self::Conflict => StatusCode::CONFLICT,
            Self::LimitExceeded => match reason {
                Some(
                    "BODY_TOO_LARGE" | "TOO_MANY_BYTES" | "TOO_MANY_FILES" | "BATCH_TOO_LARGE",
                ) => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            },
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind of the error.
    pub code: Code,
    /// The HTTP status of a request that this error refuses as a whole.
    pub status: StatusCode,
    /// One sentence for people.
    pub message: String,
    /// Path of the argument that is wrong, such as `input.media[1].file`.
    pub argument: Option<String>,
    /// Stable code of the refusal.
    pub reason: Option<String>,
    /// Id of the object that exists already.
    pub existing_id: Option<String>,
    /// Time after which the client may try again.
    pub retry_after: Option<Duration>,
    /// Id of the request that failed.
    pub request_id: String,
}

impl Problem {
    /// What the client is told of `error`. Logs a fault of the server, of which the client sees
    /// only the request id.
    pub fn report(error: &Error, request_id: &str) -> Self {
        log_fault(error, request_id);
        let code = Code::of(error);
        let (mut argument, mut reason, mut existing_id, mut retry_after) = (None, None, None, None);
        match error {
            Error::Unauthenticated(_) | Error::Forbidden(_) | Error::Internal { .. } => {}
            Error::TokenRefused { reason: why, .. } => reason = Some(*why),
            Error::NotFound { argument: at, .. } => argument = at.as_deref(),
            Error::InvalidInput { argument: at, reason: why, .. }
            | Error::LimitExceeded { argument: at, reason: why, .. } => {
                (argument, reason) = (at.as_deref(), why.as_deref());
            }
            Error::Conflict { argument: at, existing, reason: why, .. } => {
                (argument, reason) = (at.as_deref(), why.as_deref());
                existing_id = existing.as_deref();
            }
            Error::Unavailable { retry_after: after, .. } => retry_after = Some(*after),
        }
        let message = match error {
            Error::Internal { .. } => {
                "internal error: tell the operator of this server the requestId".to_owned()
            }
            other => shortened(&other.to_string()).to_owned(),
        };
        let kept = |text: Option<&str>| text.map(|text| shortened(text).to_owned());
        Self {
            code,
            status: code.status(reason),
            message,
            argument: kept(argument),
            reason: kept(reason),
            existing_id: kept(existing_id),
            retry_after,
            request_id: request_id.to_owned(),
        }
    }

    /// [`Problem::retry_after`] in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Logs a fault of the server with its causes. Errors that clients are told in full are not logged.
pub fn log_fault(error: &Error, request_id: &str) {
    if Code::of(error) == Code::Internal {
        tracing::error!(request_id, error = %chain(error), "request failed");
    }
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

/// The beginning of a text that is too long.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_server_shows_only_the_request_id() {
        let cause = std::io::Error::other("disk /var/secret is on fire");
        let problem = Problem::report(&Error::internal("writing blob 7", cause), "r-1");
        let shown = format!("{problem:?}");
        assert!(!shown.contains("secret") && !shown.contains("blob"), "{shown}");
        assert_eq!(problem.code, Code::Internal);
        assert_eq!(problem.request_id, "r-1");
    }

    #[test]
    fn a_message_is_cut_at_1000_bytes() {
        let problem = Problem::report(&Error::Forbidden("ö".repeat(1_000)), "r");
        assert_eq!(problem.message.len(), MAX_TEXT_BYTES);
    }

    #[test]
    fn a_body_over_its_limit_has_status_413() {
        let too_large = |reason: &str| Error::LimitExceeded {
            argument: None,
            message: "too large".to_owned(),
            reason: Some(reason.to_owned()),
        };
        let status = |reason| Problem::report(&too_large(reason), "r").status;
        assert_eq!(status("BODY_TOO_LARGE"), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(status("QUERY_DEPTH"), StatusCode::BAD_REQUEST);
    }
}
