//! Shot sets: a flat ZIP of JPEG, PNG and WebP pictures, in natural order of their names.
//!
//! The directory is checked before anything is inflated; entries are inflated one at a time, in
//! memory. Entries of `__MACOSX/`, which the archiver of macOS adds, are checked like all others
//! but not read as pictures; any other folder is rejected. Nothing is ever written to a file.

use crate::limits::Limits;
use crate::medium::{Frames, Probe};
use crate::photo::{self, Picture};
use crate::picture_header;
use crate::pixels;
use crate::refusal::Refusal;
use crate::sniff::{self, Format, PictureFormat};
use crate::source::Source;
use std::io::{BufReader, Read, Seek, SeekFrom};
use vultus_core::MediaKind;
use vultus_worker_protocol::ProbeReport;
use zip::read::ZipFileEntry;
use zip::{CompressionMethod, ZipArchive};

const CONTENT_TYPE: &str = "application/zip";
const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";

/// File type bits of a Unix mode, and their value for a regular file.
const TYPE_BITS: u32 = 0o170_000;
const REGULAR_FILE: u32 = 0o100_000;

const DAMAGED: Refusal = Refusal::Unreadable { format: "ZIP", step: "reading the directory" };

/// Probes a shot set by decoding every picture.
pub(crate) fn probe<S: Read + Seek>(source: Source<S>, limits: &Limits) -> Result<Probe, Refusal> {
    let mut set = ShotSet::open(source, limits)?;
    let mut all_pixels = 0;
    let mut first = None;
    for shot in 0..set.shots.len() {
        let (bytes, format) = set.read(shot)?;
        let picture =
            set.shots[shot].picture(&bytes, format, limits, set.shots.len(), &mut all_pixels)?;
        let size = (picture.width, picture.height);
        let first = first.get_or_insert(picture);
        if size != (first.width, first.height) {
            return Err(Refusal::MixedSizes);
        }
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
    let mut size = None;
    let mut frames = Vec::with_capacity(stored);
    for i in 0..stored {
        let shot = (2 * i + 1) * total / (2 * stored);
        let (bytes, format) = set.read(shot)?;
        let picture = set.shots[shot].picture(&bytes, format, limits, stored, &mut all_pixels)?;
        if *size.get_or_insert((picture.width, picture.height)) != (picture.width, picture.height) {
            return Err(Refusal::MixedSizes);
        }
        let mut frame = picture.frame;
        frame.index = i as u32;
        frames.push(frame);
    }
    let (width, height) = size.ok_or(Refusal::ZipEmpty)?;
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
    /// Position in the directory, which refusals name.
    entry: u32,
    name: String,
    size: u64,
}

impl Shot {
    fn picture(
        &self,
        bytes: &[u8],
        format: PictureFormat,
        limits: &Limits,
        count: usize,
        all_pixels: &mut u64,
    ) -> Result<Picture, Refusal> {
        let in_entry =
            |refusal| Refusal::ZipEntry { entry: self.entry, refusal: Box::new(refusal) };
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
        check_end_of_directory(&mut source, limits)?;
        let mut archive = ZipArchive::new(BufReader::new(source)).map_err(|_| DAMAGED)?;
        if archive.has_duplicate_names() {
            return Err(Refusal::ZipDuplicate);
        }
        let shots = checked_entries(&archive, limits)?;
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
        let Shot { entry, size, .. } = self.shots[shot];
        let file = self.archive.by_index(entry as usize).map_err(|_| DAMAGED)?;
        let mut bytes = Vec::new();
        file.take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| Refusal::Unreadable { format: "ZIP", step: "inflating an entry" })?;
        if bytes.len() as u64 != size {
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
}

/// Reads the end record alone and requires the plain layout: entries, directory, end record with
/// its comment, end of file. This bounds the number of entries before the directory is read, and
/// excludes a second, hidden directory.
fn check_end_of_directory<S: Read + Seek>(
    source: &mut Source<S>,
    limits: &Limits,
) -> Result<(), Refusal> {
    const RECORD: usize = 22;
    let tail_start = source.length().saturating_sub(RECORD as u64 + 0xffff + 20);
    source.seek(SeekFrom::Start(tail_start)).map_err(|e| Refusal::io(&e))?;
    let mut tail = Vec::new();
    source.read_to_end(&mut tail).map_err(|e| Refusal::io(&e))?;
    source.rewind().map_err(|e| Refusal::io(&e))?;
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([tail[at], tail[at + 1]]));
    let u32_at = |at: usize| u16_at(at) | u16_at(at + 2) << 16;
    let at = (0..(tail.len() + 1).saturating_sub(RECORD))
        .rev()
        .find(|&at| {
            tail[at..].starts_with(END_OF_DIRECTORY)
                && at as u64 + RECORD as u64 + u16_at(at + 20) == tail.len() as u64
        })
        .ok_or(Refusal::Truncated { format: "ZIP" })?;
    let entries = u16_at(at + 10);
    let limit = u64::from(limits.max_zip_entries);
    if entries > limit {
        return Err(Refusal::ZipTooManyEntries { actual: entries, limit });
    }
    if at >= 20 && tail[at - 20..].starts_with(ZIP64_LOCATOR) {
        return Err(Refusal::UnsupportedFormat { format: "ZIP64".to_owned() });
    }
    let (size, offset) = (u32_at(at + 12), u32_at(at + 16));
    let one_disk = u16_at(at + 4) == 0 && u16_at(at + 6) == 0 && u16_at(at + 8) == entries;
    if !one_disk || offset + size != tail_start + at as u64 {
        return Err(DAMAGED);
    }
    Ok(())
}

/// Checks every entry of the directory and returns the pictures in natural order of their names.
fn checked_entries<R: Read + Seek>(
    archive: &ZipArchive<R>,
    limits: &Limits,
) -> Result<Vec<Shot>, Refusal> {
    let mut shots = Vec::new();
    let mut inflated = 0_u64;
    for index in 0..archive.len() {
        let entry = index as u32;
        let data = archive.by_index_data(index).map_err(|_| DAMAGED)?;
        let name = String::from_utf8_lossy(data.name_raw()).into_owned();
        let ours = check_name(&name, entry)?;
        check_entry(&data, entry, limits)?;
        inflated = inflated.saturating_add(data.size());
        if inflated > limits.max_inflated_bytes {
            return Err(Refusal::ZipInflated {
                actual: inflated,
                limit: limits.max_inflated_bytes,
            });
        }
        if ours {
            shots.push(Shot { entry, name, size: data.size() });
        }
    }
    shots.sort_by(|a, b| natord::compare(&a.name, &b.name).then_with(|| a.name.cmp(&b.name)));
    Ok(shots)
}

/// Whether the name is that of a picture, rather than of an entry that macOS adds. Rejects paths.
fn check_name(name: &str, entry: u32) -> Result<bool, Refusal> {
    let mut parts = name.split(['/', '\\']);
    let leads_out = name.starts_with(['/', '\\'])
        || name.contains('\0')
        || name.as_bytes().get(1) == Some(&b':')
        || parts.clone().any(|part| part == "..");
    if leads_out || name.is_empty() {
        return Err(Refusal::ZipTraversal { entry });
    }
    match (parts.next(), parts.next()) {
        (Some("__MACOSX"), Some(_)) => Ok(false),
        (_, Some(_)) => Err(Refusal::ZipNotFlat { entry }),
        (_, None) => Ok(true),
    }
}

fn check_entry(data: &ZipFileEntry<'_>, entry: u32, limits: &Limits) -> Result<(), Refusal> {
    let type_bits = data.unix_mode().unwrap_or(0) & TYPE_BITS;
    let folder_of_macos = data.is_dir() && data.size() == 0;
    if data.is_symlink() || (type_bits != 0 && type_bits != REGULAR_FILE && !folder_of_macos) {
        return Err(Refusal::ZipSpecialFile { entry });
    }
    if data.encrypted() {
        return Err(Refusal::ZipEncrypted { entry });
    }
    if !matches!(data.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(Refusal::ZipMethod { entry });
    }
    let (actual, limit) =
        (data.size() / data.compressed_size().max(1), u64::from(limits.max_ratio));
    if actual > limit {
        return Err(Refusal::ZipRatio { entry, actual, limit });
    }
    Ok(())
}
