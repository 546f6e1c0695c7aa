//! Media for tests: the sample portraits that `make setup` downloads, and clips and shot sets made
//! from them with ffmpeg.

use crate::place::workspace_root;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The bytes of a sample portrait, such as `obama.jpg`.
pub fn sample(name: &str) -> Vec<u8> {
    let path = sample_path(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", path.display()))
}

/// Path of a sample.
pub fn sample_path(name: &str) -> PathBuf {
    workspace_root().join("samples/files").join(name)
}

/// Folder of the larger test suites. Prints a note and returns `None` if it does not exist.
pub fn large_suites() -> Option<PathBuf> {
    let path = workspace_root().join("../shared/testdata");
    if path.is_dir() {
        return Some(path);
    }
    println!("larger suite skipped: ../shared/testdata not present");
    None
}

/// A piece of a clip: a still picture that moves like one from a hand-held camera.
#[derive(Debug, Clone)]
pub struct Clip {
    /// File of the picture.
    pub still: PathBuf,
    /// Length of the piece.
    pub seconds: f32,
}

/// A clip made from one sample portrait: 720 x 1280, 30 fps, H.264. Liveness notices that it is
/// flat.
pub fn still_clip(folder: &Path, still: &str, seconds: f32) -> Vec<u8> {
    clip_of(folder, &[Clip { still: sample_path(still), seconds }])
}

/// A clip of several consecutive pieces.
pub fn clip_of(folder: &Path, pieces: &[Clip]) -> Vec<u8> {
    let target = folder.join(format!("clip-{}.mp4", std::process::id()));
    let mut command = Command::new("ffmpeg");
    command.args(["-y", "-loglevel", "error"]);
    for piece in pieces {
        command
            .args(["-loop", "1", "-framerate", "30", "-t", &piece.seconds.to_string(), "-i"])
            .arg(&piece.still);
    }
    let mut graph = String::new();
    for index in 0..pieces.len() {
        // Scales the picture until it covers the frame, as a border would look like that of a
        // print. Then moves the frame over it.
        graph.push_str(&format!(
            "[{index}:v]scale=780:1340:force_original_aspect_ratio=increase,\
             crop=720:1280:x='(iw-720)/2+25*sin(2*t)':y='30+25*cos(1.5*t)',\
             setsar=1,noise=alls=4:allf=t,format=yuv420p[p{index}];"
        ));
    }
    for index in 0..pieces.len() {
        graph.push_str(&format!("[p{index}]"));
    }
    graph.push_str(&format!("concat=n={}:v=1:a=0[out]", pieces.len()));
    command.args(["-filter_complex", &graph, "-map", "[out]"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-r", "30"]);
    let status = command.arg(&target).status().expect("ffmpeg is installed by `make setup`");
    assert!(status.success(), "ffmpeg failed with {status}");
    let bytes = std::fs::read(&target).expect("the clip was written");
    std::fs::remove_file(&target).expect("the clip can be removed");
    bytes
}

/// The picture as a JPEG of quality 90.
pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(picture)
        .expect("a picture can be compressed");
    bytes
}

/// The JPEG with comments that make it at least this large.
pub fn padded_jpeg(jpeg: &[u8], bytes: usize) -> Vec<u8> {
    const COMMENT: [u8; 4] = [0xff, 0xfe, 0xff, 0xff];
    let (start, rest) = jpeg.split_at(2);
    let mut padded = start.to_vec();
    while padded.len() < bytes {
        padded.extend(COMMENT);
        padded.resize(padded.len() + 0xffff - 2, b' ');
    }
    padded.extend(rest);
    padded
}

/// A ZIP file with the pictures in this order, without compression.
pub fn shot_set(pictures: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (index, picture) in pictures.iter().enumerate() {
        archive
            .start_file(format!("shot{}.jpg", index + 1), options)
            .expect("an entry can be started");
        std::io::Write::write_all(&mut archive, picture).expect("an entry can be written");
    }
    archive.finish().expect("the archive can be closed").into_inner()
}
