//! Clips of phones and browsers, and the frames that are kept of them.

use crate::clips::{H264, QUADRANTS, clip, moving, piped, reference_frames, with_matrix};
use crate::{decode, decode_within, probe};
use std::io::Cursor;
use vultus_media::{DecodeOptions, DecoderMode, Frames, Limits, MediaKind, StoredFrame};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const BLACK: [u8; 3] = [0, 0, 0];

/// The colours at the centres of the four quarters: top left, top right, bottom left, bottom right.
fn quarters(frame: &StoredFrame) -> [[u8; 3]; 4] {
    let (w, h) = (frame.width as usize, frame.height as usize);
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
        let at = (y * h / 4 * w + x * w / 4) * 3;
        [frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]
    })
}

#[track_caller]
fn assert_quarters(frame: &StoredFrame, expected: [[u8; 3]; 4], what: &str) {
    let found = quarters(frame);
    let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 12);
    assert!(found.iter().zip(expected).all(|(&f, e)| near(f, e)), "{what}: {found:?}");
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

/// Checks that every stored frame is the reference frame at its time, and not a neighbour.
fn assert_same_as_reference(frames: &Frames, reference: &[Vec<u8>], rate: f64) {
    for frame in &frames.frames {
        let at = (frame.pts_us as f64 * rate / 1e6).round() as usize;
        let own = difference(&frame.rgb, &reference[at]);
        assert!(own < 0.6, "frame {at} differs from the reference by {own}");
    }
}

#[test]
fn phone_clip_is_sampled_over_its_whole_length() {
    let options = [H264, &["-g", "250", "-t", "5", "-movflags", "+faststart"]].concat();
    let bytes = clip(&moving("320x240", 30, 5.0), &options, "mp4");
    let found = probe(&bytes).unwrap();
    assert_eq!(
        (found.report.kind, found.report.content_type.as_str()),
        (MediaKind::Video, "video/mp4")
    );
    assert_eq!(
        (found.report.width, found.report.height, found.report.orientation_applied),
        (320, 240, 1)
    );
    assert_eq!((found.report.duration_us, found.report.frame_count), (Some(5_000_000), Some(150)));
    assert!((found.report.frame_rate.unwrap() - 30.0).abs() < 1e-6);
    assert_eq!(image::load_from_memory(&found.thumbnail).unwrap().width(), 256);
    let frames = decode(&bytes).unwrap();
    assert_eq!(frames.frames.len(), 16, "3.2 per second of 5 s");
    assert!(frames.frames.iter().enumerate().all(|(i, frame)| frame.index as usize == i));
    for (i, frame) in frames.frames.iter().enumerate() {
        let middle = (2 * i as i64 + 1) * 5_000_000 / 32;
        assert!((frame.pts_us - middle).abs() <= 16_667, "frame {i} at {}", frame.pts_us);
    }
    assert_same_as_reference(&frames, &reference_frames(&bytes, "mp4", 320 * 240 * 3), 30.0);
    assert_eq!(frames, decode(&bytes).unwrap(), "the same bytes give the same frames");
}

#[test]
fn skipping_unneeded_packets_changes_no_pixel() {
    let gops: [&[&str]; 3] = [
        &["-g", "25", "-bf", "3", "-b_strategy", "0", "-x264-params", "open-gop=1"],
        &["-g", "25", "-bf", "3", "-b_strategy", "0"],
        &["-g", "1"],
    ];
    for gop in gops {
        let bytes = clip(&moving("160x120", 25, 30.0), &[H264, gop].concat(), "mp4");
        let frames = decode(&bytes).unwrap();
        assert_eq!(frames.frames.len(), 24);
        assert_same_as_reference(&frames, &reference_frames(&bytes, "mp4", 160 * 120 * 3), 25.0);
    }
}

#[test]
fn wrong_key_frame_flags_do_not_change_the_frames() {
    let options = [H264, &["-g", "100"]].concat();
    let bytes = clip(&moving("160x120", 25, 12.0), &options, "mp4");
    let mut unmarked = bytes.clone();
    let at = unmarked.windows(4).position(|name| name == b"stss").unwrap();
    unmarked[at..at + 4].copy_from_slice(b"free");
    assert_eq!(decode(&unmarked).unwrap(), decode(&bytes).unwrap());
}

#[test]
fn display_matrices_turn_every_clip_upright() {
    let bytes = clip(QUADRANTS, &[H264, &["-t", "1"]].concat(), "mp4");
    let cases = [
        ([1, 0, 0, 1], 1, [RED, GREEN, BLUE, BLACK]),
        ([-1, 0, 0, 1], 2, [GREEN, RED, BLACK, BLUE]),
        ([-1, 0, 0, -1], 3, [BLACK, BLUE, GREEN, RED]),
        ([1, 0, 0, -1], 4, [BLUE, BLACK, RED, GREEN]),
        ([0, 1, 1, 0], 5, [RED, BLUE, GREEN, BLACK]),
        ([0, 1, -1, 0], 6, [BLUE, RED, BLACK, GREEN]),
        ([0, -1, -1, 0], 7, [BLACK, GREEN, BLUE, RED]),
        ([0, -1, 1, 0], 8, [GREEN, BLACK, RED, BLUE]),
    ];
    for (matrix, code, expected) in cases {
        let turned = with_matrix(bytes.clone(), matrix);
        let found = probe(&turned).unwrap();
        let size = if code >= 5 { (240, 320) } else { (320, 240) };
        assert_eq!(
            (found.report.orientation_applied, found.report.width, found.report.height),
            (code, size.0, size.1)
        );
        let frames = decode(&turned).unwrap();
        assert_eq!((frames.width, frames.height), size);
        for frame in &frames.frames {
            assert_quarters(frame, expected, &format!("{matrix:?}"));
        }
        let players = &reference_frames(&turned, "mp4", 320 * 240 * 3)[0];
        let own = difference(&frames.frames[0].rgb, players);
        assert!(own < 0.6, "{matrix:?}: a player shows it differently, by {own}");
    }
}

#[test]
fn high_dynamic_range_clips_keep_their_colours() {
    for transfer in ["smpte2084", "arib-std-b67"] {
        let params = "log-level=none:pools=none:colorprim=bt2020:colormatrix=bt2020nc:transfer=";
        let params = format!("{params}{transfer}");
        let options = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"];
        let tags = ["-vf", "scale=out_color_matrix=bt2020", "-x265-params", &params, "-t", "0.6"];
        let frames = decode(&clip(QUADRANTS, &[&options[..], &tags].concat(), "mp4")).unwrap();
        assert_eq!(frames.frames.len(), 16, "{transfer}");
        let brightest = |pixel: [u8; 3]| (0..3).max_by_key(|channel| pixel[*channel]);
        let [red, green, blue, _] = quarters(&frames.frames[8]).map(brightest);
        assert_eq!([red, green, blue], [Some(0), Some(1), Some(2)], "{transfer}");
    }
}

#[test]
fn every_codec_and_container_of_the_list_gives_true_colours() {
    let vp9: &[&str] = &["-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime"];
    let vp8: &[&str] = &["-c:v", "libvpx", "-cpu-used", "8", "-deadline", "realtime"];
    let hevc: &[&str] =
        &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"];
    let deep = [hevc, &["-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"]].concat();
    let av1: &[&str] = &["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"];
    let full: Vec<&str> =
        [H264, &["-vf", "scale=out_range=full,format=yuvj420p", "-color_range", "pc"]].concat();
    let hd = [H264, &["-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709"]].concat();
    let cases: [(&str, &[&str], &str, &str); 11] = [
        ("H.264", H264, "mov", "video/quicktime"),
        ("H.264", H264, "mkv", "video/x-matroska"),
        ("H.264, full range", &full, "mp4", "video/mp4"),
        ("H.264, BT.709", &hd, "mp4", "video/mp4"),
        ("HEVC", hevc, "mp4", "video/mp4"),
        ("HEVC, 10 bits", &deep, "mov", "video/quicktime"),
        ("VP8", vp8, "webm", "video/webm"),
        ("VP9", vp9, "webm", "video/webm"),
        ("AV1", av1, "mp4", "video/mp4"),
        ("AV1", av1, "webm", "video/webm"),
        ("MPEG-4", &["-c:v", "mpeg4", "-q:v", "2"], "mp4", "video/mp4"),
    ];
    for (name, options, extension, content_type) in cases {
        let bytes = clip(QUADRANTS, &[options, &["-t", "0.6"]].concat(), extension);
        let found = probe(&bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(
            (found.report.content_type.as_str(), found.report.frame_count),
            (content_type, Some(18)),
            "{name}"
        );
        let frames = decode(&bytes).unwrap();
        assert_eq!(frames.frames.len(), 16, "{name}: never fewer than 16 of a short clip");
        frames
            .frames
            .iter()
            .for_each(|frame| assert_quarters(frame, [RED, GREEN, BLUE, BLACK], name));
    }
}

#[test]
fn duration_of_a_browser_recording_comes_from_its_packets() {
    for codec in ["libvpx", "libvpx-vp9"] {
        let options = [
            "-c:v",
            codec,
            "-cpu-used",
            "8",
            "-deadline",
            "realtime",
            "-g",
            "60",
            "-live",
            "1",
            "-f",
            "webm",
        ];
        let bytes = piped(&moving("320x240", 30, 4.0), &options);
        let found = probe(&bytes).unwrap();
        assert_eq!(found.report.frame_count, Some(120), "{codec}");
        let duration = found.report.duration_us.unwrap();
        assert!((3_960_000..=4_040_000).contains(&duration), "{codec}: {duration}");
        let frames = decode(&bytes).unwrap();
        assert_eq!(frames.frames.len(), 16);
        assert!(frames.frames[15].pts_us > 3_700_000);
    }
}

#[test]
fn fragmented_and_old_quicktime_files_are_read() {
    let options =
        [H264, &["-g", "30", "-movflags", "frag_keyframe+empty_moov+default_base_moof"]].concat();
    let bytes = clip(&moving("320x240", 30, 3.0), &options, "mp4");
    let found = probe(&bytes).unwrap();
    assert_eq!((found.report.frame_count, found.report.duration_us), (Some(90), Some(3_000_000)));
    let frames = decode(&bytes).unwrap();
    assert_same_as_reference(&frames, &reference_frames(&bytes, "mp4", 320 * 240 * 3), 30.0);
}

#[test]
fn a_variable_frame_rate_is_sampled_by_time_not_by_count() {
    // One second at 30 frames per second, then three at 2.
    let source = "color=red:s=160x120:r=30:d=4,select='lt(t\\,1)+not(mod(n\\,15))'";
    let options = [H264, &["-vsync", "vfr", "-video_track_timescale", "90000"]].concat();
    let bytes = clip(source, &options, "mp4");
    let frames = decode(&bytes).unwrap();
    let count = frames.frame_count.unwrap();
    assert_eq!(count, 36);
    assert_eq!(frames.frames.len(), 16, "the least number");
    let late = frames.frames.iter().filter(|frame| frame.pts_us >= 1_000_000).count();
    assert_eq!(late, 6, "all late frames, because they cover most of the time");
    assert!(frames.frames.windows(2).all(|pair| pair[0].pts_us < pair[1].pts_us));
}

#[test]
fn a_clip_shorter_than_the_sampling_gives_all_its_frames() {
    let bytes = clip(&moving("160x120", 30, 0.1), H264, "mp4");
    assert_eq!(decode(&bytes).unwrap().frames.len(), 3);
    let bytes = clip(&moving("160x120", 30, 0.01), H264, "mp4");
    assert_eq!(decode(&bytes).unwrap().frames.len(), 1);
}

#[test]
fn frames_share_the_budget_and_keep_their_shape() {
    let bytes = clip(&moving("1280x720", 10, 1.0), H264, "mp4");
    let limits = Limits { frame_bytes: 10 * 3 * 320 * 180, ..Limits::default() };
    let frames = decode_within(&bytes, &limits).unwrap();
    assert_eq!((frames.width, frames.height, frames.frames.len()), (1280, 720, 10));
    for frame in &frames.frames {
        assert_eq!((frame.width, frame.height, frame.rgb.len()), (320, 180, 320 * 180 * 3));
    }
}

#[test]
fn fast_decoder_gives_nearly_the_same_frames() {
    let bytes = clip(&moving("320x240", 30, 3.0), &[H264, &["-crf", "28"]].concat(), "mp4");
    let exact = decode(&bytes).unwrap();
    let options = DecodeOptions { decoder: DecoderMode::Fast, ..DecodeOptions::default() };
    let fast = vultus_media::decode(
        Cursor::new(bytes.clone()),
        bytes.len() as u64,
        &Limits::default(),
        options,
    )
    .unwrap();
    assert_eq!(exact.frames.len(), fast.frames.len());
    let differences: Vec<f64> =
        exact.frames.iter().zip(&fast.frames).map(|(a, b)| difference(&a.rgb, &b.rgb)).collect();
    assert!(differences.iter().any(|&d| d > 0.0), "the filter was not applied");
    assert!(differences.iter().all(|&d| d < 8.0), "{differences:?}");
}
