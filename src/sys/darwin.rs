//! What macOS tells of processes and of itself, where Linux has /proc: libproc (`<libproc.h>`,
//! `<sys/proc_info.h>`), sysctl(3), confstr(3). Never run on a Mac by those who wrote it: see
//! docs/macos.md.

#![allow(unsafe_code, reason = "calls of the C library that no crate at hand wraps")]

use super::procargs::ProcArgs;
use super::process::Stat;
use nix::errno::Errno;
use nix::libc::{self, c_int, c_void};
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;

/// Microseconds: what this module counts in where Linux counts in clock ticks. A start is in
/// microseconds since 1970, as the kernel has it (`p_start`); like ticks it is only compared.
pub(super) const TICKS_PER_SECOND: i64 = 1_000_000;

// <sys/proc_info.h>: kinds of proc_listpids
const PROC_ALL_PIDS: u32 = 1;
const PROC_PPID_ONLY: u32 = 6;
// <sys/proc.h>: values of pbi_status
const SRUN: u32 = 2;
const SSLEEP: u32 = 3;
const SSTOP: u32 = 4;
const SZOMB: u32 = 5;

/// proc_pidinfo: a struct filled in whole, or nothing. `argument` 1 lets it find zombies too
/// (`proc_pidinfo` in XNU's `bsd/kern/proc_info.c`: `findzomb`). Of another user's process only root
/// is told anything.
fn info<T>(pid: u32, flavor: c_int, argument: u64) -> Option<T> {
    let pid = c_int::try_from(pid).ok()?;
    let size = c_int::try_from(size_of::<T>()).ok()?;
    let mut filled = MaybeUninit::<T>::uninit();
    // SAFETY: the buffer has the size that is said, and the kernel writes at most that
    let got = unsafe { libc::proc_pidinfo(pid, flavor, argument, filled.as_mut_ptr().cast(), size) };
    // SAFETY: all of it was written; both callers' structs are plain numbers
    (got == size).then(|| unsafe { filled.assume_init() })
}

fn bsd_info(pid: u32) -> Option<libc::proc_bsdinfo> {
    info(pid, libc::PROC_PIDTBSDINFO, 1)
}

fn task_info(pid: u32) -> Option<libc::proc_taskinfo> {
    info(pid, libc::PROC_PIDTASKINFO, 0)
}

fn start_of(bsd: &libc::proc_bsdinfo) -> u64 {
    bsd.pbi_start_tvsec * 1_000_000 + bsd.pbi_start_tvusec
}

/// As `/proc/PID/stat` of Linux: [`super::process::stat`].
pub(super) fn stat(pid: u32) -> Option<Stat> {
    let bsd = bsd_info(pid)?;
    // a zombie has no task any more
    let task = task_info(pid);
    let nanoseconds = task.as_ref().map_or(0, |task| nanoseconds(task.pti_total_user + task.pti_total_system));
    let state = match (bsd.pbi_status, &task) {
        (SZOMB, _) => b'Z',
        (SSTOP, _) => b'T',
        (SSLEEP, _) => b'S',
        // a live process is always SRUN, also when no thread of it runs
        (SRUN, Some(task)) if task.pti_numrunning == 0 => b'S',
        _ => b'R',
    };
    Some(Stat {
        state,
        parent: bsd.pbi_ppid,
        group: bsd.pbi_pgid,
        session: super::process::session(pid).unwrap_or(0),
        cpu_ticks: nanoseconds / 1000,
        threads: task.as_ref().map_or(0, |task| u64::try_from(task.pti_threadnum).unwrap_or(0)),
        start_ticks: start_of(&bsd),
        resident_pages: task.as_ref().map_or(0, |task| task.pti_resident_size) / super::process::page_size(),
    })
}

/// Start, microseconds since 1970; 0 when it is not known. Without an allocation.
pub(super) fn start(pid: u32) -> u64 {
    bsd_info(pid).as_ref().map_or(0, start_of)
}

/// Number of threads of a process. Without an allocation.
pub(super) fn threads(pid: u32) -> Option<u64> {
    u64::try_from(task_info(pid)?.pti_threadnum).ok()
}

/// CPU time of a process, nanoseconds.
pub(super) fn run_time(pid: u32) -> Option<u64> {
    task_info(pid).map(|task| nanoseconds(task.pti_total_user + task.pti_total_system))
}

/// Bytes of memory that would be free if it ended, as the column "Memory" of Activity Monitor has it:
/// `ri_phys_footprint` (`<sys/resource.h>`).
pub(super) fn footprint(pid: u32) -> Option<u64> {
    let pid = c_int::try_from(pid).ok()?;
    let mut filled = MaybeUninit::<libc::rusage_info_v0>::uninit();
    // SAFETY: the flavor says which struct the buffer is; the prototype has a pointer to a pointer,
    // the call wants the struct itself
    let result = unsafe { libc::proc_pid_rusage(pid, libc::RUSAGE_INFO_V0, filled.as_mut_ptr().cast()) };
    // SAFETY: filled in when 0 came back
    (result == 0).then(|| unsafe { filled.assume_init() }.ri_phys_footprint)
}

/// `pti_total_user`, `pti_total_system` are in units of mach_absolute_time: 1 ns on Intel, 125/3 ns on
/// Apple silicon.
fn nanoseconds(units: u64) -> u64 {
    #[repr(C)]
    struct Timebase {
        numerator: u32,
        denominator: u32,
    }
    unsafe extern "C" {
        // <mach/mach_time.h>
        fn mach_timebase_info(info: *mut Timebase) -> c_int;
    }
    let mut base = Timebase { numerator: 1, denominator: 1 };
    // SAFETY: it fills in the struct given, which is laid out as the header has it
    unsafe { mach_timebase_info(&raw mut base) };
    let exact = u128::from(units) * u128::from(base.numerator) / u128::from(base.denominator.max(1));
    u64::try_from(exact).unwrap_or(u64::MAX)
}

/// All processes there are.
pub(super) fn all() -> Vec<u32> {
    pids(PROC_ALL_PIDS, 0)
}

/// Children of a process, zombies too.
pub(super) fn children(pid: u32) -> Vec<u32> {
    pids(PROC_PPID_ONLY, pid)
}

/// proc_listpids: bytes written, or without a buffer the bytes that would do for now.
fn pids(kind: u32, of: u32) -> Vec<u32> {
    // more may be forked between the two calls
    const SLACK: usize = 64;
    let mut found = Vec::<c_int>::new();
    for _ in 0..10 {
        // SAFETY: no buffer: only the size is asked for
        let wanted = unsafe { libc::proc_listpids(kind, of, ptr::null_mut(), 0) };
        let Ok(wanted @ 1..) = usize::try_from(wanted) else { return Vec::new() };
        found.resize(wanted / size_of::<c_int>() + SLACK, 0);
        let Ok(room) = c_int::try_from(found.len() * size_of::<c_int>()) else { return Vec::new() };
        // SAFETY: the buffer has the size that is said
        let got = unsafe { libc::proc_listpids(kind, of, found.as_mut_ptr().cast::<c_void>(), room) };
        let Ok(got) = usize::try_from(got) else { return Vec::new() };
        let count = got / size_of::<c_int>();
        if count < found.len() {
            found.truncate(count);
            break;
        }
    }
    found.into_iter().filter_map(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0).collect()
}

/// The words of the command line; none of a zombie, or of another user's process.
pub(super) fn words(pid: u32) -> Vec<Vec<u8>> {
    let answer = arguments(pid).unwrap_or_default();
    ProcArgs::parse(&answer).map_or_else(Vec::new, |all| all.words().map(<[u8]>::to_vec).collect())
}

/// `NAME=VALUE`, each closed by a NUL, as it was when the process was executed. Of most programs that
/// come with macOS (`cs_restricted`: /bin/sh, /bin/sleep) nobody is told it, root neither: it is empty
/// then (`sysctl_procargsx`: `omit_env_vars`).
pub(super) fn environment(pid: u32) -> Option<Vec<u8>> {
    let answer = arguments(pid)?;
    Some(ProcArgs::parse(&answer)?.environment().to_vec())
}

fn arguments(pid: u32) -> Option<Vec<u8>> {
    let mut limit = [0_u8; size_of::<c_int>()];
    let argmax = sysctl(&mut [libc::CTL_KERN, libc::KERN_ARGMAX], &mut limit).ok().filter(|got| *got == limit.len());
    let room = argmax.and_then(|_| usize::try_from(c_int::from_ne_bytes(limit)).ok()).unwrap_or(1 << 20);
    let mut answer = vec![0; room];
    let length = sysctl(&mut [libc::CTL_KERN, libc::KERN_PROCARGS2, c_int::try_from(pid).ok()?], &mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}

/// sysctl(3): bytes written.
fn sysctl(name: &mut [c_int], answer: &mut [u8]) -> io::Result<usize> {
    let mut length = answer.len();
    #[expect(clippy::cast_possible_truncation, reason = "two or three")]
    let count = name.len() as libc::c_uint;
    // SAFETY: name and buffer have the lengths that are said; nothing is set
    let result = unsafe {
        libc::sysctl(name.as_mut_ptr(), count, answer.as_mut_ptr().cast(), &raw mut length, ptr::null_mut(), 0)
    };
    if result == 0 { Ok(length) } else { Err(io::Error::last_os_error()) }
}

/// The short name of a process: 15 bytes of its file's name.
pub(super) fn name(pid: u32) -> String {
    let bytes = bsd_info(pid).map(|bsd| bsd.pbi_comm.map(c_int::from).map(|byte| byte.to_le_bytes()[0]));
    let bytes = bytes.unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A UUID that each boot has anew: `kern.bootsessionuuid` of sysctl(8).
pub(super) fn boot_session() -> Option<String> {
    let mut answer = [0_u8; 64];
    let mut length = answer.len();
    // SAFETY: a name that ends in NUL, a buffer with its length; nothing is set
    let result = unsafe {
        let answer = answer.as_mut_ptr().cast();
        libc::sysctlbyname(c"kern.bootsessionuuid".as_ptr(), answer, &raw mut length, ptr::null_mut(), 0)
    };
    let text = CStr::from_bytes_until_nul(answer.get(..length).filter(|_| result == 0)?).ok()?;
    Some(text.to_str().ok()?.to_owned())
}

/// The user's own temporary folder, mode 0700, the same for every shell and agent:
/// `_CS_DARWIN_USER_TEMP_DIR` of confstr(3), what TMPDIR is set to at login.
pub(crate) fn user_temp() -> Option<PathBuf> {
    let mut path = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: a buffer with its length
    let length = unsafe { libc::confstr(libc::_CS_DARWIN_USER_TEMP_DIR, path.as_mut_ptr().cast(), path.len()) };
    let text = path.get(..length)?.strip_suffix(b"\0")?;
    Some(PathBuf::from(OsString::from_vec(text.to_vec()))).filter(|path| path.is_absolute())
}

/// The file of a terminal: ttyname_r(3).
pub(super) fn terminal_path(terminal: impl AsFd) -> Option<PathBuf> {
    let mut path = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: a buffer with its length; what comes back ends in NUL
    let result = unsafe { libc::ttyname_r(terminal.as_fd().as_raw_fd(), path.as_mut_ptr().cast(), path.len()) };
    let path = CStr::from_bytes_until_nul(&path).ok().filter(|_| result == 0)?;
    Some(PathBuf::from(OsString::from_vec(path.to_bytes().to_vec())))
}

/// The groups of an account, its own first: getgrouplist(3). setgroups(2) takes no more than 16.
pub(super) fn groups(user: &str, gid: u32) -> io::Result<Vec<u32>> {
    const NGROUPS_MAX: usize = 16;
    let user = CString::new(user)?;
    let mut found = [0; NGROUPS_MAX];
    let mut count = 16;
    // SAFETY: room for as many as is said; -1 means that there are more, of which the first are there
    unsafe { libc::getgrouplist(user.as_ptr(), gid.cast_signed(), found.as_mut_ptr(), &raw mut count) };
    let count = usize::try_from(count).unwrap_or(0).min(NGROUPS_MAX);
    Ok(found[..count].iter().map(|gid| gid.cast_unsigned()).collect())
}

/// A descriptor that is readable when the process has ended: a queue with EVFILT_PROC, NOTE_EXIT
/// (kqueue(2)). `NotFound` of a zombie too. It is not inherited by a fork.
pub(super) fn watch_end(pid: u32) -> io::Result<OwnedFd> {
    let event = libc::kevent {
        ident: usize::try_from(pid).map_err(|_| Errno::ESRCH)?,
        filter: libc::EVFILT_PROC,
        flags: libc::EV_ADD | libc::EV_ONESHOT,
        fflags: libc::NOTE_EXIT,
        data: 0,
        udata: ptr::null_mut(),
    };
    let queue = queue()?;
    register(&queue, &event)?;
    Ok(queue)
}

/// A queue that is readable when names in a folder come or go, or the folder itself goes:
/// EVFILT_VNODE (kqueue(2)). `folder` is to be kept open as long.
pub(super) fn watch_folder(folder: impl AsFd) -> io::Result<OwnedFd> {
    let event = libc::kevent {
        ident: usize::try_from(folder.as_fd().as_raw_fd()).map_err(|_| Errno::EBADF)?,
        filter: libc::EVFILT_VNODE,
        flags: libc::EV_ADD | libc::EV_CLEAR,
        fflags: libc::NOTE_WRITE | GONE,
        data: 0,
        udata: ptr::null_mut(),
    };
    let queue = queue()?;
    register(&queue, &event)?;
    Ok(queue)
}

const GONE: u32 = libc::NOTE_DELETE | libc::NOTE_RENAME | libc::NOTE_REVOKE;

/// Takes what a queue of [`watch_folder`] has noticed: whether the folder itself is gone.
pub(super) fn take_changes(queue: impl AsFd) -> bool {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut gone = false;
    loop {
        let mut event = MaybeUninit::<libc::kevent>::uninit();
        // SAFETY: room for the one event that is asked for; no wait
        let count =
            unsafe { libc::kevent(queue.as_fd().as_raw_fd(), ptr::null(), 0, event.as_mut_ptr(), 1, &raw const now) };
        if count != 1 {
            return gone;
        }
        // SAFETY: one was filled in
        gone |= unsafe { event.assume_init() }.fflags & GONE != 0;
    }
}

fn queue() -> io::Result<OwnedFd> {
    let queue = OwnedFd::from(nix::sys::event::Kqueue::new()?);
    super::fds::set_cloexec(queue.as_fd(), true)?;
    Ok(queue)
}

fn register(queue: &OwnedFd, event: &libc::kevent) -> io::Result<()> {
    // SAFETY: one event to be registered, none to be told
    let result = unsafe { libc::kevent(queue.as_raw_fd(), event, 1, ptr::null_mut(), 0, ptr::null()) };
    match result {
        0.. => Ok(()),
        _ if Errno::last() == Errno::ESRCH => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_is_known() {
        let me = std::process::id();
        let stat = stat(me).expect("alive");
        assert!(stat.resident_pages > 0 && stat.threads > 0);
        assert_eq!((stat.parent, stat.start_ticks), (std::os::unix::process::parent_id(), start(me)));
        assert!(all().contains(&me) && !words(me).is_empty() && footprint(me).is_some());
        assert_eq!(boot_session(), boot_session());
        assert!(boot_session().is_some_and(|id| id.len() == 36));
        assert!(user_temp().is_some_and(|folder| folder.is_dir()));
        assert_eq!((super::stat(u32::MAX / 2), start(u32::MAX / 2)), (None, 0));
    }

    #[test]
    fn an_end_is_noticed_and_a_zombie_keeps_its_start() {
        let mut child = Command::new("/bin/sleep").arg("100").spawn().expect("started");
        let begun = start(child.id());
        assert!(begun > 0 && children(std::process::id()).contains(&child.id()));
        let queue = watch_end(child.id()).expect("watched");
        child.kill().expect("killed");
        crate::sys::fds::wait(&[(queue.as_fd(), false)], None).expect("noticed");
        assert_eq!(start(child.id()), begun);
        child.wait().expect("reaped");
        assert_eq!(start(child.id()), 0);
    }
}
