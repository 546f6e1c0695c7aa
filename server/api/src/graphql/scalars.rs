//! The schema's scalars, and ids.

use std::str::FromStr;

use async_graphql::{ID, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use vultus_core::{CompanyId, Error, Result};

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

/// The id in an argument that refers to an object of kind `what`. A malformed id is not found.
pub(super) fn parse_id<T: FromStr>(id: &ID, what: &'static str, argument: &str) -> Result<T> {
    id.parse().map_err(|_| Error::not_found(what, argument))
}

/// The company that an argument names.
pub(super) fn optional_company(id: Option<&ID>, argument: &str) -> Result<Option<CompanyId>> {
    id.map(|id| parse_id(id, "company", argument)).transpose()
}

/// A count as `Int`, whose maximum is 2³¹ − 1.
pub(super) fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}
