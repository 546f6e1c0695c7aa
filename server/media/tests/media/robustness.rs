//! Damaged files of every kind: rejected or read, never a panic, and always the same answer.

use crate::archives::{archive, stored};
use crate::clips::{H264, clip, moving};
use crate::pictures::{asymmetric, jpeg, png, webp};
use crate::{decode, probe};

/// A fixed pseudo-random sequence of numbers (xorshift).
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}

#[test]
fn damaged_files_are_refused_or_read_and_never_crash() {
    let picture = asymmetric(64, 48);
    let source = moving("96x64", 15, 1.0);
    let files = [
        jpeg(&picture, None),
        png(picture.clone(), None),
        webp(&picture, None),
        archive(&[
            stored("a.jpg", &jpeg(&picture, None)),
            stored("b.png", &png(picture.clone(), None)),
        ]),
        clip(&source, &[H264, &["-movflags", "+faststart"]].concat(), "mp4"),
        clip(&source, &[H264, &["-movflags", "frag_keyframe+empty_moov"]].concat(), "mp4"),
        clip(&source, &["-c:v", "libvpx", "-deadline", "realtime"], "webm"),
    ];
    let mut next = numbers(0x5eed);
    let mut read = 0;
    for file in &files {
        for round in 0..120 {
            let mut bytes = file.clone();
            // Headers hold the structure, so they are damaged as often as all the rest.
            let range = if round % 2 == 0 { bytes.len() } else { bytes.len().min(900) };
            for _ in 0..=next(6) {
                let at = 4 + next(range - 4);
                bytes[at] = next(256) as u8;
            }
            let first = probe(&bytes);
            assert_eq!(first, probe(&bytes), "the same bytes give the same answer");
            if let (Ok(_), Ok(frames)) = (first, decode(&bytes)) {
                read += 1;
                for frame in &frames.frames {
                    assert_eq!(frame.rgb.len(), (frame.width * frame.height * 3) as usize);
                }
            }
        }
    }
    assert!(read > 100, "damage in pixel data alone is often read: {read}");
}
