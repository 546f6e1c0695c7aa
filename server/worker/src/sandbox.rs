//! Locks the process in. The steps are executed in order, while the process has a single thread and
//! before any plugin is opened: constructors of libraries run inside the sandbox, and every later
//! thread inherits it.
//!
//! The steps: keep only the node's socket; die with the node; limit memory, CPU time, file size and
//! descriptors; disable core dumps; enter new namespaces; drop capabilities and new privileges;
//! restrict files by Landlock and system calls by seccomp. A part that the kernel lacks is reported
//! by [`lock_in`] or refused, never silently skipped.

mod files;
mod namespaces;
mod syscalls;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal};
use syscalls::AnonymousFiles;
use vultus_worker_protocol::{SandboxLevel, WorkerSetup};

/// Descriptor number of the socket.
const SOCKET: RawFd = 3;
/// Maximum size of one file, in bytes.
const FILE_BYTES: u64 = 64 << 20;
/// The same for a worker that may create anonymous files: the largest holds a frame of 24 MiB.
const ANONYMOUS_FILE_BYTES: u64 = 25 << 20;
/// Maximum number of open descriptors: media and artifacts of a run, plugins, weights.
const DESCRIPTORS: u64 = 256;
/// The same for a worker that only probes: one medium at a time.
const PROBE_DESCRIPTORS: u64 = 32;

/// A step of the sandbox failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The system call failed.
    #[error("{step} failed: {source}")]
    Step {
        /// The step.
        step: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The node died before the worker could watch it.
    #[error("the node that started this worker is gone")]
    Orphaned,
    /// A library started a thread, which the following steps would not restrict.
    #[error("the worker has {0} threads before its sandbox is set up")]
    Threads(usize),
    /// The Landlock rules could not be created, although the kernel has Landlock.
    #[error("restricting the access to files failed: {0}")]
    Files(#[from] landlock::RulesetError),
    /// The kernel lacks a part of the sandbox, and the configuration requires all of it.
    #[error(
        "this machine lacks a part of the sandbox that the setting workers.sandbox requires: {}",
        .0.join(" ")
    )]
    Incomplete(Vec<String>),
}

fn failed(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> SandboxError {
    move |errno| SandboxError::Step { step, source: errno.into() }
}

fn last_failed(step: &'static str) -> SandboxError {
    SandboxError::Step { step, source: io::Error::last_os_error() }
}

/// Keeps the standard streams and the socket, closes every other inherited descriptor, and returns
/// the socket. Must be called first and once, before anything is opened.
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
    // SAFETY: plain numbers; standard input is not used, and may be the original descriptor of the
    // socket.
    if unsafe { libc::dup2(nothing.as_raw_fd(), 0) } < 0 {
        return Err(last_failed(STEP));
    }
    Ok(socket)
}

/// Makes this process die when the thread of the node that spawned it ends.
pub(crate) fn bind_to_parent(parent: i32) -> Result<(), SandboxError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("binding to the node"))?;
    // The node may have died before the call; then another process is the parent now.
    match rustix::process::getppid() {
        Some(now) if now.as_raw_nonzero().get() == parent => Ok(()),
        _ => Err(SandboxError::Orphaned),
    }
}

/// The result of the lock-in.
#[derive(Debug)]
pub(crate) struct Locked {
    /// The temporary folder, in which the worker may write.
    pub(crate) scratch: Option<&'static Path>,
    /// Parts of the sandbox that the kernel lacks, one sentence each.
    pub(crate) gaps: Vec<String>,
}

/// Executes the remaining steps. `parent` is the node's process id.
pub(crate) fn lock_in(setup: &WorkerSetup, parent: i32) -> Result<Locked, SandboxError> {
    refuse_threads()?;
    // The name in `ps`, because the executable was opened by descriptor. A failure is harmless.
    let _ = rustix::thread::set_name(c"vultus-worker");
    rustix::process::umask(Mode::from_raw_mode(0o077));
    set_limits(setup)?;
    let mut gaps = Vec::new();
    let scratch = match namespaces::enter() {
        Ok(scratch) => Some(scratch),
        Err(error) => {
            gaps.push(format!(
                "Workers have no separate network namespace and temporary folder: {error}."
            ));
            None
        }
    };
    namespaces::drop_capabilities().map_err(failed("dropping capabilities"))?;
    // A change of credentials may have cleared the signal.
    bind_to_parent(parent)?;
    rustix::thread::set_no_new_privs(true).map_err(failed("giving up new privileges"))?;
    if !files::confine(setup, scratch)? {
        gaps.push(
            "Workers may open every file that the server's user may: the kernel has no Landlock."
                .to_owned(),
        );
    }
    // Without a temporary folder, results are sent in anonymous files; probes send frames in them.
    let anonymous = if scratch.is_none() || setup.plugins.is_empty() {
        AnonymousFiles::Allowed
    } else {
        AnonymousFiles::Refused
    };
    if let Err(error) = syscalls::filter(anonymous) {
        gaps.push(format!(
            "Workers may use every system call, for example to open network connections: {error}."
        ));
    }
    match setup.sandbox {
        SandboxLevel::Required if !gaps.is_empty() => Err(SandboxError::Incomplete(gaps)),
        SandboxLevel::Required | SandboxLevel::BestEffort => Ok(Locked { scratch, gaps }),
    }
}

/// Each step restricts the calling thread and the threads that it starts, so there must be no
/// other.
fn refuse_threads() -> Result<(), SandboxError> {
    let listed = std::fs::read_dir("/proc/self/task");
    let threads =
        listed.map_err(|source| SandboxError::Step { step: "counting threads", source })?.count();
    if threads == 1 { Ok(()) } else { Err(SandboxError::Threads(threads)) }
}

fn set_limits(setup: &WorkerSetup) -> Result<(), SandboxError> {
    // A write over the file limit must fail with an error, not end the process. SIGTERM and SIGINT
    // are for the node, which drains first: a service manager sends them to the whole process
    // group, and the death of a worker would count against its analysis. SAFETY: ignoring a signal
    // installs no handler.
    unsafe {
        for signal in [libc::SIGXFSZ, libc::SIGTERM, libc::SIGINT] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    limit(Resource::Core, 0)?;
    let (file_bytes, descriptors) = match setup.plugins.is_empty() {
        true => (ANONYMOUS_FILE_BYTES, PROBE_DESCRIPTORS),
        false => (FILE_BYTES, DESCRIPTORS),
    };
    limit(Resource::Fsize, file_bytes)?;
    limit(Resource::Nofile, descriptors)?;
    if let Some(bytes) = setup.memory_bytes {
        limit(Resource::As, bytes)?;
    }
    allow_cpu_seconds(setup.cpu_seconds)?;
    // Frames have a few MiB each. The next run reuses the memory that a run frees, instead of
    // mapping and zeroing it page by page; an idle worker returns it. Each arena of glibc reserves
    // address space; two are enough for one working thread. SAFETY: sets options of the allocator
    // while the process has one thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
    Ok(())
}

/// Lowers a hard and soft limit to `most`, or to the present limit if that is lower.
fn limit(resource: Resource, most: u64) -> Result<(), SandboxError> {
    let allowed =
        rustix::process::getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    let both = Rlimit { current: Some(allowed), maximum: Some(allowed) };
    rustix::process::setrlimit(resource, both).map_err(failed("setting a resource limit"))
}

/// Allows the process `seconds` of CPU time from now on. RLIMIT_CPU counts from the start of the
/// process, so each task raises it.
pub(crate) fn allow_cpu_seconds(seconds: u64) -> Result<(), SandboxError> {
    let used = crate::meter::process_cpu().as_secs();
    let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
    let wanted = used.saturating_add(seconds).saturating_add(1);
    let current = Some(maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    rustix::process::setrlimit(Resource::Cpu, Rlimit { current, maximum })
        .map_err(failed("setting the CPU limit"))
}

/// Removes the files that a run left in the temporary folder.
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

/// Returns free memory of the allocator to the system.
pub(crate) fn give_back_memory() {
    // SAFETY: has no precondition; it releases only free memory.
    unsafe { libc::malloc_trim(0) };
}
