//! Bytes that are sent by descriptor: thumbnails and frames in sealed anonymous memory, artifacts
//! and long outcomes in files of the worker's temporary folder, which is memory with a limit.
//!
//! The reader rejects a descriptor that is not sealed, or not in memory, or whose length is not the
//! announced one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::{Errno, pread};

/// The seals that make a descriptor safe to read: no process can write, shrink or grow it.
const SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// The type of file systems in memory, which anonymous files have too.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// Why a descriptor was rejected.
#[derive(Debug, thiserror::Error)]
pub enum MemfdError {
    /// The announced length exceeds the reader's limit.
    #[error("{announced} bytes exceed the limit of {limit}")]
    TooLong {
        /// The announced length, in bytes.
        announced: u64,
        /// The reader's limit, in bytes.
        limit: u64,
    },
    /// It is not an anonymous file, or it is not sealed.
    #[error("the descriptor is not a sealed anonymous file")]
    NotSealed,
    /// It is not a regular file in memory.
    #[error("the descriptor is not a file in memory")]
    NotInMemory,
    /// Its length is not the announced one.
    #[error("the descriptor holds {actual} bytes, {announced} were announced")]
    LengthDiffers {
        /// The announced length, in bytes.
        announced: u64,
        /// The actual length, in bytes.
        actual: u64,
    },
    /// It could not be read.
    #[error("reading the descriptor failed")]
    Unreadable(#[source] io::Error),
}

/// Copies `bytes` into sealed anonymous memory. `name` is visible in `/proc` only.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let descriptor = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(descriptor);
    file.write_all(bytes)?;
    fcntl_add_seals(&file, SEALS | SealFlags::SEAL)?;
    Ok(OwnedFd::from(file))
}

/// Checks that the descriptor is sealed and holds exactly `announced` bytes, at most `limit`. Does
/// not read its content.
pub fn check_sealed(
    descriptor: OwnedFd,
    announced: u64,
    limit: u64,
) -> Result<OwnedFd, MemfdError> {
    if announced > limit {
        return Err(MemfdError::TooLong { announced, limit });
    }
    let seals = fcntl_get_seals(&descriptor).map_err(|_| MemfdError::NotSealed)?;
    if !seals.contains(SEALS) {
        return Err(MemfdError::NotSealed);
    }
    let file = File::from(descriptor);
    let actual = file.metadata().map_err(MemfdError::Unreadable)?.len();
    if actual != announced {
        return Err(MemfdError::LengthDiffers { announced, actual });
    }
    Ok(OwnedFd::from(file))
}

/// Reads `announced` bytes, at most `limit`, that another process sealed.
pub fn read_sealed(descriptor: OwnedFd, announced: u64, limit: u64) -> Result<Vec<u8>, MemfdError> {
    read(&File::from(check_sealed(descriptor, announced, limit)?), announced)
}

/// Copies `announced` bytes, at most `limit`, out of a file in memory. It need not be sealed: what
/// another process changes afterwards does not change the copy. Never blocks on a disk, a pipe or a
/// socket.
pub fn copy(descriptor: OwnedFd, announced: u64, limit: u64) -> Result<Vec<u8>, MemfdError> {
    if announced > limit {
        return Err(MemfdError::TooLong { announced, limit });
    }
    let file = File::from(descriptor);
    let kind = file.metadata().map_err(MemfdError::Unreadable)?;
    let system =
        rustix::fs::fstatfs(&file).map_err(|error| MemfdError::Unreadable(error.into()))?;
    if !kind.is_file() || system.f_type != TMPFS {
        return Err(MemfdError::NotInMemory);
    }
    if kind.len() != announced {
        return Err(MemfdError::LengthDiffers { announced, actual: kind.len() });
    }
    read(&file, announced)
}

fn read(file: &File, announced: u64) -> Result<Vec<u8>, MemfdError> {
    let mut bytes = Vec::with_capacity(announced as usize);
    while (bytes.len() as u64) < announced {
        let at = bytes.len() as u64;
        match pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(MemfdError::Unreadable(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(MemfdError::Unreadable(error.into())),
        }
    }
    // The capacity may exceed the announced length; the file does not.
    bytes.truncate(announced as usize);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_are_read_back_and_cannot_be_changed() {
        let descriptor = sealed("test", b"bytes").unwrap();
        let mut file = File::from(descriptor.try_clone().unwrap());
        assert!(file.write_all(b"other").is_err() && file.set_len(1).is_err());
        assert_eq!(read_sealed(descriptor, 5, 5).unwrap(), b"bytes");
    }

    #[test]
    fn copies_come_from_files_in_memory_only() {
        let mut open = File::from(memfd_create("open", MemfdFlags::CLOEXEC).unwrap());
        open.write_all(b"bytes").unwrap();
        let given = || OwnedFd::from(open.try_clone().unwrap());
        assert_eq!(copy(given(), 5, 5).unwrap(), b"bytes");
        assert!(matches!(copy(given(), 6, 9), Err(MemfdError::LengthDiffers { .. })));
        assert!(matches!(copy(given(), 5, 4), Err(MemfdError::TooLong { .. })));
        let executable = OwnedFd::from(File::open("/proc/self/exe").unwrap());
        assert!(matches!(copy(executable, 1, 5), Err(MemfdError::NotInMemory)));
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(matches!(copy(reader.into(), 1, 5), Err(MemfdError::NotInMemory)));
    }

    #[test]
    fn unsealed_descriptors_and_wrong_lengths_are_refused() {
        let open = memfd_create("open", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(matches!(read_sealed(open, 0, 5), Err(MemfdError::NotSealed)));
        let ordinary = OwnedFd::from(tempfile::tempfile().unwrap());
        assert!(matches!(read_sealed(ordinary, 0, 5), Err(MemfdError::NotSealed)));
        let longer = sealed("test", b"bytes").unwrap();
        assert!(matches!(
            read_sealed(longer, 4, 5),
            Err(MemfdError::LengthDiffers { announced: 4, actual: 5 })
        ));
        let huge = sealed("test", b"bytes").unwrap();
        assert!(matches!(read_sealed(huge, 6, 5), Err(MemfdError::TooLong { .. })));
    }
}
