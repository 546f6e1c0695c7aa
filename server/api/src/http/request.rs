//! A GraphQL request as JSON: parsed strictly, and never echoed. Variables stay text; which of them
//! are needed is known only when the document is parsed.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use vultus_core::json::check_size;
use vultus_core::{Error, Result};

use crate::graphql::RawRequest;
use crate::graphql::request_limits::RequestLimits;

/// A request in a body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest<'b> {
    query: String,
    #[serde(default)]
    operation_name: Option<String>,
    #[serde(default, borrow)]
    variables: Option<&'b RawValue>,
    /// For the transport; nothing of it is used.
    #[serde(default, borrow)]
    extensions: Option<&'b RawValue>,
}

/// The requests of one HTTP body.
#[derive(Debug)]
pub(crate) enum Requests {
    /// One.
    Single(RawRequest),
    /// Several requests, answered in the same order.
    Batch(Vec<RawRequest>),
}

/// Parses a JSON body.
pub(crate) fn parse(body: &[u8], limits: &RequestLimits) -> Result<Requests> {
    let is_batch = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
    if !is_batch {
        return parse_single(body, limits).map(Requests::Single);
    }
    check_values(body, limits)?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let texts = deserializer
        .deserialize_seq(AtMost(limits.batch))
        .and_then(|texts| deserializer.end().map(|()| texts))
        .map_err(|error| not_a_request(&error))?;
    match texts {
        None => Err(Error::LimitExceeded {
            argument: None,
            message: format!("the batch has more than {} requests", limits.batch),
            reason: Some("BATCH_TOO_LARGE".to_owned()),
        }),
        Some(texts) if texts.is_empty() => Err(Error::invalid("", "the batch is empty")),
        Some(texts) => {
            let requests = texts.into_iter().map(|text| parse_checked(text.get().as_bytes()));
            requests.collect::<Result<_>>().map(Requests::Batch)
        }
    }
}

/// Parses one request.
pub(crate) fn parse_single(text: &[u8], limits: &RequestLimits) -> Result<RawRequest> {
    check_values(text, limits)?;
    parse_checked(text)
}

/// Parses the payload of a websocket's message, whose values were counted.
pub(crate) fn parse_checked(text: &[u8]) -> Result<RawRequest> {
    let WireRequest { query, operation_name, variables, extensions } =
        serde_json::from_slice(text).map_err(|error| not_a_request(&error))?;
    for (name, member) in [("variables", variables), ("extensions", extensions)] {
        if member.is_some_and(|member| !member.get().starts_with('{')) {
            return Err(Error::InvalidInput {
                argument: Some(name.to_owned()),
                message: "must be an object".to_owned(),
                reason: Some("BAD_REQUEST_BODY".to_owned()),
            });
        }
    }
    Ok(RawRequest { query, operation_name, variables: variables.map(ToOwned::to_owned) })
}

fn check_values(text: &[u8], limits: &RequestLimits) -> Result<()> {
    check_size(text, limits.json_values, limits.json_depth).map_err(|excess| Error::LimitExceeded {
        argument: None,
        message: format!("the request {excess}"),
        reason: Some("TOO_MANY_VALUES".to_owned()),
    })
}

/// The members of a list; `None` if there are more than this number. The others are not kept.
struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut items: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let (mut kept, mut found) = (Vec::new(), 0);
        while let Some(item) = items.next_element::<&RawValue>()? {
            found += 1;
            if found <= self.0 {
                kept.push(item);
            }
        }
        Ok((found <= self.0).then_some(kept))
    }
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
    fn a_batch_has_1_to_10_requests() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"query":"{a}"}"#; count].join(","));
        let Ok(Requests::Batch(requests)) = parsed(batch(10).as_bytes()) else {
            panic!("not a batch")
        };
        assert_eq!(requests.len(), 10);
        assert!(matches!(parsed(batch(11).as_bytes()), Err(Error::LimitExceeded { .. })));
        assert!(parsed(b"[]").is_err() && parsed(br#"[{"query":"{a}"}] 1"#).is_err());
    }

    #[test]
    fn a_malformed_body_is_refused_without_its_text() {
        let error = parsed(br#"{"query": 5, "password": "hunter2"}"#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(parsed(br#"{"variables": {}}"#).is_err());
        assert!(parsed(br#"{"query": "{a}", "variables": []}"#).is_err());
        assert!(parsed(br#"{"query": "{a}", "extensions": "x"}"#).is_err());
    }

    #[test]
    fn variables_stay_text() {
        let body = br#"{"variables": {"a": [1.50]}, "extensions": {"b": []}, "query": "{a}"}"#;
        let Ok(Requests::Single(request)) = parsed(body) else { panic!("not one request") };
        assert_eq!(request.variables.unwrap().get(), r#"{"a": [1.50]}"#);
        let Ok(Requests::Single(request)) = parsed(br#"{"query": "{a}", "variables": null}"#)
        else {
            panic!("not one request")
        };
        assert!(request.variables.is_none());
    }

    #[test]
    fn values_and_depth_of_a_body_are_limited() {
        let limits = RequestLimits { json_values: 20, json_depth: 5, ..RequestLimits::default() };
        let body =
            |variables: &str| format!(r#"{{"query":"{{a}}","variables":{{"v":{variables}}}}}"#);
        assert!(parse(body("[[[1]]]").as_bytes(), &limits).is_ok());
        for variables in ["[[[[1]]]]".to_owned(), format!("[{}1]", "1,".repeat(20))] {
            let refused = parse(body(&variables).as_bytes(), &limits);
            assert!(matches!(refused, Err(Error::LimitExceeded { .. })), "{variables}");
        }
    }
}
