//! Reads named files from a package archive into memory. Nothing is unpacked to disk, so paths,
//! links and modes inside the archive have no effect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::{Error, PackageFormat, Result};

/// Largest file read from a package, in bytes; the largest listed file has 41 MB. Protects against
/// decompression bombs.
const LARGEST_ENTRY: u64 = 256 << 20;

/// The bytes of the `wanted` files by path inside the archive.
/// [`Error::EntryMissing`] if one is not there.
pub(crate) fn read_entries(
    archive: &Path,
    format: PackageFormat,
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = File::open(archive).map_err(Error::read(archive))?;
    let found = match format {
        PackageFormat::Zip => read_zip(file, wanted),
        PackageFormat::GzippedTar => read_gzipped_tar(file, wanted),
    }
    .map_err(Error::archive(archive))?;
    match wanted.iter().find(|entry| !found.contains_key(**entry)) {
        Some(entry) => {
            Err(Error::EntryMissing { archive: archive.to_owned(), entry: (*entry).to_owned() })
        }
        None => Ok(found),
    }
}

/// The file `member` of a zip archive in memory; `None` if it is not there.
pub(crate) fn read_member(archive: &[u8], member: &str) -> io::Result<Option<Vec<u8>>> {
    let found = read_zip(io::Cursor::new(archive), &BTreeSet::from([member]))?;
    Ok(found.into_values().next())
}

fn read_zip(
    archive: impl Read + io::Seek,
    wanted: &BTreeSet<&str>,
) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut zip = zip::ZipArchive::new(archive)?;
    let mut found = BTreeMap::new();
    for entry in wanted {
        match zip.by_name(entry) {
            Ok(member) => found.insert((*entry).to_owned(), read_capped(member)?),
            Err(zip::result::ZipError::FileNotFound) => continue,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(found)
}

fn read_gzipped_tar(file: File, wanted: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(io::BufReader::new(file)));
    let mut found = BTreeMap::new();
    for member in tar.entries()? {
        let member = member?;
        let path = member.path()?.to_string_lossy().into_owned();
        if member.header().entry_type().is_file() && wanted.contains(path.as_str()) {
            found.insert(path, read_capped(member)?);
        }
        if found.len() == wanted.len() {
            break;
        }
    }
    Ok(found)
}

fn read_capped(entry: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if entry.take(LARGEST_ENTRY + 1).read_to_end(&mut bytes)? as u64 > LARGEST_ENTRY {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("a file has more than {LARGEST_ENTRY} bytes"),
        ));
    }
    Ok(bytes)
}
