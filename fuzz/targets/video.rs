//! Clips: sniffer, the boxes of MP4, the elements of Matroska, index, plan, hidden frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Pictures have a target of their own.
    let is_clip = bytes.starts_with(b"\x1a\x45\xdf\xa3") || bytes.get(4..8) != Some(b"IHDR");
    if is_clip {
        vultus_fuzz::medium(bytes);
    }
});
