//! What an entry tells about its action beside the object: ids, codes, numbers, flags and times.

use serde_json::{Map, Value};
use std::fmt::Display;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest code.
const LONGEST_CODE: usize = 64;
/// Longest signed head.
const LONGEST_HEAD: usize = 512;
/// Written instead of a text that is no code.
const NO_CODE: &str = "OTHER";

/// Facts of an entry: a flat JSON object. Free text has no place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Map<String, Value>);

/// Ids that facts may hold.
pub trait FactId: Display {}

macro_rules! fact_ids {
    ($($name:ident),+ $(,)?) => {
        $(impl FactId for vultus_core::$name {})+
    };
}

fact_ids!(
    CompanyId,
    UserId,
    SessionId,
    FolderId,
    MediaId,
    AnalysisId,
    GroupId,
    RunId,
    ArtifactId,
    ChallengeId,
    ApiKeyId,
);

impl Facts {
    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// Adds an id.
    #[must_use]
    pub fn id(self, name: &'static str, id: impl FactId) -> Self {
        self.with(name, id.to_string().into())
    }

    /// Adds ids.
    #[must_use]
    pub fn ids<I: FactId>(self, name: &'static str, ids: impl IntoIterator<Item = I>) -> Self {
        self.with(name, ids.into_iter().map(|id| Value::from(id.to_string())).collect())
    }

    /// Adds a code: letters, digits, `_`, `-`, `.` and `:`. Other text is replaced by `OTHER`.
    #[must_use]
    pub fn code(self, name: &'static str, code: &str) -> Self {
        self.with(name, checked(code).into())
    }

    /// Adds codes.
    #[must_use]
    pub fn codes<'a>(self, name: &'static str, codes: impl IntoIterator<Item = &'a str>) -> Self {
        self.with(name, codes.into_iter().map(|code| Value::from(checked(code))).collect())
    }

    /// Adds a signed head, which is a code that may be longer.
    #[must_use]
    pub fn head(self, name: &'static str, head: &str) -> Self {
        let head = if is_code(head, LONGEST_HEAD) { head } else { NO_CODE };
        self.with(name, head.into())
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &'static str, number: u64) -> Self {
        self.with(name, number.into())
    }

    /// Adds a yes or no.
    #[must_use]
    pub fn flag(self, name: &'static str, flag: bool) -> Self {
        self.with(name, flag.into())
    }

    /// Adds a time.
    #[must_use]
    pub fn time(self, name: &'static str, time: OffsetDateTime) -> Self {
        self.with(name, time.format(&Rfc3339).unwrap_or_default().into())
    }

    /// Whether there are no facts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The facts as they are stored and hashed.
    pub fn into_json(self) -> String {
        Value::Object(self.0).to_string()
    }
}

fn checked(code: &str) -> &str {
    if is_code(code, LONGEST_CODE) { code } else { NO_CODE }
}

fn is_code(text: &str, longest: usize) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_becomes_no_fact() {
        let facts = Facts::new().codes("of", ["liveness", "a@b.example", "John Doe", ""]);
        assert_eq!(facts.into_json(), r#"{"of":["liveness","OTHER","OTHER","OTHER"]}"#);
    }
}
