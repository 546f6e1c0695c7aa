//! Reads a medium's descriptor with its own position: the node and other workers may hold the same
//! open file, and would share the file's position.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// A medium to be read.
#[derive(Debug)]
pub(crate) struct MediumSource {
    file: File,
    position: u64,
}

impl MediumSource {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { file: File::from(descriptor), position: 0 }
    }
}

impl Read for MediumSource {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for MediumSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let moved = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.position = moved.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn two_readers_of_one_open_file_do_not_move_each_other() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdef").unwrap();
        let mut one = MediumSource::new(file.try_clone().unwrap().into());
        let mut other = MediumSource::new(file.into());
        let (mut a, mut b) = ([0; 3], String::new());
        one.read_exact(&mut a).unwrap();
        assert_eq!(other.seek(SeekFrom::End(-2)).unwrap(), 4);
        other.read_to_string(&mut b).unwrap();
        let mut rest = String::new();
        one.read_to_string(&mut rest).unwrap();
        assert_eq!((&a, rest.as_str(), b.as_str()), (b"abc", "def", "ef"));
        assert!(one.seek(SeekFrom::Current(-7)).is_err());
    }
}
