//! A GraphQL request as JSON: parsed strictly, and never echoed.

use async_graphql::Variables;
use serde::Deserialize;
use vultus_core::{Error, Result};

/// Largest JSON body, and largest `operations` of a multipart body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;
/// Most requests in one batch.
pub(crate) const MAX_BATCH: usize = 10;

/// One operation as a client asks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GraphQlRequest {
    /// The document.
    pub(crate) query: String,
    /// Which of its operations.
    #[serde(default)]
    pub(crate) operation_name: Option<String>,
    /// Variables: a JSON object.
    #[serde(default)]
    pub(crate) variables: Option<serde_json::Map<String, serde_json::Value>>,
}

impl GraphQlRequest {
    /// The variables in the library's form.
    pub(crate) fn library_variables(&self) -> Variables {
        Variables::from_json(serde_json::Value::Object(self.variables.clone().unwrap_or_default()))
    }
}

/// What one HTTP body asks for.
#[derive(Debug)]
pub(crate) enum Requests {
    /// One.
    Single(GraphQlRequest),
    /// Several, answered in the same order.
    Batch(Vec<GraphQlRequest>),
}

/// Parses a JSON body.
pub(crate) fn parse(body: &[u8]) -> Result<Requests> {
    let is_batch = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if !is_batch {
        return parse_single(body).map(Requests::Single);
    }
    let requests: Vec<GraphQlRequest> =
        serde_json::from_slice(body).map_err(|error| not_a_request(&error))?;
    match requests.len() {
        0 => Err(Error::invalid("", "the batch is empty")),
        n if n > MAX_BATCH => Err(Error::LimitExceeded {
            argument: None,
            message: format!("the batch has {n} requests; {MAX_BATCH} is the limit"),
            reason: Some("BATCH_TOO_LARGE".to_owned()),
        }),
        _ => Ok(Requests::Batch(requests)),
    }
}

/// Parses one request.
pub(crate) fn parse_single(text: &[u8]) -> Result<GraphQlRequest> {
    serde_json::from_slice(text).map_err(|error| not_a_request(&error))
}

/// The parser's own texts may repeat what the client sent; only the place is told.
fn not_a_request(error: &serde_json::Error) -> Error {
    let message = format!(
        "the body is not a GraphQL request (an object with `query`, `operationName` and `variables`): line {}, column {}",
        error.line(),
        error.column()
    );
    Error::InvalidInput { argument: None, message, reason: Some("BAD_REQUEST_BODY".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_requests_are_a_batch_and_eleven_are_not() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"query":"{a}"}"#; count].join(","));
        assert!(
            matches!(parse(batch(10).as_bytes()), Ok(Requests::Batch(requests)) if requests.len() == 10)
        );
        assert!(matches!(parse(batch(11).as_bytes()), Err(Error::LimitExceeded { .. })));
        assert!(parse(b"[]").is_err());
    }

    #[test]
    fn a_body_that_is_no_request_is_refused_without_being_repeated() {
        let error = parse(br#"{"query": 5, "password": "hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(parse(br#"{"variables": {}}"#).is_err());
        assert!(parse(br#"{"query": "{a}", "variables": []}"#).is_err());
    }
}
