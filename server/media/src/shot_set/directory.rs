//! The directory of a ZIP, checked before an entry is read.

use super::{DAMAGED, Shot};
use crate::limits::Limits;
use crate::refusal::{EntryName, Refusal};
use crate::source::Source;
use std::io::{Read, Seek, SeekFrom};
use zip::read::ZipFileEntry;
use zip::{CompressionMethod, ZipArchive};

const END_OF_DIRECTORY: &[u8] = b"PK\x05\x06";
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
const ZIP64_END: &[u8] = b"PK\x06\x06";
const ZIP64_LOCATOR_BYTES: usize = 20;
const ZIP64_END_BYTES: usize = 56;

/// File type bits of a Unix mode, and their values for files with bytes: a regular file, and what
/// `zip` read from a pipe. Other programs write no type.
const TYPE_BITS: u32 = 0o170_000;
const FILE_TYPES: [u32; 3] = [0o100_000, 0o010_000, 0];

/// Names of files that operating systems add to folders, in lower case.
const ADDED_FILES: [&str; 5] =
    [".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".localized"];

/// Reads the end record alone and requires the plain layout: entries, directory, end record with
/// its comment, end of file. This bounds the number of entries before the directory is read, and
/// excludes a second, hidden directory.
pub(super) fn check_end<S: Read + Seek>(
    source: &mut Source<S>,
    limits: &Limits,
) -> Result<(), Refusal> {
    const RECORD: usize = 22;
    let longest = RECORD + 0xffff + ZIP64_LOCATOR_BYTES + ZIP64_END_BYTES;
    let tail_start = source.length().saturating_sub(longest as u64);
    source.seek(SeekFrom::Start(tail_start)).map_err(|e| Refusal::io(&e))?;
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|e| Refusal::io(&e))?;
    source.rewind().map_err(|e| Refusal::io(&e))?;
    let tail = Tail { bytes: &bytes, start: tail_start };
    let at = (0..(bytes.len() + 1).saturating_sub(RECORD))
        .rev()
        .find(|&at| {
            bytes[at..].starts_with(END_OF_DIRECTORY)
                && at as u64 + RECORD as u64 + tail.number::<2>(at + 20) == bytes.len() as u64
        })
        .ok_or(Refusal::Truncated { format: "ZIP" })?;
    let mut end = End {
        at,
        one_disk: tail.number::<2>(at + 4) == 0
            && tail.number::<2>(at + 6) == 0
            && tail.number::<2>(at + 8) == tail.number::<2>(at + 10),
        entries: tail.number::<2>(at + 10),
        size: tail.number::<4>(at + 12),
        offset: tail.number::<4>(at + 16),
    };
    if let Some(locator) = at.checked_sub(ZIP64_LOCATOR_BYTES)
        && bytes[locator..].starts_with(ZIP64_LOCATOR)
    {
        end = end.extended(&tail, locator)?;
    }
    let limit = u64::from(limits.max_zip_entries);
    if end.entries > limit {
        return Err(Refusal::ZipTooManyEntries { actual: end.entries, limit });
    }
    let directory_end = end.offset.checked_add(end.size);
    if !end.one_disk || directory_end != Some(tail_start + end.at as u64) {
        return Err(DAMAGED);
    }
    Ok(())
}

/// The last bytes of the file.
struct Tail<'a> {
    bytes: &'a [u8],
    /// Position of the first of them in the file.
    start: u64,
}

impl Tail<'_> {
    /// A little-endian number of `N` bytes, at most 8; 0 past the end.
    fn number<const N: usize>(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..at + N).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }
}

/// What an end record says (APPNOTE 6.3, 4.3.14 and 4.3.16).
struct End {
    /// Position in the tail at which the directory must end.
    at: usize,
    one_disk: bool,
    entries: u64,
    size: u64,
    offset: u64,
}

impl End {
    /// The ZIP64 end record that stands before its locator. A field that the plain record has, too,
    /// must agree.
    fn extended(&self, tail: &Tail<'_>, locator: usize) -> Result<Self, Refusal> {
        let at = locator.checked_sub(ZIP64_END_BYTES).ok_or(DAMAGED)?;
        let points_here = tail.number::<8>(locator + 8) == tail.start + at as u64;
        let is_record = tail.bytes[at..].starts_with(ZIP64_END)
            && tail.number::<8>(at + 4) == ZIP64_END_BYTES as u64 - 12;
        let end = Self {
            at,
            one_disk: tail.number::<4>(at + 16) == 0
                && tail.number::<4>(at + 20) == 0
                && tail.number::<4>(locator + 4) == 0
                && tail.number::<4>(locator + 16) <= 1
                && tail.number::<8>(at + 24) == tail.number::<8>(at + 32),
            entries: tail.number::<8>(at + 32),
            size: tail.number::<8>(at + 40),
            offset: tail.number::<8>(at + 48),
        };
        let agrees = |plain: u64, full: u64, absent: u64| plain == absent || plain == full;
        let agree = agrees(self.entries, end.entries, 0xffff)
            && agrees(self.size, end.size, 0xffff_ffff)
            && agrees(self.offset, end.offset, 0xffff_ffff);
        if points_here && is_record && agree { Ok(end) } else { Err(DAMAGED) }
    }
}

/// Checks every entry of the directory and returns the pictures in natural order of their names.
pub(super) fn checked_entries<R: Read + Seek>(
    archive: &ZipArchive<R>,
    limits: &Limits,
) -> Result<Vec<Shot>, Refusal> {
    let mut shots = Vec::new();
    let mut inflated = 0_u64;
    let mut folder: Option<String> = None;
    for index in 0..archive.len() {
        let data = archive.by_index_data(index).map_err(|_| DAMAGED)?;
        let path = String::from_utf8_lossy(data.name_raw()).into_owned();
        let entry = EntryName::new(index as u32, &path);
        let role = check_path(&path, &entry)?;
        check_entry(&data, &entry)?;
        inflated = inflated.saturating_add(data.size());
        if inflated > limits.max_inflated_bytes {
            return Err(Refusal::ZipInflated {
                actual: inflated,
                limit: limits.max_inflated_bytes,
            });
        }
        let (within, size) = match role {
            Role::Added => continue,
            Role::Folder(name) => (name, None),
            Role::Picture(name) => (name, Some(data.size())),
        };
        // An entry at the top has the folder "".
        if *folder.get_or_insert_with(|| within.to_owned()) != within {
            return Err(Refusal::ZipNotFlat { entry });
        }
        if let Some(size) = size {
            check_ratio(&data, &entry, limits)?;
            shots.push(Shot { entry, path, size });
        }
    }
    shots.sort_by(|a, b| natord::compare(&a.path, &b.path).then_with(|| a.path.cmp(&b.path)));
    Ok(shots)
}

/// What an entry is, by its path.
enum Role<'a> {
    /// A file or folder that an operating system added.
    Added,
    /// The folder that holds the pictures.
    Folder(&'a str),
    /// A picture in this folder; of a flat archive, in "".
    Picture(&'a str),
}

/// Rejects paths that lead out of the archive, and folders of folders.
fn check_path<'a>(path: &'a str, entry: &EntryName) -> Result<Role<'a>, Refusal> {
    const SEPARATORS: [char; 2] = ['/', '\\'];
    let parts: Vec<&str> = path.split(SEPARATORS).collect();
    let leads_out = path.starts_with(SEPARATORS)
        || path.contains('\0')
        || path.as_bytes().get(1) == Some(&b':')
        || parts.contains(&"..");
    if leads_out || path.is_empty() {
        return Err(Refusal::ZipTraversal { entry: entry.clone() });
    }
    let is_added = |name: &str| {
        name.starts_with("._") || ADDED_FILES.contains(&name.to_ascii_lowercase().as_str())
    };
    match parts[..] {
        ["__MACOSX", _, ..] => Ok(Role::Added),
        [.., name] if is_added(name) => Ok(Role::Added),
        [folder, ""] => Ok(Role::Folder(folder)),
        [_] => Ok(Role::Picture("")),
        [folder, _] => Ok(Role::Picture(folder)),
        _ => Err(Refusal::ZipNotFlat { entry: entry.clone() }),
    }
}

fn check_entry(data: &ZipFileEntry<'_>, entry: &EntryName) -> Result<(), Refusal> {
    let type_bits = data.unix_mode().unwrap_or(0) & TYPE_BITS;
    let is_folder = data.is_dir() && data.size() == 0;
    if data.is_symlink() || !(FILE_TYPES.contains(&type_bits) || is_folder) {
        return Err(Refusal::ZipSpecialFile { entry: entry.clone() });
    }
    if data.encrypted() {
        return Err(Refusal::ZipEncrypted { entry: entry.clone() });
    }
    if !matches!(data.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(Refusal::ZipMethod { entry: entry.clone() });
    }
    Ok(())
}

fn check_ratio(data: &ZipFileEntry<'_>, entry: &EntryName, limits: &Limits) -> Result<(), Refusal> {
    let (actual, limit) =
        (data.size() / data.compressed_size().max(1), u64::from(limits.max_ratio));
    if actual > limit {
        return Err(Refusal::ZipRatio { entry: entry.clone(), actual, limit });
    }
    Ok(())
}
