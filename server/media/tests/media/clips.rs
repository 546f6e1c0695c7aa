//! Clips for the tests, encoded with the `ffmpeg` command that `make setup` installs.

use std::process::{Command, Stdio};

/// Red, green / blue, black: distinguishes every rotation and mirroring.
pub(crate) const QUADRANTS: &str = "color=black:s=320x240:r=30,drawbox=0:0:160:120:red:fill,\
    drawbox=160:0:160:120:lime:fill,drawbox=0:120:160:120:blue:fill,format=yuv420p";

/// Bit-exact x264 without scene cuts, so that the tests control the key frames.
pub(crate) const H264: &[&str] =
    &["-c:v", "libx264", "-preset", "veryfast", "-sc_threshold", "0", "-threads", "1"];

/// A moving picture of this size, frame rate and duration in seconds.
pub(crate) fn moving(size: &str, rate: u32, seconds: f64) -> String {
    format!("testsrc2=s={size}:r={rate}:d={seconds},format=yuv420p")
}

/// Runs ffmpeg on a lavfi source and returns the bytes of the file.
pub(crate) fn clip(source: &str, options: &[&str], extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("clip.{extension}"));
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", source]).args(options).arg(&file);
    let output = command.output().expect("the ffmpeg command is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(file).unwrap()
}

/// As `clip`, encoded in two passes, which VP9 needs for frames that are never shown.
pub(crate) fn two_passes(source: &str, options: &[&str], extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) =
        (folder.path().join(format!("clip.{extension}")), folder.path().join("passes"));
    for pass in ["1", "2"] {
        let mut command = ffmpeg();
        command
            .args(["-f", "lavfi", "-i", source])
            .args(options)
            .args(["-pass", pass, "-passlogfile"])
            .arg(&log)
            .arg(&file);
        let output = command.output().expect("the ffmpeg command is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::read(file).unwrap()
}

/// As `clip`, written to a pipe, so that the muxer cannot go back and write a duration.
pub(crate) fn piped(source: &str, options: &[&str]) -> Vec<u8> {
    let output = ffmpeg().args(["-f", "lavfi", "-i", source]).args(options).arg("pipe:1").output();
    let output = output.expect("the ffmpeg command is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// All frames of a clip as the `ffmpeg` command decodes them: upright, packed RGB, in presentation
/// order.
pub(crate) fn reference_frames(clip: &[u8], extension: &str, frame_bytes: usize) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("clip.{extension}"));
    std::fs::write(&file, clip).unwrap();
    let mut command = ffmpeg();
    command.arg("-i").arg(&file);
    command.args([
        "-vsync",
        "passthrough",
        "-sws_flags",
        "bilinear",
        "-pix_fmt",
        "rgb24",
        "-f",
        "rawvideo",
        "pipe:1",
    ]);
    let output = command.output().expect("the ffmpeg command is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(frame_bytes).map(<[u8]>::to_vec).collect()
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).stdin(Stdio::null());
    command
}

/// Replaces the matrix of the first track header (ISO/IEC 14496-12, 8.3.2, version 0) by `[a, b, c,
/// d]`.
pub(crate) fn with_matrix(mut mp4: Vec<u8>, [a, b, c, d]: [i32; 4]) -> Vec<u8> {
    let at = mp4.windows(4).position(|name| name == b"tkhd").unwrap() + 4 + 40;
    for (i, value) in [(0, a), (1, b), (3, c), (4, d)] {
        mp4[at + i * 4..at + i * 4 + 4].copy_from_slice(&(value << 16).to_be_bytes());
    }
    mp4
}

/// Joins clips of the same codec by copying their packets, one after the other.
pub(crate) fn appended(parts: &[Vec<u8>], extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (i, part) in parts.iter().enumerate() {
        let name = format!("{i}.{extension}");
        std::fs::write(folder.path().join(&name), part).unwrap();
        list += &format!("file {name}\n");
    }
    std::fs::write(folder.path().join("list"), list).unwrap();
    let file = folder.path().join(format!("joined.{extension}"));
    let mut command = ffmpeg();
    command.args(["-f", "concat", "-i"]).arg(folder.path().join("list")).args(["-c", "copy"]);
    let output = command.arg(&file).output().expect("the ffmpeg command is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(file).unwrap()
}

/// The part of an MP4 from a time on, by an edit list: the packets before it stay in the file.
pub(crate) fn cut(mp4: &[u8], from: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.mp4"), folder.path().join("out.mp4"));
    std::fs::write(&input, mp4).unwrap();
    let mut command = ffmpeg();
    command.args(["-ss", from, "-i"]).arg(&input).args(["-c", "copy"]).arg(&output);
    let done = command.output().expect("the ffmpeg command is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(output).unwrap()
}
