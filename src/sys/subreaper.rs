//! Children: forking, noticing their end before it is forgotten, becoming the parent of orphans.
//!
//! fork(2), waitid(2), prctl(2) PR_SET_CHILD_SUBREAPER.

#![allow(unsafe_code, reason = "fork, and waitid with signals that have no name")]

use nix::errno::Errno;
#[cfg(not(target_os = "macos"))]
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::signal::Signal;
#[cfg(not(target_os = "macos"))]
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::io;
#[cfg(not(target_os = "macos"))]
use std::io::Write;
use std::mem::zeroed;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal {
        /// Its number: real-time signals have no name.
        number: i32,
        /// A core was dumped.
        core: bool,
    },
}

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ended, and stays a zombie until [`reap`].
    Ended(Exit),
    /// It was stopped by a signal.
    Stopped,
}

/// Whether there is such a thing: elsewhere orphans become children of process 1.
pub const CAN_KEEP_ORPHANS: bool = cfg!(target_os = "linux");

/// Orphans below this process become its children; not inherited by a fork, kept by an exec.
pub fn become_subreaper() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        Ok(nix::sys::prctl::set_child_subreaper(true)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        Ok(())
    }
}

/// This process, a helper forked for one thing, is killed when its parent ends; where the system can't,
/// it looks at [`is_left_alone`] itself.
pub fn die_with_parent() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
}

/// This process runs when nobody else wants to: setpriority(2).
pub fn give_way() {
    // SAFETY: numbers only; a failure changes nothing
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Where [`die_with_parent`] does nothing: the parent has ended.
pub fn is_left_alone() -> bool {
    !CAN_KEEP_ORPHANS && std::os::unix::process::parent_id() == 1
}

/// The name of this process in `/proc/PID/comm`, 15 bytes; for people, so its failure is no news.
pub fn set_name(name: &CStr) {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_name(name);
    #[cfg(not(target_os = "linux"))]
    let _ = name;
}

/// The next child that ended, in any order, without reaping it: a process that is killed now loses
/// nothing. Record it, then [`reap`].
pub fn peek_ended() -> io::Result<Option<(u32, Exit)>> {
    match wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOWAIT)? {
        Some((pid, Change::Ended(exit))) => Ok(Some((pid, exit))),
        Some((_, Change::Stopped)) | None => Ok(None),
    }
}

/// What happened to this child, if anything: an end is peeked at, a stop is told once.
pub fn change_of(pid: u32) -> io::Result<Option<Change>> {
    if let Some((_, change)) = wait(libc::P_PID, pid, libc::WEXITED | libc::WNOWAIT)? {
        return Ok(Some(change));
    }
    Ok(wait(libc::P_PID, pid, libc::WSTOPPED)?.map(|(_, change)| change))
}

/// Lets go of a child that ended.
pub fn reap(pid: u32) -> io::Result<()> {
    wait(libc::P_PID, pid, libc::WEXITED).map(drop)
}

/// waitid(2) that never waits; no child at all is no news.
fn wait(of: libc::idtype_t, id: u32, flags: libc::c_int) -> io::Result<Option<(u32, Change)>> {
    loop {
        // SAFETY: all zero is a valid siginfo_t
        let mut info: libc::siginfo_t = unsafe { zeroed() };
        // SAFETY: the kernel fills in the struct given
        if unsafe { libc::waitid(of, id, &raw mut info, flags | libc::WNOHANG) } < 0 {
            match Errno::last() {
                Errno::EINTR => continue,
                Errno::ECHILD => return Ok(None),
                error => return Err(error.into()),
            }
        }
        // SAFETY: after waitid the fields of a child are valid, or all zero when there is no news
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        let change = match info.si_code {
            libc::CLD_EXITED => Change::Ended(Exit::Code(status)),
            libc::CLD_KILLED => Change::Ended(Exit::Signal { number: status, core: false }),
            libc::CLD_DUMPED => Change::Ended(Exit::Signal { number: status, core: true }),
            _ => Change::Stopped,
        };
        return Ok(u32::try_from(pid).ok().filter(|pid| *pid != 0).map(|pid| (pid, change)));
    }
}

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The new process.
    Child,
    /// The old one, and the pid of the new one.
    Parent(u32),
}

/// Forks, in a process of one thread only, where the child may do whatever its parent may.
pub fn fork() -> io::Result<Side> {
    if threads().is_some_and(|count| count > 1) {
        return Err(io::Error::other("a process of several threads can't be forked"));
    }
    // SAFETY: there is one thread, so no lock is held by another
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(Side::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Side::Parent(child.as_raw().cast_unsigned())),
    }
}

/// Number of threads of this process; without an allocation. `None` where the kernel does not say.
fn threads() -> Option<u64> {
    #[cfg(target_os = "macos")]
    let count = super::darwin::threads(std::process::id());
    #[cfg(not(target_os = "macos"))]
    let count = listed_threads();
    count
}

#[cfg(not(target_os = "macos"))]
fn listed_threads() -> Option<u64> {
    let links = nix::sys::stat::stat(c"/proc/self/task").ok()?.st_nlink;
    #[allow(clippy::useless_conversion, reason = "u16 or u32 elsewhere")]
    u64::from(links).checked_sub(2)
}

/// Start of a process in microseconds since 1970, without an allocation; 0 when it is not known. With
/// the pid it names one process.
#[cfg(target_os = "macos")]
pub fn start_ticks(pid: u32) -> u64 {
    super::darwin::start(pid)
}

/// Start of a process in ticks after boot (`/proc/PID/stat`, field 22), without an allocation; 0
/// when it is not known. With the pid it names one process, until the next boot.
#[cfg(not(target_os = "macos"))]
pub fn start_ticks(pid: u32) -> u64 {
    let mut path = [0_u8; 32];
    let mut stat = [0_u8; 1024];
    let length = {
        if write!(&mut path[..31], "/proc/{pid}/stat").is_err() {
            return 0;
        }
        let Ok(path) = CStr::from_bytes_until_nul(&path) else { return 0 };
        let Ok(file) = nix::fcntl::open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else { return 0 };
        nix::unistd::read(&file, &mut stat).unwrap_or(0)
    };
    let stat = &stat[..length];
    // the name in parentheses may hold any byte: fields count from the last `)`, after field 2
    let close = stat.iter().rposition(|byte| *byte == b')').unwrap_or(length);
    let after = stat.get(close + 2..).unwrap_or_default();
    let field = after.split(|byte| *byte == b' ').nth(22 - 3).unwrap_or_default();
    std::str::from_utf8(field).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Hands memory that is not in use back to the system, and the pages of this program's code: those
/// that are needed again come back from the page cache.
pub fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) may be called at any time
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    for (start, length) in code() {
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: a mapping of a file that is never written to: its pages are the file's, and stay so
        unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
    }
}

/// Where this program's code lies, and what its file has in front of it: start and length.
#[cfg(target_os = "linux")]
fn code() -> Vec<(usize, usize)> {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return Vec::new() };
    code_in(&maps, code as *const () as usize)
}

/// Of proc_pid_maps(5): the mapping with `address`, if it is code, and those of the same file before
/// it, where they can't be written to. Behind it lies what was written before it was closed to that.
#[cfg(target_os = "linux")]
fn code_in(maps: &str, address: usize) -> Vec<(usize, usize)> {
    let mut before: Vec<(&str, usize, usize)> = Vec::new();
    for line in maps.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [range, access, _, _, inode, ..] = words[..] else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else { continue };
        if inode == "0" || !matches!(access, "r--p" | "r-xp") {
            continue;
        }
        before.retain(|(other, ..)| *other == inode);
        before.push((inode, start, end - start));
        if (start..end).contains(&address) {
            let code = access == "r-xp";
            return before.into_iter().filter(|_| code).map(|(_, start, length)| (start, length)).collect();
        }
    }
    Vec::new()
}

/// Ends this process at once, running nothing of what a fork copied from its parent.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit(2) takes any number and does not return
    unsafe { libc::_exit(code.into()) }
}

/// Sends a signal to one process; the pid must be known to be the one meant (a child not reaped).
pub fn kill(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).ok_or(Errno::ESRCH)?;
    Ok(nix::sys::signal::kill(Pid::from_raw(pid), signal)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn end_of(pid: u32) -> Exit {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match change_of(pid).unwrap() {
                Some(Change::Ended(exit)) => return exit,
                Some(Change::Stopped) | None => assert!(Instant::now() < deadline, "no end of {pid}"),
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_end_is_seen_again_and_again_until_it_is_reaped() {
        let mut child = Command::new("/bin/sh").args(["-c", "exit 42"]).spawn().unwrap();
        assert_eq!(end_of(child.id()), Exit::Code(42));
        assert_eq!(end_of(child.id()), Exit::Code(42));
        assert_eq!(child.wait().unwrap().code(), Some(42));
        assert_eq!(change_of(child.id()).unwrap(), None);
    }

    #[test]
    fn a_signal_without_a_name_is_told_by_its_number() {
        let mut child = Command::new("/bin/sh").args(["-c", "kill -40 $$"]).spawn().unwrap();
        assert_eq!(end_of(child.id()), Exit::Signal { number: 40, core: false });
        assert_eq!(child.wait().unwrap().signal(), Some(40));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_start_is_that_of_proc() {
        let me = std::process::id();
        assert_eq!(start_ticks(me), crate::sys::process::stat(me).unwrap().start_ticks);
        assert_eq!(start_ticks(u32::MAX), 0);
    }

    #[test]
    fn no_signal_goes_to_a_group_or_to_all() {
        assert!(kill(0, Signal::SIGTERM).is_err());
        assert!(kill(u32::MAX, Signal::SIGTERM).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_what_was_never_written_is_handed_back() {
        let maps = "\
1000-2000 r--p 00000000 fe:00 7    /bin/other
5000-6000 r--p 00000000 fe:00 9    /bin/svc
6000-9000 r-xp 00001000 fe:00 9    /bin/svc
9000-a000 r--p 00004000 fe:00 9    /bin/svc
a000-b000 rw-p 00005000 fe:00 9    /bin/svc
b000-c000 rw-p 00000000 00:00 0    [heap]
";
        assert_eq!(code_in(maps, 0x6010), [(0x5000, 0x1000), (0x6000, 0x3000)]);
        assert_eq!(code_in(maps, 0x9010), [], "not code");
        assert_eq!(code_in(maps, 0xf000), []);
        assert!(!code().is_empty());
        trim_memory();
        assert!(!code().is_empty(), "and it goes on");
    }
}
