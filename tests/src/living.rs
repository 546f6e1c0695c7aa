//! A clip of a head that moves like a living one: a portrait bent over an ellipsoid that turns,
//! nods and speaks. No camera recorded it, so it is itself an attack of the kind that liveness
//! cannot tell (an injected puppet); tests that need a SUCCESS use it.

use crate::media::sample_path;
use crate::place::workspace_root;
use image::{Rgb, RgbImage};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Changes with everything below that changes a pixel.
const VERSION: u32 = 2;
const SIZE: (u32, u32) = (360, 640);
const RATE: u32 = 24;
const SECONDS: u32 = 5;
/// Face of `obama2.jpg` in the frame: centre and half axes, in pixels.
const FACE: ([f32; 2], [f32; 2]) = ([194.0, 236.0], [85.0, 130.0]);
/// First row of the portrait in the frame.
const TOP: u32 = 20;

/// The clip: 360 x 640, 24 fps, 5 s, H.264. Made once, in `folder`, and kept in `target`.
pub fn bona_fide_clip(folder: &Path) -> Vec<u8> {
    let kept = workspace_root().join(format!("target/living-portrait-{VERSION}.mp4"));
    if let Ok(bytes) = std::fs::read(&kept) {
        return bytes;
    }
    let made = folder.join("living-portrait.mp4");
    encode(&made);
    let bytes = std::fs::read(&made).expect("the clip was written");
    // Other processes see the whole file or none. A folder that cannot be written costs time only.
    let own = kept.with_extension(std::process::id().to_string());
    if std::fs::write(&own, &bytes).and_then(|()| std::fs::rename(&own, &kept)).is_err() {
        drop(std::fs::remove_file(&own));
    }
    bytes
}

fn encode(file: &Path) {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size])
        .args(["-r", &RATE.to_string(), "-i", "-"])
        .args(["-vf", "noise=alls=3:allf=t", "-c:v", "libx264", "-preset", "veryfast"])
        .args(["-crf", "20", "-pix_fmt", "yuv420p"])
        .arg(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed by `make setup`");
    let mut pixels = ffmpeg.stdin.take().expect("a pipe");
    let portrait = portrait();
    for frame in 0..RATE * SECONDS {
        let picture = pose(&portrait, frame as f32 / RATE as f32);
        pixels.write_all(&picture).expect("ffmpeg reads all frames");
    }
    drop(pixels);
    assert!(ffmpeg.wait().expect("ffmpeg ends").success());
}

fn portrait() -> RgbImage {
    let picture = image::open(sample_path("obama2.jpg")).expect("a sample").into_rgb8();
    let high = (picture.width() * SIZE.1 / SIZE.0).min(picture.height() - TOP);
    let part = image::imageops::crop_imm(&picture, 0, TOP, picture.width(), high);
    image::imageops::resize(&part.to_image(), SIZE.0, SIZE.1, image::imageops::FilterType::Triangle)
}

/// The head at a moment.
fn pose(portrait: &RgbImage, time: f32) -> Vec<u8> {
    let ([cx, cy], [rx, ry]) = FACE;
    // Periods without a common multiple in five seconds.
    let yaw = 14.0 * (1.9 * time).sin() + 7.0 * (3.1 * time + 1.0).sin();
    let nod = 5.0 * (1.3 * time + 0.5).sin() + 1.2 * time;
    let mouth = 5.0 * (7.3 * time).sin().max(0.0) * (0.9 * time).sin().abs();
    let lids = if (2.1..2.3).contains(&(time % 3.7)) { 5.0 } else { 0.0 };
    let sway = [3.0 * (0.8 * time).sin(), 2.0 * (1.1 * time).cos()];
    let mut pixels = Vec::with_capacity((SIZE.0 * SIZE.1 * 3) as usize);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            let (u, v) = ((x as f32 - cx) / rx, (y as f32 - cy) / ry);
            let inside = 1.0 - u * u - v * v;
            let depth = if inside > 0.0 { inside.sqrt() } else { 0.0 };
            let around = |height: f32, wide: f32, high: f32| {
                (-(u / wide).powi(2) - ((v - height) / high).powi(2)).exp()
            };
            let shift = [
                sway[0] + yaw * depth,
                sway[1]
                    + nod * depth
                    + mouth * around(0.55, 0.45, 0.2) * (v - 0.5).signum()
                    + lids * around(-0.2, 0.6, 0.12),
            ];
            pixels.extend(sampled(portrait, x as f32 - shift[0], y as f32 - shift[1]));
        }
    }
    pixels
}

fn sampled(picture: &RgbImage, x: f32, y: f32) -> [u8; 3] {
    let x = x.clamp(0.0, SIZE.0 as f32 - 1.001);
    let y = y.clamp(0.0, SIZE.1 as f32 - 1.001);
    let (left, top) = (x as u32, y as u32);
    let (fx, fy) = (x - left as f32, y - top as f32);
    let at = |dx: u32, dy: u32| {
        let Rgb(levels) = picture.get_pixel(left + dx, top + dy);
        levels.map(f32::from)
    };
    let [a, b, c, d] = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
    [0, 1, 2].map(|i| {
        let upper = a[i] + (b[i] - a[i]) * fx;
        let lower = c[i] + (d[i] - c[i]) * fx;
        (upper + (lower - upper) * fy + 0.5) as u8
    })
}
