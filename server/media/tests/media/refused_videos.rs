//! Clips that are rejected, each for its own reason.

use crate::clips::{H264, clip, moving, piped, two_passes};
use crate::{decode_within, probe, probe_within};
use vultus_media::{Limits, Refusal};

#[test]
fn audio_without_video_is_refused() {
    let tone = "sine=440:d=1";
    for (codec, extension) in [("aac", "mp4"), ("aac", "m4a"), ("libopus", "webm"), ("aac", "mov")]
    {
        let bytes = clip(tone, &["-c:a", codec], extension);
        assert_eq!(probe(&bytes), Err(Refusal::NoVideoStream), "{extension}");
    }
}

#[test]
fn other_codecs_are_refused_by_name() {
    for (codec, name) in [("mjpeg", "mjpeg"), ("prores_ks", "prores"), ("qtrle", "qtrle")] {
        let bytes = clip(&moving("160x120", 10, 0.5), &["-c:v", codec], "mov");
        assert_eq!(probe(&bytes), Err(Refusal::UnsupportedCodec { codec: name.to_owned() }));
    }
}

#[test]
fn a_clip_cut_anywhere_is_refused() {
    let source = moving("320x240", 30, 2.0);
    let webm = ["-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime"];
    let live = [&webm[..], &["-live", "1", "-f", "webm"]].concat();
    let fragmented = [H264, &["-g", "15", "-movflags", "frag_keyframe+empty_moov"]].concat();
    let files = [
        ("moov in front", clip(&source, &[H264, &["-movflags", "+faststart"]].concat(), "mp4")),
        ("moov at the end", clip(&source, H264, "mp4")),
        ("fragments", clip(&source, &fragmented, "mp4")),
        ("WebM", clip(&source, &webm, "webm")),
        ("live WebM", piped(&source, &live)),
    ];
    for (name, bytes) in files {
        assert!(probe(&bytes).is_ok(), "{name}");
        for percent in [2, 10, 33, 50, 77, 90, 97] {
            let refusal = probe(&bytes[..bytes.len() * percent / 100]).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Truncated { .. }),
                "{name}, {percent} %: {refusal:?}"
            );
        }
    }
}

#[test]
fn sample_tables_that_point_behind_the_end_are_refused() {
    let options = [H264, &["-movflags", "+faststart"]].concat();
    let mut bytes = clip(&moving("160x120", 30, 1.0), &options, "mp4");
    let at = bytes.windows(4).position(|name| name == b"stco").unwrap() + 12;
    bytes[at..at + 4].copy_from_slice(&0x00ff_0000_u32.to_be_bytes());
    assert_eq!(probe(&bytes), Err(Refusal::Truncated { format: "MP4" }));
}

#[test]
fn every_limit_of_a_video_is_its_own_refusal() {
    let bytes = clip(&moving("320x240", 30, 2.0), H264, "mp4");
    let default = Limits::default;
    let cases = [
        (Limits { max_seconds: 1.5, ..default() }, "VIDEO_TOO_LONG"),
        (Limits { max_video_side: 319, ..default() }, "VIDEO_SIDE_TOO_LONG"),
        (Limits { max_frame_rate: 25.0, ..default() }, "FRAME_RATE_TOO_HIGH"),
        (Limits { max_video_pixels: 320 * 240 * 20, ..default() }, "TOO_MUCH_VIDEO"),
        (Limits { max_bytes: 1000, ..default() }, "TOO_MANY_BYTES"),
    ];
    for (limits, code) in cases {
        let refusal = probe_within(&bytes, &limits).unwrap_err();
        assert_eq!((refusal.code(), refusal.is_limit()), (code, true), "{refusal}");
        assert_eq!(decode_within(&bytes, &limits).unwrap_err(), refusal);
    }
    let rushed = clip(&moving("160x120", 2000, 0.1), H264, "mp4");
    assert_eq!(probe(&rushed).unwrap_err().code(), "FRAME_RATE_TOO_HIGH");
    let long = clip("color=red:s=32x32:r=1:d=36000", &[H264, &["-g", "600"]].concat(), "mp4");
    assert_eq!(probe(&long).unwrap_err().code(), "VIDEO_TOO_LONG");
}

#[test]
fn a_frame_larger_than_its_header_says_is_refused() {
    let bytes = clip(&moving("640x480", 10, 0.5), H264, "mp4");
    let mut lying = bytes.clone();
    let at = lying.windows(4).position(|name| name == b"stsd").unwrap() + 16 + 4 + 24;
    assert_eq!(lying[at..at + 4], [2, 128, 1, 224], "640 × 480 in the sample description");
    lying[at..at + 4].copy_from_slice(&[0, 64, 0, 48]);
    let limits = Limits { max_video_side: 320, ..Limits::default() };
    let refusal = probe_within(&lying, &limits).unwrap_err();
    assert!(
        matches!(refusal, Refusal::VideoSideTooLong { .. } | Refusal::Unreadable { .. }),
        "{refusal:?}"
    );
}

#[test]
fn frames_that_are_never_shown_count_against_the_budget() {
    let source = moving("64x48", 25, 4.0);
    let vp9 = [
        "-c:v",
        "libvpx-vp9",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "25",
        "-b:v",
        "60k",
        "-g",
        "250",
    ];
    let av1 = [
        "-c:v",
        "libaom-av1",
        "-cpu-used",
        "8",
        "-lag-in-frames",
        "19",
        "-auto-alt-ref",
        "1",
        "-row-mt",
        "0",
        "-g",
        "250",
    ];
    let within = |frames: u64| Limits { max_video_pixels: frames * 64 * 48, ..Limits::default() };
    // The cost of the shown frames: every one up to the last that is kept.
    let plain = clip(&source, H264, "mp4");
    let shown = (1..=100).find(|&frames| decode_within(&plain, &within(frames)).is_ok()).unwrap();
    for (codec, bytes) in
        [("VP9", two_passes(&source, &vp9, "webm")), ("AV1", clip(&source, &av1, "webm"))]
    {
        let refusal = decode_within(&bytes, &within(shown)).err();
        assert!(matches!(refusal, Some(Refusal::TooMuchVideo { .. })), "{codec}: {refusal:?}");
        assert_eq!(
            decode_within(&bytes, &within(2 * shown)).map(|frames| frames.frames.len()),
            Ok(16),
            "{codec}"
        );
    }
}
