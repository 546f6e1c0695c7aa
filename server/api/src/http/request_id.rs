//! Every request has an id: in the answer's header, in its errors and in the log.

use axum::extract::Request;
use axum::http::header::HeaderName;
use tower_http::request_id::RequestId as RequestIdHeader;

/// The header that carries the id, in requests and answers.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that a client may give, in bytes.
const MAX_BYTES: usize = 64;

/// Id of one request, in characters that need no escaping anywhere.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id that the layers gave to `request`.
    pub(super) fn of(request: &Request) -> Self {
        let id = request.extensions().get::<RequestIdHeader>();
        let text = id.and_then(|id| id.header_value().to_str().ok());
        Self(text.unwrap_or("unknown").to_owned())
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

/// Removes a client's id that is not plain, so that the request gets a new one.
pub(super) async fn drop_unplain(mut request: Request) -> Request {
    let is_plain = |id: &[u8]| {
        (1..=MAX_BYTES).contains(&id.len())
            && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if request.headers().get(&HEADER).is_some_and(|id| !is_plain(id.as_bytes())) {
        request.headers_mut().remove(&HEADER);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::HeaderValue;

    async fn kept(id: &str) -> Option<HeaderValue> {
        let request = Request::builder().header(HEADER, id).body(Body::empty()).unwrap();
        drop_unplain(request).await.headers().get(&HEADER).cloned()
    }

    #[tokio::test]
    async fn only_a_plain_id_of_the_client_is_kept() {
        assert_eq!(kept("abc-1_2").await.unwrap(), "abc-1_2");
        let too_long = "0".repeat(MAX_BYTES + 1);
        for bad in ["a b", "a\"b", "", too_long.as_str()] {
            assert!(kept(bad).await.is_none(), "{bad}");
        }
    }
}
