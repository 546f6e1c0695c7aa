//! The files that a worker may open. A Landlock domain allows reading the plugins, the weights, the
//! libraries that they need and the descriptions of the processor, and writing in the temporary
//! folder only. Nothing may be executed.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use vultus_worker_protocol::WorkerSetup;

/// The newest version of Landlock that is used; an older kernel enforces the rights that it knows.
/// The filter of system calls refuses what older versions lack (truncating, signals, sockets).
const NEWEST: ABI = ABI::V6;

/// Folders that the dynamic linker searches.
const LIBRARIES: [&str; 7] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/etc/ld.so.cache",
];
/// Files that the C library and ONNX Runtime read about the machine.
const MACHINE: [&str; 7] = [
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/zero",
];

/// Restricts the calling thread and the threads that it starts. Returns false if the kernel has no
/// Landlock.
pub(super) fn confine(setup: &WorkerSetup, scratch: Option<&Path>) -> Result<bool, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(LIBRARIES.iter().chain(&MACHINE), read))?
        .add_rules(path_beneath_rules(of_setup(setup), read))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(scratch, in_scratch()))?;
    let RestrictionStatus { ruleset, .. } = ruleset.restrict_self()?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

fn in_scratch() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
}

fn of_setup(setup: &WorkerSetup) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        setup.plugins.iter().map(|plugin| PathBuf::from(&plugin.path)).collect();
    paths.extend(setup.onnxruntime.as_ref().map(PathBuf::from));
    if let Some(folder) = setup.weights_dir.as_ref().map(PathBuf::from) {
        paths.extend(linked(&folder));
        paths.push(folder);
    }
    paths
}

/// Files outside a folder that symbolic links in it point to.
fn linked(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    links.filter_map(|link| std::fs::canonicalize(link.path()).ok()).collect()
}
