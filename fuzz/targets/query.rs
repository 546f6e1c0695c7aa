//! GraphQL documents with their variables: the measuring that precedes validation.
#![no_main]

use std::sync::OnceLock;

use vultus_api::graphql::request_limits::RequestLimits;
use vultus_api::graphql::{Api, Introspection};

libfuzzer_sys::fuzz_target!(|text: &str| {
    static API: OnceLock<Api> = OnceLock::new();
    let api = API.get_or_init(|| Api::new(Introspection::Allowed, RequestLimits::default()));
    let (query, variables) = text.split_once("\n---\n").unwrap_or((text, "{}"));
    let variables = serde_json::from_str(variables).unwrap_or_default();
    let _ = api.check(query, None, Some(&variables));
});
