//! The orientation and the colour that a picture's metadata declare: EXIF and XMP blocks, wherever
//! the container keeps them. Never rejects a picture; malformed metadata counts as absent, as in
//! viewers.

use crate::orientation::Orientation;

/// Tag of the orientation in the first directory of an EXIF block (EXIF 2.32, 4.6.4).
const ORIENTATION: u16 = 0x0112;
/// Maximum number of directory entries examined.
const MOST_ENTRIES: usize = 1024;

/// Metadata blocks of a picture, as its container holds them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metadata<'a> {
    /// The EXIF block, with or without the prefix `Exif\0\0`.
    pub(crate) exif: Option<&'a [u8]>,
    /// The XMP packet.
    pub(crate) xmp: Option<&'a [u8]>,
    /// Colour primaries and transfer characteristics of a PNG (ITU-T H.273).
    pub(crate) cicp: Option<(u8, u8)>,
}

impl Metadata<'_> {
    /// The orientation of the EXIF block or, if it has none, of the XMP packet.
    pub(crate) fn orientation(&self) -> Orientation {
        let code = self.exif.and_then(exif_orientation).or_else(|| self.xmp.and_then(xmp_code));
        code.and_then(Orientation::from_exif).unwrap_or(Orientation::UPRIGHT)
    }
}

/// The orientation code of an EXIF block: either byte order, any number type that viewers read,
/// with or without the prefix of JPEG.
fn exif_orientation(block: &[u8]) -> Option<u8> {
    let block = match block {
        [b'E', b'x', b'i', b'f', 0, _, tiff @ ..] => tiff,
        tiff => tiff,
    };
    let tiff = Tiff {
        bytes: block,
        big_endian: match block.get(..2)? {
            b"MM" => true,
            b"II" => false,
            _ => return None,
        },
    };
    let directory = tiff.u32(4)? as usize;
    let entries = usize::from(tiff.u16(directory)?).min(MOST_ENTRIES);
    for entry in 0..entries {
        let at = directory.checked_add(2 + 12 * entry)?;
        if tiff.u16(at)? == ORIENTATION
            && let Some(code) = tiff.first_number(at)
        {
            return u8::try_from(code).ok().filter(|code| (1..=8).contains(code));
        }
    }
    None
}

/// The numbers of a TIFF structure.
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Tiff<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// The first value of a directory entry, of any integer or rational type. Up to four bytes
    /// stand in the entry itself, more at an offset.
    fn first_number(&self, entry: usize) -> Option<u32> {
        let kind = self.u16(entry + 2)?;
        let count = self.u32(entry + 4)?;
        let size = match kind {
            1 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 13 => 4,
            5 | 10 => 8,
            _ => return None,
        };
        let inline = u64::from(count) * size <= 4;
        let at = if inline { entry + 8 } else { self.u32(entry + 8)? as usize };
        match size {
            1 => self.bytes.get(at).copied().map(u32::from),
            2 => self.u16(at).map(u32::from),
            4 => self.u32(at),
            _ => {
                let (numerator, denominator) = (self.u32(at)?, self.u32(at.checked_add(4)?)?);
                numerator.is_multiple_of(denominator.max(1)).then(|| numerator / denominator.max(1))
            }
        }
    }
}

/// The property `tiff:Orientation` of an XMP packet, as an attribute or as an element.
fn xmp_code(packet: &[u8]) -> Option<u8> {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut rest = packet;
    while let Some(at) = rest.windows(NAME.len()).position(|window| window == NAME) {
        rest = &rest[at + NAME.len()..];
        let value = match rest.trim_ascii_start() {
            [b'=', value @ ..] => match value.trim_ascii_start() {
                [b'"' | b'\'', value @ ..] => value,
                _ => continue,
            },
            [b'>', value @ ..] => value,
            _ => continue,
        };
        match value.trim_ascii_start() {
            [code @ b'1'..=b'8', next, ..] if !next.is_ascii_digit() => return Some(code - b'0'),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one entry: its type, its count and the four bytes of its value field.
    fn block(order: &[u8; 2], kind: u16, count: u32, value: [u8; 4]) -> Vec<u8> {
        let big = order == b"MM";
        let u16 = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let u32 = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut bytes = order.to_vec();
        bytes.extend(u16(42));
        bytes.extend(u32(8));
        bytes.extend(u16(1));
        bytes.extend(u16(ORIENTATION));
        bytes.extend(u16(kind));
        bytes.extend(u32(count));
        bytes.extend(value);
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn every_number_type_and_byte_order_is_read() {
        for (kind, little, big) in [
            (1, [6, 0, 0, 0], [6, 0, 0, 0]),
            (3, [6, 0, 0, 0], [0, 6, 0, 0]),
            (4, [6, 0, 0, 0], [0, 0, 0, 6]),
            (9, [6, 0, 0, 0], [0, 0, 0, 6]),
        ] {
            assert_eq!(exif_orientation(&block(b"II", kind, 1, little)), Some(6), "II {kind}");
            assert_eq!(exif_orientation(&block(b"MM", kind, 1, big)), Some(6), "MM {kind}");
            let prefixed = [b"Exif\0\0".to_vec(), block(b"MM", kind, 1, big)].concat();
            assert_eq!(exif_orientation(&prefixed), Some(6), "prefixed {kind}");
        }
        let mut rational = block(b"II", 5, 1, [26, 0, 0, 0]);
        rational.extend([12, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(exif_orientation(&rational), Some(6));
        for invalid in [[0; 4], [9, 0, 0, 0]] {
            assert_eq!(exif_orientation(&block(b"II", 3, 1, invalid)), None);
        }
        assert_eq!(exif_orientation(&block(b"II", 3, 1, [6, 0, 0, 0])[..18]), None);
    }

    #[test]
    fn xmp_is_read_where_exif_has_no_orientation() {
        let attribute = b"<rdf:Description tiff:Orientation = '8' x='1'/>";
        let element = b"<tiff:Orientation>3</tiff:Orientation>";
        let exif = block(b"II", 3, 1, [6, 0, 0, 0]);
        let of = |exif, xmp| Metadata { exif, xmp, cicp: None }.orientation().exif();
        assert_eq!(of(None, Some(&attribute[..])), 8);
        assert_eq!(of(None, Some(&element[..])), 3);
        assert_eq!(of(Some(&exif[..]), Some(&element[..])), 6);
        assert_eq!(of(Some(&exif[..12]), Some(&element[..])), 3);
        assert_eq!(of(None, Some(&b"tiff:Orientation='12'"[..])), 1);
    }
}
