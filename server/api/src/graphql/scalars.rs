//! Scalars of our own, and ids.

use std::str::FromStr;

use async_graphql::{ID, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use vultus_core::{Error, Result};

/// An absolute URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(pub String);

/// An absolute URL.
#[Scalar(name = "URL", specified_by_url = "https://url.spec.whatwg.org/")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            _ => Err(InputValueError::custom("a URL is a string")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The id in an argument that must name something of kind `what`. A malformed id names nothing.
pub(super) fn parse_id<T: FromStr>(id: &ID, what: &'static str, argument: &str) -> Result<T> {
    id.parse().map_err(|_| Error::not_found(what, argument))
}

/// A number of things as `Int`, which ends at 2³¹ − 1.
pub(super) fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
