//! Detects the format of a medium from its first bytes, and names the formats that are rejected.
//! Looks no further than the head.

use crate::refusal::Refusal;
use vultus_core::media::{AVIF_BRANDS, HEIC_BRANDS};

/// An accepted format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Picture(PictureFormat),
    Video(Container),
    Zip,
}

/// An accepted picture format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureFormat {
    Jpeg,
    Png,
    WebP,
    Heic,
    Avif,
}

impl PictureFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Heic => "image/heic",
            Self::Avif => "image/avif",
        }
    }
}

/// An accepted video container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Mp4,
    QuickTime,
    WebM,
    Matroska,
}

impl Container {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::QuickTime => "QuickTime",
            Self::WebM => "WebM",
            Self::Matroska => "Matroska",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::WebM => "video/webm",
            Self::Matroska => "video/x-matroska",
        }
    }
}

/// Prefixes of formats that are rejected by name.
const REFUSED: &[(&[u8], &str)] = &[
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\x01\0", "ICO"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"#EXTM3U", "HLS playlist"),
    (b"ffconcat", "concat playlist"),
    (b"v=0", "SDP"),
    (b"[playlist]", "playlist"),
    (b"OggS", "Ogg"),
    (b"FLV\x01", "FLV"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"\0\0\x01\xba", "MPEG program stream"),
    (b"\0\0\x01\xb3", "MPEG video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "RAR"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x7fELF", "ELF"),
];

/// Detects the format, or rejects it by name.
pub(crate) fn sniff(head: &[u8]) -> Result<Format, Refusal> {
    if head.starts_with(b"\xff\xd8\xff") {
        return Ok(Format::Picture(PictureFormat::Jpeg));
    }
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Picture(PictureFormat::Png));
    }
    if head.starts_with(b"PK\x03\x04")
        || head.starts_with(b"PK\x05\x06")
        || head.starts_with(b"PK\x07\x08")
    {
        return Ok(Format::Zip);
    }
    if let Some(form) = head.strip_prefix(b"RIFF").and_then(|rest| rest.get(4..8)) {
        return match form {
            b"WEBP" => Ok(Format::Picture(PictureFormat::WebP)),
            b"AVI " => refuse("AVI"),
            b"WAVE" => refuse("WAV"),
            _ => refuse("RIFF"),
        };
    }
    if head.starts_with(b"\x1a\x45\xdf\xa3") {
        return matroska(head);
    }
    if let Some(name) = matroska_part(head) {
        return Err(Refusal::HeaderMissing { format: name });
    }
    if let Some(kind) = head.get(4..8)
        && let Some(found) = iso_media(kind, head)
    {
        return found;
    }
    if let Some((_, name)) = REFUSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return refuse(name);
    }
    if head.first() == Some(&0x47) && head.get(188) == Some(&0x47) {
        return refuse("MPEG transport stream");
    }
    refuse(markup(head).unwrap_or("unknown"))
}

fn refuse(format: &str) -> Result<Format, Refusal> {
    Err(Refusal::UnsupportedFormat { format: format.to_owned() })
}

/// A file of boxes: decided by the brands of `ftyp`; without `ftyp`, an old QuickTime file or a
/// bare fragment.
fn iso_media(first_box: &[u8], head: &[u8]) -> Option<Result<Format, Refusal>> {
    match first_box {
        b"ftyp" => {}
        b"moov" | b"mdat" | b"wide" | b"pnot" | b"skip" | b"free" => {
            return Some(Ok(Format::Video(Container::QuickTime)));
        }
        b"styp" | b"moof" => return Some(Ok(Format::Video(Container::Mp4))),
        _ => return None,
    }
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let end = size.clamp(12, 4096).min(head.len());
    let major = head.get(8..12)?;
    let mut brands: Vec<&[u8]> = vec![major];
    brands.extend(head.get(16..end).unwrap_or_default().chunks_exact(4));
    let has = |names: &[&[u8]]| brands.iter().any(|brand| names.contains(brand));
    Some(if has(&AVIF_BRANDS) {
        Ok(Format::Picture(PictureFormat::Avif))
    } else if has(&HEIC_BRANDS) {
        Ok(Format::Picture(PictureFormat::Heic))
    } else if major == b"crx " {
        refuse("Canon raw")
    } else if major == b"qt  " {
        Ok(Format::Video(Container::QuickTime))
    } else {
        Ok(Format::Video(Container::Mp4))
    })
}

/// The DocType element (id 0x4282) of an EBML header (RFC 8794, 11.2). Without one, the type is
/// the default of Matroska (RFC 9559).
fn matroska(head: &[u8]) -> Result<Format, Refusal> {
    const DOC_TYPE: u64 = 0x4282;
    let Some(mut rest) = ebml_header(head) else {
        return refuse("EBML");
    };
    while let Some((id, body, after)) = ebml_element(rest) {
        if id == DOC_TYPE {
            let name = body.split(|&byte| byte == 0).next().unwrap_or_default();
            return match name {
                b"webm" => Ok(Format::Video(Container::WebM)),
                b"matroska" => Ok(Format::Video(Container::Matroska)),
                _ => refuse("EBML"),
            };
        }
        rest = after;
    }
    Ok(Format::Video(Container::Matroska))
}

/// A part of a browser's recording without its first chunk: it begins with a segment, a cluster,
/// or with a block or the time of a cluster that another of them follows.
fn matroska_part(head: &[u8]) -> Option<&'static str> {
    const SEGMENT: &[u8] = b"\x18\x53\x80\x67";
    const CLUSTER: &[u8] = b"\x1f\x43\xb6\x75";
    const PARTS_OF_CLUSTERS: [u64; 3] = [0xe7, 0xa3, 0xa0];
    if head.starts_with(SEGMENT) || head.starts_with(CLUSTER) {
        return Some("WebM");
    }
    let (id, body, after) = ebml_element(head)?;
    let (next, _) = ebml_number(after, Marker::Kept)?;
    // A block begins with the number of its track, which browsers count from 1.
    let is_part = |id| PARTS_OF_CLUSTERS.contains(&id);
    let next_is_part = is_part(next) || after.starts_with(CLUSTER);
    (is_part(id) && next_is_part && body.len() < head.len()).then_some("WebM")
}

/// The elements of an EBML header.
fn ebml_header(head: &[u8]) -> Option<&[u8]> {
    let (_, size_at) = ebml_number(head, Marker::Kept)?;
    let (size, used) = ebml_number(&head[size_at..], Marker::Removed)?;
    let body = &head[size_at + used..];
    body.get(..usize::try_from(size).ok()?)
}

/// The first element: its id, its body and what follows.
fn ebml_element(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (id, size_at) = ebml_number(bytes, Marker::Kept)?;
    let (size, used) = ebml_number(&bytes[size_at..], Marker::Removed)?;
    let (body, after) = bytes[size_at + used..].split_at_checked(usize::try_from(size).ok()?)?;
    Some((id, body, after))
}

/// Whether the bit that marks the length of a number is part of its value.
#[derive(Clone, Copy, PartialEq)]
enum Marker {
    Kept,
    Removed,
}

/// A number of one to eight bytes (RFC 8794, 4), with the number of bytes.
fn ebml_number(bytes: &[u8], marker: Marker) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let rest = bytes.get(1..length).filter(|_| length <= 8)?;
    let start = match marker {
        Marker::Kept => first,
        Marker::Removed => first & (0x7f_u8.checked_shr(length as u32 - 1).unwrap_or(0)),
    };
    let value = rest.iter().fold(u64::from(start), |value, &byte| value << 8 | u64::from(byte));
    Some((value, length))
}

fn markup(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('<') {
        return None;
    }
    if text.contains("<svg") {
        Some("SVG")
    } else if text.contains("<html") || text.starts_with("<!doctype html") {
        Some("HTML")
    } else {
        Some("XML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(head: &[u8]) -> String {
        match sniff(head) {
            Err(Refusal::UnsupportedFormat { format }) => format,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refused_formats_are_named_from_their_content() {
        let cases: [(&[u8], &str); 11] = [
            (b"GIF89a\x01\x00", "GIF"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"BM\x36\0\0\0", "BMP"),
            (b"%PDF-1.7", "PDF"),
            (b"\xef\xbb\xbf <?xml version='1.0'?><SVG xmlns=''>", "SVG"),
            (b"<!DOCTYPE html><p>", "HTML"),
            (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", "HLS playlist"),
            (b"ffconcat version 1.0\nfile /etc/passwd", "concat playlist"),
            (b"v=0\no=- 0 0 IN IP4 127.0.0.1", "SDP"),
            (b"RIFF\0\0\0\0AVI LIST", "AVI"),
            (b"hello", "unknown"),
        ];
        for (head, name) in cases {
            assert_eq!(refused(head), name);
        }
    }

    #[test]
    fn brands_tell_heic_from_avif() {
        let cases: [(&[u8], PictureFormat); 4] = [
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", PictureFormat::Heic),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", PictureFormat::Heic),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", PictureFormat::Avif),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", PictureFormat::Avif),
        ];
        for (head, format) in cases {
            assert_eq!(sniff(head), Ok(Format::Picture(format)));
        }
    }

    #[test]
    fn doc_type_is_read_whatever_the_lengths_of_sizes() {
        let webm = Ok(Format::Video(Container::WebM));
        let body: &[&[u8]] = &[
            b"\x42\x86\x81\x01\x42\x82\x84webm",
            b"\x42\x82\x40\x04webm",
            b"\xec\x82\x42\x82\x42\x82\x10\x00\x00\x08webm\0\0\0\0",
            b"\x42\x82\x01\0\0\0\0\0\0\x04webm",
        ];
        for body in body {
            let short = [b"\x1a\x45\xdf\xa3", &[0x80 | body.len() as u8][..], body].concat();
            let long = [b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0", &[body.len() as u8][..], body];
            assert_eq!((sniff(&short), sniff(&long.concat())), (webm.clone(), webm.clone()));
        }
        let absent = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01";
        assert_eq!(sniff(absent), Ok(Format::Video(Container::Matroska)));
        assert_eq!(refused(b"\x1a\x45\xdf\xa3\x87\x42\x82\x84note"), "EBML");
        assert_eq!(refused(b"\x1a\x45\xdf\xa3\xff"), "EBML");
    }

    #[test]
    fn recordings_without_their_first_chunk_are_named() {
        let missing = Err(Refusal::HeaderMissing { format: "WebM" });
        let parts: [&[u8]; 4] = [
            b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
            b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0",
            b"\xa3\x85\x81\0\x10\x80\x55\xa3\x84\x81\0\x20\0",
            b"\xe7\x82\x03\xe8\xa3\x84\x81\0\0\0",
        ];
        for part in parts {
            assert_eq!(sniff(part), missing);
        }
    }

    #[test]
    fn heads_shorter_than_any_signature_are_unknown() {
        for length in 1..4 {
            assert_eq!(refused(&b"\0\0\0\x18ftyp"[..length]), "unknown");
        }
        assert_eq!(refused(b"\0\0\0\x18ftyp"), "unknown");
    }
}
