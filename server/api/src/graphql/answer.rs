//! Limits of answers: number of errors and size.
//!
//! Answers are written by a writer that stops at the limit, so that an oversized text is never
//! built.

use std::io;

use async_graphql::{Response, ServerError, Value};
use serde::Serialize;
use vultus_core::{Error, Result};

use super::error::{WireError, publish};

/// Drops the errors after the first `limit`; returns their number.
pub(super) fn cut_errors(response: &mut Response, limit: usize) -> usize {
    let left_out = response.errors.len().saturating_sub(limit);
    if left_out > 0 {
        response.errors.truncate(limit);
        response.errors.shrink_to_fit();
    }
    left_out
}

/// The error that replaces the dropped ones.
pub(super) fn left_out_error(left_out: usize, request_id: &str) -> ServerError {
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

/// `answer` as JSON, unless it is larger than `limit` bytes.
pub fn to_json(answer: &impl Serialize, limit: usize) -> Result<Vec<u8>> {
    let mut writer = Bounded { text: Vec::new(), limit, is_full: false };
    match serde_json::to_writer(&mut writer, answer) {
        Ok(()) => Ok(writer.text),
        Err(_) if writer.is_full => Err(too_large(limit)),
        Err(error) => Err(Error::internal("writing an answer", error)),
    }
}

fn too_large(limit: usize) -> Error {
    Error::LimitExceeded {
        argument: None,
        message: format!("the answer is larger than {limit} bytes: request less at once"),
        reason: Some("ANSWER_TOO_LARGE".to_owned()),
    }
}

/// Collects text up to a limit.
struct Bounded {
    text: Vec<u8>,
    limit: usize,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.text.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_answer_of_exactly_the_limit_is_written() {
        assert_eq!(to_json(&"12345678", 10).unwrap(), b"\"12345678\"");
        assert!(matches!(to_json(&"123456789", 10), Err(Error::LimitExceeded { .. })));
    }
}
