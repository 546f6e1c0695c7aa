//! Moves the worker into a user, mount and network namespace: no network device, no right over
//! anything outside, and a private temporary folder in memory that vanishes with the process.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

/// The temporary folder: memory is mounted here in the worker's mount namespace.
const SCRATCH: &str = "/dev/shm";
/// Size limit of the folder: files of plugins, and results that the node has not read yet (16
/// artifacts of 8 MiB and an outcome of 4 MiB). Its content counts as memory of the machine, not as
/// address space of the worker.
const SCRATCH_OPTIONS: &std::ffi::CStr = c"size=192m,nr_inodes=4096,mode=0700";

/// Moves the process, which must have one thread, into new namespaces and into the temporary
/// folder. Returns that folder.
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

/// Drops every capability, including those over the new namespaces.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
}
