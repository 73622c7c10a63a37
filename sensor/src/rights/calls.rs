//! seccomp: which system calls a thread makes. What is not listed is refused with `EPERM`.
//!
//! A filter is laid over that of the process, so a role has what both allow. No role may start a program, look into another process, or make
//! memory that is written and then run.

use std::collections::BTreeMap;
use std::io;

use libc::c_long;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, Le, MaskedEq};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::Role;

/// Memory, waiting, time and the end: what every thread needs.
const ALL: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mlock,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_prlimit64,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
];

/// To read and write files.
const FILES: &[c_long] = &[
    libc::SYS_close,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_linkat,
    libc::SYS_lseek,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_uname,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The same under names that only this machine has.
#[cfg(target_arch = "x86_64")]
const OLD_FILES: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_FILES: &[c_long] = &[];

/// To start threads, and to say where and when they run.
const THREADS: &[c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_getpriority,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_set_tid_address,
    libc::SYS_setpriority,
];

/// To talk over sockets.
const SOCKETS: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// To take packets from sockets that are open.
const PACKETS: &[c_long] = &[
    libc::SYS_bind,
    libc::SYS_getsockopt,
    libc::SYS_ioctl,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
];

/// To wait for them, as only this machine calls it.
#[cfg(target_arch = "x86_64")]
const OLD_POLL: &[c_long] = &[libc::SYS_poll];
#[cfg(not(target_arch = "x86_64"))]
const OLD_POLL: &[c_long] = &[];

/// To give rights up.
const ROLE: &[c_long] = &[
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_seccomp,
];

/// The kinds of sockets that are no raw ones.
const PLAIN_KINDS: [i32; 2] = [libc::SOCK_STREAM, libc::SOCK_DGRAM];
const KIND_MASK: u64 = 0xf;
/// Names of threads and of memory.
const NAMES: [i32; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];
/// What a filter is installed with.
const FILTERS: [i32; 2] = [libc::PR_SET_NO_NEW_PRIVS, libc::PR_SET_SECCOMP];
/// Standard error is the last of them.
const STANDARD_STREAMS: u64 = 2;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filter of a role; without one, of the whole process.
pub(super) fn filter(role: Option<Role>) -> io::Result<BpfProgram> {
    rules(role).and_then(compile).map_err(io::Error::other)
}

/// Makes it hold from here on; whether the kernel can.
pub(super) fn enter(filter: &BpfProgram) -> io::Result<bool> {
    match seccompiler::apply_filter(filter) {
        Ok(()) => Ok(true),
        Err(Error::Seccomp(why) | Error::Prctl(why)) if lacks(&why) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn lacks(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL))
}

fn compile(rules: Rules) -> Result<BpfProgram, Error> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    Ok(SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()?)
}

fn rules(role: Option<Role>) -> Result<Rules, Error> {
    let lists: &[&[c_long]] = match role {
        Some(Role::Worker) => &[ALL],
        Some(Role::ReadingWorker) => &[ALL, PACKETS, &[libc::SYS_close, libc::SYS_ppoll], OLD_POLL],
        Some(Role::Reader) => &[ALL, FILES, OLD_FILES, PACKETS],
        Some(Role::Writer) => &[ALL, FILES, OLD_FILES, THREADS, &[libc::SYS_ioctl]],
        Some(Role::Sender) => &[ALL, FILES, OLD_FILES, THREADS, SOCKETS, &[libc::SYS_ioctl]],
        Some(Role::Control) => {
            &[ALL, FILES, OLD_FILES, THREADS, SOCKETS, &[libc::SYS_accept4, libc::SYS_listen, libc::SYS_ioctl]]
        }
        None => &[ALL, FILES, OLD_FILES, THREADS, SOCKETS, PACKETS, ROLE, &[libc::SYS_accept4, libc::SYS_listen]],
    };
    let mut rules: Rules = lists.iter().copied().flatten().map(|call| (*call, vec![])).collect();
    let own = u64::from(std::process::id());
    let mut only = |call: c_long, all: Vec<SeccompRule>| rules.insert(call, all);
    only(libc::SYS_mmap, vec![when(2, Dword, MaskedEq(executable()), 0)?]);
    only(libc::SYS_mprotect, vec![when(2, Dword, MaskedEq(executable()), 0)?]);
    only(libc::SYS_tgkill, vec![when(0, Dword, Eq, own)?]);
    let mut options: Vec<i32> = NAMES.to_vec();
    options.extend(role.is_none().then_some(FILTERS).into_iter().flatten());
    only(libc::SYS_prctl, options.iter().map(|option| when(0, Dword, Eq, word(*option))).collect::<Result<_, _>>()?);
    if matches!(role, Some(Role::Worker | Role::ReadingWorker)) {
        only(libc::SYS_write, vec![when(0, Dword, Le, STANDARD_STREAMS)?]);
    }
    let sockets = sockets(role)?;
    if !sockets.is_empty() {
        only(libc::SYS_socket, sockets);
    }
    Ok(rules)
}

/// The sockets that can be opened.
fn sockets(role: Option<Role>) -> Result<Vec<SeccompRule>, Error> {
    let domains: &[i32] = match role {
        Some(Role::Worker | Role::ReadingWorker | Role::Writer) => &[],
        // To ask interfaces about themselves.
        Some(Role::Reader) => &[libc::AF_INET],
        Some(Role::Control) => &[libc::AF_UNIX],
        None | Some(Role::Sender) => &[libc::AF_INET, libc::AF_INET6, libc::AF_UNIX],
    };
    let mut all = Vec::new();
    for domain in domains {
        for kind in PLAIN_KINDS {
            let domain = SeccompCondition::new(0, Dword, Eq, word(*domain))?;
            let kind = SeccompCondition::new(1, Dword, MaskedEq(KIND_MASK), word(kind))?;
            all.push(SeccompRule::new(vec![domain, kind])?);
        }
    }
    // Addresses and links of this machine.
    if matches!(role, None | Some(Role::Sender | Role::Reader)) {
        all.push(when(0, Dword, Eq, word(libc::AF_NETLINK))?);
    }
    Ok(all)
}

fn when(argument: u8, length: SeccompCmpArgLen, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, how, value)?])?)
}

fn word(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

fn executable() -> u64 {
    word(libc::PROT_EXEC)
}

#[cfg(test)]
mod tests {
    use super::super::ROLES;
    use super::*;

    #[test]
    fn each_role_has_a_filter_that_the_process_has_as_well() {
        let process = rules(None).unwrap();
        for role in ROLES {
            let own = rules(Some(role)).unwrap();
            let beyond: Vec<_> = own.keys().filter(|call| !process.contains_key(call)).collect();
            assert!(beyond.is_empty(), "{role:?} has {beyond:?}, which the process has not");
            assert!(compile(own).is_ok_and(|filter| !filter.is_empty()), "{role:?}");
        }
    }

    #[test]
    fn no_role_starts_programs_or_looks_into_others() {
        let never = [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_kill,
            libc::SYS_bpf,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_capset,
            libc::SYS_io_uring_setup,
        ];
        for role in ROLES.map(Some).into_iter().chain([None]) {
            let rules = rules(role).unwrap();
            assert!(never.iter().all(|call| !rules.contains_key(call)), "{role:?}");
        }
    }

    #[test]
    fn a_worker_has_neither_files_nor_sockets() {
        let worker = rules(Some(Role::Worker)).unwrap();
        let refused = [libc::SYS_openat, libc::SYS_read, libc::SYS_socket, libc::SYS_connect, libc::SYS_clone3];
        assert!(refused.iter().all(|call| !worker.contains_key(call)));
        assert!(worker.get(&libc::SYS_write).is_some_and(|rules| rules.len() == 1), "a line on standard error");
        assert!(sockets(Some(Role::Writer)).unwrap().is_empty());
    }
}
