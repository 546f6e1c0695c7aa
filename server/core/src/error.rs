//! The error type of the domain: a text for the client and a context for the log.

use std::time::Duration;

/// Result of a domain operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The closed list of errors that clients see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No valid credentials.
    #[error("{0}")]
    Unauthenticated(String),
    /// A token of an identity provider was refused.
    #[error("{message}")]
    TokenRefused {
        /// Stable code of the refusal, such as `WRONG_AUDIENCE`.
        reason: &'static str,
        /// What is wrong with the token.
        message: &'static str,
    },
    /// The principal may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The object does not exist or belongs to another user; clients cannot tell which.
    #[error("{what} not found")]
    NotFound {
        /// Kind of the object, such as `folder`.
        what: &'static str,
        /// Path of the argument that named it, such as `input.folderId`.
        argument: Option<String>,
    },
    /// The input is invalid.
    #[error("{message}")]
    InvalidInput {
        /// Path of the argument, such as `input.media[1].file`.
        argument: Option<String>,
        /// What is wrong with it; `reason` is a stable code where there is one, such as
        /// `TRUNCATED`.
        message: String,
        /// Stable code of the refusal, where there is one.
        reason: Option<String>,
    },
    /// The request contradicts what is stored.
    #[error("{message}")]
    Conflict {
        /// The argument, as a path.
        argument: Option<String>,
        /// What the request contradicts.
        message: String,
        /// Id of the object that exists already.
        existing: Option<String>,
        /// Stable code of the refusal, where there is one.
        reason: Option<String>,
    },
    /// A limit was exceeded.
    #[error("{message}")]
    LimitExceeded {
        /// The argument, as a path.
        argument: Option<String>,
        /// Which limit was exceeded, and by how much.
        message: String,
        /// Stable code of the refusal, where there is one.
        reason: Option<String>,
    },
    /// A temporary failure: the same request may succeed later.
    #[error("{message}")]
    Unavailable {
        /// What is missing.
        message: String,
        /// Time after which the client may try again.
        retry_after: Duration,
    },
    /// A fault of the server. The client sees only the request id.
    #[error("internal error: {context}")]
    Internal {
        /// What was being done to what.
        context: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// Invalid input at the argument with this path.
    pub fn invalid(argument: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidInput {
            argument: Some(argument.into()),
            message: message.into(),
            reason: None,
        }
    }

    /// An object that does not exist or that the principal cannot see.
    pub fn not_found(what: &'static str, argument: impl Into<String>) -> Self {
        Self::NotFound { what, argument: Some(argument.into()) }
    }

    /// A fault of the server, with its cause.
    pub fn internal(
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Internal { context: context.into(), source: Some(Box::new(source)) }
    }

    /// A fault of the server without an underlying error.
    pub fn broken(context: impl Into<String>) -> Self {
        Self::Internal { context: context.into(), source: None }
    }

    /// Adds the path of the argument, unless the error has one already.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        match &mut self {
            Self::NotFound { argument, .. }
            | Self::InvalidInput { argument, .. }
            | Self::Conflict { argument, .. }
            | Self::LimitExceeded { argument, .. } => {
                argument.get_or_insert_with(|| path.to_owned());
            }
            Self::Unauthenticated(_)
            | Self::TokenRefused { .. }
            | Self::Forbidden(_)
            | Self::Unavailable { .. }
            | Self::Internal { .. } => {}
        }
        self
    }
}
