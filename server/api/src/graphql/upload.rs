//! The scalar `Upload`: the place of a file in the variables of a request.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

/// Prefix of the text that replaces a file in a variable; the file's index follows.
pub(crate) const MARKER: &str = "vultus-upload:";

/// A file, sent by the GraphQL multipart request specification; its variable is null in
/// `operations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload(pub(super) usize);

/// A file, sent by the GraphQL multipart request specification; its variable is null in
/// `operations`.
#[Scalar(
    name = "Upload",
    specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec"
)]
impl ScalarType for Upload {
    fn parse(value: Value) -> InputValueResult<Self> {
        // A client that sends the marker itself gains nothing: each file can be taken once, by its
        // index.
        let index = match &value {
            Value::String(text) => text.strip_prefix(MARKER).and_then(|index| index.parse().ok()),
            _ => None,
        };
        index
            .map(Self)
            .ok_or_else(|| InputValueError::custom("a file must be sent as multipart/form-data"))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}
