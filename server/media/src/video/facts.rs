//! What a clip's container states about itself and what is in it, for judging whether a camera
//! wrote it. Of the metadata only the names of known programs leave this module: the rest may be
//! personal.

use super::container::Track;
use super::index::Index;
use ffmpeg_next::ffi;
use serde::Serialize;
use std::ffi::CStr;

/// What a clip's container states and has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerFacts {
    /// Name of the codec of the pictures, such as `h264`.
    pub codec: String,
    /// Size of the pictures, in bytes.
    pub bytes: u64,
    /// Number of shown pictures.
    pub frames: u64,
    /// Time from the first to the end of the last shown picture, in microseconds.
    pub duration_us: i64,
    /// Duration that the container states, in microseconds.
    pub stated_duration_us: Option<i64>,
    /// Pictures per second that the container states.
    pub stated_rate: Option<f64>,
    /// Longest time between two shown pictures, in microseconds.
    pub longest_gap_us: i64,
    /// Editing programs that the metadata name.
    pub editors: Vec<&'static str>,
    /// Virtual cameras that the metadata name.
    pub virtual_cameras: Vec<&'static str>,
}

/// Programs that write clips which no camera recorded: their name, in lower case, in metadata.
const EDITORS: [&str; 22] = [
    "adobe",
    "after effects",
    "avidemux",
    "blender",
    "camtasia",
    "capcut",
    "davinci resolve",
    "deepfacelab",
    "faceswap",
    "filmora",
    "final cut",
    "handbrake",
    "imovie",
    "inshot",
    "kdenlive",
    "kinemaster",
    "openshot",
    "premiere",
    "reface",
    "shotcut",
    "vegas pro",
    "videoleap",
];

/// Cameras that are programs.
const VIRTUAL_CAMERAS: [&str; 14] = [
    "akvcam",
    "avatarify",
    "deepfacelive",
    "e2esoft",
    "manycam",
    "obs virtual",
    "obs-studio",
    "obs studio",
    "snap camera",
    "splitcam",
    "v4l2loopback",
    "vcam",
    "virtual camera",
    "xsplit",
];

impl ContainerFacts {
    pub(super) fn of(track: &Track, index: &Index) -> Self {
        // SAFETY: `avcodec_get_name` always returns a string that lives as long as the program.
        let codec = unsafe { CStr::from_ptr(ffi::avcodec_get_name(track.codec())) };
        let metadata: Vec<String> =
            track.metadata().iter().map(|value| value.to_lowercase()).collect();
        let named = |names: &[&'static str]| {
            let is_named = |name: &&'static str| metadata.iter().any(|it| it.contains(*name));
            names.iter().copied().filter(is_named).collect()
        };
        let gaps = index.shown.windows(2).map(|pair| pair[1].pts_us - pair[0].pts_us);
        Self {
            codec: codec.to_string_lossy().into_owned(),
            bytes: index.bytes,
            frames: index.shown.len() as u64,
            duration_us: index.duration_us,
            stated_duration_us: track.stated_duration_us(),
            stated_rate: track.stated_rate(),
            longest_gap_us: gaps.max().unwrap_or(0),
            editors: named(&EDITORS),
            virtual_cameras: named(&VIRTUAL_CAMERAS),
        }
    }
}
