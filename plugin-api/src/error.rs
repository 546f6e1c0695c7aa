//! Failures of a plugin: faults only. "No face" and "attack" are outcomes, see [`crate::Outcome`].

use serde::{Deserialize, Serialize};
use std::fmt;

/// Kind of a fault. The numbers cross the ABI; 0 is "no fault".
///
/// ```
/// use vultus_plugin_api::Status;
///
/// assert_eq!(Status::from_code(Status::Cancelled.code()), Status::Cancelled);
/// assert_eq!(Status::from_code(99), Status::Internal, "an unknown number is a fault of the
/// plugin");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u32)]
pub enum Status {
    /// The request cannot be judged: invalid parameters or settings, unreadable media. Never
    /// retried.
    InvalidInput = 1,
    /// Stopped because the host cancelled the call.
    Cancelled = 2,
    /// Stopped because the time limit was reached.
    DeadlineExceeded = 3,
    /// A resource is unavailable now (a model file, memory). May be retried.
    Unavailable = 4,
    /// An internal error of the plugin.
    Internal = 5,
    /// The plugin panicked; its instance is not used again.
    Panic = 6,
    /// The plugin does not support the request.
    Unsupported = 7,
}

impl Status {
    /// The number that crosses the ABI.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The status for a number other than 0; unknown numbers are [`Status::Internal`].
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::InvalidInput,
            2 => Self::Cancelled,
            3 => Self::DeadlineExceeded,
            4 => Self::Unavailable,
            6 => Self::Panic,
            7 => Self::Unsupported,
            _ => Self::Internal,
        }
    }

    /// The name in logs and messages, such as `INVALID_INPUT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "INVALID_INPUT",
            Self::Cancelled => "CANCELLED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::Panic => "PANIC",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

/// A fault with a message for the operator's log (never for the client; without personal data).
///
/// ```
/// use vultus_plugin_api::{Failure, Status};
///
/// let failure = Failure::unavailable("opening smile.onnx: no such file");
/// assert_eq!(failure.status, Status::Unavailable);
/// assert_eq!(failure.to_string(), "UNAVAILABLE: opening smile.onnx: no such file");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kind of the fault.
    pub status: Status,
    /// What was being done to what, and what went wrong.
    pub message: String,
}

impl Failure {
    /// A failure of any kind.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// See [`Status::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidInput, message)
    }

    /// See [`Status::Cancelled`].
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(Status::Cancelled, message)
    }

    /// See [`Status::DeadlineExceeded`].
    pub fn deadline_exceeded(message: impl Into<String>) -> Self {
        Self::new(Status::DeadlineExceeded, message)
    }

    /// See [`Status::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Status::Unavailable, message)
    }

    /// See [`Status::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Status::Internal, message)
    }

    /// See [`Status::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Status::Unsupported, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.name(), self.message)
    }
}

impl std::error::Error for Failure {}
