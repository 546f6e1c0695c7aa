//! Shot sets: the directory of a ZIP and its entries.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") {
        vultus_fuzz::medium(bytes);
    }
});
