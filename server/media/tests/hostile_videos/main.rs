//! Hostile videos cost bounded CPU time and memory, and make the decoder open nothing: no file, no
//! connection. It is the only test of its process, so that it can measure, and can forbid calls to
//! the whole thread.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its files has failed")]
#![expect(clippy::disallowed_methods, reason = "tests make clips by ffmpeg")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "../media/clips.rs"]
mod clips;

use clips::{H264, clip, moving, with_matrix};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::fs::File;
use std::io::{Cursor, Write};
use vultus_media::{DecodeOptions, Limits};

/// Maximum CPU time of a video, in milliseconds.
const MOST_MS: f64 = 30_000.0;
/// Maximum memory of a video, in MB.
const MOST_MB: f64 = 1000.0;

/// What a video must come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Accepted,
    Refused,
    Either,
}

fn replaced(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|found| found == of).unwrap()
}

/// A WebM whose key frame declares 16 383 × 16 383 pixels.
fn huge_key_frame() -> Vec<u8> {
    let webm =
        clip(&moving("64x64", 10, 1.0), &["-c:v", "libvpx", "-deadline", "realtime"], "webm");
    let at = position(&webm, b"\x9d\x01\x2a") + 3;
    replaced(webm, at, b"\xff\x3f\xff\x3f")
}

/// A box of an MP4.
fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), &name[..], content].concat()
}

/// Playlists that name files and addresses, plain and as the content of a container.
fn playlists() -> Vec<(String, Vec<u8>)> {
    let texts = [
        (
            "HLS",
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n\
                 #EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        ),
        ("concat", "ffconcat version 1.0\nfile '/etc/passwd'\nfile 'http://127.0.0.1:9/a.mp4'\n"),
        (
            "SDP",
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
        ),
        (
            "DASH",
            "<?xml version=\"1.0\"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL>\
                 </Period></MPD>",
        ),
        ("reference", "RTSPtextrtsp://127.0.0.1:9/a"),
    ];
    let mut files = Vec::new();
    for (name, text) in texts {
        let text = text.as_bytes();
        let start = boxed(b"ftyp", b"isom\0\0\x02\0isomiso2mp41");
        files.push((name.to_owned(), text.to_vec()));
        files.push((format!("{name} in a box"), [start.clone(), boxed(b"mdat", text)].concat()));
        files.push((format!("{name} as the movie"), [start, boxed(b"moov", text)].concat()));
        files.push((format!("{name} in EBML"), [b"\x1a\x45\xdf\xa3\x80", text].concat()));
    }
    files
}

/// The MP4 whose media are not in it, but at an address (ISO/IEC 14496-12, 8.7.2).
fn external_media(mp4: &[u8]) -> Vec<u8> {
    let at = position(mp4, b"url ") + 4;
    assert_eq!(mp4[at..at + 4], [0, 0, 0, 1], "the media are in the file itself");
    replaced(mp4.to_vec(), at, &[0, 0, 0, 0])
}

/// The MP4 with damaged structure, differently for each number.
fn corrupt(mp4: &[u8], number: usize) -> Vec<u8> {
    let moov = position(mp4, b"moov");
    let mut bytes = mp4.to_vec();
    for step in 0..8 {
        let at = moov + 4 + (number * 7919 + step * 104_729) % (bytes.len() - moov - 4);
        bytes[at] = bytes[at].wrapping_add(u8::try_from(number % 251).unwrap() | 1);
    }
    bytes
}

fn videos() -> Vec<(String, Vec<u8>, Expected)> {
    use Expected::{Accepted, Either, Refused};
    let mp4 = clip(&moving("320x240", 30, 3.0), H264, "mp4");
    let turned = with_matrix(mp4.clone(), [0, 1, -1, 0]);
    let varying = clip(
        &format!("{},setpts='PTS+0.3*floor(mod(N,7)/3)/TB'", moving("320x240", 30, 2.0)),
        &[H264, &["-fps_mode", "vfr"]].concat(),
        "mp4",
    );
    let hours = clip("color=red:s=64x64:r=1/100:d=36000,format=yuv420p", H264, "mp4");
    let rushed = clip("testsrc2=s=64x64:r=1000000:d=0.0002,format=yuv420p", H264, "mp4");
    let mut videos = vec![
        ("10 hours".to_owned(), hours, Refused),
        ("a million frames per second".to_owned(), rushed, Refused),
        ("16k × 16k".to_owned(), huge_key_frame(), Refused),
        ("external media".to_owned(), external_media(&mp4), Either),
        ("turned by its matrix".to_owned(), turned, Accepted),
        ("variable rate".to_owned(), varying, Accepted),
    ];
    videos.extend((0..40).map(|n| (format!("corrupt moov {n}"), corrupt(&mp4, n), Either)));
    videos.extend(playlists().into_iter().map(|(name, bytes)| (name, bytes, Refused)));
    videos.push(("whole".to_owned(), mp4, Accepted));
    videos
}

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

/// Probes and decodes a video. Whether it was accepted.
fn examine(bytes: &[u8]) -> bool {
    let (length, limits) = (bytes.len() as u64, Limits::default());
    let probed = vultus_media::probe(Cursor::new(bytes.to_vec()), length, &limits);
    let decoded = vultus_media::decode(
        Cursor::new(bytes.to_vec()),
        length,
        &limits,
        DecodeOptions::default(),
    );
    probed.is_ok() && decoded.is_ok()
}

/// Ends the process at the next attempt of this thread to open a file or a connection.
fn forbid_opening() {
    let calls = [
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_execve,
        libc::SYS_inotify_init1,
    ];
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::KillProcess, machine);
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&filter).unwrap();
}

#[test]
fn hostile_videos_are_bounded_and_open_nothing() {
    let videos = videos();
    for (name, bytes, expected) in &videos {
        // "5" resets the peak to the current resident size (proc(5)).
        let mut peak = File::options().write(true).open("/proc/self/clear_refs").unwrap();
        peak.write_all(b"5").unwrap();
        let (resident, began) = (status_mb("VmRSS:"), processor_ms());
        let accepted = examine(bytes);
        let (ms, mb) = (processor_ms() - began, status_mb("VmHWM:") - resident);
        match expected {
            Expected::Accepted => assert!(accepted, "{name}"),
            Expected::Refused => assert!(!accepted, "{name}"),
            Expected::Either => {}
        }
        assert!(ms <= MOST_MS && mb <= MOST_MB, "{name}: {ms:.0} ms, {mb:.0} MB");
    }
    forbid_opening();
    for (_, bytes, _) in &videos {
        examine(bytes);
    }
}
