//! HEIC and AVIF files for the tests, written box by box (ISO/IEC 23008-12) around pictures that
//! ffmpeg encoded.

use crate::clips::clip;

/// A box.
pub(crate) fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
}

/// A box with version and flags.
fn full(name: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(name, &[&[version, 0, 0, 0][..], body].concat())
}

/// A picture as a codec stores it: item type, configuration box and data.
#[derive(Clone)]
pub(crate) struct Coded {
    kind: [u8; 4],
    configuration: Vec<u8>,
    data: Vec<u8>,
}

/// Encodes one frame of a lavfi source as HEVC.
pub(crate) fn hevc(source: &str, pixel_format: &str) -> Coded {
    let options = ["-c:v", "libx265", "-x265-params", "log-level=none:pools=1", "-tag:v", "hvc1"];
    coded(source, pixel_format, &options, (*b"hvc1", b"hvcC"))
}

/// Encodes one frame of a lavfi source as AV1.
pub(crate) fn av1(source: &str, pixel_format: &str) -> Coded {
    let options = ["-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "20"];
    coded(source, pixel_format, &options, (*b"av01", b"av1C"))
}

fn coded(
    source: &str,
    pixel_format: &str,
    options: &[&str],
    (kind, configuration): ([u8; 4], &[u8; 4]),
) -> Coded {
    let options = [options, &["-pix_fmt", pixel_format, "-frames:v", "1"]].concat();
    let mp4 = clip(source, &options, "mp4");
    let found = |name: &[u8; 4]| {
        let at = mp4.windows(4).position(|window| window == name).unwrap() - 4;
        let size = u32::from_be_bytes(mp4[at..at + 4].try_into().unwrap()) as usize;
        mp4[at..at + size].to_vec()
    };
    Coded { kind, configuration: found(configuration), data: found(b"mdat")[8..].to_vec() }
}

/// An item of a file: its type, data and properties, and the items that it is derived from.
pub(crate) struct Item {
    pub(crate) kind: [u8; 4],
    pub(crate) data: Vec<u8>,
    pub(crate) properties: Vec<Vec<u8>>,
    pub(crate) parts: Vec<u16>,
}

/// The item of a coded picture of this size, with more properties.
pub(crate) fn item(coded: &Coded, size: (u32, u32), more: &[Vec<u8>]) -> Item {
    let mut properties = vec![coded.configuration.clone(), ispe(size)];
    properties.extend_from_slice(more);
    Item { kind: coded.kind, data: coded.data.clone(), properties, parts: Vec::new() }
}

/// A grid of tiles that declares a size.
pub(crate) fn grid(rows: u8, columns: u8, size: (u32, u32), parts: Vec<u16>) -> Item {
    let mut data = vec![0, 1, rows - 1, columns - 1];
    data.extend(size.0.to_be_bytes());
    data.extend(size.1.to_be_bytes());
    Item { kind: *b"grid", data, properties: vec![ispe(size)], parts }
}

/// Size of a picture.
pub(crate) fn ispe((width, height): (u32, u32)) -> Vec<u8> {
    full(b"ispe", 0, &[width.to_be_bytes(), height.to_be_bytes()].concat())
}

/// Rotation by quarter turns anticlockwise.
pub(crate) fn irot(turns: u8) -> Vec<u8> {
    boxed(b"irot", &[turns])
}

/// Colour by its numbers in ITU-T H.273.
pub(crate) fn nclx(primaries: u16, transfer: u16) -> Vec<u8> {
    let numbers = [primaries.to_be_bytes(), transfer.to_be_bytes(), 6_u16.to_be_bytes()].concat();
    boxed(b"colr", &[b"nclx", &numbers[..], &[0]].concat())
}

/// An ICC profile.
pub(crate) fn prof(profile: &[u8]) -> Vec<u8> {
    boxed(b"colr", &[b"prof", profile].concat())
}

/// A file of items, numbered from 1, of which `primary` is shown.
pub(crate) fn heif(brand: &[u8; 4], items: &[Item], primary: u16) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[&brand[..], &[0; 4], brand, b"mif1"].concat());
    let meta = |data_start: u32| meta(items, primary, data_start);
    let start = ftyp.len() + meta(0).len() + 8;
    let data: Vec<u8> = items.iter().flat_map(|item| item.data.clone()).collect();
    [ftyp, meta(start as u32), boxed(b"mdat", &data)].concat()
}

fn meta(items: &[Item], primary: u16, data_start: u32) -> Vec<u8> {
    let handler = full(b"hdlr", 0, &[&[0; 4], &b"pict"[..], &[0; 13]].concat());
    let (mut infos, mut locations) = (Vec::new(), Vec::new());
    let (mut properties, mut associations, mut references) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offset, mut number) = (data_start, 0_u8);
    for (id, item) in (1_u16..).zip(items) {
        let info = [&id.to_be_bytes()[..], &[0, 0], &item.kind, &[0]].concat();
        infos.extend(full(b"infe", 2, &info));
        locations.extend(id.to_be_bytes());
        locations.extend([0, 0, 0, 1]);
        locations.extend(offset.to_be_bytes());
        locations.extend((item.data.len() as u32).to_be_bytes());
        offset += item.data.len() as u32;
        associations.extend(id.to_be_bytes());
        associations.push(item.properties.len() as u8);
        for property in &item.properties {
            number += 1;
            properties.extend(property);
            associations.push(number | 0x80);
        }
        if !item.parts.is_empty() {
            let mut reference = id.to_be_bytes().to_vec();
            reference.extend((item.parts.len() as u16).to_be_bytes());
            item.parts.iter().for_each(|part| reference.extend(part.to_be_bytes()));
            references.extend(boxed(b"dimg", &reference));
        }
    }
    let count = (items.len() as u16).to_be_bytes();
    let mut body = handler;
    body.extend(full(b"pitm", 0, &primary.to_be_bytes()));
    body.extend(full(b"iloc", 0, &[&[0x44, 0][..], &count, &locations].concat()));
    body.extend(full(b"iinf", 0, &[&count[..], &infos].concat()));
    if !references.is_empty() {
        body.extend(full(b"iref", 0, &references));
    }
    let count = (items.len() as u32).to_be_bytes();
    let associations = full(b"ipma", 0, &[&count[..], &associations].concat());
    body.extend(boxed(b"iprp", &[boxed(b"ipco", &properties), associations].concat()));
    full(b"meta", 0, &body)
}
