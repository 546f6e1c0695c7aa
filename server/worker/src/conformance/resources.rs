//! What calls leave behind: heap, memory of the process, descriptors, threads, children.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::Dir;

use super::Finding;
use super::call::{Cancel, Job};
use super::scene::Content;
use super::subject::{Subject, call};

/// Calls that are weighed.
const CALLS: usize = 1_000;
/// Calls before the first weighing: what is set up once is no leak.
const WARM_UP: usize = 60;
/// The weighing ends after this time, however many calls that were.
const BUDGET: Duration = Duration::from_secs(60);
/// Growth of the heap over all calls that is no leak. One allocation of the smallest size in each
/// call is above it.
const HEAP_SLACK_BYTES: usize = 16 << 10;
/// Growth of the process' memory that is no leak: pages come in lots.
const RESIDENT_SLACK_BYTES: usize = 24 << 20;

/// Bytes of the heap in use, over all arenas of the allocator.
pub(super) fn heap_bytes() -> usize {
    // SAFETY: has no precondition.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Readings of the process' own state, opened before it is locked in: afterwards `/proc` is out of
/// reach.
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

    /// Threads of this process.
    pub(super) fn threads(&self) -> usize {
        count(&self.tasks)
    }

    /// Open descriptors.
    pub(super) fn descriptors(&self) -> usize {
        count(&self.descriptors)
    }

    /// Bytes of the process in memory.
    fn resident_bytes(&self) -> usize {
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
    let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Whether this process has a child, ended or not.
fn has_children() -> bool {
    // SAFETY: an all-zero siginfo is valid, and the call only writes to it.
    let answer = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    answer == 0
}

pub(super) fn memory(subject: &Subject<'_>) -> Finding {
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    for spec in subject.analyses() {
        let jobs: Vec<Job<'_>> = [Content::Noise, Content::Flat(128)]
            .into_iter()
            .filter_map(|content| subject.small_job(spec, content))
            .collect();
        let Ok(mut instance) = subject.create() else { continue };
        // Each tenth call is stopped at once: failures have to clean up as well.
        let mut round = |number: usize| {
            let cancel = if number % 10 == 9 { Cancel::Before } else { Cancel::Never };
            if let Some(job) = jobs.get(number % jobs.len().max(1)) {
                // What it answers is another rule's matter.
                drop(call(&mut instance, job, cancel));
            }
        };
        (0..WARM_UP).for_each(&mut round);
        let gauges = subject.gauges();
        let (heap, resident, begun) = (heap_bytes(), gauges.resident_bytes(), Instant::now());
        let calls = (0..CALLS).take_while(|number| {
            round(*number);
            begun.elapsed() < BUDGET
        });
        let calls = calls.count();
        let heap = heap_bytes().saturating_sub(heap);
        let resident = gauges.resident_bytes().saturating_sub(resident);
        if heap > HEAP_SLACK_BYTES {
            problems.push(format!("{}: {calls} calls left {heap} bytes of heap behind", spec.kind));
        } else if resident > RESIDENT_SLACK_BYTES {
            problems.push(format!(
                "{}: the process grew by {} KiB over {calls} calls",
                spec.kind,
                resident >> 10
            ));
        }
        let each = begun.elapsed().as_secs_f64() * 1e3 / calls.max(1) as f64;
        remarks.push(match calls {
            CALLS => format!("{}: {heap} bytes over {calls} calls", spec.kind),
            fewer => format!("{}: {heap} bytes over {fewer} calls; {CALLS} of {each:.0} ms did not fit into 60 s", spec.kind),
        });
    }
    match subject.analyses() {
        [] => Finding::NotApplicable("it offers no analysis"),
        _ => Finding::of(problems, remarks.join("; ")),
    }
}

pub(super) fn leftovers(subject: &Subject<'_>) -> Finding {
    let mut problems = Vec::new();
    for spec in subject.analyses() {
        let Ok(mut instance) = subject.create() else { continue };
        let Some(job) = subject.small_job(spec, Content::Noise) else { continue };
        // A runtime may set up threads and files at the first call; what each call leaves counts.
        drop(call(&mut instance, &job, Cancel::Never));
        let gauges = subject.gauges();
        let counts = || {
            let children = usize::from(has_children());
            [
                ("threads", gauges.threads()),
                ("descriptors", gauges.descriptors()),
                ("children", children),
            ]
        };
        let before = counts();
        for _ in 0..5 {
            drop(call(&mut instance, &job, Cancel::Never));
        }
        for ((what, before), (_, after)) in before.into_iter().zip(counts()) {
            if after > before {
                problems.push(format!(
                    "{}: five calls left {} {what} behind",
                    spec.kind,
                    after - before
                ));
            }
        }
    }
    Finding::of(problems, "")
}
