//! Every request has an id: in the answer's header, in its errors and in the log. Panics end here.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, header::HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;
use vultus_core::Error;

use super::{nosniff, respond};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that a client may give, in bytes.
const MAX_BYTES: usize = 64;

/// Id of one request, in characters that need no escaping anywhere.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The client's own, when it is a plain one; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let plain = |id: &&str| {
            !id.is_empty()
                && id.len() <= MAX_BYTES
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let given = headers.get(&HEADER).and_then(|value| value.to_str().ok()).filter(plain);
        Self(given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn new(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// The layer around all routes.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    // The route, not the path: paths hold signatures and ids.
    let route =
        request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let span =
        tracing::info_span!("request", request_id = id.as_str(), method = %request.method(), route);
    let began = Instant::now();
    // A task: a connection does not poll a request while it cannot write the answers before it, and
    // what the request holds must not wait for that. A client that leaves ends it.
    let answering = tokio::spawn(next.run(request).instrument(span.clone()));
    let mut response = match AbortOnDropHandle::new(answering).await {
        Ok(response) => response,
        // The panic's text is in the log already, by the panic hook; it may hold anything, so that
        // it goes no further.
        Err(_) => respond::refusal(&Error::broken("a handler panicked"), &id),
    };
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), elapsed_ms, "answered"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    nosniff(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_of_the_client_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("abc-1_2"));
        assert_eq!(RequestId::of(&headers).as_str(), "abc-1_2");
        for bad in [
            "a b",
            "a\"b",
            "",
            "0123456789012345678901234567890123456789012345678901234567890123456789",
        ] {
            headers.insert(HEADER, HeaderValue::from_str(bad).unwrap());
            assert_ne!(RequestId::of(&headers).as_str(), bad);
        }
    }
}
