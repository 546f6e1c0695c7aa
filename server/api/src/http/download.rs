//! Downloads of media, thumbnails and artifacts by signed, expiring URLs, with ranges. The
//! signature is the only credential.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_range_header::parse_range_header;
use serde::Deserialize;
use vultus_core::Error;

use super::node::Node;
use super::peer::Peer;
use super::request_id::RequestId;
use super::respond;
use vultus_service::{DownloadLink, OpenDownload};

/// The query parameters of a signed URL.
#[derive(Deserialize)]
pub(super) struct Signature {
    expires: i64,
    by: String,
    signature: String,
}

/// Sends the file, or the requested range of it.
pub(super) async fn handle(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    peer: Option<Extension<Peer>>,
    Path((kind, id)): Path<(String, String)>,
    signature: Result<Query<Signature>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(Signature { expires, by, signature })) = signature else {
        return respond::refusal(
            &Error::Forbidden("the URL is not signed".to_owned()),
            &request_id,
        );
    };
    let link = DownloadLink { kind, id, expires, by, signature };
    let client = node.client(peer.as_deref(), &headers);
    let opened = node.services.for_client(client.0).open_download(&link).await;
    let sent = match opened {
        Ok(download) => Ok(send(download, &headers)),
        Err(error) => Err(error),
    };
    sent.unwrap_or_else(|error| respond::refusal(&error, &request_id))
}

fn send(download: OpenDownload, headers: &HeaderMap) -> Response {
    let size = download.byte_size;
    let tag = download.sha256.as_deref().map(|sha256| format!("\"{sha256}\""));
    let asked = match headers.get(header::RANGE).and_then(|value| value.to_str().ok()) {
        Some(range) if range_still_applies(headers, tag.as_deref()) => parse_range(range, size),
        _ => Asked::Whole,
    };
    let (status, start, length) = match asked {
        Asked::Whole => (StatusCode::OK, 0, size),
        Asked::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end - start + 1),
        Asked::Unsatisfiable => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let mut response = Body::from_stream((download.bytes)(start..start + length)).into_response();
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, &download.content_type);
    insert(&mut response, header::CONTENT_LENGTH, &length.to_string());
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        insert(
            &mut response,
            header::CONTENT_RANGE,
            &format!("bytes {start}-{}/{size}", start + length - 1),
        );
    }
    if let Some(tag) = tag {
        insert(&mut response, header::ETAG, &tag);
    }
    let shown =
        download.content_type.starts_with("image/") || download.content_type.starts_with("video/");
    let disposition = if shown { "inline" } else { "attachment" };
    insert(
        &mut response,
        header::CONTENT_DISPOSITION,
        &format!("{disposition}; filename=\"{}\"", download.file_name),
    );
    // No proxy or browser may store the file: it can be erased at any time.
    insert(&mut response, header::CACHE_CONTROL, "private, no-store");
    insert(&mut response, header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    insert(&mut response, header::REFERRER_POLICY, "no-referrer");
    response
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// With `If-Range`, the range applies only if the file is unchanged.
fn range_still_applies(headers: &HeaderMap, tag: Option<&str>) -> bool {
    headers
        .get(header::IF_RANGE)
        .is_none_or(|wanted| tag.is_some_and(|tag| wanted.as_bytes() == tag.as_bytes()))
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// First and last byte, both included.
    Part {
        start: u64,
        end: u64,
    },
    Unsatisfiable,
}

/// The range that a header asks for. A malformed header and several ranges are answered with the
/// whole file, as the standard permits.
fn parse_range(text: &str, size: u64) -> Asked {
    let Ok(ranges) = parse_range_header(text) else { return Asked::Whole };
    if ranges.len() > 1 {
        return Asked::Whole;
    }
    match ranges.validate(size).ok().and_then(|ranges| ranges.into_iter().next()) {
        Some(range) => Asked::Part { start: *range.start(), end: *range.end() },
        // Beyond the file, or the file is empty.
        None => Asked::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file_and_ignored_if_malformed() {
        assert_eq!(parse_range("bytes=0-0", 10), Asked::Part { start: 0, end: 0 });
        assert_eq!(parse_range("bytes=5-", 10), Asked::Part { start: 5, end: 9 });
        assert_eq!(parse_range("bytes=5-99", 10), Asked::Part { start: 5, end: 9 });
        assert_eq!(parse_range("bytes=-3", 10), Asked::Part { start: 7, end: 9 });
        assert_eq!(parse_range("bytes=-30", 10), Asked::Part { start: 0, end: 9 });
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(parse_range(beyond, 10), Asked::Unsatisfiable, "{beyond}");
        }
        for malformed in
            ["bytes=5-4", "bytes=a-b", "bytes=-", "items=0-1", "bytes=0-1,3-4", "bytes=+1-2"]
        {
            assert_eq!(parse_range(malformed, 10), Asked::Whole, "{malformed}");
        }
        assert_eq!(parse_range("bytes=-5", 0), Asked::Unsatisfiable);
    }

    #[tokio::test]
    async fn a_range_is_sent_with_its_position_and_not_cached() {
        let part = |range: std::ops::Range<u64>| {
            b"0123456789"[range.start as usize..range.end as usize].to_vec()
        };
        let download = OpenDownload {
            bytes: Box::new(move |range| {
                Box::pin(futures::stream::once(async move { Ok(part(range).into()) }))
            }),
            byte_size: 10,
            content_type: "image/jpeg".into(),
            file_name: "x.jpg".into(),
            sha256: Some("ab".into()),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=2-4"));
        let response = send(download, &headers);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes 2-4/10");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "private, no-store");
        assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap().as_ref(), b"234");
    }
}
