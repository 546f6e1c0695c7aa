//! The GraphQL multipart request specification: `operations`, then `map`, then the files, in this
//! order.
//!
//! Files go straight into a spool as they arrive; every limit is enforced on the way. When anything
//! is wrong, or the client goes away, the spools are dropped, and with them what they hold.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures::future::maybe_done;
use multer::{Field, Multipart};
use serde_json::Value;
use vultus_core::{Error, Result};

use super::body::BodySource;
use super::request::{self, GraphQlRequest};

use crate::graphql::request_limits::RequestLimits;
use crate::problem::argument_path;

/// Largest `map`, in bytes.
const MAX_MAP_BYTES: usize = 64 << 10;
/// Most bytes that may be read without any use: part headers, and what a parser reads ahead.
const LEASH_BYTES: u64 = 4 << 20;
/// Longest declared type that is kept, in bytes.
const MAX_TYPE_BYTES: usize = 127;

/// What a request with files may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MultipartLimits<'l> {
    /// Largest file, in bytes.
    pub(crate) file_bytes: u64,
    /// Most files in one request.
    pub(crate) files: usize,
    /// Limits of `operations`.
    pub(crate) request: &'l RequestLimits,
}

/// Where files go while they arrive. Dropping a spool that is not finished removes it.
pub(crate) trait Spool: Send {
    /// A file that has arrived whole.
    type File: Send;
    /// Takes the next bytes.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;
    /// There are no more.
    fn finish(
        self,
        name: Option<String>,
        declared_type: Option<String>,
    ) -> impl Future<Output = Result<Self::File>> + Send;
}

/// A request with its files: the variable at each file's place holds [`marker`] of its index.
#[derive(Debug)]
pub(crate) struct Upload<F> {
    pub(crate) request: GraphQlRequest,
    pub(crate) files: Vec<F>,
}

/// What stands in a variable in place of file `index`.
pub(crate) fn marker(index: usize) -> String {
    format!("{}{index}", crate::graphql::upload::MARKER)
}

/// Reads a whole multipart request. `admit` judges the request before any file is read and says
/// where files go.
pub(crate) async fn read<S, A, B>(
    source: BodySource,
    boundary: String,
    limits: MultipartLimits<'_>,
    admit: A,
) -> Result<Upload<S::File>>
where
    S: Spool,
    A: FnOnce(&GraphQlRequest) -> Result<B> + Send,
    B: Fn() -> Result<S> + Send,
{
    source.allow(LEASH_BYTES);
    let mut parts = Multipart::new(source.clone(), boundary);
    let operations =
        text_part(&mut parts, &source, "operations", limits.request.body_bytes).await?;
    let mut request = request::parse_single(&operations, limits.request)?;
    drop(operations);
    let begin = admit(&request)?;
    let map = text_part(&mut parts, &source, "map", MAX_MAP_BYTES).await?;
    let places = FileMap::parse(&map, limits.files)?;
    places.check_variables(&request)?;
    let mut arrived = HashMap::new();
    loop {
        source.allow(LEASH_BYTES);
        let Some(field) = parts.next_field().await.map_err(broken)? else { break };
        let name = field.name().unwrap_or_default().to_owned();
        let Some(place) = places.of(&name) else {
            return Err(bad_multipart("a file is sent that `map` does not name"));
        };
        if arrived.contains_key(&name) {
            return Err(bad_multipart("a file is sent twice").at(&place.argument));
        }
        let sink = begin().map_err(|error| error.at(&place.argument))?;
        let file = read_file(field, &source, sink, limits.file_bytes)
            .await
            .map_err(|error| error.at(&place.argument))?;
        // Asked once, its last part goes to the disk while the next file arrives.
        let mut finishing = Box::pin(maybe_done(file.finish()));
        let _ = futures::poll!(&mut finishing);
        arrived.insert(name, finishing);
    }
    let mut files = Vec::with_capacity(places.0.len());
    for (name, place) in places.0 {
        let Some(mut finishing) = arrived.remove(&name) else {
            return Err(bad_multipart("a file that `map` names is missing").at(&place.argument));
        };
        finishing.as_mut().await;
        let finished = finishing
            .as_mut()
            .take_output()
            .ok_or_else(|| Error::broken("a file was finished twice"))?;
        let file = finished.map_err(|error| error.at(&place.argument))?;
        if let Some(variable) = place.variable(&mut request) {
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
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// A file of which all bytes are there.
struct Whole<S> {
    sink: S,
    name: Option<String>,
    declared_type: Option<String>,
}

impl<S: Spool> Whole<S> {
    async fn finish(self) -> Result<S::File> {
        self.sink.finish(self.name, self.declared_type).await
    }
}

async fn read_file<S: Spool>(
    mut field: Field<'static>,
    source: &BodySource,
    mut sink: S,
    limit: u64,
) -> Result<Whole<S>> {
    let name = field.file_name().map(str::to_owned);
    let declared_type =
        field.content_type().map(ToString::to_string).filter(|text| text.len() <= MAX_TYPE_BYTES);
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
        sink.write(chunk).await?;
    }
    Ok(Whole { sink, name, declared_type })
}

fn bad_multipart(message: &str) -> Error {
    Error::InvalidInput {
        argument: None,
        message: message.to_owned(),
        reason: Some("BAD_MULTIPART".to_owned()),
    }
}

fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => bad_multipart(&cause.to_string()),
        _ => bad_multipart("the body is not complete multipart/form-data"),
    }
}

/// Where one file belongs.
#[derive(Debug)]
struct Place {
    /// Steps from the variables down.
    steps: Vec<String>,
    /// The same for errors: `input.media[0].file`.
    argument: String,
}

impl Place {
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("variables.")?;
        let steps: Vec<String> = rest.split('.').map(str::to_owned).collect();
        (!steps.iter().any(String::is_empty)).then(|| Self { steps, argument: argument_path(rest) })
    }

    fn variable<'r>(&self, request: &'r mut GraphQlRequest) -> Option<&'r mut Value> {
        let (first, rest) = self.steps.split_first()?;
        let start = request.variables.as_mut()?.get_mut(first)?;
        rest.iter().try_fold(start, |value, step| match value {
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            Value::Object(fields) => fields.get_mut(step),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

/// `map`: which file belongs where, sorted by place, so that equal requests number their files
/// alike.
#[derive(Debug)]
struct FileMap(Vec<(String, Place)>);

impl FileMap {
    fn parse(text: &[u8], max_files: usize) -> Result<Self> {
        let raw: HashMap<String, Vec<String>> = serde_json::from_slice(text)
            .map_err(|_| bad_multipart("`map` is not an object of lists of paths"))?;
        if raw.len() > max_files {
            return Err(Error::LimitExceeded {
                argument: None,
                message: format!("the request has more than {max_files} files"),
                reason: Some("TOO_MANY_FILES".to_owned()),
            });
        }
        let mut places = Vec::with_capacity(raw.len());
        let mut taken = HashSet::new();
        for (name, paths) in raw {
            let [path] = paths.as_slice() else {
                return Err(bad_multipart("`map` must name exactly one place for each file"));
            };
            let place = Place::parse(path).ok_or_else(|| {
                bad_multipart("`map` has a path that is not `variables.` and a variable")
            })?;
            if !taken.insert(place.steps.clone()) {
                return Err(bad_multipart("`map` names one place twice").at(&place.argument));
            }
            places.push((name, place));
        }
        places.sort_by(|(_, a), (_, b)| a.steps.cmp(&b.steps));
        Ok(Self(places))
    }

    fn of(&self, name: &str) -> Option<&Place> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, place)| place)
    }

    fn check_variables(&self, request: &GraphQlRequest) -> Result<()> {
        let mut request = request.clone();
        for (_, place) in &self.0 {
            if place.variable(&mut request).is_none_or(|value| !value.is_null()) {
                return Err(bad_multipart("the variable of a file must be there and null")
                    .at(&place.argument));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use futures::stream;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const OPERATIONS: &str = r#"{"query":"mutation($i: I!) { a(input: $i) { b } }","variables":{"i":{"media":[{"file":null},{"file":null}]}}}"#;

    /// Keeps the bytes; counts itself, so that tests see what is left behind.
    struct Memory(Vec<u8>, Arc<AtomicUsize>);

    impl Spool for Memory {
        type File = (Option<String>, Vec<u8>);
        async fn write(&mut self, bytes: Bytes) -> Result<()> {
            self.0.extend_from_slice(&bytes);
            Ok(())
        }
        async fn finish(mut self, name: Option<String>, _: Option<String>) -> Result<Self::File> {
            Ok((name, std::mem::take(&mut self.0)))
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn body(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut text = String::new();
        for (name, content) in parts {
            text.push_str(&format!(
                "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.jpg\"\r\n\r\n{content}\r\n"
            ));
        }
        text.push_str("--B--\r\n");
        text.into_bytes()
    }

    async fn read_body(body: Body) -> (Result<Upload<(Option<String>, Vec<u8>)>>, usize) {
        let open = Arc::new(AtomicUsize::new(0));
        let counter = open.clone();
        let admit = move |_: &GraphQlRequest| {
            Ok(move || {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(Memory(Vec::new(), counter.clone()))
            })
        };
        let request = RequestLimits::default();
        let limits = MultipartLimits { file_bytes: 10, files: 3, request: &request };
        let result = read(BodySource::new(body), "B".to_owned(), limits, admit).await;
        (result, open.load(Ordering::SeqCst))
    }

    async fn refusal(parts: &[(&str, &str)]) -> (String, Option<String>) {
        let (result, open) = read_body(Body::from(body(parts))).await;
        assert_eq!(open, 0, "a spool is left open");
        match result.unwrap_err() {
            Error::InvalidInput { message, argument, .. }
            | Error::LimitExceeded { message, argument, .. } => (message, argument),
            other => panic!("another error than a refusal: {other}"),
        }
    }

    #[tokio::test]
    async fn files_arrive_byte_by_byte_at_the_places_that_the_map_names() {
        let map = r#"{"x":["variables.i.media.1.file"],"y":["variables.i.media.0.file"]}"#;
        let bytes =
            body(&[("operations", OPERATIONS), ("map", map), ("y", "first"), ("x", "second")]);
        let chunks = stream::iter(
            bytes.into_iter().map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte]))),
        );
        let (upload, _) = read_body(Body::from_stream(chunks)).await;
        let upload = upload.unwrap();
        for (index, content) in [(0, b"first".as_slice()), (1, b"second")] {
            let marked = &upload.request.variables.as_ref().unwrap()["i"]["media"][index]["file"];
            let at = (0..2).find(|&at| marked == &Value::String(marker(at))).unwrap();
            assert_eq!(upload.files[at].1, content);
        }
    }

    #[tokio::test]
    async fn one_byte_over_the_limit_is_refused_with_the_argument() {
        let map = r#"{"x":["variables.i.media.1.file"]}"#;
        let (message, argument) =
            refusal(&[("operations", OPERATIONS), ("map", map), ("x", "12345678901")]).await;
        assert!(message.contains("10 bytes"), "{message}");
        assert_eq!(argument.as_deref(), Some("i.media[1].file"));
        assert!(
            read_body(Body::from(body(&[
                ("operations", OPERATIONS),
                ("map", map),
                ("x", "1234567890")
            ])))
            .await
            .0
            .is_ok()
        );
    }

    #[tokio::test]
    async fn one_file_at_many_places_and_many_files_at_one_place_are_refused() {
        let many = vec!["\"variables.i.media.0.file\""; 1_000].join(",");
        let (message, _) = refusal(&[
            ("operations", OPERATIONS),
            ("map", &format!("{{\"x\":[{many}]}}")),
            ("x", "1"),
        ])
        .await;
        assert!(message.contains("exactly one place"), "{message}");
        let twice = r#"{"x":["variables.i.media.0.file"],"y":["variables.i.media.0.file"]}"#;
        assert!(
            refusal(&[("operations", OPERATIONS), ("map", twice), ("x", "1"), ("y", "1")])
                .await
                .0
                .contains("one place twice")
        );
    }

    #[tokio::test]
    async fn unmapped_missing_and_repeated_files_are_refused() {
        let map = r#"{"x":["variables.i.media.0.file"]}"#;
        assert!(refusal(&[("operations", OPERATIONS), ("map", map)]).await.0.contains("missing"));
        assert!(
            refusal(&[("operations", OPERATIONS), ("map", map), ("x", "1"), ("z", "1")])
                .await
                .0
                .contains("does not name")
        );
        assert!(
            refusal(&[("operations", OPERATIONS), ("map", map), ("x", "1"), ("x", "1")])
                .await
                .0
                .contains("twice")
        );
        let (_, argument) = refusal(&[
            ("operations", OPERATIONS),
            ("map", r#"{"x":["variables.i.media.7.file"]}"#),
            ("x", "1"),
        ])
        .await;
        assert_eq!(argument.as_deref(), Some("i.media[7].file"));
    }

    #[tokio::test]
    async fn too_many_files_and_a_wrong_order_are_refused() {
        let four: Vec<_> =
            (0..4).map(|n| format!("\"{n}\":[\"variables.i.media.{n}.file\"]")).collect();
        let (message, _) =
            refusal(&[("operations", OPERATIONS), ("map", &format!("{{{}}}", four.join(",")))])
                .await;
        assert!(message.contains("more than 3 files"), "{message}");
        assert!(
            refusal(&[("map", "{}"), ("operations", OPERATIONS)]).await.0.contains("in this order")
        );
    }

    #[tokio::test]
    async fn a_client_that_goes_away_leaves_nothing() {
        let map = r#"{"x":["variables.i.media.0.file"]}"#;
        let whole = body(&[("operations", OPERATIONS), ("map", map), ("x", "12345")]);
        let chunks = vec![
            Ok(Bytes::copy_from_slice(&whole[..whole.len() - 12])),
            Err(std::io::Error::other("gone")),
        ];
        let (result, open) = read_body(Body::from_stream(stream::iter(chunks))).await;
        assert!(result.is_err());
        assert_eq!(open, 0);
    }

    #[tokio::test]
    async fn endless_part_headers_are_stopped_by_the_leash() {
        let chunk = Bytes::from(vec![b'x'; 1 << 20]);
        let chunks = stream::iter((0..64).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
        let (result, _) = read_body(Body::from_stream(chunks)).await;
        assert!(result.unwrap_err().to_string().contains("endless part header"));
    }

    /// A whole body, cut, doubled or overwritten somewhere; and where its chunks end.
    fn damaged() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
        let map = r#"{"x":["variables.i.media.1.file"],"y":["variables.i.media.0.file"]}"#;
        let whole =
            body(&[("operations", OPERATIONS), ("map", map), ("y", "first"), ("x", "second")]);
        let length = whole.len();
        let edit =
            (0..length, 0..40usize, proptest::collection::vec(any::<u8>(), 0..12), any::<bool>());
        let edits = proptest::collection::vec(edit, 0..4).prop_map(move |edits| {
            let mut bytes = whole.clone();
            for (at, removed, put, doubled) in edits {
                let at = at.min(bytes.len());
                let end = (at + removed).min(bytes.len());
                let put = if doubled { [&bytes[at..end], &bytes[at..end]].concat() } else { put };
                bytes.splice(at..end, put);
            }
            bytes
        });
        (edits, proptest::collection::vec(1..120usize, 1..20))
    }

    /// However a body is damaged and cut into chunks: it is taken or refused, the same each time,
    /// and no spool is left open by a refusal.
    #[test]
    fn damaged_bodies_are_taken_or_refused_whatever_their_chunks() {
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let verdict = |bytes: Vec<u8>, sizes: &[usize]| {
            let mut chunks = Vec::new();
            let mut rest = Bytes::from(bytes);
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                chunks.push(Ok::<_, std::io::Error>(rest.split_to((*size).min(rest.len()))));
            }
            runtime.block_on(read_body(Body::from_stream(stream::iter(chunks))))
        };
        let result = runner.run(&damaged(), |(bytes, sizes)| {
            let (whole, open) = verdict(bytes.clone(), &[usize::MAX]);
            prop_assert!(whole.is_ok() || open == 0, "a spool is left open");
            let (chunked, open) = verdict(bytes, &sizes);
            prop_assert!(chunked.is_ok() || open == 0, "a spool is left open");
            let files = |upload: Upload<(Option<String>, Vec<u8>)>| upload.files;
            prop_assert_eq!(whole.map(files).ok(), chunked.map(files).ok());
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}
