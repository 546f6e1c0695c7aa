//! Counts the tokens of a document's text, so that no recursive parser gets a hostile text.

use vultus_core::{Error, Result};

use super::refusal::exceeded;
use crate::graphql::request_limits::QueryLimits;

/// Refuses a text with too many tokens, too long names or too deep nesting.
pub(super) fn check(query: &str, limits: &QueryLimits) -> Result<()> {
    let bytes = query.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0usize, 0usize, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .position(|&b| b == b'\n' || b == b'\r')
                    .unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => end_of_string(bytes, at),
            b'{' | b'(' | b'[' => {
                nesting += 1;
                at + 1
            }
            b'}' | b')' | b']' => {
                nesting = nesting.saturating_sub(1);
                at + 1
            }
            _ if is_word(byte) => {
                let length = bytes[at..].iter().take_while(|&&b| is_word(b)).count();
                if length > limits.name_bytes {
                    return Err(exceeded("QUERY_NAME", "bytes in a name", limits.name_bytes));
                }
                if is_too_large(bytes, at, length) {
                    return Err(Error::InvalidInput {
                        argument: Some("query".to_owned()),
                        message: "an integer in the document has more than 64 bits; send it in \
                                  the variables, which keep all digits"
                            .to_owned(),
                        reason: Some("INTEGER_TOO_LARGE".to_owned()),
                    });
                }
                at + length
            }
            _ => at + 1,
        };
        tokens += 1;
        if tokens > limits.tokens {
            return Err(exceeded("QUERY_TOKENS", "tokens", limits.tokens));
        }
        if nesting > limits.nesting {
            return Err(exceeded("QUERY_NESTING", "levels of brackets", limits.nesting));
        }
    }
    Ok(())
}

/// Whether the word is an integer that the parser would round to a float.
fn is_too_large(bytes: &[u8], at: usize, length: usize) -> bool {
    let word = &bytes[at..at + length];
    let before = at.checked_sub(1).map(|at| bytes[at]);
    let is_part = before == Some(b'.') || bytes.get(at + length) == Some(&b'.');
    if is_part || !word.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let text = std::str::from_utf8(word).unwrap_or_default();
    if before == Some(b'-') {
        format!("-{text}").parse::<i64>().is_err()
    } else {
        text.parse::<u64>().is_err()
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Index after the string that starts at `start`; the end of the text if the string is not closed.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let rest = &bytes[start..];
    if rest.starts_with(br#"""""#) {
        let mut at = 3;
        while at < rest.len() {
            if rest[at..].starts_with(br#"\""""#) {
                at += 4;
            } else if rest[at..].starts_with(br#"""""#) {
                return start + at + 3;
            } else {
                at += 1;
            }
        }
        return bytes.len();
    }
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return start + at + 1,
            b'\n' | b'\r' => return start + at,
            _ => at += 1,
        }
    }
    bytes.len()
}
