//! Detects the format of a medium from its first bytes, and names the formats that are rejected.
//! Looks no further than the head.

use crate::refusal::Refusal;

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
}

impl PictureFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
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
    let has =
        |names: &[&[u8; 4]]| brands.iter().any(|brand| names.iter().any(|name| brand == *name));
    Some(if has(&[b"avif", b"avis"]) {
        refuse("AVIF")
    } else if has(&[
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1",
    ]) {
        refuse("HEIC")
    } else if major == b"crx " {
        refuse("Canon raw")
    } else if major == b"qt  " {
        Ok(Format::Video(Container::QuickTime))
    } else {
        Ok(Format::Video(Container::Mp4))
    })
}

/// The DocType element (id 0x4282) of an EBML header.
fn matroska(head: &[u8]) -> Result<Format, Refusal> {
    let window = &head[..head.len().min(256)];
    let doc_type =
        window.windows(2).position(|id| id == b"\x42\x82").and_then(|at| window.get(at + 3..));
    match doc_type {
        Some(name) if name.starts_with(b"webm") => Ok(Format::Video(Container::WebM)),
        Some(name) if name.starts_with(b"matroska") => Ok(Format::Video(Container::Matroska)),
        _ => refuse("EBML"),
    }
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
        let cases: [(&[u8], &str); 15] = [
            (b"GIF89a\x01\x00", "GIF"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"BM\x36\0\0\0", "BMP"),
            (b"%PDF-1.7", "PDF"),
            (b"\xef\xbb\xbf <?xml version='1.0'?><SVG xmlns=''>", "SVG"),
            (b"<!DOCTYPE html><p>", "HTML"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
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
    fn heads_shorter_than_any_signature_are_unknown() {
        for length in 1..4 {
            assert_eq!(refused(&b"\0\0\0\x18ftyp"[..length]), "unknown");
        }
        assert_eq!(refused(b"\0\0\0\x18ftyp"), "unknown");
    }
}
