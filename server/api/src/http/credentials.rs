//! Access tokens in request headers and in the payload of a websocket's `connection_init`.

use axum::http::{HeaderMap, header};
use serde_json::value::RawValue;
use vultus_core::JsonText;

/// The two spellings of the Oz API's header.
const TOKEN_HEADERS: [&str; 2] = ["x-forensics-access-token", "x-forensic-access-token"];
/// Headers that a browser sends to another origin only after a preflight request, so that a foreign
/// page cannot forge them.
const PREFLIGHT_HEADERS: [&str; 6] = [
    "graphql-preflight",
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-requested-by",
    "x-requested-with",
    "idempotency-key",
];

/// The access token of a request, if there is one.
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(value) = text(header::AUTHORIZATION.as_str()) {
        // Another scheme is an invalid credential, not a missing one.
        return Some(bearer(value).unwrap_or(value).to_owned());
    }
    TOKEN_HEADERS.iter().find_map(|name| text(name)).map(str::to_owned)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request has a header that a foreign page cannot send without a preflight request.
pub(crate) fn is_preflighted(headers: &HeaderMap) -> bool {
    token(headers).is_some() || has_custom_header(headers)
}

/// The same, apart from a token.
pub(crate) fn has_custom_header(headers: &HeaderMap) -> bool {
    PREFLIGHT_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// The access token in the payload of `connection_init`: under the names of the headers, or
/// `accessToken` or `token`.
pub(crate) fn token_in_payload(payload: Option<&RawValue>) -> Option<String> {
    let fields = JsonText::stored(payload?.get()).top_strings();
    fields.into_iter().find_map(|(name, value)| {
        let text = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => Some(bearer(text).unwrap_or(text).to_owned()),
            "accesstoken" | "token" => Some(text.to_owned()),
            other if TOKEN_HEADERS.contains(&other) => Some(text.to_owned()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    #[test]
    fn all_names_of_the_token_header_are_accepted() {
        for (name, value) in [
            ("authorization", "Bearer t"),
            ("authorization", "bearer  t"),
            ("x-forensics-access-token", "t"),
            ("x-forensic-access-token", "t"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(token(&headers).as_deref(), Some("t"), "{name}");
            assert!(is_preflighted(&headers));
            let payload = RawValue::from_string(json!({name: value}).to_string()).unwrap();
            assert_eq!(token_in_payload(Some(&payload)).as_deref(), Some("t"), "{name}");
        }
    }

    #[test]
    fn a_plain_form_of_a_foreign_page_is_not_preflighted() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data; boundary=x"),
        );
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b"));
        assert!(!is_preflighted(&headers));
        headers.insert("graphql-preflight", HeaderValue::from_static("1"));
        assert!(is_preflighted(&headers));
    }
}
