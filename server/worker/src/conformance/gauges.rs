//! Measurements of this process: heap, memory, threads, descriptors, child processes.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use parking_lot::Mutex;
use rustix::fs::Dir;

/// Size of the heap in use, over all arenas of the allocator, in bytes.
pub(super) fn heap_bytes() -> usize {
    // SAFETY: has no precondition.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Measures the state of this process. The files are opened before the lock-in, because afterwards
/// `/proc` is inaccessible.
#[derive(Debug)]
pub(super) struct Gauges {
    tasks: Mutex<Dir>,
    descriptors: Mutex<Dir>,
    memory: File,
}

impl Gauges {
    pub(super) fn open() -> io::Result<Self> {
        let folder = |path: &str| {
            Ok::<_, io::Error>(Mutex::new(Dir::new(OwnedFd::from(File::open(path)?))?))
        };
        Ok(Self {
            tasks: folder("/proc/self/task")?,
            descriptors: folder("/proc/self/fd")?,
            memory: File::open("/proc/self/statm")?,
        })
    }

    /// Number of threads of this process.
    pub(super) fn threads(&self) -> usize {
        count(&self.tasks)
    }

    /// Number of open descriptors.
    pub(super) fn descriptors(&self) -> usize {
        count(&self.descriptors)
    }

    /// Resident memory of the process in bytes.
    pub(super) fn resident_bytes(&self) -> usize {
        let mut text = [0; 128];
        let read =
            self.memory.read_at(&mut text, 0).expect("a file of /proc that is open can be read");
        let pages = String::from_utf8_lossy(&text[..read])
            .split_whitespace()
            .nth(1)
            .and_then(|pages| pages.parse().ok());
        let pages: usize = pages.expect("the second number of statm counts pages");
        pages * page_bytes()
    }
}

fn count(folder: &Mutex<Dir>) -> usize {
    let mut folder = folder.lock();
    folder.rewind();
    let entries = std::iter::from_fn(|| folder.read());
    let names = entries.map(|entry| entry.expect("a folder of /proc that is open can be read"));
    names.filter(|entry| !entry.file_name().to_bytes().starts_with(b".")).count()
}

fn page_bytes() -> usize {
    // SAFETY: has no precondition.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// Whether this process has a child process, running or ended.
pub(super) fn has_children() -> bool {
    // SAFETY: an all-zero siginfo is valid, and the call only writes to it.
    let answer = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    answer == 0
}
