//! The cost of a rejection: CPU time and memory. It is the only test of its process, so that both
//! can be measured.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests make clips by ffmpeg, and read archives that they made"
)]

#[path = "../media/archives.rs"]
mod archives;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../media/clips.rs"]
mod clips;
#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../media/pictures.rs"]
mod pictures;

use archives::{Entry, archive, end_record, stored, zeros};
use clips::{H264, clip, moving};
use pictures::{jpeg_header, png_header};
use std::fs::File;
use std::io::Write;
use vultus_media::Limits;

/// CPU time of this thread, in milliseconds.
fn processor_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

/// A line of this process's status, in MB.
fn status_mb(line: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Probes a file with these bytes. Returns the CPU time in ms and the growth of the peak memory in
/// MB.
fn cost(bytes: Vec<u8>, code: &str) -> (f64, f64) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let length = bytes.len() as u64;
    drop(bytes);
    // "5" resets the peak to the current resident size (proc(5)).
    File::options().write(true).open("/proc/self/clear_refs").unwrap().write_all(b"5").unwrap();
    let (resident, started) = (status_mb("VmRSS:"), processor_ms());
    let refusal = vultus_media::probe(file, length, &Limits::default()).unwrap_err();
    let spent = processor_ms() - started;
    assert_eq!(refusal.code(), code, "{refusal}");
    (spent, status_mb("VmHWM:") - resident)
}

/// A GIF of 50 000 frames of one pixel.
fn gif_of_many_frames() -> Vec<u8> {
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    for _ in 0..50_000 {
        bytes.extend(b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
    }
    bytes.push(0x3b);
    bytes
}

/// A million entries that share one name and one position, in a directory of 47 MB.
fn million_entries() -> Vec<u8> {
    let mut bytes = archive(&[stored("a", b"")]);
    let directory = bytes.windows(4).position(|at| at == b"PK\x01\x02").unwrap();
    let entry = bytes[directory..bytes.len() - 22].to_vec();
    bytes.truncate(directory);
    (0..1_000_000).for_each(|_| bytes.extend(&entry));
    bytes.extend(end_record(0xffff, entry.len() as u32 * 1_000_000, directory as u32));
    bytes
}

/// A clip whose sample table claims a thousand million samples of 16 bytes.
fn endless_sample_table() -> Vec<u8> {
    let mut bytes = clip(&moving("64x64", 10, 1.0), H264, "mp4");
    let at = bytes.windows(4).position(|name| name == b"stsz").unwrap() + 8;
    bytes[at..at + 4].copy_from_slice(&16_u32.to_be_bytes());
    bytes[at + 4..at + 8].copy_from_slice(&0x3fff_ffff_u32.to_be_bytes());
    bytes
}

#[test]
fn refusals_are_quick_and_small() {
    let bomb = zeros("a.png", 200 << 20);
    let lying = Entry { declared: 50_000, ..zeros("a.png", 4 << 20) };
    let overlapping: Vec<Entry> = (0..200)
        .map(|i| Entry {
            shares_data_of: (i > 0).then_some(0),
            ..stored(&format!("{i}"), &[7; 200_000])
        })
        .collect();
    let nested = archive(&[stored("b.zip", &archive(std::slice::from_ref(&bomb)))]);
    let from_header = [
        ("PNG of 65 535²", png_header(65_535, 65_535), "TOO_MANY_PIXELS"),
        ("JPEG of 65 500²", jpeg_header(0xc2, 65_500, 65_500, 1), "TOO_MANY_PIXELS"),
        ("progressive bomb", jpeg_header(0xc2, 7000, 7000, 100_000), "TOO_MANY_SCANS"),
        ("GIF of 50 000 frames", gif_of_many_frames(), "UNSUPPORTED_FORMAT"),
        ("SVG", b"<?xml version='1.0'?><svg/>".to_vec(), "UNSUPPORTED_FORMAT"),
        ("TIFF", b"II*\0\x08\0\0\0".to_vec(), "UNSUPPORTED_FORMAT"),
    ];
    let archives = [
        ("bomb", archive(&[bomb]), "ZIP_RATIO"),
        ("lying bomb", archive(&[lying]), "ZIP_SIZE_MISMATCH"),
        ("overlapping", archive(&overlapping), "ZIP_OVERLAP"),
        ("nested bomb", nested, "ZIP_NESTED"),
        ("a million entries", million_entries(), "ZIP_TOO_MANY_ENTRIES"),
    ];
    let videos = [("endless sample table", endless_sample_table())];
    let mut measured = Vec::new();
    for (name, bytes, code) in from_header {
        measured.push((name, cost(bytes, code), 50.0));
    }
    for (name, bytes, code) in archives {
        measured.push((name, cost(bytes, code), 1000.0));
    }
    for (name, bytes) in videos {
        measured.push((name, cost(bytes, "NO_FRAMES"), 1000.0));
    }
    for (name, (ms, mb), most_ms) in measured {
        assert!(ms <= most_ms, "{name}: {ms:.1} ms");
        assert!(mb < 100.0, "{name}: {mb:.1} MB");
    }
}
