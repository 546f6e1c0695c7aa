//! Reading multipart requests.

use super::*;
use crate::graphql::{Api, Introspection};
use crate::http::request;
use axum::body::Body;
use futures::stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const OPERATIONS: &str = r#"{"query":"mutation($i: CreateFolderInput!) { a(input: $i) { b } }",
    "variables":{"i":{"media":[{"file":null},{"file":null}]}}}"#;

/// Keeps the bytes and counts the open spools.
struct Memory(Vec<u8>, Arc<AtomicUsize>);

impl Spool for Memory {
    type File = (Option<String>, Vec<u8>);
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
    async fn finish(mut self, name: Option<String>) -> Result<Self::File> {
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
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{name}.jpg\"\r\n\r\n{content}\r\n"
        ));
    }
    text.push_str("--B--\r\n");
    text.into_bytes()
}

async fn read_body(body: Body) -> (Result<Upload<(Option<String>, Vec<u8>)>>, usize) {
    let open = Arc::new(AtomicUsize::new(0));
    let counter = open.clone();
    let request = RequestLimits::default();
    let api = Api::new(Introspection::Refused, request.clone());
    let api = &api;
    let admit = |operations: Vec<u8>| async move {
        let request = request::parse_single(&operations, api.limits())?;
        let prepared = api.prepare(request).map_err(|refused| refused.error)?;
        let begin = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Memory(Vec::new(), counter.clone()))
        };
        Ok((prepared, begin))
    };
    let limits = MultipartLimits { file_bytes: 10, files: 3, request: &request };
    let result = read(BodySource::new(body), "B".to_owned(), limits, |_| Ok(()), admit).await;
    (result, open.load(Ordering::SeqCst))
}

async fn refusal(parts: &[(&str, &str)]) -> (String, Option<String>) {
    let (result, open) = read_body(Body::from(body(parts))).await;
    assert_eq!(open, 0, "a spool is left open");
    match result.unwrap_err() {
        Error::InvalidInput { message, argument, .. }
        | Error::LimitExceeded { message, argument, .. } => (message, argument),
        other => panic!("not a refusal: {other}"),
    }
}

#[tokio::test]
async fn files_that_arrive_byte_by_byte_fill_their_variables() {
    let map = r#"{"x":["variables.i.media.1.file"],"y":["variables.i.media.0.file"]}"#;
    let bytes = body(&[("operations", OPERATIONS), ("map", map), ("y", "first"), ("x", "second")]);
    let chunks = stream::iter(
        bytes.into_iter().map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte]))),
    );
    let (upload, _) = read_body(Body::from_stream(chunks)).await;
    let upload = upload.unwrap();
    for (index, content) in [(0, b"first".as_slice()), (1, b"second")] {
        let variables = serde_json::to_value(&upload.request.variables).unwrap();
        let marked = &variables["i"]["media"][index]["file"];
        let at = (0..2).find(|&at| *marked == marker(at)).unwrap();
        assert_eq!(upload.files[at].1, content);
    }
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_with_its_argument() {
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
async fn the_places_of_files_are_bounded_and_each_has_one_file() {
    let many = vec!["\"variables.i.media.0.file\""; 1_000].join(",");
    let (message, _) =
        refusal(&[("operations", OPERATIONS), ("map", &format!("{{\"x\":[{many}]}}")), ("x", "1")])
            .await;
    assert!(message.contains("3 files") || message.contains("one place twice"), "{message}");
    let four: Vec<_> = (0..4).map(|n| format!("\"variables.i.media.{n}.file\"")).collect();
    let map = format!("{{\"x\":[{}]}}", four.join(","));
    let (message, _) = refusal(&[("operations", OPERATIONS), ("map", &map), ("x", "1")]).await;
    assert!(message.contains("3 files"), "{message}");
    let (message, _) = refusal(&[("operations", OPERATIONS), ("map", "{\"x\":[]}")]).await;
    assert!(message.contains("no place"), "{message}");
    let twice = r#"{"x":["variables.i.media.0.file"],"y":["variables.i.media.0.file"]}"#;
    assert!(
        refusal(&[("operations", OPERATIONS), ("map", twice), ("x", "1"), ("y", "1")])
            .await
            .0
            .contains("one place twice")
    );
}

#[tokio::test]
async fn one_file_may_fill_several_variables() {
    let map = r#"{"x":["variables.i.media.0.file","variables.i.media.1.file"]}"#;
    let bytes = body(&[("operations", OPERATIONS), ("map", map), ("x", "both")]);
    let (upload, open) = read_body(Body::from(bytes)).await;
    let upload = upload.unwrap();
    assert_eq!(upload.files, vec![(Some("x.jpg".to_owned()), b"both".to_vec()); 2]);
    let variables = serde_json::to_value(&upload.request.variables).unwrap();
    let media = &variables["i"]["media"];
    assert!(media[0]["file"] == marker(0) && media[1]["file"] == marker(1), "{media}");
    assert_eq!(open, 0);
}

#[tokio::test]
async fn the_files_must_be_those_of_the_map() {
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
        refusal(&[("operations", OPERATIONS), ("map", &format!("{{{}}}", four.join(",")))]).await;
    assert!(message.contains("more than 3 files"), "{message}");
    assert!(
        refusal(&[("map", "{}"), ("operations", OPERATIONS)]).await.0.contains("in this order")
    );
}

#[tokio::test]
async fn a_disconnect_leaves_no_spool() {
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
async fn endless_part_headers_are_refused() {
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let chunks = stream::iter((0..64).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let (result, _) = read_body(Body::from_stream(chunks)).await;
    assert!(result.unwrap_err().to_string().contains("endless part header"));
}

/// A body with random cuts, repetitions and overwritten bytes, and the sizes of its chunks.
fn damaged() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let map = r#"{"x":["variables.i.media.1.file"],"y":["variables.i.media.0.file"]}"#;
    let whole = body(&[("operations", OPERATIONS), ("map", map), ("y", "first"), ("x", "second")]);
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

/// A damaged body gives the same result in any chunks, and a refusal leaves no spool open.
#[test]
fn chunks_do_not_matter_for_damaged_bodies() {
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
