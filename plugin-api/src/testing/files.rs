//! Pictures from files, for the feature `files`: decoded by the crate `image`, which a plugin
//! itself need not link.

use std::io;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::Picture;

/// Time between two pictures of a folder, in microseconds.
const STEP_US: i64 = 40_000;
/// Endings of the names of pictures.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// See [`Picture::open`].
pub(super) fn open(path: &Path) -> io::Result<Picture> {
    let named = |error: &dyn std::error::Error| {
        io::Error::other(format!("reading {}: {error}", path.display()))
    };
    let mut decoder = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| named(&error))?
        .into_decoder()
        .map_err(|error| named(&error))?;
    let orientation = decoder.orientation().map_err(|error| named(&error))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| named(&error))?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    Ok(Picture { width: rgb.width(), height: rgb.height(), rgb: rgb.into_raw(), pts_us: 0 })
}

/// See [`Picture::open_all`].
pub(super) fn open_all(folder: &Path) -> io::Result<Vec<Picture>> {
    let entries = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    let ending = |path: &PathBuf| {
        path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
    };
    let mut paths: Vec<PathBuf> = entries
        .into_iter()
        .filter(|path| ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str())))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(io::Error::other(format!("{} holds no picture", folder.display())));
    }
    let at = |(index, path): (usize, PathBuf)| Ok(open(&path)?.at(index as i64 * STEP_US));
    paths.into_iter().enumerate().map(at).collect()
}
