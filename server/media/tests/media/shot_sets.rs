//! Shot sets, and malicious archives.

use crate::archives::{Entry, archive, end_record, stored, zeros};
use crate::pictures::{asymmetric, exif, jpeg, png, png_header, webp};
use crate::{decode, decode_within, probe, probe_within};
use image::{Rgb, RgbImage};
use vultus_media::{EntryName, Limits, MediaKind, Refusal};

fn entry(index: u32, path: &str) -> EntryName {
    EntryName::new(index, path)
}

/// A picture whose red value is its number.
fn numbered(number: u8) -> Vec<u8> {
    png(RgbImage::from_pixel(16, 12, Rgb([number, 0, 0])), None)
}

fn numbers(bytes: &[u8], limits: &Limits) -> Vec<u8> {
    decode_within(bytes, limits).unwrap().frames.iter().map(|frame| frame.rgb[0]).collect()
}

#[track_caller]
fn assert_refused(entries: &[Entry], expected: &Refusal) {
    let bytes = archive(entries);
    assert_eq!(probe(&bytes).as_ref(), Err(expected));
    assert_eq!(decode(&bytes).as_ref(), Err(expected), "the run refuses it as the probe does");
}

#[test]
fn pictures_come_in_natural_order_of_their_names() {
    let entries = [
        stored("shot10.png", &numbered(10)),
        stored("shot2.png", &numbered(2)),
        stored("__MACOSX/._shot2.png", b"resource fork"),
        stored("shot1.jpg", &jpeg(&asymmetric(12, 16), Some(exif(6)))),
        stored("shot3", &webp(&asymmetric(16, 12), None)),
    ];
    let bytes = archive(&entries);
    let found = probe(&bytes).unwrap();
    assert_eq!(
        (found.report.kind, found.report.content_type.as_str()),
        (MediaKind::ShotSet, "application/zip")
    );
    assert_eq!((found.report.frame_count, found.report.duration_us), (Some(4), None));
    assert_eq!(
        (found.report.width, found.report.height, found.report.orientation_applied),
        (16, 12, 6),
        "of the first picture, upright"
    );
    let frames = decode(&bytes).unwrap();
    assert_eq!((frames.frames[1].rgb[0], frames.frames[3].rgb[0]), (2, 10));
    assert_eq!(frames.frames.iter().map(|frame| frame.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn pictures_of_different_sizes_are_refused() {
    let small = png(RgbImage::from_pixel(8, 6, Rgb([1, 2, 3])), None);
    assert_refused(
        &[stored("1.png", &numbered(1)), stored("2.png", &small)],
        &Refusal::MixedSizes { entry: entry(1, "2.png") },
    );
}

#[test]
fn sizes_that_differ_by_a_few_pixels_become_one() {
    let of = |width, height| png(asymmetric(width, height), None);
    let entries = [stored("1.png", &of(64, 48)), stored("2.png", &of(63, 49))];
    let bytes = archive(&entries);
    assert_eq!(probe(&bytes).unwrap().report.width, 64);
    let frames = decode(&bytes).unwrap();
    assert!(frames.frames.iter().all(|frame| (frame.width, frame.height) == (64, 48)));
    assert!(frames.frames.iter().all(|frame| frame.rgb.len() == 64 * 48 * 3));
}

#[test]
fn files_of_operating_systems_and_one_folder_are_accepted() {
    let added = [".DS_Store", "Thumbs.db", "desktop.ini", "._1.png"];
    let mut entries: Vec<Entry> = added.iter().map(|name| stored(name, b"other")).collect();
    entries.push(stored("__MACOSX/._1.png", b"other"));
    entries.push(stored("1.png", &numbered(1)));
    assert_eq!(numbers(&archive(&entries), &Limits::default()), [1]);
    let folder = Entry { mode: 0o040_755, ..stored("selfie/", b"") };
    let mut entries = vec![folder, stored("selfie/1.png", &numbered(1))];
    entries.extend(added.iter().map(|name| stored(&format!("selfie/{name}"), b"other")));
    entries.push(stored("__MACOSX/selfie/._1.png", b"other"));
    entries.push(stored("selfie/2.png", &numbered(2)));
    assert_eq!(numbers(&archive(&entries), &Limits::default()), [1, 2]);
}

#[test]
fn small_zip64_is_accepted_and_a_false_one_refused() {
    let mut bytes = archive(&[stored("1.png", &numbered(1))]);
    let end = bytes.split_off(bytes.len() - 22);
    let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    let (size, offset, at) = (number(12), number(16), bytes.len() as u64);
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [1, 1, size, offset] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(&end);
    assert_eq!(numbers(&bytes, &Limits::default()), [1]);
    let entries = at as usize + 32;
    bytes[entries..entries + 8].copy_from_slice(&1_000_000_u64.to_le_bytes());
    assert_eq!(probe(&bytes).unwrap_err().code(), "UNREADABLE");
}

#[test]
fn more_pictures_than_are_stored_are_sampled_evenly() {
    let entries: Vec<Entry> = (0..12).map(|i| stored(&format!("{i}.png"), &numbered(i))).collect();
    let bytes = archive(&entries);
    let limits = Limits { max_frames_stored: 4, ..Limits::default() };
    assert_eq!(numbers(&bytes, &limits), [1, 4, 7, 10]);
    assert_eq!(decode(&bytes).unwrap().frame_count, Some(12));
    assert_eq!(numbers(&bytes, &Limits::default()), (0..12).collect::<Vec<u8>>());
}

#[test]
fn archives_written_as_a_stream_are_read() {
    use std::io::Write;
    let mut bytes = Vec::new();
    let mut writer = zip::ZipWriter::new_stream(&mut bytes);
    for i in 1..4 {
        writer.start_file(format!("{i}.png"), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&numbered(i)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(probe(&bytes).unwrap().report.frame_count, Some(3));
    assert_eq!(numbers(&bytes, &Limits::default()), [1, 2, 3]);
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    let good = stored("a.png", &numbered(1));
    for name in [
        "../b.png",
        "x/../../b.png",
        "/etc/b.png",
        "..\\b.png",
        "\\b.png",
        "C:b.png",
        "b\0.png",
        "..",
    ] {
        assert_refused(
            &[good.clone(), stored(name, &numbered(2))],
            &Refusal::ZipTraversal { entry: entry(1, name) },
        );
    }
    for name in ["shots/b.png", "shots/", "a\\b.png", "a/b/c.png"] {
        let refusal = Refusal::ZipNotFlat { entry: entry(1, name) };
        assert_refused(&[good.clone(), stored(name, b"")], &refusal);
    }
    let two = [stored("a/1.png", &numbered(1)), stored("b/2.png", &numbered(2))];
    assert_refused(&two, &Refusal::ZipNotFlat { entry: entry(1, "2.png") });
}

#[test]
fn nested_archives_are_refused_under_any_name() {
    let inner = archive(&[stored("a.png", &numbered(1))]);
    assert_refused(&[stored("b.png", &inner)], &Refusal::ZipNested { entry: entry(0, "b.png") });
    assert_refused(
        &[stored("b.zip", &end_record(0, 0, 0))],
        &Refusal::ZipNested { entry: entry(0, "b.zip") },
    );
}

#[test]
fn links_devices_encryption_and_other_methods_are_refused() {
    let good = stored("a.png", &numbered(1));
    let link = Entry { mode: 0o120_777, ..stored("b.png", b"/etc/passwd") };
    assert_refused(&[good.clone(), link], &Refusal::ZipSpecialFile { entry: entry(1, "b.png") });
    let device = Entry { mode: 0o020_666, ..stored("b.png", b"") };
    assert_refused(&[good.clone(), device], &Refusal::ZipSpecialFile { entry: entry(1, "b.png") });
    let encrypted = Entry { flags: 1, ..good.clone() };
    assert_refused(&[encrypted], &Refusal::ZipEncrypted { entry: entry(0, "a.png") });
    let bzip2 = Entry { method: 12, ..good };
    assert_refused(&[bzip2], &Refusal::ZipMethod { entry: entry(0, "a.png") });
}

#[test]
fn zip_bombs_are_refused_by_declared_and_actual_size() {
    let bomb = zeros("a.png", 20 << 20);
    let ratio = u64::from(bomb.declared) / bomb.data.len() as u64;
    assert_refused(
        std::slice::from_ref(&bomb),
        &Refusal::ZipRatio { entry: entry(0, "a.png"), actual: ratio, limit: 100 },
    );
    let lying = Entry { declared: 1000, ..bomb.clone() };
    assert_refused(&[lying], &Refusal::ZipSizeMismatch { entry: entry(0, "a.png") });
    let picture = stored("a.png", &numbered(1));
    let damaged = Entry { crc: !picture.crc, ..picture };
    let refusal = Box::new(Refusal::Unreadable { format: "ZIP", step: "inflating" });
    assert_refused(&[damaged], &Refusal::ZipEntry { entry: entry(0, "a.png"), refusal });
    let many: Vec<Entry> = (0..3)
        .map(|i| Entry { declared: 100 << 20, ..stored(&format!("{i}"), &vec![7; 2 << 20]) })
        .collect();
    assert_refused(&many, &Refusal::ZipInflated { actual: 300 << 20, limit: 256 << 20 });
    let short = Entry { declared: 5000, ..stored("a.png", &numbered(1)) };
    let refusal = probe(&archive(&[short])).unwrap_err();
    assert!(
        matches!(refusal, Refusal::ZipSizeMismatch { .. } | Refusal::Unreadable { .. }),
        "{refusal:?}"
    );
}

#[test]
fn entries_that_share_bytes_or_names_are_refused() {
    let first = stored("a.png", &numbered(1));
    let shared = Entry { shares_data_of: Some(0), ..first.clone() };
    assert_refused(
        &[first.clone(), Entry { name: b"b.png".to_vec(), ..shared }],
        &Refusal::ZipOverlap,
    );
    assert_refused(&[first.clone(), stored("a.png", &numbered(2))], &Refusal::ZipDuplicate);
    let inside = archive(&[stored("in.png", &numbered(3))]);
    let mut hidden = archive(&[first]);
    let directory = hidden.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    hidden.splice(directory..directory, inside[..inside.len() - 22].iter().copied());
    let start = (directory + inside.len() - 22) as u32;
    let end = hidden.len() - 6;
    hidden[end..end + 4].copy_from_slice(&start.to_le_bytes());
    assert_eq!(
        probe(&hidden).unwrap_err().code(),
        "UNREADABLE",
        "an entry that the directory hides"
    );
}

#[test]
fn entry_count_is_bounded_before_reading_the_directory() {
    let entries: Vec<Entry> = (0..201).map(|i| stored(&format!("{i}.png"), b"")).collect();
    assert_refused(&entries, &Refusal::ZipTooManyEntries { actual: 201, limit: 200 });
    let mut million = vec![0; 46 << 10];
    million[..4].copy_from_slice(b"PK\x03\x04");
    million.extend(end_record(0xffff, 0xffff_ffff, 0xffff_ffff));
    assert_eq!(probe(&million), Err(Refusal::ZipTooManyEntries { actual: 0xffff, limit: 200 }));
    assert_refused(&[], &Refusal::ZipEmpty);
    assert_refused(&[stored("__MACOSX/x", b"1")], &Refusal::ZipEmpty);
}

#[test]
fn a_cut_or_padded_archive_is_refused() {
    let bytes = archive(&[stored("a.png", &numbered(1)), stored("b.png", &numbered(2))]);
    for cut in [10, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(probe(&bytes[..cut]).unwrap_err().code(), "TRUNCATED");
    }
    let mut padded = b"PK\x03\x04".to_vec();
    padded.extend(&bytes);
    assert_eq!(probe(&padded).unwrap_err().code(), "UNREADABLE", "bytes before the archive");
}

#[test]
fn every_picture_of_a_set_must_be_readable() {
    let whole = jpeg(&asymmetric(64, 48), None);
    let entries = |last: &[u8]| vec![stored("a.jpg", &whole), stored("b.jpg", last)];
    let refused =
        |refusal| Refusal::ZipEntry { entry: entry(1, "b.jpg"), refusal: Box::new(refusal) };
    assert_refused(
        &entries(&whole[..whole.len() / 2]),
        &refused(Refusal::Truncated { format: "JPEG" }),
    );
    let gif = Refusal::UnsupportedFormat { format: "GIF".to_owned() };
    assert_refused(&entries(b"GIF89a"), &refused(gif));
    let big = Refusal::TooManyPixels { width: 65_535, height: 65_535, limit: 51_000_000 };
    assert_refused(&entries(&png_header(65_535, 65_535)), &refused(big.clone()));
    assert!(refused(big.clone()).is_limit() && refused(big.clone()).code() == big.code());
    let mut wrong_sum = stored("a.png", &numbered(1));
    wrong_sum.crc ^= 1;
    assert_eq!(probe(&archive(&[wrong_sum])).unwrap_err().code(), "UNREADABLE");
}

#[test]
fn the_pixels_of_a_set_are_bounded_together() {
    let entries: Vec<Entry> = (0..4).map(|i| stored(&format!("{i}.png"), &numbered(i))).collect();
    let limits = Limits { max_set_pixels: 16 * 12 * 3, ..Limits::default() };
    let refusal = Refusal::ZipTooManyPixels { actual: 16 * 12 * 4, limit: 16 * 12 * 3 };
    assert_eq!(probe_within(&archive(&entries), &limits), Err(refusal));
}
