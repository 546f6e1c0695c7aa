//! JSON bodies of requests, one or a batch, with the numbers and escapes that JSON allows.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vultus_api::http::fuzzing::json(bytes));
