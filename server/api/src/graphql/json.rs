//! The scalar `JSON`: text that is written into the answer as it is.
//!
//! Values of the library cost hundreds of times the memory of their text. JSON therefore travels
//! through the library as [`Value::Binary`], which no other type of the schema uses, and
//! [`super::answer`] writes its bytes unchanged. JSON in variables arrives in the same form
//! ([`super::variables`]); JSON that is written in the document is a value, whose size the limits
//! of documents bound.

use std::sync::Arc;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use bytes::Bytes;
use vultus_core::JsonText;

use super::answer::to_json;
use vultus_service::UncheckedJson;

/// A scalar that can represent any JSON value.
#[derive(Debug, Clone)]
pub struct Json(UncheckedJson);

impl Json {
    /// The text of a value.
    pub(super) fn of(value: &serde_json::Value) -> Self {
        Self(UncheckedJson::of(value))
    }

    /// The text, to be validated by the use case.
    pub(super) fn unchecked(self) -> UncheckedJson {
        self.0
    }
}

impl From<&JsonText> for Json {
    fn from(text: &JsonText) -> Self {
        Self(UncheckedJson(text.shared()))
    }
}

/// JSON text as a value of the library. The text must be valid.
pub(super) fn raw(text: &str) -> Value {
    Value::Binary(Bytes::copy_from_slice(text.as_bytes()))
}

/// A scalar that can represent any JSON value.
#[Scalar(name = "JSON")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match value {
            Value::Binary(text) => text.to_vec(),
            literal => to_json(&literal, usize::MAX)
                .map_err(|_| InputValueError::custom("the JSON cannot be written"))?,
        };
        let text = String::from_utf8(text)
            .map_err(|_| InputValueError::custom("the JSON is not UTF-8"))?;
        Ok(Self(UncheckedJson(text.into())))
    }

    fn to_value(&self) -> Value {
        Value::Binary(Bytes::from_owner(Shared(self.0.0.clone())))
    }
}

/// Text that the library shares instead of copying it.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::value;

    fn written(json: &Json) -> String {
        String::from_utf8(to_json(&json.to_value(), 1_000).unwrap()).unwrap()
    }

    #[test]
    fn json_is_written_as_it_came() {
        let text = r#"{"b":1.50,"a":[123456789012345678901234567890]}"#;
        assert_eq!(written(&Json::parse(raw(text)).unwrap()), text);
        assert_eq!(written(&Json::from(&JsonText::stored(text))), text);
    }

    #[test]
    fn variable_inside_a_literal_keeps_its_text() {
        let Value::Object(mut literal) = value!({"a": 1}) else { panic!("not an object") };
        literal.insert(async_graphql::Name::new("b"), raw("[1.0]"));
        let json = Json::parse(Value::Object(literal)).unwrap();
        assert_eq!(written(&json), r#"{"a":1,"b":[1.0]}"#);
    }
}
