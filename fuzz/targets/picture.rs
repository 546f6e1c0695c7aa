//! Pictures: sniffer, headers, EXIF, XMP, colour profiles, the boxes of HEIC and AVIF.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vultus_fuzz::medium(bytes));
