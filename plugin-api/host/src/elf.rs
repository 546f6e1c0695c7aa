//! Checks a file's first bytes and computes its digest before the dynamic linker opens it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::OpenError;

/// `e_machine` of this process.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
/// `e_machine` of this process.
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// `e_type` of a shared library.
const ET_DYN: u16 = 3;
/// Bytes of an ELF header up to and including `e_machine`.
const LEAST: usize = 20;

/// Rejects a file that is not a 64-bit little-endian shared library for this machine. Returns the
/// file's SHA-256 in lower-case hexadecimal.
pub(crate) fn inspect(path: &Path) -> Result<String, OpenError> {
    let read = |source| OpenError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let mut start = Vec::with_capacity(LEAST);
    Read::by_ref(&mut file).take(LEAST as u64).read_to_end(&mut start).map_err(read)?;
    let field = |at: usize| Some(u16::from_le_bytes([*start.get(at)?, *start.get(at + 1)?]));
    let not_elf = || OpenError::NotElf { path: path.to_owned() };
    if !start.starts_with(b"\x7fELF\x02\x01") || field(16) != Some(ET_DYN) {
        return Err(not_elf());
    }
    let found = field(18).ok_or_else(not_elf)?;
    if found != MACHINE {
        return Err(OpenError::OtherMachine { path: path.to_owned(), found, expected: MACHINE });
    }
    let mut digest = Sha256::new();
    digest.update(&start);
    hash_rest(&mut file, &mut digest).map_err(read)?;
    Ok(hex::encode(digest.finalize()))
}

fn hash_rest(file: &mut File, digest: &mut Sha256) -> io::Result<()> {
    let mut chunk = vec![0; 64 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            n => digest.update(&chunk[..n]),
        }
    }
}
