//! Files that no encoder writes: a valid signature with arbitrary content. Each is rejected or
//! read; none crashes, hangs or allocates memory by a false size. The seed is fixed, so that a
//! failure is reproducible.

use crate::archives::{Entry, archive, stored};
use crate::{decode_within, probe_within};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use vultus_media::Limits;

/// Small limits, so that a file that is valid by chance is decoded quickly.
fn limits() -> Limits {
    Limits {
        max_pixels: 1 << 20,
        max_video_side: 1024,
        max_seconds: 10.0,
        max_video_pixels: 1 << 24,
        ..Limits::default()
    }
}

fn check(files: impl Strategy<Value = Vec<u8>>) {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&files, |bytes| {
        if let Ok(probe) = probe_within(&bytes, &limits()) {
            prop_assert!(
                u64::from(probe.report.width) * u64::from(probe.report.height) <= 1 << 20,
                "the limits hold"
            );
            let _ = decode_within(&bytes, &limits());
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A length field: correct, or false.
fn length() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![4 => Just(None), 1 => any::<u32>().prop_map(Some), 1 => (0..64u32).prop_map(Some)]
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

#[test]
fn anything_behind_the_first_bytes_of_a_format() {
    let beginnings: [&[u8]; 9] = [
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"RIFF\x40\0\0\0WEBPVP8 ",
        b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"\x1a\x45\xdf\xa3\x84\x42\x82\x84webm",
        b"PK\x03\x04",
        b"",
    ];
    check(
        (proptest::sample::select(beginnings.to_vec()), vec(any::<u8>(), 0..600))
            .prop_map(|(first, rest)| [first, &rest].concat()),
    );
}

#[test]
fn jpeg_segments_in_any_order() {
    let marker = proptest::sample::select(vec![
        0xc0u8, 0xc1, 0xc2, 0xc4, 0xcc, 0xd0, 0xd8, 0xd9, 0xda, 0xdb, 0xdd, 0xe0, 0xe1, 0xe2, 0xee,
        0xfe, 0xff, 0x00,
    ]);
    let segment = (marker, length(), content()).prop_map(|(marker, lie, content)| {
        let length = lie.map_or(content.len() as u16 + 2, |lie| lie as u16);
        [&[0xff, marker][..], &length.to_be_bytes(), &content].concat()
    });
    check(vec(segment, 0..12).prop_map(|segments| {
        [b"\xff\xd8".to_vec(), segments.concat(), b"\xff\xd9".to_vec()].concat()
    }));
}

#[test]
fn png_chunks_in_any_order() {
    let kind = proptest::sample::select(vec![
        *b"IHDR", *b"PLTE", *b"IDAT", *b"IEND", *b"eXIf", *b"acTL", *b"fcTL", *b"iCCP", *b"zTXt",
    ]);
    let size = (0..2000u32, 0..2000u32, any::<[u8; 5]>());
    let header = size.prop_map(|(width, height, rest)| {
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat()
    });
    let chunk =
        (kind, length(), prop_oneof![content(), header]).prop_map(|(kind, lie, content)| {
            let checked = [&kind[..], &content].concat();
            let crc = crate::archives::crc32(&checked).to_be_bytes();
            [&lie.unwrap_or(content.len() as u32).to_be_bytes()[..], &checked, &crc].concat()
        });
    check(
        vec(chunk, 0..10)
            .prop_map(|chunks| [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()),
    );
}

#[test]
fn riff_chunks_in_any_order() {
    let kind = proptest::sample::select(vec![
        *b"VP8 ", *b"VP8L", *b"VP8X", *b"ALPH", *b"ANIM", *b"ANMF", *b"EXIF", *b"ICCP",
    ]);
    let chunk = (kind, length(), content()).prop_map(|(kind, lie, mut content)| {
        let length = lie.unwrap_or(content.len() as u32).to_le_bytes();
        content.resize(content.len().next_multiple_of(2), 0);
        [&kind[..], &length, &content].concat()
    });
    check((vec(chunk, 0..8), length()).prop_map(|(chunks, lie)| {
        let chunks = chunks.concat();
        [b"RIFF", &lie.unwrap_or(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &chunks]
            .concat()
    }));
}

#[test]
fn boxes_within_boxes() {
    let kind = proptest::sample::select(vec![
        *b"moov", *b"trak", *b"mdia", *b"minf", *b"stbl", *b"stsd", *b"stts", *b"stsz", *b"stco",
        *b"co64", *b"stsc", *b"tkhd", *b"mdhd", *b"hdlr", *b"mvhd", *b"mdat", *b"moof", *b"traf",
        *b"trun", *b"tfhd", *b"edts", *b"elst", *b"avc1", *b"free", *b"uuid",
    ]);
    let leaf = (kind.clone(), length(), content())
        .prop_map(|(kind, lie, content)| boxed(kind, lie, content));
    let tree = leaf.prop_recursive(5, 40, 6, move |inner| {
        (kind.clone(), length(), vec(inner, 0..6))
            .prop_map(|(kind, lie, inner)| boxed(kind, lie, inner.concat()))
    });
    check(vec(tree, 0..5).prop_map(|boxes| {
        [b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec(), boxes.concat()].concat()
    }));
}

fn boxed(kind: [u8; 4], lie: Option<u32>, content: Vec<u8>) -> Vec<u8> {
    [&lie.unwrap_or(content.len() as u32 + 8).to_be_bytes()[..], &kind, &content].concat()
}

#[test]
fn matroska_elements_within_elements() {
    let id = proptest::sample::select(vec![
        &b"\x18\x53\x80\x67"[..],
        b"\x15\x49\xa9\x66",
        b"\x16\x54\xae\x6b",
        b"\xae",
        b"\xd7",
        b"\x83",
        b"\x86",
        b"\xe0",
        b"\xb0",
        b"\xba",
        b"\x1f\x43\xb6\x75",
        b"\xe7",
        b"\xa3",
        b"\xa0",
        b"\xa1",
        b"\x1c\x53\xbb\x6b",
        b"\x2a\xd7\xb1",
        b"\x44\x89",
        b"\xec",
    ]);
    let element = |id: &[u8], lie: Option<u32>, content: &[u8]| {
        let size = 0x1000_0000 | lie.map_or(content.len() as u32, |lie| lie & 0x0fff_ffff);
        [id, &size.to_be_bytes(), content].concat()
    };
    let leaf = (id.clone(), length(), content())
        .prop_map(move |(id, lie, content)| element(id, lie, &content));
    let tree = leaf.prop_recursive(4, 40, 6, move |inner| {
        (id.clone(), length(), vec(inner, 0..6))
            .prop_map(move |(id, lie, inner)| element(id, lie, &inner.concat()))
    });
    check(vec(tree, 0..5).prop_map(|elements| {
        [b"\x1a\x45\xdf\xa3\x84\x42\x82\x84webm".to_vec(), elements.concat()].concat()
    }));
}

#[test]
fn archives_whose_headers_lie() {
    let entry = (
        ".{0,12}",
        content(),
        0..12u16,
        any::<u16>(),
        length(),
        any::<u32>(),
        any::<u32>(),
        proptest::option::of(0..4usize),
    );
    let entry = entry.prop_map(|(name, data, method, flags, declared, crc, mode, shares)| {
        let honest = stored(&name, &data);
        Entry {
            method,
            flags,
            mode,
            shares_data_of: shares,
            declared: declared.unwrap_or(honest.declared),
            crc,
            ..honest
        }
    });
    check(vec(entry, 0..6).prop_map(|mut entries| {
        for (at, entry) in entries.iter_mut().enumerate() {
            entry.shares_data_of = entry.shares_data_of.filter(|&other| other < at);
        }
        archive(&entries)
    }));
}
