//! How a command ends.

use std::process::ExitCode;

/// Exit code of a failure; verdicts have other codes (see [`super::check`]).
pub(super) const FAILURE: u8 = 1;

/// Why a command failed, as text for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CommandError(String);

impl CommandError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `doing`, then the error with all its causes.
    pub(super) fn because(doing: &str, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{doing}: {error}");
        let mut cause = error.source();
        while let Some(inner) = cause {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text.push_str(": ");
                text.push_str(&inner_text);
            }
            cause = inner.source();
        }
        Self(text)
    }
}

/// The exit code of a command, or why it failed.
pub(crate) type Done = Result<ExitCode, CommandError>;
