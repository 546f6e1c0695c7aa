//! The system calls that a worker may make. All others fail with an error that a library can
//! handle.
//!
//! There are two filters. The first allows the calls, and the arguments, that decoding, inference
//! and threads need, and answers all others with ENOSYS, as an older kernel would. Libraries then
//! fall back, for example from `clone3` to `clone`, whose flags a filter can see. The second
//! answers explicitly refused calls with EPERM.

use std::collections::BTreeMap;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{self, Eq, MaskedEq};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Flags of `clone` that make a thread; without any of them it makes a process.
const THREAD: u64 = (libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD) as u64;
/// Flags of `clone` that would give a thread a new namespace.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;
/// Allowed options of `prctl`: the name of a thread, names of memory areas (PR_SET_VMA), and the
/// flag that must be set before the second filter.
const PRCTL: [u64; 4] = [
    libc::PR_SET_NAME as u64,
    libc::PR_GET_NAME as u64,
    0x5356_4d41,
    libc::PR_SET_NO_NEW_PRIVS as u64,
];
/// Allowed requests of `ioctl`: whether a descriptor is a terminal, and the number of bytes to
/// read.
const IOCTL: [u64; 2] = [libc::TCGETS, libc::FIONREAD];

/// Calls that are allowed with any arguments: memory, files within the Landlock rules, time,
/// threads, waiting, the socket to the node.
const ALLOWED: &[libc::c_long] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_membarrier,
    // files and descriptors
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    // time
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    // threads and this process
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getpriority,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // waiting for descriptors
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    // the machine
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    // the socket to the node; no other can be created
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    // for the second filter, which then refuses it
    libc::SYS_seccomp,
];

/// Older names of the same calls, on processors that have them.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[libc::c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_dup2,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    // Requests the registers of matrix instructions, among others.
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[libc::c_long] = &[];

/// Calls that are refused explicitly: sockets, processes, memory of other processes, mounts, kernel
/// administration, and what Landlock does not restrict.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_open_by_handle_at,
    libc::SYS_truncate,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_swapon,
    libc::SYS_seccomp,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_iopl,
    libc::SYS_ioperm,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[libc::c_long] = &[];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whether a worker may create anonymous files. They count as memory of the machine, not as address
/// space of the worker: their number and sizes together would go beyond any limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnonymousFiles {
    Allowed,
    Refused,
}

/// Installs both filters for the calling thread and those that it starts.
pub(super) fn filter(files: AnonymousFiles) -> Result<(), seccompiler::Error> {
    let pid = u64::from(std::process::id());
    for program in [allowing(pid, files)?, refusing()?] {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

fn allowing(pid: u64, files: AnonymousFiles) -> Result<BpfProgram, seccompiler::Error> {
    let mut rules = any_arguments(&[ALLOWED, ALLOWED_OLD]);
    if files == AnonymousFiles::Allowed {
        rules.insert(libc::SYS_memfd_create, Vec::new());
    }
    // Threads of this process, in its namespaces.
    rules.insert(libc::SYS_clone, vec![one(0, MaskedEq(THREAD | NAMESPACES), THREAD)?]);
    // For abort.
    rules.insert(libc::SYS_tgkill, vec![one(0, Eq, pid)?]);
    // Limits of this process, not of other processes of the same user.
    rules.insert(libc::SYS_prlimit64, vec![one(0, Eq, 0)?, one(0, Eq, pid)?]);
    rules.insert(libc::SYS_prctl, each(0, &PRCTL)?);
    rules.insert(libc::SYS_ioctl, each(1, &IOCTL)?);
    // The first versions of Landlock do not restrict truncation of a file opened for reading.
    rules.insert(libc::SYS_openat, opening(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, opening(1)?);
    compile(rules, SeccompAction::Errno(libc::ENOSYS as u32), SeccompAction::Allow)
}

fn refusing() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules = any_arguments(&[REFUSED, REFUSED_OLD]);
    // A process is refused; a thread is not.
    rules.insert(libc::SYS_clone, vec![one(0, MaskedEq(libc::CLONE_THREAD as u64), 0)?]);
    compile(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

fn any_arguments(lists: &[&[libc::c_long]]) -> Rules {
    lists.iter().copied().flatten().map(|&call| (call, Vec::new())).collect()
}

fn compile(
    rules: Rules,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, others, these, machine)?.try_into()?)
}

fn one(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, Dword, how, value)?])?)
}

fn each(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    values.iter().map(|&value| one(argument, Eq, value)).collect()
}

/// Allows opening for writing, or for reading without truncation.
fn opening(flags: u8) -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let mode = |mode: i32| one(flags, MaskedEq(libc::O_ACCMODE as u64), mode as u64);
    let reading =
        one(flags, MaskedEq((libc::O_ACCMODE | libc::O_TRUNC) as u64), libc::O_RDONLY as u64)?;
    Ok(vec![reading, mode(libc::O_WRONLY)?, mode(libc::O_RDWR)?])
}
