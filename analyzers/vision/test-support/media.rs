//! Pictures and clips for the tests of the analyzers, made from the sample portraits that `make
//! setup` installs. Included by path into the test modules of several crates; part of no library.

use std::path::{Path, PathBuf};

use image::{DynamicImage, GenericImage, GenericImageView, Rgb, RgbImage};
use vultus_plugin_api::Config;
use vultus_plugin_api::testing::Picture;

/// Time between two frames of a test clip, in microseconds.
pub(crate) const STEP_US: i64 = 400_000;
/// Longest side of the pictures used, in pixels.
const SIDE: u32 = 720;

/// The root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A configuration with the installed models, one thread and these settings.
pub(crate) fn config(settings: &str) -> Config {
    let path = |path: &str| Some(root().join(path).to_string_lossy().into_owned());
    Config {
        onnxruntime: path("models/runtime/libonnxruntime.so"),
        weights_dir: path("models/weights"),
        threads: 1,
        settings: serde_json::from_str(settings).expect("test settings are a JSON object"),
    }
}

/// A sample portrait, scaled to 720 pixels.
pub(crate) fn sample(name: &str) -> DynamicImage {
    let path = root().join("samples/files").join(name);
    let picture = image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    scaled(&picture.to_rgb8().into(), SIDE)
}

/// A file of the larger test data; `None` if that data is not present.
#[expect(clippy::print_stdout, reason = "the skipped tests must be visible in the output")]
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let data = root().join("../shared/testdata");
    if !data.is_dir() {
        println!("larger suite skipped: ../shared/testdata not present");
        return None;
    }
    Some(data.join(name))
}

/// The picture with its longest side scaled to `side`.
pub(crate) fn scaled(picture: &DynamicImage, side: u32) -> DynamicImage {
    picture.resize(side, side, image::imageops::FilterType::Triangle)
}

/// The picture for the test bench, at time 0.
pub(crate) fn still(picture: &DynamicImage) -> Picture {
    let (width, height) = picture.dimensions();
    Picture { width, height, rgb: picture.to_rgb8().into_raw(), pts_us: 0 }
}

/// `count` frames of a hand-held camera: the picture shifts by a few pixels.
pub(crate) fn handheld(picture: &DynamicImage, count: usize) -> Vec<DynamicImage> {
    let (width, height) = picture.dimensions();
    (0..count)
        .map(|i| {
            let (x, y) = ((i * 7 % 12) as u32, (i * 5 % 10) as u32);
            picture.crop_imm(x, y, width - 12, height - 10)
        })
        .collect()
}

/// A clip of pictures, all fitted to the size of the first and padded with grey.
pub(crate) fn clip(frames: &[DynamicImage]) -> Vec<Picture> {
    let (width, height) = frames[0].dimensions();
    let on_canvas = |frame: &DynamicImage| {
        let fitted = if frame.dimensions() == (width, height) {
            frame.clone()
        } else {
            frame.resize(width, height, image::imageops::FilterType::Triangle)
        };
        let mut canvas = RgbImage::from_pixel(width, height, Rgb([110, 110, 110]));
        canvas.copy_from(&fitted.to_rgb8(), 0, 0).expect("it was fitted to the canvas");
        still(&canvas.into())
    };
    let timed = frames.iter().enumerate().map(|(i, f)| on_canvas(f).at(i as i64 * STEP_US));
    timed.collect()
}

/// A presentation attack: the part of `picture` around `face` (left, top, width, height as
/// fractions) as a print in front of a plain wall, in a picture of the same size.
pub(crate) fn print_of(picture: &DynamicImage, face: [f32; 4]) -> DynamicImage {
    /// Margin printed on each side of the face, as a share of its size.
    const AROUND: f32 = 0.3;
    /// Width of the printed face as a share of the scene's.
    const FACE_SHARE: f32 = 0.22;
    let (width, height) = picture.dimensions();
    let pixel = |fraction: f32, of: u32| (fraction.clamp(0.0, 1.0) * of as f32) as u32;
    let [x, y, w, h] = face;
    let (left, right) = (pixel(x - AROUND * w, width), pixel(x + (1.0 + AROUND) * w, width));
    let (top, bottom) = (pixel(y - AROUND * h, height), pixel(y + (1.0 + AROUND) * h, height));
    let size = |length: u32| (length as f32 * FACE_SHARE / w) as u32;
    let print = picture.crop_imm(left, top, right - left, bottom - top).resize(
        size(right - left),
        size(bottom - top),
        image::imageops::FilterType::Triangle,
    );
    let (print_width, print_height) = print.dimensions();
    let mut scene = RgbImage::from_fn(width, height, |x, y| {
        Rgb([(90 + 40 * x / width + 30 * y / height) as u8; 3])
    });
    let (x, y) = ((width - print_width) / 2, (height - print_height) / 2);
    scene.copy_from(&print.to_rgb8(), x, y).expect("the print fits the scene");
    scene.into()
}

/// The face in `obama.jpg`: left, top, width and height as fractions of the picture.
pub(crate) const OBAMA_FACE: [f32; 4] = [0.41, 0.07, 0.26, 0.29];

/// Two pictures side by side, scaled to the same height.
pub(crate) fn beside(left: &DynamicImage, right: &DynamicImage) -> DynamicImage {
    let right = right.resize(u32::MAX / 4096, left.height(), image::imageops::FilterType::Triangle);
    let height = left.height().max(right.height());
    let mut both = RgbImage::new(left.width() + right.width(), height);
    both.copy_from(&left.to_rgb8(), 0, 0).expect("the left picture fits");
    both.copy_from(&right.to_rgb8(), left.width(), 0).expect("the right picture fits");
    both.into()
}

/// The frames of a video of this size, decoded by the `ffmpeg` program.
pub(crate) fn video_frames(path: &Path, width: u32, height: u32) -> Vec<DynamicImage> {
    let output = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(path)
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "ffmpeg cannot read {}", path.display());
    let frames = output.stdout.chunks_exact((width * height * 3) as usize);
    let picture = |bytes: &[u8]| RgbImage::from_raw(width, height, bytes.to_vec());
    frames.filter_map(picture).map(DynamicImage::from).collect()
}
