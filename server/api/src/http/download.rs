//! Downloads of media, thumbnails and artifacts by signed, expiring URLs, with ranges. The
//! signature is the only credential.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use vultus_core::Error;

use super::request_id::RequestId;
use super::{Node, respond};
use vultus_service::OpenDownload;

/// What follows the `?` of a signed URL.
#[derive(Deserialize)]
pub(super) struct Signature {
    expires: i64,
    signature: String,
}

/// Sends the file, or the part of it that is asked for.
pub(super) async fn handle(
    State(node): State<Node>,
    Extension(request_id): Extension<RequestId>,
    Path((kind, id)): Path<(String, String)>,
    signature: Result<Query<Signature>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(signature)) = signature else {
        return respond::refusal(
            &Error::Forbidden("the URL is not signed".to_owned()),
            &request_id,
        );
    };
    let opened =
        node.services.open_download(&kind, &id, signature.expires, &signature.signature).await;
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
    // Nobody in between keeps it, and the browser not beyond the visit: it may be erased at any
    // time.
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

/// With `If-Range`, the part is wanted only of the same file.
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

/// One range of bytes. Several, and what is malformed, are answered with the whole file, as the
/// standard allows.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    match (first.is_empty(), number(first), last.is_empty(), number(last)) {
        (true, _, false, Some(0)) => Asked::Unsatisfiable,
        (true, _, false, Some(_)) if size == 0 => Asked::Unsatisfiable,
        (true, _, false, Some(count)) => {
            Asked::Part { start: size.saturating_sub(count), end: size - 1 }
        }
        (false, Some(start), true, _) | (false, Some(start), false, Some(_)) if start >= size => {
            Asked::Unsatisfiable
        }
        (false, Some(start), true, _) => Asked::Part { start, end: size - 1 },
        (false, Some(start), false, Some(end)) if end >= start => {
            Asked::Part { start, end: end.min(size - 1) }
        }
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file_and_malformed_ones_give_the_whole() {
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
    async fn a_part_is_sent_with_its_place_and_without_being_cached() {
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
