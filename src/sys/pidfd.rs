//! Processes by descriptor: pidfd_open(2). A pid may be another's tomorrow, a pidfd never is. On macOS
//! a kqueue(2) that watches one process for its end; signals go by pid there, after a look at the start.

#![allow(unsafe_code, reason = "system calls that the C library has no function for")]

use super::subreaper;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::OwnedFd;

/// A descriptor that is readable when the process has ended; `Unsupported` before Linux 5.3. It is the process's only if its start is looked at afterwards: see [`open`].
fn open_any(pid: u32) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use nix::libc;
        use std::os::fd::FromRawFd;
        // SAFETY: two numbers; what comes back is a new descriptor, closed at an exec
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0_u32) };
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            let error = Errno::last();
            return Err(if error == Errno::ENOSYS { io::ErrorKind::Unsupported.into() } else { error.into() });
        }
        // SAFETY: opened right now, of nobody else
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
    #[cfg(target_os = "macos")]
    {
        super::darwin::watch_end(pid)
    }
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    {
        let _ = pid;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Opens the process that had this pid and start (ticks after boot); `NotFound` when it is gone.
pub fn open(pid: u32, start_ticks: u64) -> io::Result<OwnedFd> {
    let fd = open_any(pid).map_err(|error| {
        let gone = error.raw_os_error() == Some(Errno::ESRCH as i32);
        if gone { io::ErrorKind::NotFound.into() } else { error }
    })?;
    // the descriptor holds the pid's owner of now: if its start is right, it is the right one
    if subreaper::start_ticks(pid) == start_ticks { Ok(fd) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Sends a signal to the process with this pid and start, to no other; `NotFound` when it is gone.
pub fn signal(pid: u32, start_ticks: u64, signal: Signal) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    let opened = open(pid, start_ticks);
    #[cfg(not(target_os = "linux"))]
    let opened: io::Result<OwnedFd> = Err(io::ErrorKind::Unsupported.into());
    match opened {
        #[cfg(target_os = "linux")]
        Ok(fd) => {
            use nix::libc;
            use std::os::fd::AsRawFd;
            // SAFETY: a descriptor that is open, and no siginfo
            let sent = unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    fd.as_raw_fd(),
                    signal as i32,
                    std::ptr::null::<libc::siginfo_t>(),
                    0_u32,
                )
            };
            if sent == 0 {
                return Ok(());
            }
            let error = Errno::last();
            Err(if error == Errno::ESRCH { io::ErrorKind::NotFound.into() } else { error.into() })
        }
        #[cfg(not(target_os = "linux"))]
        Ok(_) => unreachable!("nothing is opened here"),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            if subreaper::start_ticks(pid) != start_ticks {
                return Err(io::ErrorKind::NotFound.into());
            }
            subreaper::kill(pid, signal)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::sys::fds;
    use std::os::fd::AsFd;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn only_the_process_that_was_meant_is_hit() {
        let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let start = subreaper::start_ticks(child.id());
        let other = signal(child.id(), start + 1, Signal::SIGKILL).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::NotFound);
        assert!(child.try_wait().unwrap().is_none(), "it was hit");
        let fd = open(child.id(), start).unwrap();
        signal(child.id(), start, Signal::SIGTERM).unwrap();
        fds::wait(&[(fd.as_fd(), false)], None).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert_eq!(signal(child.id(), start, Signal::SIGTERM).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(open(child.id(), start).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
