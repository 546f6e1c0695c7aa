//! JSON of clients and analyzers, kept as text.
//!
//! A parsed value takes up to 600 times the memory of its text. Such JSON is therefore validated
//! once, in one pass and without building values, and then stays text until it is sent. The text
//! keeps numbers of any length exactly.

mod check;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub use check::{JsonExcess, check_size};

/// Limits of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Maximum length without white space, in bytes.
    pub bytes: usize,
    /// Maximum number of values, including nested ones. Names of fields count too.
    pub values: usize,
    /// Maximum nesting of objects and lists.
    pub depth: usize,
}

/// Why a JSON text is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// It exceeds a limit.
    #[error(transparent)]
    Excess(#[from] JsonExcess),
    /// It is not JSON.
    #[error("must be JSON")]
    Malformed,
}

/// A valid JSON text. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// Validates a text and removes its white space.
    pub fn parse(text: &str, limits: &JsonLimits) -> Result<Self, JsonFault> {
        check_size(text.as_bytes(), limits.values, limits.depth)?;
        check::check_syntax(text)?;
        let compact = check::without_white_space(text);
        if compact.len() > limits.bytes {
            return Err(JsonExcess::Bytes(limits.bytes).into());
        }
        Ok(Self(compact.into()))
    }

    /// A text that was validated before it was stored.
    pub fn stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The empty object.
    pub fn empty_object() -> Self {
        Self(Arc::from("{}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether a string or a name contains a NUL character.
    pub fn has_nul(&self) -> bool {
        self.0.contains("\\u0000") && check::has_nul(&self.0)
    }

    /// The parsed value. Only for a text whose number of values is limited.
    pub fn to_value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.0)
    }

    /// A field at the top of an object. The other fields are skipped. `None` if the field is absent
    /// or of another type.
    pub fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(check::field(&self.0, name)?.get()).ok()
    }

    /// The fields at the top of an object whose values are strings.
    pub fn top_strings(&self) -> Vec<(String, String)> {
        check::top_strings(&self.0)
    }
}

/// The content is left out: it may be personal data.
impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.0.len())
    }
}

impl From<&Value> for JsonText {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

/// As nested JSON, not as a string.
impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Box::<str>::from(raw).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits { bytes: 40, values: 9, depth: 3 };

    fn parsed(text: &str) -> Result<String, JsonFault> {
        JsonText::parse(text, &LIMITS).map(|text| text.as_str().to_owned())
    }

    #[test]
    fn text_is_kept_exactly_but_for_white_space() {
        let number = "123456789012345678901234567890";
        let text = format!("{{ \"a\" :\n[{number}, \" \\\" {{\"]}}\t");
        let expected = format!("{{\"a\":[{number},\" \\\" {{\"]}}");
        let limits = JsonLimits { bytes: 80, ..LIMITS };
        let kept = JsonText::parse(&text, &limits).map(|text| text.as_str().to_owned());
        assert_eq!(kept, Ok(expected.clone()));
        let text = JsonText::stored(expected.as_str());
        assert_eq!(serde_json::to_string(&text).unwrap(), expected);
        assert_eq!(serde_json::from_str::<JsonText>(&expected).unwrap(), text);
    }

    #[test]
    fn limits_are_exact() {
        assert!(parsed("[[[1]]]").is_ok());
        assert_eq!(parsed("[[[[]]]]"), Err(JsonExcess::Depth(3).into()));
        assert!(parsed("[1,2,3,4,5,6,7,8]").is_ok());
        assert_eq!(parsed("[1,2,3,4,5,6,7,8,9]"), Err(JsonExcess::Values(9).into()));
        assert!(parsed(&format!("\"{}\"", "x".repeat(38))).is_ok());
        let long = format!("\"{}\"", "x".repeat(39));
        assert_eq!(parsed(&long), Err(JsonExcess::Bytes(40).into()));
    }

    #[test]
    fn malformed_text_is_rejected() {
        for text in ["", "{", "{\"a\"}", "[1,]", "nul", "01", "\"\\ud800\"", "1 2", "\"\u{1}\""] {
            assert_eq!(parsed(text), Err(JsonFault::Malformed), "{text}");
        }
    }

    #[test]
    fn nul_is_found_in_strings_and_names() {
        let has_nul = |text: &str| JsonText::parse(text, &LIMITS).unwrap().has_nul();
        assert!(has_nul("[\"\\u0000\"]") && has_nul("{\"\\u0000\":1}"));
        assert!(!has_nul("[\"\\\\u0000\"]") && !has_nul("[0]"));
    }

    #[test]
    fn single_fields_are_read_without_the_others() {
        let text = JsonText::stored(r#"{"a":{"s":1},"s":0.5,"t":"x","u":"y"}"#);
        assert_eq!(text.field::<f64>("s"), Some(0.5));
        assert_eq!(text.field::<f64>("t"), None);
        assert_eq!(JsonText::stored("[1]").field::<f64>("s"), None);
        let strings = [("t", "x"), ("u", "y")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(text.top_strings(), strings);
    }

    #[test]
    fn debug_output_has_no_content() {
        let text = JsonText::stored(r#"{"name":"secret"}"#);
        assert_eq!(format!("{text:?}"), "JsonText(17 bytes)");
    }
}
