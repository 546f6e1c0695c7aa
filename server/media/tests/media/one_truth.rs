//! One truth per medium: the judged frames, the thumbnail and what players show are the same
//! pictures, or the medium is refused.

use crate::clips::{H264, appended, clip, moving, piped, reference_frames};
use crate::{decode, probe};
use vultus_media::{Refusal, StoredFrame};

const VP8: &[&str] = &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"];

fn colour(name: &str, seconds: f64) -> String {
    format!("color={name}:s=160x120:r=30:d={seconds}")
}

fn mean(rgb: &[u8]) -> [f64; 3] {
    let count = rgb.len() as f64 / 3.0;
    [0, 1, 2].map(|c| rgb.iter().skip(c).step_by(3).map(|&v| f64::from(v)).sum::<f64>() / count)
}

fn difference(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The mean colours of the thumbnail and of the first judged frame.
fn thumbnail_and_first(bytes: &[u8]) -> ([f64; 3], [f64; 3]) {
    let thumbnail = image::load_from_memory(&probe(bytes).unwrap().thumbnail).unwrap().into_rgb8();
    (mean(thumbnail.as_raw()), mean(&decode(bytes).unwrap().frames[0].rgb))
}

#[track_caller]
fn assert_one_truth(bytes: &[u8], extension: &str) {
    let (thumbnail, judged) = thumbnail_and_first(bytes);
    let shown = reference_frames(bytes, extension, 160 * 120 * 3);
    assert!(difference(thumbnail, judged) < 6.0, "{thumbnail:?} {judged:?}");
    assert!(difference(mean(&shown[0]), judged) < 6.0, "{judged:?}");
}

#[test]
fn joined_recordings_are_refused() {
    let webm = |name| clip(&colour(name, 1.0), VP8, "webm");
    let live = |name| piped(&colour(name, 1.0), &[VP8, &["-f", "webm", "-live", "1"]].concat());
    let mp4 = |name| clip(&colour(name, 1.0), H264, "mp4");
    let joined = |a: Vec<u8>, b: Vec<u8>| probe(&[a, b].concat());
    let webm_refusal = Err(Refusal::Joined { format: "WebM" });
    assert_eq!(joined(webm("red"), webm("blue")), webm_refusal);
    assert_eq!(joined(live("red"), live("blue")), webm_refusal);
    assert_eq!(joined(mp4("red"), mp4("blue")), Err(Refusal::Joined { format: "MP4" }));
    // The second recording's clusters alone: its clock starts again.
    let second = live("blue");
    let cluster = second.windows(4).position(|id| id == b"\x1f\x43\xb6\x75").unwrap();
    assert_eq!(joined(live("red"), second[cluster..].to_vec()), webm_refusal);
    assert!(probe(&live("red")).is_ok());
}

/// Clears or sets the flag "enabled" of a track of an MP4 (ISO/IEC 14496-12, 8.3.2).
fn with_enabled(mut mp4: Vec<u8>, track: usize, enabled: bool) -> Vec<u8> {
    let headers: Vec<usize> =
        mp4.windows(4).enumerate().filter(|(_, name)| name == b"tkhd").map(|(at, _)| at).collect();
    let flags = headers[track] + 7;
    mp4[flags] = mp4[flags] & !1 | u8::from(enabled);
    mp4
}

#[test]
fn the_enabled_track_is_judged_and_ambiguous_tracks_are_refused() {
    let two = format!("{}[out0];{}[out1]", colour("red", 1.0), colour("blue", 1.0));
    let mp4 = clip(&two, &[&["-map", "0"][..], H264].concat(), "mp4");
    for (first, second, expected) in
        [(true, false, [254.0, 0.0, 0.0]), (false, true, [0.0, 0.0, 254.0])]
    {
        let bytes = with_enabled(with_enabled(mp4.clone(), 0, first), 1, second);
        let (thumbnail, judged) = thumbnail_and_first(&bytes);
        assert!(difference(thumbnail, expected) < 8.0, "{thumbnail:?}");
        assert!(difference(judged, expected) < 8.0, "{judged:?}");
    }
    let refusal = Err(Refusal::SeveralPictureTracks { actual: 2 });
    for enabled in [true, false] {
        let bytes = with_enabled(with_enabled(mp4.clone(), 0, enabled), 1, enabled);
        assert_eq!(probe(&bytes), refusal);
    }
    let webm = clip(&two, &[&["-map", "0"][..], VP8].concat(), "webm");
    assert_eq!(probe(&webm), refusal);
    let one = with_enabled(clip(&colour("red", 1.0), H264, "mp4"), 0, false);
    assert!(probe(&one).is_ok(), "a single track plays, enabled or not");
}

#[test]
fn cut_starts_and_cover_pictures_are_not_judged() {
    // Two seconds of red, then blue; an edit list starts the clip in the blue part.
    let source = format!("{}[a];{}[b];[a][b]concat", colour("red", 2.0), colour("blue", 1.0));
    let whole = clip(&source, &[H264, &["-g", "250"]].concat(), "mp4");
    let cut = crate::clips::cut(&whole, "2.2");
    assert_one_truth(&cut, "mp4");
    assert!(thumbnail_and_first(&cut).1[2] > 200.0, "the frames before the edit are not judged");
    assert_one_truth(&whole, "mp4");
}

#[test]
fn parts_of_recordings_without_their_header_are_named() {
    let fragments = ["-movflags", "frag_keyframe+empty_moov", "-g", "15", "-f", "mp4"];
    let mp4 = piped(&moving("160x120", 30, 1.0), &[H264, &fragments].concat());
    let start = mp4.windows(4).position(|name| name == b"moof").unwrap() - 4;
    assert_eq!(probe(&mp4[start..]), Err(Refusal::HeaderMissing { format: "MP4" }));
    let live = [VP8, &["-f", "webm", "-live", "1"]].concat();
    let webm = piped(&moving("160x120", 30, 1.0), &live);
    let cluster = webm.windows(4).position(|id| id == b"\x1f\x43\xb6\x75").unwrap();
    assert_eq!(probe(&webm[cluster..]), Err(Refusal::HeaderMissing { format: "WebM" }));
}

fn deviation(frame: &StoredFrame) -> f64 {
    let mean = mean(&frame.rgb)[1];
    let squares = frame.rgb.iter().skip(1).step_by(3).map(|&v| (f64::from(v) - mean).powi(2));
    (squares.sum::<f64>() * 3.0 / frame.rgb.len() as f64).sqrt()
}

#[test]
fn black_starts_are_replaced_and_no_thumbnail_is_black() {
    for black in [0.3, 1.2] {
        let source = format!(
            "{},format=yuv420p[a];{}[b];[a][b]concat",
            colour("black", black),
            moving("160x120", 30, 3.0)
        );
        let bytes = clip(&source, H264, "mp4");
        let frames = decode(&bytes).unwrap().frames;
        assert!(frames.len() >= 8 && frames.iter().all(|frame| deviation(frame) > 20.0), "{black}");
        assert!(frames.windows(2).all(|pair| pair[0].pts_us < pair[1].pts_us));
        assert!(frames[0].pts_us >= (black * 1e6) as i64);
        let (thumbnail, judged) = thumbnail_and_first(&bytes);
        assert!(difference(thumbnail, judged) < 12.0, "{thumbnail:?} {judged:?}");
    }
    let black = clip(&colour("black", 2.0), H264, "mp4");
    assert_eq!(decode(&black).unwrap().frames.len(), 16, "a black clip stays one");
}

#[test]
fn frames_of_other_sizes_are_shown_in_the_area_of_the_first() {
    let of = |size| clip(&moving(size, 30, 1.0), VP8, "webm");
    let bytes = appended(&[of("320x240"), of("160x120"), of("240x320")], "webm");
    let frames = decode(&bytes).unwrap();
    assert_eq!((frames.width, frames.height), (320, 240));
    assert!(frames.frames.iter().all(|frame| (frame.width, frame.height) == (320, 240)));
    let last = &frames.frames[frames.frames.len() - 1];
    let middle_row = &last.rgb[120 * 960..121 * 960];
    assert_eq!(middle_row[..3], [0; 3], "a tall frame stands between black borders");
    assert!(middle_row[240..720].iter().any(|&value| value > 60));
}
