//! What a node sets for its own process before it starts a thread: the allocator, the number of
//! descriptors, and no core dumps.

use crate::config::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use std::io;

/// Maximum number of descriptors that a node asks for. Some systems allow a thousand million, and
/// programs that close all of them one by one would hang.
const MOST_DESCRIPTORS: u64 = 1 << 20;
/// Size from which a block of memory is mapped, and so returned to the system when it is freed.
const MMAP_THRESHOLD_BYTES: libc::c_int = 1 << 20;
/// Free memory at the end of the heap from which the allocator returns it.
const TRIM_THRESHOLD_BYTES: libc::c_int = 8 << 20;
/// Number of the allocator's arenas. Each keeps what its threads free; glibc's default of eight for
/// each processor multiplies what a burst of requests leaves behind.
const ARENAS: libc::c_int = 2;
/// Free memory within the allocator from which it is returned to the system, in bytes.
const KEPT_FREE_BYTES: usize = 32 << 20;

/// Prepares the process. Called once, before it has a second thread.
pub fn prepare(mode: Mode) -> io::Result<()> {
    // SAFETY: sets options of the allocator while the process has one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES);
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)?;
    if mode == Mode::Production {
        // Neither core dumps nor debuggers of the same user read keys and media from memory.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    }
    Ok(())
}

/// Raises the soft limit of open descriptors to the hard limit, and returns it.
pub(super) fn raise_descriptors() -> io::Result<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX).min(MOST_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        rustix::process::setrlimit(Resource::Nofile, raised)?;
    }
    Ok(rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(MOST_DESCRIPTORS))
}

/// Returns free memory of the allocator to the system, if there is much.
pub(super) fn give_back_memory() {
    // SAFETY: has no precondition; it only counts.
    let free = unsafe { libc::mallinfo2() }.fordblks;
    if free > KEPT_FREE_BYTES {
        // SAFETY: has no precondition; it releases only free memory.
        unsafe { libc::malloc_trim(0) };
    }
}
