//! Pipes: pipe(7), tee(2), splice(2).
//!
//! Bytes move from pipe to pipe inside the kernel in one step: a signal, SIGKILL too, finds either
//! none or all of what a `splice` moved. Only Linux has these; elsewhere they are "not supported"
//! and [`CAN_TEE`] says so beforehand.
#![allow(unsafe_code, reason = "the number of waiting bytes is asked for by ioctl(2)")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// This kernel has [`tee`] and [`splice`].
pub const CAN_TEE: bool = cfg!(target_os = "linux");

/// Makes a pipe: reading end, writing end; close-on-exec, and neither end waits.
pub fn create() -> io::Result<(OwnedFd, OwnedFd)> {
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
    // pipe2(2) is not on macOS
    let ends = nix::unistd::pipe()?;
    for end in [&ends.0, &ends.1] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(ends)
}

/// A pipe whose one descriptor reads and writes, so that it lives as long as anybody holds it.
/// Closed at an exec; calls do not wait.
#[cfg(target_os = "linux")]
pub fn held() -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    let (read, _write) = create()?;
    let mut options = std::fs::File::options();
    options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
    Ok(options.open(format!("/proc/self/fd/{}", read.as_raw_fd()))?.into())
}

/// A pipe whose one descriptor reads and writes, so that it lives as long as anybody holds it: a FIFO
/// without a name. Closed at an exec.
///
/// Calls wait. A program gets this very descriptor, which can't be opened anew without a name, and a
/// program's writes must wait when nobody reads: so svc looks at [`waiting`] before it reads.
#[cfg(not(target_os = "linux"))]
pub fn held() -> io::Result<OwnedFd> {
    use nix::sys::stat::Mode;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // open(2) of a FIFO for both does not wait for another end
    Ok(std::fs::File::options().read(true).write(true).open(&path)?.into())
}

/// Bytes that lie in the pipe: pipe(7), FIONREAD.
pub fn waiting(pipe: impl AsFd) -> io::Result<usize> {
    nix::ioctl_read_bad!(fionread, nix::libc::FIONREAD, nix::libc::c_int);
    let mut count = 0;
    // SAFETY: FIONREAD writes one int, to `count`, which outlives the call; the descriptor is
    // borrowed, so it is open
    unsafe { fionread(pipe.as_fd().as_raw_fd(), &raw mut count) }?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Number of the pipe, the same for both ends and every process that has it open. It is not used
/// twice while the machine is up, but for a wrap-around after 4 billion pipes and sockets.
pub fn identity(pipe: impl AsFd) -> io::Result<u64> {
    // u64 on Linux, whatever the platform has elsewhere
    #[allow(clippy::unnecessary_cast, reason = "not everywhere")]
    Ok(nix::sys::stat::fstat(pipe)?.st_ino as u64)
}

/// Copies at most `most` bytes to the pipe `to` and leaves them in `from`: tee(2). 0: `from` is
/// empty and nobody can write to it. `WouldBlock`: it is empty, or `to` is full.
#[cfg(target_os = "linux")]
pub fn tee(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    Ok(nix::fcntl::tee(from, to, most, nix::fcntl::SpliceFFlags::SPLICE_F_NONBLOCK)?)
}

/// Moves at most `most` bytes from the pipe `from` to `to` (a pipe, a file, /dev/null), at its own
/// offset: splice(2). 0 and `WouldBlock` as with [`tee`].
#[cfg(target_os = "linux")]
pub fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    use nix::fcntl::SpliceFFlags;
    let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
    Ok(nix::fcntl::splice(from, None, to, None, most, flags)?)
}

/// Bytes that a pipe can hold: fcntl(2), F_GETPIPE_SZ.
#[cfg(target_os = "linux")]
pub fn size(pipe: impl AsFd) -> io::Result<usize> {
    let size = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ)?;
    Ok(usize::try_from(size).unwrap_or(0))
}

/// Lets a pipe hold at least `bytes`: fcntl(2), F_SETPIPE_SZ. An unprivileged user may be refused.
#[cfg(target_os = "linux")]
pub fn set_size(pipe: impl AsFd, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(bytes))?;
    Ok(())
}

/// Not on this kernel.
#[cfg(not(target_os = "linux"))]
pub fn tee(_: impl AsFd, _: impl AsFd, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not on this kernel.
#[cfg(not(target_os = "linux"))]
pub fn splice(_: impl AsFd, _: impl AsFd, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not on this kernel.
#[cfg(not(target_os = "linux"))]
pub fn size(_: impl AsFd) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not on this kernel.
#[cfg(not(target_os = "linux"))]
pub fn set_size(_: impl AsFd, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Write};

    #[test]
    fn a_copy_leaves_the_bytes_and_a_move_takes_them() {
        let (from, into) = create().expect("a pipe");
        let (read, write) = create().expect("a pipe");
        assert_eq!(tee(&from, &write, 100).expect_err("empty").kind(), ErrorKind::WouldBlock);
        std::fs::File::from(into.try_clone().expect("a copy")).write_all(b"12345").expect("written");
        assert_eq!((waiting(&from).expect("asked"), waiting(&read).expect("asked")), (5, 0));
        assert_eq!(tee(&from, &write, 100).expect("copied"), 5);
        assert_eq!((waiting(&from).expect("asked"), waiting(&read).expect("asked")), (5, 5));
        assert_eq!(splice(&from, &write, 3).expect("moved"), 3);
        assert_eq!((waiting(&from).expect("asked"), waiting(&read).expect("asked")), (2, 8));
        assert_eq!(identity(&from).expect("asked"), identity(&into).expect("asked"));
        assert_ne!(identity(&from).expect("asked"), identity(&read).expect("asked"));
    }

    #[test]
    fn a_pipe_grows_and_shrinks() {
        let (read, write) = create().expect("a pipe");
        set_size(&read, 8192).expect("shrunk");
        assert_eq!(size(&write).expect("asked"), 8192);
        set_size(&write, 65536).expect("grown");
        assert_eq!(size(&read).expect("asked"), 65536);
    }
}
