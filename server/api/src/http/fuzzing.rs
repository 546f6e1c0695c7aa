//! Entries for the fuzzing targets (`fuzz/targets`): what parses the bytes of a request, without a
//! node. Compiled only by cargo-fuzz.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures::stream;
use vultus_core::Result;

use super::body::BodySource;
use super::content_type::ContentType;
use super::multipart::{self, MultipartLimits, Spool};
use super::request::{self, Requests};
use crate::graphql::request_limits::RequestLimits;
use crate::graphql::{Api, Introspection, PreparedRequest};

static API: LazyLock<Api> =
    LazyLock::new(|| Api::new(Introspection::Allowed, RequestLimits::default()));
/// Limits of files that one input can reach.
const FILE_BYTES: u64 = 1 << 10;
const FILES: usize = 4;

/// Parses and prepares a JSON body: one request, or a batch.
pub fn json(body: &[u8]) {
    match request::parse(body, API.limits()) {
        Ok(Requests::Single(request)) => drop(API.prepare(request)),
        Ok(Requests::Batch(requests)) => {
            for request in requests {
                drop(API.prepare(request));
            }
        }
        Err(_) => {}
    }
}

/// Reads a request with files that arrives in these chunks.
pub fn multipart(content_type: &[u8], chunks: Vec<Vec<u8>>) {
    let Ok(value) = HeaderValue::from_bytes(content_type) else { return };
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value)]);
    let ContentType::Multipart(boundary) = ContentType::of(&headers) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else { return };
    let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
    let body = Body::from_stream(stream::iter(chunks));
    runtime.block_on(async {
        let limits =
            MultipartLimits { file_bytes: FILE_BYTES, files: FILES, request: API.limits() };
        let source = BodySource::new(body);
        let read = multipart::read(source, boundary, limits, |_| Ok(()), admit).await;
        if let Ok(upload) = read {
            assert!(upload.files.len() <= FILES);
            assert!(upload.files.iter().all(|size| *size <= FILE_BYTES));
        }
    });
}

async fn admit(operations: Vec<u8>) -> Result<(PreparedRequest, fn() -> Result<Counted>)> {
    let request = request::parse_single(&operations, API.limits())?;
    Ok((API.prepare(request)?, || Ok(Counted(0))))
}

/// A file of which only the size is kept.
struct Counted(u64);

impl Spool for Counted {
    type File = u64;

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    async fn finish(self, _name: Option<String>) -> Result<u64> {
        Ok(self.0)
    }
}
