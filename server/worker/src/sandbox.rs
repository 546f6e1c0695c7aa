//! Locking the process in, as an ordered list of steps, all taken while it has one thread and
//! before any plugin is opened: constructors of libraries run inside of it, and every thread that
//! comes later inherits it.
//!
//! What is done: only the node's socket is kept; the process dies with the node; limits on memory,
//! CPU time, file size, descriptors; no core dumps; namespaces of its own, no capabilities, no new
//! privileges; files by Landlock; system calls by seccomp. What the kernel does not offer is said
//! in [`lock_in`]'s answer, or refused, never passed over.

mod files;
mod namespaces;
mod syscalls;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal};
use vultus_worker_protocol::{SandboxLevel, WorkerSetup};

/// Where the socket ends up.
const SOCKET: RawFd = 3;
/// Most bytes of one file: anonymous ones count too, and the largest of these holds an artifact of
/// 8 MiB.
const FILE_BYTES: u64 = 64 << 20;
/// Most open descriptors: media and artifacts of a run, plugins, weights.
const DESCRIPTORS: u64 = 256;

/// A step of the sandbox that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The system call failed.
    #[error("{step} failed: {source}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The node died before its death could be watched.
    #[error("the node that started this worker is gone")]
    Orphaned,
    /// A library started a thread, which the steps to come would not bind.
    #[error("the worker has {0} threads before it is locked in")]
    Threads(usize),
    /// The Landlock rules could not be made, though the kernel has Landlock.
    #[error("restricting the access to files failed: {0}")]
    Files(#[from] landlock::RulesetError),
    /// The configuration does not allow for what the kernel does not offer.
    #[error("the sandbox is not complete on this machine, and the configuration requires it (workers.sandbox): {}", .0.join(" "))]
    Incomplete(Vec<String>),
}

fn failed(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> SandboxError {
    move |errno| SandboxError::Step { step, source: errno.into() }
}

fn last_failed(step: &'static str) -> SandboxError {
    SandboxError::Step { step, source: io::Error::last_os_error() }
}

/// Keeps the standard streams and the socket, closes every other descriptor that was inherited, and
/// gives the socket. To be called first, once, before anything was opened.
pub(crate) fn keep_only(inherited: RawFd) -> Result<OwnedFd, SandboxError> {
    const STEP: &str = "closing inherited descriptors";
    if inherited != SOCKET {
        // SAFETY: plain numbers; nothing in this process owns descriptor 3 yet.
        if unsafe { libc::dup3(inherited, SOCKET, libc::O_CLOEXEC) } < 0 {
            return Err(last_failed("taking over the socket"));
        }
    }
    // SAFETY: the process has just started and owns no descriptor above the socket.
    if unsafe { libc::syscall(libc::SYS_close_range, SOCKET + 1, u32::MAX, 0) } != 0 {
        return Err(last_failed(STEP));
    }
    // SAFETY: descriptor 3 is the socket, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    let nothing = std::fs::File::open("/dev/null")
        .map_err(|source| SandboxError::Step { step: STEP, source })?;
    // SAFETY: plain numbers; standard input is not in use, it may be the socket's old place.
    if unsafe { libc::dup2(nothing.as_raw_fd(), 0) } < 0 {
        return Err(last_failed(STEP));
    }
    Ok(socket)
}

/// Dies when the thread of the node that spawned this process ends.
pub(crate) fn bind_to_parent(parent: i32) -> Result<(), SandboxError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("binding to the node"))?;
    // It may have died before the call: then somebody else is the parent now.
    match rustix::process::getppid() {
        Some(now) if now.as_raw_nonzero().get() == parent => Ok(()),
        _ => Err(SandboxError::Orphaned),
    }
}

/// Where the worker may leave files, and what the sandbox does not hold on this machine, one
/// sentence each.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) scratch: Option<&'static Path>,
    pub(crate) gaps: Vec<String>,
}

/// The remaining steps. `parent` is the node's process id.
pub(crate) fn lock_in(setup: &WorkerSetup, parent: i32) -> Result<Locked, SandboxError> {
    refuse_threads()?;
    // The name in `ps`; the executable was opened by number. It may fail without harm.
    let _ = rustix::thread::set_name(c"vultus-worker");
    rustix::process::umask(Mode::from_raw_mode(0o077));
    set_limits(setup)?;
    let mut gaps = Vec::new();
    let scratch = match namespaces::enter() {
        Ok(scratch) => Some(scratch),
        Err(error) => {
            gaps.push(format!(
                "Workers have no network namespace and no temporary folder of their own: {error}."
            ));
            None
        }
    };
    namespaces::drop_capabilities().map_err(failed("dropping capabilities"))?;
    // A change of credentials may have undone it.
    bind_to_parent(parent)?;
    rustix::thread::set_no_new_privs(true).map_err(failed("giving up new privileges"))?;
    if !files::confine(setup, scratch)? {
        gaps.push(
            "Workers may open whatever files the server's user may: the kernel has no Landlock."
                .to_owned(),
        );
    }
    if let Err(error) = syscalls::filter() {
        gaps.push(format!(
            "Workers may make every system call, such as for network connections: {error}."
        ));
    }
    match setup.sandbox {
        SandboxLevel::Required if !gaps.is_empty() => Err(SandboxError::Incomplete(gaps)),
        SandboxLevel::Required | SandboxLevel::BestEffort => Ok(Locked { scratch, gaps }),
    }
}

/// Each step binds the calling thread and those that it starts: there must be no other.
fn refuse_threads() -> Result<(), SandboxError> {
    let listed = std::fs::read_dir("/proc/self/task");
    let threads =
        listed.map_err(|source| SandboxError::Step { step: "counting threads", source })?.count();
    if threads == 1 { Ok(()) } else { Err(SandboxError::Threads(threads)) }
}

fn set_limits(setup: &WorkerSetup) -> Result<(), SandboxError> {
    // A write over the file limit shall be an error, not a death. The signals to stop are the
    // node's, which drains first: a service manager sends them to the whole group, and a death by
    // them would count against the analysis. SAFETY: ignoring a signal installs no handler.
    unsafe {
        for signal in [libc::SIGXFSZ, libc::SIGTERM, libc::SIGINT] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, FILE_BYTES)?;
    limit(Resource::Nofile, DESCRIPTORS)?;
    if let Some(bytes) = setup.memory_bytes {
        limit(Resource::As, bytes)?;
    }
    allow_cpu_seconds(setup.cpu_seconds)?;
    // Frames are of a few MiB each. What a run frees serves the next one, instead of being mapped
    // and zeroed page by page again; an idle worker gives it back. Each arena of glibc reserves
    // address space for itself; two are enough for one working thread. SAFETY: settings of the
    // allocator, made while the process has one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
    Ok(())
}

/// Lowers a limit, hard and soft, to `most` or to what is allowed, whichever is less.
fn limit(resource: Resource, most: u64) -> Result<(), SandboxError> {
    let allowed =
        rustix::process::getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    let both = Rlimit { current: Some(allowed), maximum: Some(allowed) };
    rustix::process::setrlimit(resource, both).map_err(failed("setting a resource limit"))
}

/// Lets the process use `seconds` of CPU time from now on. RLIMIT_CPU counts over its whole life,
/// so each task raises it.
pub(crate) fn allow_cpu_seconds(seconds: u64) -> Result<(), SandboxError> {
    let used = crate::meter::process_cpu().as_secs();
    let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
    let wanted = used.saturating_add(seconds).saturating_add(1);
    let current = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    rustix::process::setrlimit(Resource::Cpu, Rlimit { current, maximum })
        .map_err(failed("setting the CPU limit"))
}

/// Removes what a run left in the temporary folder.
pub(crate) fn empty(scratch: &Path) -> Result<(), SandboxError> {
    let failed = |source| SandboxError::Step { step: "emptying the temporary folder", source };
    for entry in std::fs::read_dir(scratch).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let removed = if is_folder {
            std::fs::remove_dir_all(entry.path())
        } else {
            std::fs::remove_file(entry.path())
        };
        removed.map_err(failed)?;
    }
    Ok(())
}

/// Gives free memory of the allocator back to the system.
pub(crate) fn give_back_memory() {
    // SAFETY: has no precondition; it only releases what is free.
    unsafe { libc::malloc_trim(0) };
}
