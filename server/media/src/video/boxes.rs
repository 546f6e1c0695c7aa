//! Checks whether a container is one recording, as long as its own headers say: walks the outermost
//! boxes of MP4 and QuickTime and the outermost elements of Matroska. FFmpeg plays the available
//! part of a truncated file, and of joined recordings another part than players show; a biometric
//! server must reject both.

use crate::refusal::Refusal;
use crate::sniff::Container;
use crate::source::Source;
use std::io::{BufReader, Read, Seek};

/// Maximum number of boxes or elements examined; a fragmented recording of two minutes has about
/// ten thousand.
const MOST_STEPS: u32 = 2_000_000;

/// Rejects a truncated container.
pub(super) fn check_whole<S: Read + Seek>(
    source: Source<S>,
    container: Container,
) -> Result<(), Refusal> {
    let length = source.length();
    let reader = Walk { reader: BufReader::new(source), at: 0, length, format: container.name() };
    match container {
        Container::Mp4 | Container::QuickTime => reader.iso_media(),
        Container::WebM | Container::Matroska => reader.matroska(),
    }
}

struct Walk<R> {
    reader: R,
    at: u64,
    length: u64,
    format: &'static str,
}

impl<S: Read + Seek> Walk<BufReader<Source<S>>> {
    fn cut(&self) -> Refusal {
        Refusal::Truncated { format: self.format }
    }

    fn damaged(&self) -> Refusal {
        Refusal::Unreadable { format: self.format, step: "reading the container's structure" }
    }

    /// Moves to a position; short moves stay in the buffer.
    fn go_to(&mut self, to: u64) -> Result<(), Refusal> {
        let step = i64::try_from(to).ok().and_then(|to| to.checked_sub_unsigned(self.at));
        let step = step.ok_or_else(|| self.damaged())?;
        self.reader.seek_relative(step).map_err(|e| Refusal::io(&e))?;
        self.at = to;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        if self.length - self.at.min(self.length) < N as u64 {
            return Err(self.cut());
        }
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|e| Refusal::io(&e))?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// ISO/IEC 14496-12: boxes up to the end of the file. Bytes after a complete movie that are not
    /// a box are ignored, because some phones append data.
    fn iso_media(mut self) -> Result<(), Refusal> {
        let (mut has_movie, mut has_data, mut has_fragment) = (false, false, false);
        for _ in 0..MOST_STEPS {
            let start = self.at;
            if self.length - start < 8 {
                break;
            }
            let [s3, s2, s1, s0, name @ ..] = self.bytes::<8>()?;
            let size = match u32::from_be_bytes([s3, s2, s1, s0]) {
                0 => self.length - start,
                1 => u64::from_be_bytes(self.bytes()?),
                size => u64::from(size),
            };
            let known = matches!(
                &name,
                b"moov" | b"moof" | b"mdat" | b"ftyp" | b"styp" | b"sidx" | b"mfra"
            );
            let end = start.checked_add(size).filter(|end| *end <= self.length && size >= 8);
            let Some(end) = end else {
                if known && size >= 8 {
                    return Err(self.cut());
                }
                break;
            };
            if &name == b"moov" && has_movie {
                return Err(Refusal::Joined { format: self.format });
            }
            has_movie |= &name == b"moov";
            has_fragment |= &name == b"moof";
            has_data |= &name == b"mdat";
            self.go_to(end)?;
        }
        match (has_movie, has_data) {
            (true, _) => Ok(()),
            _ if has_fragment => Err(Refusal::HeaderMissing { format: self.format }),
            (false, true) => Err(self.cut()),
            (false, false) if self.at >= self.length => Err(self.cut()),
            (false, false) => Err(self.damaged()),
        }
    }

    /// RFC 8794: the header, then the segment. A segment of unknown length (a live recording) is
    /// entered, and so are its clusters.
    fn matroska(mut self) -> Result<(), Refusal> {
        const HEADER: u32 = 0x1a45_dfa3;
        const SEGMENT: u32 = 0x1853_8067;
        const CLUSTER: u32 = 0x1f43_b675;
        let (mut headers, mut segments) = (0, 0);
        for _ in 0..MOST_STEPS {
            if self.at >= self.length {
                return Ok(());
            }
            let id = self.element_id()?;
            headers += u32::from(id == HEADER);
            segments += u32::from(id == SEGMENT);
            if headers > 1 || segments > 1 {
                return Err(Refusal::Joined { format: self.format });
            }
            match (id, self.element_size()?) {
                (SEGMENT | CLUSTER, None) => {}
                (_, None) => return Err(self.damaged()),
                (_, Some(size)) => {
                    let end = self.at.checked_add(size).ok_or_else(|| self.damaged())?;
                    if end > self.length {
                        return Err(self.cut());
                    }
                    self.go_to(end)?;
                }
            }
        }
        Err(self.damaged())
    }

    fn element_id(&mut self) -> Result<u32, Refusal> {
        let [first] = self.bytes::<1>()?;
        let more = first.leading_zeros();
        if more > 3 {
            return Err(self.damaged());
        }
        let mut id = u32::from(first);
        for _ in 0..more {
            let [next] = self.bytes::<1>()?;
            id = id << 8 | u32::from(next);
        }
        Ok(id)
    }

    /// `None` for an unknown size.
    fn element_size(&mut self) -> Result<Option<u64>, Refusal> {
        let [first] = self.bytes::<1>()?;
        let more = first.leading_zeros();
        if more > 7 {
            return Err(self.damaged());
        }
        let mut size = u64::from(first) & (0x7f >> more);
        for _ in 0..more {
            let [next] = self.bytes::<1>()?;
            size = size << 8 | u64::from(next);
        }
        let unknown = (1_u64 << (7 * (more + 1))) - 1;
        Ok((size != unknown).then_some(size))
    }
}
