//! Reads pictures from files, with the feature `files`. Decodes by the crate `image`, which a
//! plugin itself need not link.

use std::io;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::picture::Picture;

/// Time between two pictures of a folder, in microseconds.
const STEP_US: i64 = 40_000;
/// File name extensions of pictures.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

impl Picture {
    /// Reads a JPEG, PNG or WebP file and rotates it to upright by its EXIF orientation. Needs the
    /// feature `files`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use vultus_plugin_api::testing::Picture;
    ///
    /// let portrait = Picture::open("tests/portrait.jpg")?;
    /// assert!(portrait.width >= 320);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The file cannot be read or is not a picture of a known format; the error names the file.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        open(path.as_ref())
    }

    /// Reads all pictures of a folder in the order of their names, 40 ms apart: a clip or a shot
    /// set. Needs the feature `files`.
    ///
    /// # Errors
    /// As [`Picture::open`]; or the folder has no picture.
    pub fn open_all(folder: impl AsRef<Path>) -> io::Result<Vec<Self>> {
        open_all(folder.as_ref())
    }
}

fn open(path: &Path) -> io::Result<Picture> {
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

fn open_all(folder: &Path) -> io::Result<Vec<Picture>> {
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
        return Err(io::Error::other(format!("{} has no picture", folder.display())));
    }
    let at = |(index, path): (usize, PathBuf)| Ok(open(&path)?.at(index as i64 * STEP_US));
    paths.into_iter().enumerate().map(at).collect()
}
