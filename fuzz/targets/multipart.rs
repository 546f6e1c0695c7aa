//! Requests with files: the first line is the content type, the others are the body. It arrives in
//! chunks whose size the first byte of the input determines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (content_type, body) = rest.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let size = usize::from(*first).max(1);
    let chunks = body.chunks(size).take(4096).map(<[u8]>::to_vec).collect();
    vultus_api::http::fuzzing::multipart(content_type, chunks);
});
