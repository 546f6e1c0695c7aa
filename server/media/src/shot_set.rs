//! Shot sets: a ZIP of pictures, flat or in one folder, in natural order of their names.
//!
//! The directory is checked before anything is inflated; entries are inflated one at a time, in
//! memory. Files that operating systems add, such as `__MACOSX/` and `Thumbs.db`, are checked like
//! all others but not read as pictures. Nothing is ever written to a file.

mod directory;

use crate::limits::Limits;
use crate::medium::{Frames, Probe};
use crate::photo::{self, Picture};
use crate::picture_header;
use crate::pixels;
use crate::refusal::{EntryName, Refusal};
use crate::sniff::{self, Format, PictureFormat};
use crate::source::Source;
use std::io::{BufReader, Read, Seek};
use vultus_core::MediaKind;
use vultus_worker_protocol::ProbeReport;
use zip::{ZipArchive, ZipReadOptions};

const CONTENT_TYPE: &str = "application/zip";
/// Pictures may differ in size by this many pixels if their sides are long enough, or by this part
/// of a side.
const FEW_PIXELS: u32 = 8;
const LONG_ENOUGH: u32 = 16;
const FEW_PIXELS_PART: u32 = 100;

const DAMAGED: Refusal = Refusal::Unreadable { format: "ZIP", step: "reading the directory" };

/// Probes a shot set by decoding every picture.
pub(crate) fn probe<S: Read + Seek>(source: Source<S>, limits: &Limits) -> Result<Probe, Refusal> {
    let mut set = ShotSet::open(source, limits)?;
    let mut all_pixels = 0;
    let mut first: Option<Picture> = None;
    for shot in 0..set.shots.len() {
        let (bytes, format) = set.read(shot)?;
        let picture =
            set.shots[shot].picture(&bytes, format, limits, set.shots.len(), &mut all_pixels)?;
        let size = (picture.width, picture.height);
        let first = first.get_or_insert(picture);
        set.shots[shot].check_size(size, (first.width, first.height))?;
    }
    let first = first.ok_or(Refusal::ZipEmpty)?;
    let report = ProbeReport {
        kind: MediaKind::ShotSet,
        content_type: CONTENT_TYPE.to_owned(),
        width: first.width,
        height: first.height,
        orientation_applied: first.orientation.exif(),
        duration_us: None,
        frame_count: Some(set.shots.len() as u64),
        frame_rate: None,
        thumbnail_bytes: 0,
        frame: None,
    };
    Ok(Probe::new(report, pixels::thumbnail(&first.frame)?, None))
}

/// Decodes the pictures of a shot set. If there are more than can be stored, decodes evenly spaced
/// ones.
pub(crate) fn decode<S: Read + Seek>(
    source: Source<S>,
    limits: &Limits,
) -> Result<Frames, Refusal> {
    let mut set = ShotSet::open(source, limits)?;
    let total = set.shots.len();
    let stored = total.min(limits.max_frames_stored.max(1) as usize);
    let mut all_pixels = 0;
    let mut sizes = None;
    let mut frames = Vec::with_capacity(stored);
    for i in 0..stored {
        let shot = (2 * i + 1) * total / (2 * stored);
        let (bytes, format) = set.read(shot)?;
        let picture = set.shots[shot].picture(&bytes, format, limits, stored, &mut all_pixels)?;
        let mut frame = picture.frame;
        let size = (picture.width, picture.height);
        let (first, kept) = *sizes.get_or_insert((size, (frame.width, frame.height)));
        set.shots[shot].check_size(size, first)?;
        if (frame.width, frame.height) != kept {
            frame.rgb = pixels::resize(&frame.rgb, (frame.width, frame.height), kept);
            (frame.width, frame.height) = kept;
        }
        frame.index = i as u32;
        frames.push(frame);
    }
    let ((width, height), _) = sizes.ok_or(Refusal::ZipEmpty)?;
    Ok(Frames {
        kind: MediaKind::ShotSet,
        content_type: CONTENT_TYPE.to_owned(),
        width,
        height,
        duration_us: None,
        frame_count: Some(total as u64),
        frames,
        container: None,
        track: Vec::new(),
    })
}

/// A picture of the set.
struct Shot {
    entry: EntryName,
    /// Path in the archive.
    path: String,
    size: u64,
}

impl Shot {
    /// Rejects a picture whose size differs from the first one's by more than cropping and rounding
    /// explain.
    fn check_size(&self, size: (u32, u32), first: (u32, u32)) -> Result<(), Refusal> {
        let differs = |side: u32, first: u32| {
            let few = FEW_PIXELS.min(first / LONG_ENOUGH).max(first / FEW_PIXELS_PART);
            side.abs_diff(first) > few
        };
        if differs(size.0, first.0) || differs(size.1, first.1) {
            return Err(Refusal::MixedSizes { entry: self.entry.clone() });
        }
        Ok(())
    }

    fn picture(
        &self,
        bytes: &[u8],
        format: PictureFormat,
        limits: &Limits,
        count: usize,
        all_pixels: &mut u64,
    ) -> Result<Picture, Refusal> {
        let in_entry =
            |refusal| Refusal::ZipEntry { entry: self.entry.clone(), refusal: Box::new(refusal) };
        let header = picture_header::inspect(bytes, format, limits).map_err(in_entry)?;
        *all_pixels += u64::from(header.width) * u64::from(header.height);
        if *all_pixels > limits.max_set_pixels {
            return Err(Refusal::ZipTooManyPixels {
                actual: *all_pixels,
                limit: limits.max_set_pixels,
            });
        }
        photo::picture(bytes, format, limits, count).map_err(in_entry)
    }
}

struct ShotSet<S> {
    archive: ZipArchive<BufReader<Source<S>>>,
    shots: Vec<Shot>,
}

impl<S: Read + Seek> ShotSet<S> {
    /// Opens the archive and checks its directory, without reading an entry.
    #[expect(clippy::disallowed_methods, reason = "the one place that opens archives, in limits")]
    fn open(mut source: Source<S>, limits: &Limits) -> Result<Self, Refusal> {
        directory::check_end(&mut source, limits)?;
        let mut archive = ZipArchive::new(BufReader::new(source)).map_err(|_| DAMAGED)?;
        if archive.has_duplicate_names() {
            return Err(Refusal::ZipDuplicate);
        }
        let shots = directory::checked_entries(&archive, limits)?;
        if archive.has_overlapping_entries().map_err(|_| DAMAGED)? {
            return Err(Refusal::ZipOverlap);
        }
        archive.validate_header_consistency().map_err(|_| DAMAGED)?;
        if shots.is_empty() {
            return Err(Refusal::ZipEmpty);
        }
        Ok(Self { archive, shots })
    }

    /// Inflates one picture and detects its format.
    fn read(&mut self, shot: usize) -> Result<(Vec<u8>, PictureFormat), Refusal> {
        let Shot { entry, size, .. } = &self.shots[shot];
        let (entry, size) = (entry.clone(), *size);
        let file = self.archive.by_index(entry.index as usize).map_err(|_| DAMAGED)?;
        let mut bytes = Vec::new();
        let inflated = file.take(size + 1).read_to_end(&mut bytes);
        if inflated.is_err() && !self.is_longer(&entry, size) {
            let refusal = Box::new(Refusal::Unreadable { format: "ZIP", step: "inflating" });
            return Err(Refusal::ZipEntry { entry, refusal });
        }
        if inflated.is_err() || bytes.len() as u64 != size {
            return Err(Refusal::ZipSizeMismatch { entry });
        }
        match sniff::sniff(&bytes[..bytes.len().min(4096)]) {
            Ok(Format::Picture(format)) => Ok((bytes, format)),
            Ok(Format::Zip) => Err(Refusal::ZipNested { entry }),
            Ok(Format::Video(container)) => Err(Refusal::ZipEntry {
                entry,
                refusal: Box::new(Refusal::UnsupportedFormat {
                    format: container.name().to_owned(),
                }),
            }),
            Err(refusal) => Err(Refusal::ZipEntry { entry, refusal: Box::new(refusal) }),
        }
    }

    /// Whether an entry that failed to inflate goes on after its declared size, which `zip` does
    /// not tell from other damage.
    fn is_longer(&mut self, entry: &EntryName, size: u64) -> bool {
        let options = ZipReadOptions::new().ignore_crc32(true);
        let Ok(mut file) = self.archive.by_index_with_options(entry.index as usize, options) else {
            return false;
        };
        let declared = std::io::copy(&mut file.by_ref().take(size), &mut std::io::sink());
        declared.is_ok_and(|read| read == size) && !matches!(file.read(&mut [0]), Ok(0))
    }
}
