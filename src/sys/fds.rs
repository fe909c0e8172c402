//! Descriptors: pipes, sockets whose messages carry a descriptor, the limit of open files.
//!
//! unix(7), pipe(7), getrlimit(2). Nothing here allocates after it was made, so that the guardian
//! can use all of it.

#![allow(unsafe_code, reason = "SCM_RIGHTS without an allocation, and descriptors that come through an exec by number")]

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;
use std::mem::{size_of, zeroed};
#[cfg(not(target_os = "linux"))]
use std::os::fd::AsFd;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// A limit: soft and hard.
pub type Limit = (u64, u64);

/// Both ends of a new pipe, reading end first; closed at an exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    {
        Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let ends = nix::unistd::pipe()?;
        set_cloexec(ends.0.as_fd(), true)?;
        set_cloexec(ends.1.as_fd(), true)?;
        Ok(ends)
    }
}

/// A pair of connected sockets of whole messages; closed at an exec.
#[cfg(target_os = "linux")]
pub(super) fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(libc::SOCK_SEQPACKET)
}

/// A pair of connected sockets; closed at an exec.
pub fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(libc::SOCK_STREAM)
}

fn pair(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    #[cfg(target_os = "linux")]
    let kind = kind | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two numbers into the array of two
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were opened right now and belong to nobody else
    let ends = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    #[cfg(not(target_os = "linux"))]
    for end in [&ends.0, &ends.1] {
        set_cloexec(end.as_fd(), true)?;
    }
    Ok(ends)
}

/// Whether the descriptor is closed at an exec.
pub fn set_cloexec(fd: BorrowedFd<'_>, closed: bool) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(if closed { FdFlag::FD_CLOEXEC } else { FdFlag::empty() }))?;
    Ok(())
}

/// Calls that would wait answer `WouldBlock` instead. This belongs to what was opened, not to the
/// descriptor: all who share it are concerned.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The descriptor itself if it is no standard one, else a copy that is none.
pub fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > libc::STDERR_FILENO {
        return Ok(fd);
    }
    let copy = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(libc::STDERR_FILENO + 1))?;
    // SAFETY: opened right now, of nobody else
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes a descriptor that came through an exec by its number; `None` if there is none.
pub fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD of any number is harmless
    if number <= libc::STDERR_FILENO || unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open; whoever calls knows from the state handed on that it is nobody else's
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// One descriptor in a control message: cmsg(3). Aligned as the header wants it.
#[repr(C)]
union Control {
    _header: libc::cmsghdr,
    room: [u8; 64],
}

/// Sends one message, with a descriptor or without; never waits, never raises SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a valid header that says nothing
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    let mut control = Control { room: [0; 64] };
    if let Some(passed) = passed {
        let number = passed.as_raw_fd();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of a few bytes")]
        // SAFETY: the buffer of 64 bytes is aligned and larger than CMSG_SPACE of one descriptor (24)
        unsafe {
            header.msg_control = (&raw mut control).cast();
            header.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            ptr::copy_nonoverlapping((&raw const number).cast::<u8>(), libc::CMSG_DATA(first), size_of::<RawFd>());
        }
    }
    loop {
        // SAFETY: header, vector and control outlive the call
        let sent =
            unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// One message.
#[derive(Debug)]
pub struct Received {
    /// Bytes written to the buffer; 0 of a connection: the other side is gone.
    pub length: usize,
    /// It was longer than the buffer.
    pub cut: bool,
    /// A descriptor that it carried.
    pub passed: Option<OwnedFd>,
    /// Who sent it, if [`super::peer::tell_senders`] asked for that and the system knows.
    pub sender: Option<u32>,
}

/// Receives one message without waiting: its length and the descriptor it carries. With `peek` the
/// message stays, and its descriptor too.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8], peek: bool) -> io::Result<(usize, Option<OwnedFd>)> {
    receive_all(socket, bytes, peek).map(|got| (got.length, got.passed))
}

/// Receives one message without waiting, and all that comes with it.
pub fn receive_all(socket: BorrowedFd<'_>, bytes: &mut [u8], peek: bool) -> io::Result<Received> {
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a valid header that says nothing
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    let mut control = Control { room: [0; 64] };
    let mut flags = libc::MSG_DONTWAIT;
    if peek {
        flags |= libc::MSG_PEEK;
    } else {
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = size_of::<Control>() as _;
        #[cfg(target_os = "linux")]
        {
            flags |= libc::MSG_CMSG_CLOEXEC;
        }
    }
    let length = loop {
        // SAFETY: header, vector and control outlive the call; the kernel writes within their lengths
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        if let Ok(length) = usize::try_from(got) {
            break length;
        }
        let error = io::Error::last_os_error();
        // the other side died with messages of ours unread: what it sent is still to be had
        if error.kind() != io::ErrorKind::Interrupted && error.raw_os_error() != Some(libc::ECONNRESET) {
            return Err(error);
        }
    };
    let mut got = Received { length, cut: header.msg_flags & libc::MSG_TRUNC != 0, passed: None, sender: None };
    if !peek {
        look_at_control(&header, &mut got);
    }
    Ok(got)
}

/// Takes the first descriptor (any beyond is closed) and the sender out of a received message.
fn look_at_control(header: &libc::msghdr, got: &mut Received) {
    // SAFETY: the kernel filled the control buffer in, and the macros stay within msg_controllen
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(ptr::from_ref(header));
        while !at.is_null() {
            if (*at).cmsg_level == libc::SOL_SOCKET {
                #[allow(clippy::unnecessary_cast, reason = "u32 on some systems")]
                let length = (*at).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(at);
                if (*at).cmsg_type == libc::SCM_RIGHTS {
                    for index in 0..length / size_of::<RawFd>() {
                        let mut number = [0; size_of::<RawFd>()];
                        ptr::copy_nonoverlapping(data.add(index * number.len()), number.as_mut_ptr(), number.len());
                        // each number was opened for this process right now
                        let fd = OwnedFd::from_raw_fd(RawFd::from_ne_bytes(number));
                        got.passed.get_or_insert(fd);
                    }
                }
                #[cfg(target_os = "linux")]
                if (*at).cmsg_type == libc::SCM_CREDENTIALS && length >= size_of::<libc::ucred>() {
                    let credentials: libc::ucred = ptr::read_unaligned(data.cast());
                    got.sender = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
                }
            }
            at = libc::CMSG_NXTHDR(ptr::from_ref(header), at);
        }
    }
}

/// A file without a name, in memory where the kernel has such files; closed at an exec.
pub fn nameless_file() -> io::Result<std::fs::File> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::memfd::{MFdFlags, memfd_create};
        Ok(memfd_create(c"svc", MFdFlags::MFD_CLOEXEC)?.into())
    }
    #[cfg(not(target_os = "linux"))]
    {
        tempfile::tempfile()
    }
}

/// Raises the number of files this process may open to what it may at most; the limit before.
pub fn raise_open_files() -> io::Result<Limit> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    #[cfg(target_os = "macos")]
    let wanted = hard.min(10_240); // OPEN_MAX: setrlimit(2) there takes no more
    #[cfg(not(target_os = "macos"))]
    let wanted = hard;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok((soft, hard))
}

/// Waits until one of the descriptors can be read or, where `true`, written, or time is up.
/// Never allocates for up to four.
pub fn wait(fds: &[(BorrowedFd<'_>, bool)], timeout: Option<std::time::Duration>) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let interest = |out: bool| if out { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
    let timeout = timeout.map_or(PollTimeout::NONE, |time| {
        // rounded up: 0 would spin
        let millis = time.as_nanos().div_ceil(1_000_000);
        PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
    });
    let Some(first) = fds.first() else { return Ok(()) };
    let mut list: [PollFd<'_>; 4] = std::array::from_fn(|at| {
        let (fd, out) = fds.get(at).unwrap_or(first);
        PollFd::new(*fd, interest(*out))
    });
    let count = fds.len().min(list.len());
    match poll(&mut list[..count], timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Closes everything from descriptor 3 on: in a forked child that goes on without an exec, or in a
/// process that has just begun. Nothing that owned one of them may be used or dropped after.
pub fn close_all() {
    close_all_but(None);
}

/// The same, but for one.
pub fn close_all_but(kept: Option<BorrowedFd<'_>>) {
    let kept = kept.map(|fd| fd.as_raw_fd().cast_unsigned()).filter(|number| *number > 2);
    let ranges = match kept {
        None => [(3, u32::MAX), (1, 0)],
        Some(number) => [(3, number - 1), (number + 1, u32::MAX)],
    };
    for (from, to) in ranges.into_iter().filter(|(from, to)| from <= to) {
        #[cfg(target_os = "linux")]
        // SAFETY: the caller does not use them again
        let done = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0_u32) } == 0;
        #[cfg(not(target_os = "linux"))]
        let done = false;
        for number in (from..=to.min(65_535)).filter(|_| !done) {
            // SAFETY: as above
            unsafe { libc::close(number.cast_signed()) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_nothing_is_inherited() {
        assert!(inherited(1).is_none());
        assert!(inherited(999_999).is_none());
    }
}
