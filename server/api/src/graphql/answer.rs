//! Limit of the size of answers.
//!
//! Answers are written by a writer that stops at the limit, so that an oversized text is never
//! built.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;
use vultus_core::{Error, Result};

/// `answer` as JSON, unless it is larger than `limit` bytes.
pub fn to_json(answer: &impl Serialize, limit: usize) -> Result<Vec<u8>> {
    let mut writer = Bounded { text: Vec::new(), limit, is_full: false };
    let mut serializer = serde_json::Serializer::with_formatter(&mut writer, RawBytes);
    match answer.serialize(&mut serializer) {
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

/// Writes bytes as they are: they are the text of the scalar `JSON`, see [`super::json`].
struct RawBytes;

impl Formatter for RawBytes {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        text: &[u8],
    ) -> io::Result<()> {
        writer.write_all(text)
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

    #[test]
    fn an_answer_of_exactly_the_limit_is_written() {
        assert_eq!(to_json(&"12345678", 10).unwrap(), b"\"12345678\"");
        assert!(matches!(to_json(&"123456789", 10), Err(Error::LimitExceeded { .. })));
    }
}
