//! A pair of connected sockets that carry whole messages, each with a descriptor or without.
//!
//! On Linux they are of SOCK_SEQPACKET: unix(7). macOS has no such sockets, and datagrams there tell
//! nobody that the other end is gone (`unp_disconnect` in XNU's `bsd/kern/uipc_usrreq.c` wakes no
//! reader of them). There it is a stream with one byte in front of each message: its length. A message is
//! sent whole or not at all, since a socket that does not wait takes nothing unless it has room for
//! SO_SNDLOWAT bytes (`sosendcheck`), 2048 if nobody set it.
//!
//! Nothing here allocates, so that the guardian can use all of it.

use super::fds;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Bytes of a message, at most.
pub const LONGEST: usize = 64;

/// Both ends; closed at an exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    {
        fds::packet_pair()
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::os::fd::AsFd;
        let ends = fds::stream_pair()?;
        fds::set_nonblocking(ends.0.as_fd())?;
        fds::set_nonblocking(ends.1.as_fd())?;
        Ok(ends)
    }
}

/// Sends one message, with a descriptor or without; never waits, never raises SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        fds::send(socket, bytes, passed)
    }
    #[cfg(not(target_os = "linux"))]
    {
        framed::send(socket, bytes, passed)
    }
}

/// Receives one message without waiting: its length, 0 when the other end is gone and nothing is left,
/// and the descriptor it carries. With `peek` the message stays, and its descriptor too.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8], peek: bool) -> io::Result<(usize, Option<OwnedFd>)> {
    #[cfg(target_os = "linux")]
    {
        fds::receive(socket, bytes, peek)
    }
    #[cfg(not(target_os = "linux"))]
    {
        framed::receive(socket, bytes, peek)
    }
}

/// Messages in a stream. Compiled on Linux too for its test.
#[cfg(any(test, not(target_os = "linux")))]
mod framed {
    use super::{LONGEST, fds};
    use std::io;
    use std::os::fd::{BorrowedFd, OwnedFd};

    pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], passed: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut message = [0; 1 + LONGEST];
        let room = message.get_mut(1..=bytes.len()).ok_or(io::ErrorKind::InvalidInput)?;
        room.copy_from_slice(bytes);
        message[0] = u8::try_from(bytes.len()).map_err(io::Error::other)?;
        fds::send(socket, &message[..=bytes.len()], passed)
    }

    pub(super) fn receive(
        socket: BorrowedFd<'_>,
        bytes: &mut [u8],
        peek: bool,
    ) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut message = [0; 1 + LONGEST];
        let (there, _) = fds::receive(socket, &mut message, true)?;
        if there == 0 {
            return Ok((0, None));
        }
        let length = usize::from(message[0]);
        if there <= length {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut passed = None;
        if !peek {
            (_, passed) = fds::receive(socket, &mut message[..=length], false)?;
        }
        let taken = length.min(bytes.len());
        bytes[..taken].copy_from_slice(&message[1..=taken]);
        Ok((taken, passed))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_descriptor_arrives_with_its_message_and_is_closed_at_an_exec() {
        let (here, there) = pair().unwrap();
        let (reader, writer) = fds::pipe().unwrap();
        send(here.as_fd(), b"take it", Some(writer.as_fd())).unwrap();
        drop(writer);
        let mut bytes = [0; 16];
        assert_eq!(receive(there.as_fd(), &mut bytes, true).unwrap().0, 7);
        let (length, passed) = receive(there.as_fd(), &mut bytes, false).unwrap();
        assert_eq!(&bytes[..length], b"take it");
        let passed = passed.unwrap();
        let flags = fcntl(&passed, FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
        std::fs::File::from(passed).write_all(b"through").unwrap();
        let mut text = String::new();
        std::fs::File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert_eq!(receive(there.as_fd(), &mut bytes, false).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_was_sent_before_the_other_side_went_is_still_received() {
        let (here, there) = pair().unwrap();
        send(here.as_fd(), b"last words", None).unwrap();
        send(there.as_fd(), b"never read", None).unwrap();
        drop(here);
        let mut bytes = [0; 16];
        assert_eq!(receive(there.as_fd(), &mut bytes, true).unwrap().0, 10);
        assert_eq!(receive(there.as_fd(), &mut bytes, false).unwrap().0, 10);
        assert_eq!(receive(there.as_fd(), &mut bytes, false).unwrap().0, 0);
    }

    #[test]
    fn messages_in_a_stream_stay_apart() {
        let (here, there) = fds::stream_pair().unwrap();
        let (reader, writer) = fds::pipe().unwrap();
        let mut bytes = [0; 8];
        let blocked = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        assert!(blocked(framed::receive(there.as_fd(), &mut bytes, true).unwrap_err()));
        framed::send(here.as_fd(), b"one", None).unwrap();
        framed::send(here.as_fd(), b"two and more", Some(writer.as_fd())).unwrap();
        framed::send(here.as_fd(), b"", None).unwrap();
        drop(writer);
        let passed = framed::receive(there.as_fd(), &mut bytes, true).unwrap();
        assert_eq!((passed.0, &bytes[..3]), (3, &b"one"[..]));
        assert!(framed::receive(there.as_fd(), &mut bytes, false).unwrap().1.is_none());
        let (length, passed) = framed::receive(there.as_fd(), &mut bytes, false).unwrap();
        assert_eq!((length, &bytes), (8, b"two and "));
        std::fs::File::from(passed.unwrap()).write_all(b"through").unwrap();
        assert_eq!(nix::unistd::read(&reader, &mut bytes).unwrap(), 7);
        assert!(framed::send(here.as_fd(), &[0; LONGEST + 1], None).is_err());
        fds::send(here.as_fd(), b"\x05half", None).unwrap();
        assert_eq!(framed::receive(there.as_fd(), &mut bytes, false).unwrap().0, 0, "the empty one");
        assert!(blocked(framed::receive(there.as_fd(), &mut bytes, true).unwrap_err()));
        fds::send(here.as_fd(), b"s", None).unwrap();
        drop(here);
        assert_eq!(framed::receive(there.as_fd(), &mut bytes, true).unwrap().0, 5);
        assert_eq!(framed::receive(there.as_fd(), &mut bytes, false).unwrap().0, 5);
        assert_eq!(framed::receive(there.as_fd(), &mut bytes, false).unwrap().0, 0);
    }
}
