//! One error type: an outside text for the client and an inside context for the log.

use std::time::Duration;

/// Result of an operation of the domain.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the closed list that clients see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No valid credentials.
    #[error("{0}")]
    Unauthenticated(String),
    /// The principal may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// It does not exist, or belongs to somebody else (which looks the same).
    #[error("{what} not found")]
    NotFound {
        /// The kind of thing: `folder`.
        what: &'static str,
        /// The argument that named it, as a path: `input.folderId`.
        argument: Option<String>,
    },
    /// The input is wrong.
    #[error("{message}")]
    InvalidInput {
        /// The argument, as a path: `input.media[1].file`.
        argument: Option<String>,
        /// What is wrong with it; `reason` is a stable code where there is one, such as
        /// `TRUNCATED`.
        message: String,
        /// Stable code of the refusal, where there is one.
        reason: Option<String>,
    },
    /// It contradicts what is stored.
    #[error("{message}")]
    Conflict {
        /// The argument, as a path.
        argument: Option<String>,
        /// What it contradicts.
        message: String,
        /// The id of the thing that is there already.
        existing: Option<String>,
    },
    /// A limit was exceeded.
    #[error("{message}")]
    LimitExceeded {
        /// The argument, as a path.
        argument: Option<String>,
        /// Which limit, and by what.
        message: String,
        /// Stable code of the refusal, where there is one.
        reason: Option<String>,
    },
    /// It may work later.
    #[error("{message}")]
    Unavailable {
        /// What is missing.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// A fault of ours. The client sees only the request id.
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
    /// Input that is wrong, at `argument`.
    pub fn invalid(argument: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidInput {
            argument: Some(argument.into()),
            message: message.into(),
            reason: None,
        }
    }

    /// Something that the principal cannot see.
    pub fn not_found(what: &'static str, argument: impl Into<String>) -> Self {
        Self::NotFound { what, argument: Some(argument.into()) }
    }

    /// A fault of ours, with its cause.
    pub fn internal(
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Internal { context: context.into(), source: Some(Box::new(source)) }
    }

    /// A fault of ours without a deeper cause.
    pub fn broken(context: impl Into<String>) -> Self {
        Self::Internal { context: context.into(), source: None }
    }

    /// The same error about `argument`, where none is named yet.
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
            | Self::Forbidden(_)
            | Self::Unavailable { .. }
            | Self::Internal { .. } => {}
        }
        self
    }
}
