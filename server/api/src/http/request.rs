//! A GraphQL request as JSON: parsed strictly, and never echoed.

use async_graphql::Variables;
use serde::Deserialize;
use vultus_core::{Error, Result};

use crate::graphql::request_limits::RequestLimits;

/// One operation as a client asks for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GraphQlRequest {
    /// The document.
    pub(crate) query: String,
    /// Name of the operation to execute.
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

/// The requests of one HTTP body.
#[derive(Debug)]
pub(crate) enum Requests {
    /// One.
    Single(GraphQlRequest),
    /// Several requests, answered in the same order.
    Batch(Vec<GraphQlRequest>),
}

/// Parses a JSON body.
pub(crate) fn parse(body: &[u8], limits: &RequestLimits) -> Result<Requests> {
    let is_batch = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if !is_batch {
        return parse_single(body, limits).map(Requests::Single);
    }
    check_values(body, limits)?;
    let requests: Vec<GraphQlRequest> =
        serde_json::from_slice(body).map_err(|error| not_a_request(&error))?;
    match requests.len() {
        0 => Err(Error::invalid("", "the batch is empty")),
        n if n > limits.batch => Err(Error::LimitExceeded {
            argument: None,
            message: format!("the batch has {n} requests; {} is the limit", limits.batch),
            reason: Some("BATCH_TOO_LARGE".to_owned()),
        }),
        _ => Ok(Requests::Batch(requests)),
    }
}

/// Parses one request.
pub(crate) fn parse_single(text: &[u8], limits: &RequestLimits) -> Result<GraphQlRequest> {
    check_values(text, limits)?;
    serde_json::from_slice(text).map_err(|error| not_a_request(&error))
}

fn check_values(text: &[u8], limits: &RequestLimits) -> Result<()> {
    if !has_too_many_values(text, limits.json_values) {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        argument: None,
        message: format!("the request has more than {} JSON values", limits.json_values),
        reason: Some("TOO_MANY_VALUES".to_owned()),
    })
}

/// Whether JSON text has more values than `limit`. Counted before parsing, because a parsed value
/// takes up to 600 times the memory of its text. Names of fields are strings and count as values.
pub(crate) fn has_too_many_values(text: &[u8], limit: usize) -> bool {
    let (mut values, mut in_string, mut is_escaped) = (1usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
        if values > limit {
            return true;
        }
    }
    false
}

/// The parser's texts may repeat the client's values, so that the error tells only the position.
fn not_a_request(error: &serde_json::Error) -> Error {
    let message = format!(
        "the body is not a GraphQL request (an object with `query`, `operationName` and \
         `variables`): line {}, column {}",
        error.line(),
        error.column()
    );
    Error::InvalidInput { argument: None, message, reason: Some("BAD_REQUEST_BODY".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &[u8]) -> Result<Requests> {
        parse(body, &RequestLimits::default())
    }

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, values) in [(r#"{"a":[1,2]}"#, 5), (r#""\"[,:{""#, 1), ("[[[]]]", 4), ("1", 1)] {
            assert!(!has_too_many_values(text.as_bytes(), values), "{text}");
            assert!(has_too_many_values(text.as_bytes(), values - 1), "{text}");
        }
    }

    #[test]
    fn a_batch_has_1_to_10_requests() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"query":"{a}"}"#; count].join(","));
        let Ok(Requests::Batch(requests)) = parsed(batch(10).as_bytes()) else {
            panic!("not a batch")
        };
        assert_eq!(requests.len(), 10);
        assert!(matches!(parsed(batch(11).as_bytes()), Err(Error::LimitExceeded { .. })));
        assert!(parsed(b"[]").is_err());
    }

    #[test]
    fn a_malformed_body_is_refused_without_its_text() {
        let error = parsed(br#"{"query": 5, "password": "hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(parsed(br#"{"variables": {}}"#).is_err());
        assert!(parsed(br#"{"query": "{a}", "variables": []}"#).is_err());
    }
}
