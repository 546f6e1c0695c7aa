//! GraphQL documents with their variables: the measuring that precedes validation.
#![no_main]

use serde_json::json;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (query, variables) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    let variables = serde_json::from_str(variables).unwrap_or(json!({}));
    let body = json!({"query": query, "variables": variables}).to_string();
    vultus_api::http::fuzzing::json(body.as_bytes());
});
