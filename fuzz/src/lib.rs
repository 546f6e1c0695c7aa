//! What several targets share.

use std::io::Cursor;

use vultus_media::{DecodeOptions, Limits};

/// Limits under which one input takes milliseconds.
fn limits() -> Limits {
    Limits {
        max_bytes: 1 << 20,
        max_pixels: 1 << 16,
        max_reduced_pixels: 1 << 17,
        max_video_side: 256,
        max_video_pixels: 1 << 20,
        max_inflated_bytes: 1 << 20,
        max_set_pixels: 1 << 17,
        frame_bytes: 1 << 20,
        ..Limits::default()
    }
}

/// Probes and decodes a medium. One that the probe accepts gives frames of their declared size, or
/// a refusal.
pub fn medium(bytes: &[u8]) {
    let (limits, size) = (limits(), bytes.len() as u64);
    let source = || Cursor::new(bytes.to_vec());
    if vultus_media::probe(source(), size, &limits).is_err() {
        return;
    }
    let options = DecodeOptions::default();
    if let Ok(frames) = vultus_media::decode(source(), size, &limits, options) {
        assert!(frames.frames.len() <= limits.max_frames_stored as usize);
        for frame in &frames.frames {
            assert_eq!(frame.rgb.len(), frame.width as usize * frame.height as usize * 3);
        }
    }
}
