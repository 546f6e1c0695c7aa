//! Tracks: decoded beside the frames, in the same pass.

use crate::clips::{H264, QUADRANTS, clip, moving, with_matrix};
use std::io::Cursor;
use vultus_media::{DecodeOptions, Frames, Limits, Tracking};

fn tracked(bytes: &[u8], limits: &Limits) -> Frames {
    with(Tracking::Whole, bytes, limits)
}

fn with(tracking: Tracking, bytes: &[u8], limits: &Limits) -> Frames {
    let options = DecodeOptions { tracking, ..DecodeOptions::default() };
    vultus_media::decode(Cursor::new(bytes.to_vec()), bytes.len() as u64, limits, options).unwrap()
}

#[test]
fn track_leaves_the_frames_as_they_are() {
    for options in [&["-g", "12", "-bf", "3"][..], &["-g", "250"]] {
        let bytes = clip(&moving("320x240", 30, 5.0), &[H264, options].concat(), "mp4");
        let with = tracked(&bytes, &Limits::default());
        let without = crate::decode(&bytes).unwrap();
        assert_eq!((with.track.len(), without.track.len()), (150, 0));
        assert_eq!(Frames { track: Vec::new(), ..with }, without);
    }
}

#[test]
fn track_shows_the_frames_in_small() {
    let bytes = clip(&moving("960x720", 30, 1.0), H264, "mp4");
    let frames = tracked(&bytes, &Limits::default());
    assert_eq!((frames.track.len(), frames.track[0].width, frames.track[0].height), (30, 480, 360));
    for frame in &frames.frames {
        let same = frames.track.iter().find(|it| it.pts_us == frame.pts_us).unwrap();
        let small = vultus_media::scale(frame, 480);
        let pairs = small.rgb.iter().zip(same.rgb());
        let apart: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(b))).sum();
        // Colour at half the resolution differs at the edges of the test picture.
        assert!(apart / (small.rgb.len() as f64) < 6.0, "{apart}");
    }
}

#[test]
fn fast_and_long_clips_keep_to_the_limits() {
    let limits = Limits::default();
    let fast = clip(&moving("160x120", 60, 2.0), H264, "mp4");
    assert_eq!(tracked(&fast, &limits).track.len(), 60, "at most 30 per second");
    let long = clip(&moving("160x120", 25, 12.0), H264, "mp4");
    let track = tracked(&long, &limits).track;
    assert_eq!(track.len(), 256);
    assert!(track[255].pts_us > 11_900_000 && track[0].pts_us < 50_000, "the whole clip");
    let small = Limits { track_bytes: 30 * 160 * 120, ..limits.clone() };
    let track = tracked(&fast, &small).track;
    assert_eq!((track.len(), track[0].width % 2, track[0].width < 160), (60, 0, true));
    // Too much to decode as a whole: what is decoded for the frames is all that there is.
    let costly = Limits { max_track_pixels: 1, ..limits };
    let keyed = clip(&moving("160x120", 25, 12.0), &[H264, &["-g", "25"]].concat(), "mp4");
    let few = tracked(&keyed, &costly);
    assert_eq!(few.frames, crate::decode(&keyed).unwrap().frames);
    assert!((24..=256).contains(&few.track.len()), "{}", few.track.len());
}

#[test]
fn slow_part_is_the_same_without_the_rest() {
    let limits = Limits::default();
    for (rate, seconds) in [(30, 2.0), (24, 2.0), (25, 12.0), (10, 2.0)] {
        let source = moving("320x240", rate, seconds);
        let bytes = clip(&source, &[H264, &["-g", "250", "-bf", "3"]].concat(), "mp4");
        let (whole, slow) = (tracked(&bytes, &limits), with(Tracking::Slow, &bytes, &limits));
        assert_eq!(whole.frames, slow.frames, "{rate}");
        let expected: Vec<_> = whole.track.into_iter().filter(|frame| frame.slow).collect();
        assert_eq!(expected, slow.track, "{rate}");
        let per_second = slow.track.len() as f64 / seconds;
        let most = f64::from(rate).min(15.0);
        assert!((most - 3.0..=most + 0.5).contains(&per_second), "{rate}: {per_second}");
    }
}

#[test]
fn track_is_upright() {
    let bytes = clip(QUADRANTS, &[H264, &["-t", "1"]].concat(), "mp4");
    let turned = tracked(&with_matrix(bytes, [0, 1, -1, 0]), &Limits::default());
    let frame = &turned.track[0];
    assert_eq!((frame.width, frame.height), (240, 320));
    let rgb = frame.rgb();
    let at = |x: u32, y: u32| rgb[((y * frame.width + x) * 3) as usize..][..3].to_vec();
    let near = |found: &[u8], expected: [u8; 3]| {
        found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 20)
    };
    for (x, y, colour) in [(60, 80, [0, 0, 255]), (180, 80, [255, 0, 0]), (180, 240, [0, 255, 0])] {
        assert!(near(&at(x, y), colour), "{x} {y} {:?}", at(x, y));
    }
    assert_eq!(frame.luma().len(), 240 * 320);
}

#[test]
fn container_facts_name_programs_and_gaps_only() {
    let source = "testsrc2=s=160x120:r=30:d=3,select='lt(t\\,1)+gt(t\\,2)',format=yuv420p";
    let tags = ["-metadata", "comment=Made with DaVinci Resolve by Jane", "-vsync", "vfr"];
    let bytes = clip(source, &[H264, &tags].concat(), "mp4");
    let facts = crate::decode(&bytes).unwrap().container.unwrap();
    assert_eq!(
        (facts.codec.as_str(), facts.editors.as_slice()),
        ("h264", &["davinci resolve"][..])
    );
    assert!(facts.virtual_cameras.is_empty() && facts.frames > 50, "{facts:?}");
    assert!((1_000_000..1_200_000).contains(&facts.longest_gap_us), "{facts:?}");
    assert!(facts.bytes > 0 && facts.bytes < bytes.len() as u64);
    let camera = ["-metadata", "title=OBS Virtual Camera"];
    let webm =
        clip(&moving("160x120", 30, 1.0), &[&["-c:v", "libvpx"][..], &camera].concat(), "webm");
    let facts = crate::decode(&webm).unwrap().container.unwrap();
    assert_eq!(facts.virtual_cameras, ["obs virtual", "virtual camera"]);
}
