//! ZIP archives for the tests, written byte by byte so that their headers can be false (APPNOTE
//! 6.3, 4.3).

/// One entry with its headers.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// Bytes as stored in the archive.
    pub(crate) data: Vec<u8>,
    /// 0 stored, 8 deflate.
    pub(crate) method: u16,
    pub(crate) flags: u16,
    /// Inflated size that both headers declare.
    pub(crate) declared: u32,
    pub(crate) crc: u32,
    /// Unix mode.
    pub(crate) mode: u32,
    /// Index of an earlier entry whose local header this one uses.
    pub(crate) shares_data_of: Option<usize>,
}

/// A stored regular file.
pub(crate) fn stored(name: &str, data: &[u8]) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        data: data.to_vec(),
        method: 0,
        flags: 0,
        declared: data.len() as u32,
        crc: crc32(data),
        mode: 0o100_644,
        shares_data_of: None,
    }
}

/// `length` zero bytes, deflated.
pub(crate) fn zeros(name: &str, length: usize) -> Entry {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("z", options).unwrap();
    writer.write_all(&vec![0; length]).unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut data = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_index_raw(0).unwrap(), &mut data).unwrap();
    Entry {
        method: 8,
        declared: length as u32,
        crc: archive.by_index(0).unwrap().crc32(),
        ..stored(name, &data)
    }
}

/// An archive of these entries.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut directory, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let start = entry.shares_data_of.map_or(bytes.len() as u32, |other: usize| starts[other]);
        starts.push(start);
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes());
        common.extend(entry.flags.to_le_bytes());
        common.extend(entry.method.to_le_bytes());
        common.extend([0, 0, 0x21, 0]);
        common.extend(entry.crc.to_le_bytes());
        common.extend((entry.data.len() as u32).to_le_bytes());
        common.extend(entry.declared.to_le_bytes());
        common.extend((entry.name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        if entry.shares_data_of.is_none() {
            bytes.extend(b"PK\x03\x04");
            bytes.extend(&common);
            bytes.extend(&entry.name);
            bytes.extend(&entry.data);
        }
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(start.to_le_bytes());
        directory.extend(&entry.name);
    }
    let directory_start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(end_record(entries.len() as u16, directory.len() as u32, directory_start));
    bytes
}

/// The end record of the central directory.
pub(crate) fn end_record(entries: u16, directory_bytes: u32, directory_start: u32) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(directory_bytes.to_le_bytes());
    bytes.extend(directory_start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// CRC-32 of ISO 3309.
pub(crate) fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}
