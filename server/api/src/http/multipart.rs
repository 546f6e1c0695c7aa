//! The GraphQL multipart request specification: `operations`, `map` and the files, in this order.
//!
//! Files are written to a spool while they arrive, and all limits are enforced. After an error or a
//! disconnect, the spools are dropped with their contents.

mod file_map;

use std::collections::{HashMap, VecDeque};

use async_graphql::Value;
use bytes::Bytes;
use futures::future::maybe_done;
use multer::{Field, Multipart};
use vultus_core::{Error, Result};
use vultus_service::{UploadSink, UploadedFile};

use super::body::{BodyError, BodySource};
use crate::graphql::PreparedRequest;
use crate::graphql::request_limits::RequestLimits;
use file_map::{FileMap, bad_multipart};

/// Maximum size of `map`, in bytes.
const MAX_MAP_BYTES: usize = 64 << 10;
/// Maximum number of bytes that may be read without result: headers of parts, and reading ahead.
const LEASH_BYTES: u64 = 4 << 20;

/// Limits of a request with files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MultipartLimits<'l> {
    /// Maximum size of a file, in bytes.
    pub(crate) file_bytes: u64,
    /// Maximum number of files in a request.
    pub(crate) files: usize,
    /// Limits of `operations`.
    pub(crate) request: &'l RequestLimits,
}

/// Storage of a file while it arrives. Dropping an unfinished spool removes it.
pub(crate) trait Spool: Send {
    /// A complete file.
    type File: Send;
    /// Writes the next bytes.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// Completes the file.
    fn finish(self, name: Option<String>) -> impl Future<Output = Result<Self::File>> + Send;
}

impl Spool for UploadSink {
    type File = UploadedFile;

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        UploadSink::write(self, &bytes).await
    }

    async fn finish(self, name: Option<String>) -> Result<UploadedFile> {
        UploadSink::finish(self, name).await
    }
}

/// A request with its files: the variable of each file holds the [`marker`] of its index.
#[derive(Debug)]
pub(crate) struct Upload<F> {
    pub(crate) request: PreparedRequest,
    pub(crate) files: Vec<F>,
}

/// The text that replaces file `index` in its variable.
pub(crate) fn marker(index: usize) -> String {
    format!("{}{index}", crate::graphql::upload::MARKER)
}

/// Reads a multipart request. `reserve` reserves memory for the next bytes of `operations`. `admit`
/// checks the request before any file is read, and returns what is kept of it, with the function
/// that creates a spool.
pub(crate) async fn read<S, A, F, B>(
    source: BodySource,
    boundary: String,
    limits: MultipartLimits<'_>,
    reserve: impl FnMut(usize) -> Result<()> + Send,
    admit: A,
) -> Result<Upload<S::File>>
where
    S: Spool,
    A: FnOnce(Vec<u8>) -> F + Send,
    F: Future<Output = Result<(PreparedRequest, B)>> + Send,
    B: Fn() -> Result<S> + Send,
{
    source.allow(LEASH_BYTES);
    let mut parts = Multipart::new(source.clone(), boundary);
    let limit = limits.request.body_bytes;
    let operations = text_part(&mut parts, &source, "operations", limit, reserve).await?;
    let (mut request, begin) = admit(operations).await?;
    let map = text_part(&mut parts, &source, "map", MAX_MAP_BYTES, |_| Ok(())).await?;
    let places = FileMap::parse(&map, limits.files)?;
    places.check_variables(&mut request.variables)?;
    let mut arrived = HashMap::new();
    loop {
        source.allow(LEASH_BYTES);
        let Some(field) = parts.next_field().await.map_err(broken)? else { break };
        let name = field.name().unwrap_or_default().to_owned();
        let targets = places.of(&name);
        let Some(place) = targets.first() else {
            return Err(bad_multipart("a file is sent that `map` does not name"));
        };
        if arrived.contains_key(&name) {
            return Err(bad_multipart("a file is sent twice").at(&place.argument));
        }
        let mut sinks = Vec::with_capacity(targets.len());
        for target in &targets {
            sinks.push(begin().map_err(|error| error.at(&target.argument))?);
        }
        let copies = read_file(field, &source, sinks, limits.file_bytes)
            .await
            .map_err(|error| error.at(&place.argument))?;
        let mut all_finishing = VecDeque::with_capacity(copies.len());
        for copy in copies {
            // Polled once, the file writes its last part to disk while the next file arrives.
            let mut finishing = Box::pin(maybe_done(copy.finish()));
            let _ = futures::poll!(&mut finishing);
            all_finishing.push_back(finishing);
        }
        arrived.insert(name, all_finishing);
    }
    let mut files = Vec::with_capacity(places.0.len());
    for (name, place) in places.0 {
        let Some(mut finishing) = arrived.get_mut(&name).and_then(VecDeque::pop_front) else {
            return Err(bad_multipart("a file that `map` names is missing").at(&place.argument));
        };
        finishing.as_mut().await;
        let finished = finishing
            .as_mut()
            .take_output()
            .ok_or_else(|| Error::broken("a file was completed twice"))?;
        let file = finished.map_err(|error| error.at(&place.argument))?;
        if let Some(variable) = place.variable(&mut request.variables) {
            *variable = Value::String(marker(files.len()));
        }
        files.push(file);
    }
    Ok(Upload { request, files })
}

async fn text_part(
    parts: &mut Multipart<'static>,
    source: &BodySource,
    name: &str,
    limit: usize,
    mut reserve: impl FnMut(usize) -> Result<()> + Send,
) -> Result<Vec<u8>> {
    let field = parts.next_field().await.map_err(broken)?;
    let Some(mut field) = field.filter(|field| field.name() == Some(name)) else {
        return Err(bad_multipart(
            "the parts must be `operations`, `map` and then the files, in this order",
        ));
    };
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        source.allow(LEASH_BYTES);
        if text.len() + chunk.len() > limit {
            return Err(Error::LimitExceeded {
                argument: None,
                message: format!("`{name}` is larger than {limit} bytes"),
                reason: Some("BODY_TOO_LARGE".to_owned()),
            });
        }
        reserve(chunk.len())?;
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// A file whose bytes have all arrived.
struct Whole<S> {
    sink: S,
    name: Option<String>,
}

impl<S: Spool> Whole<S> {
    async fn finish(self) -> Result<S::File> {
        self.sink.finish(self.name).await
    }
}

/// Writes a file into one spool for each of its places.
async fn read_file<S: Spool>(
    mut field: Field<'static>,
    source: &BodySource,
    mut sinks: Vec<S>,
    limit: u64,
) -> Result<Vec<Whole<S>>> {
    let name = field.file_name().map(str::to_owned);
    let mut size = 0u64;
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        source.allow(LEASH_BYTES);
        size += chunk.len() as u64;
        if size > limit {
            return Err(Error::LimitExceeded {
                argument: None,
                message: format!("the file is larger than {limit} bytes"),
                reason: Some("TOO_MANY_BYTES".to_owned()),
            });
        }
        for sink in &mut sinks {
            sink.write(chunk.clone()).await?;
        }
    }
    let whole = |sink| Whole { sink, name: name.clone() };
    Ok(sinks.into_iter().map(whole).collect())
}

fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<BodyError>() {
            Ok(error) if matches!(*error, BodyError::Hurried) => error.into_domain(),
            Ok(error) => bad_multipart(&error.to_string()),
            Err(cause) => bad_multipart(&cause.to_string()),
        },
        _ => bad_multipart("the body is not complete multipart/form-data"),
    }
}

#[cfg(test)]
mod tests;
