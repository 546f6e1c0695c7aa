//! A request between its parsing and its execution.

use async_graphql::Variables;
use serde_json::value::RawValue;
use vultus_core::{Error, Result};

use super::limits::CheckedDocument;
use super::request_limits::QueryLimits;
use super::variables::{json_bytes, size_in_memory};

/// One operation as a client asks for it.
#[derive(Debug)]
pub struct RawRequest {
    /// The document.
    pub query: String,
    /// Name of the operation to execute.
    pub operation_name: Option<String>,
    /// Variables: the text of a JSON object.
    pub variables: Option<Box<RawValue>>,
}

/// A request whose document was measured and whose declared variables were converted. It keeps
/// nothing else of its body.
#[derive(Debug)]
pub struct PreparedRequest {
    /// Text of the document, for fingerprints.
    pub query: String,
    /// The document.
    pub checked: CheckedDocument,
    /// Name of the operation to execute.
    pub operation_name: Option<String>,
    /// The declared variables.
    pub variables: Variables,
    /// Approximate memory, in bytes.
    pub bytes: usize,
}

/// Approximate memory of the syntax tree per byte of a document.
const BYTES_OF_TREE: usize = 4;

impl PreparedRequest {
    /// Refuses variables that are too large for the number of their uses: each use is a copy.
    pub(super) fn new(
        request: RawRequest,
        checked: CheckedDocument,
        variables: Variables,
        limits: &QueryLimits,
    ) -> Result<Self> {
        let largest = variables.values().map(size_in_memory).max().unwrap_or_default();
        if largest.saturating_mul(checked.variable_uses) > limits.variable_bytes {
            return Err(Error::LimitExceeded {
                argument: Some("variables".to_owned()),
                message: "the variables are too large for the number of their uses".to_owned(),
                reason: Some("QUERY_VARIABLE_BYTES".to_owned()),
            });
        }
        let of_variables: usize =
            variables.values().map(|value| size_in_memory(value) + json_bytes(value)).sum();
        let RawRequest { query, operation_name, .. } = request;
        let bytes = query.len() * BYTES_OF_TREE + of_variables;
        Ok(Self { query, checked, operation_name, variables, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::request_limits::RequestLimits;
    use crate::graphql::{Api, Introspection};

    #[test]
    fn each_use_of_a_variable_counts_its_size() {
        let query = QueryLimits { variable_bytes: 3_000, ..QueryLimits::default() };
        let limits = RequestLimits { query, ..RequestLimits::default() };
        let api = Api::new(Introspection::Refused, limits);
        let admits = |length: usize| {
            let variables = format!("{{\"v\":\"{}\"}}", "x".repeat(length));
            let request = RawRequest {
                query: "query($v: String) { a(b: $v) c(d: [$v]) }".to_owned(),
                operation_name: None,
                variables: Some(RawValue::from_string(variables).unwrap()),
            };
            api.prepare(request).is_ok()
        };
        assert!(admits(1_400));
        assert!(!admits(1_500));
    }

    #[test]
    fn undeclared_variables_take_no_memory() {
        let api = Api::new(Introspection::Refused, RequestLimits::default());
        let prepared = |variables: String| {
            let query = "query($v: String) { viewer { user { id } } }".to_owned();
            let variables = Some(RawValue::from_string(variables).unwrap());
            api.prepare(RawRequest { query, operation_name: None, variables }).unwrap()
        };
        let without = prepared("{}".to_owned());
        let with = prepared(format!("{{\"w\":[{}1]}}", "{},".repeat(1_000)));
        assert_eq!((with.bytes, with.variables.len()), (without.bytes, 0));
    }
}
