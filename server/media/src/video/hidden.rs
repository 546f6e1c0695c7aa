//! Frames of a packet that are decoded but never shown. They cost as much as shown frames, and no
//! decoder reports them.
//!
//! VP9 puts several frames into one packet, a superframe (VP9 bitstream specification, annex B);
//! AV1 puts a whole temporal unit into a packet (AV1 specification, 5 and 7.5). In the other codecs
//! a packet is one frame.

use std::ops::Range;

/// The frames of a VP9 packet, each decodable by itself. The superframe index at its end begins and
/// ends with the same byte 0b110sizes_frames and holds the sizes in little-endian order. Without a
/// complete index the packet is one part, as decoders treat it.
pub(super) fn vp9_parts(packet: &[u8]) -> Vec<Range<usize>> {
    superframe(packet).unwrap_or_else(|| std::iter::once(0..packet.len()).collect())
}

fn superframe(packet: &[u8]) -> Option<Vec<Range<usize>>> {
    let marker = *packet.last().filter(|&&last| last & 0xe0 == 0xc0)?;
    let (frames, size_bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let index = packet.len().checked_sub(2 + size_bytes * frames)?;
    if packet[index] != marker {
        return None;
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(frames);
    for size in packet[index + 1..packet.len() - 1].chunks_exact(size_bytes) {
        let size = size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
        let end = start + size;
        if end > index {
            return None;
        }
        if size > 0 {
            parts.push(start..end);
        }
        start = end;
    }
    Some(parts)
}

#[derive(Debug, Default)]
pub(super) struct Av1Hidden {
    /// Size of the largest frame according to the sequence headers so far, in pixels.
    largest: Option<u64>,
}

impl Av1Hidden {
    /// Upper bound of the number of pixels of the hidden frames of one unit. `largest` is the size
    /// assumed for a frame while no sequence header is known.
    pub(super) fn pixels(&mut self, packet: &[u8], largest: u64) -> u64 {
        let unit = av1_unit(packet);
        self.largest = self.largest.max(unit.largest);
        unit.frames.saturating_sub(1).saturating_mul(self.largest.unwrap_or(largest))
    }
}

/// Content of an AV1 temporal unit.
#[derive(Debug, Default)]
struct Av1Unit {
    frames: u64,
    largest: Option<u64>,
}

const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;

/// Walks the OBUs. Stops at an OBU that is cut off, as the decoder does.
fn av1_unit(mut rest: &[u8]) -> Av1Unit {
    let mut unit = Av1Unit::default();
    while let Some((&header, after)) = rest.split_first() {
        let (kind, has_extension, has_size) = (header >> 3 & 15, header & 4 != 0, header & 2 != 0);
        let Some(mut body) = after.get(usize::from(has_extension)..) else { break };
        let mut size = body.len();
        if has_size {
            let Some((value, used)) = leb128(body) else { break };
            body = &body[used..];
            size = usize::try_from(value).unwrap_or(usize::MAX).min(body.len());
        }
        match kind {
            OBU_SEQUENCE_HEADER => unit.largest = unit.largest.max(largest_frame(&body[..size])),
            // The header of a frame that is shown again starts with a set bit and costs nothing.
            OBU_FRAME_HEADER if body.first().is_none_or(|first| first & 0x80 == 0) => {
                unit.frames += 1
            }
            OBU_FRAME => unit.frames += 1,
            _ => {}
        }
        rest = &body[size..];
    }
    unit
}

/// An unsigned number of at most 8 bytes in little-endian base 128, with the number of bytes read.
fn leb128(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Number of pixels of the largest frame of a sequence, from its header (5.5.1).
fn largest_frame(header: &[u8]) -> Option<u64> {
    let mut bits = Bits { bytes: header, at: 0 };
    bits.take(3 + 1)?;
    if bits.take(1)? == 1 {
        bits.take(5)?;
    } else {
        let mut delay_bits = None;
        if bits.take(1)? == 1 {
            bits.take(32)?;
            bits.take(32)?;
            if bits.take(1)? == 1 {
                bits.skip_uvlc()?;
            }
            if bits.take(1)? == 1 {
                delay_bits = Some(bits.take(5)? as u32 + 1);
                bits.take(32)?;
                bits.take(5 + 5)?;
            }
        }
        let initial_delay = bits.take(1)? == 1;
        for _ in 0..=bits.take(5)? {
            bits.take(12)?;
            if bits.take(5)? > 7 {
                bits.take(1)?;
            }
            if let Some(delay_bits) = delay_bits
                && bits.take(1)? == 1
            {
                bits.take(delay_bits)?;
                bits.take(delay_bits)?;
                bits.take(1)?;
            }
            if initial_delay && bits.take(1)? == 1 {
                bits.take(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.take(4)? as u32 + 1, bits.take(4)? as u32 + 1);
    Some((bits.take(width_bits)? + 1) * (bits.take(height_bits)? + 1))
}

/// Reads bits, most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, at most 32.
    fn take(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
        }
        if zeros < 32 {
            self.take(zeros)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superframe_is_cut_where_its_index_says() {
        // Two frames of 3 and 1 bytes, sizes of one byte each.
        assert_eq!(vp9_parts(&[1, 2, 3, 9, 0xc1, 3, 1, 0xc1]), [0..3, 3..4]);
        for whole in [
            &[1, 2, 3, 9, 0xc0, 3, 1, 0xc1][..],
            &[1, 2, 3, 9, 0xc1, 3, 2, 0xc1],
            &[0xc7],
            &[1, 2, 3],
        ] {
            assert_eq!(vp9_parts(whole), std::slice::from_ref(&(0..whole.len())), "{whole:?}");
        }
    }

    #[test]
    fn broken_av1_units_are_read_up_to_the_break() {
        assert_eq!(av1_unit(&[]).frames, 0);
        assert_eq!(av1_unit(&[OBU_FRAME << 3 | 2, 0x80]).frames, 0, "a size without an end");
        assert_eq!(av1_unit(&[OBU_FRAME << 3 | 2, 200, 1]).frames, 1, "longer than what is there");
        assert_eq!(
            av1_unit(&[OBU_FRAME << 3 | 2, 1, 0, OBU_FRAME_HEADER << 3 | 2, 1, 0x80]).frames,
            1,
            "shown again"
        );
        assert_eq!(av1_unit(&[OBU_FRAME << 3 | 2, 1, 0, OBU_FRAME << 3 | 2, 1, 0]).frames, 2);
        assert_eq!(largest_frame(&[0]), None);
    }
}
