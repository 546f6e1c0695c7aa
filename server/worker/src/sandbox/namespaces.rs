//! A user, mount and network namespace of the worker's own: no network device, no right over
//! anything outside, and a temporary folder in memory that nobody else sees and that vanishes with
//! the process.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

/// The temporary folder: in the worker's own view of the file system, memory is mounted here.
const SCRATCH: &str = "/dev/shm";
/// Most that it holds; it counts as memory of the machine, not of the worker's address space.
const SCRATCH_OPTIONS: &std::ffi::CStr = c"size=64m,nr_inodes=4096,mode=0700";

/// Moves the process, which must have one thread, into namespaces of its own, and into the
/// temporary folder. Gives that folder.
pub(super) fn enter() -> io::Result<&'static Path> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let all = UnshareFlags::NEWUSER | UnshareFlags::NEWNS | UnshareFlags::NEWNET;
    // SAFETY: none of these flags takes descriptors or signal handlers from other threads, and
    // there is one thread.
    unsafe { rustix::thread::unshare_unsafe(all)? };
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("vultus-worker", SCRATCH, "tmpfs", flags, SCRATCH_OPTIONS)?;
    rustix::process::chdir(SCRATCH)?;
    Ok(Path::new(SCRATCH))
}

/// Gives up every capability, those over the own namespaces too.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}
