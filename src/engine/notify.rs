//! What programs say of themselves: sd_notify(3), the protocol of `$NOTIFY_SOCKET`.
//!
//! One socket for all services. Who sent a message is told by the kernel; to which service it
//! belongs, [`super::tree::owner_of`] finds out. Nothing else in a message is believed more than
//! any other text of a program.

use crate::sys::fds;
use crate::sys::peer;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Bytes of a message; a longer one is ignored.
pub const LONGEST: usize = 4096;

/// The receiving end.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

/// One message.
#[derive(Debug, Default)]
pub struct Message {
    /// `READY=1`: started, or reloaded.
    pub ready: bool,
    /// `STOPPING=1`.
    pub stopping: bool,
    /// `RELOADING=1`.
    pub reloading: bool,
    /// `STATUS=`: one line for people; control characters are still in it.
    pub status: Option<String>,
    /// `MAINPID=`.
    pub main_pid: Option<u32>,
    /// `WATCHDOG=1`.
    pub watchdog: bool,
    /// `ERRNO=`: why it failed.
    pub errno: Option<i32>,
    /// All other assignments as they came, a later one of the same name behind the earlier.
    pub others: Vec<(String, String)>,
    /// `BARRIER=1`: the sender waits until this is closed, which it is when the message is dropped.
    pub barrier: Option<OwnedFd>,
}

impl Socket {
    /// Makes the socket at this path, instead of one left there. The folder must be ours alone. Only
    /// this user's programs can send; with `others` (root, whose programs may be of any user), all.
    pub fn bind(path: &Path, others: bool) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let socket = UnixDatagram::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(if others { 0o666 } else { 0o600 }))?;
        Self::of(socket.into())
    }

    /// The socket that an earlier supervisor made.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        peer::tell_senders(fd.as_fd())?;
        Ok(Self { fd })
    }

    /// Readable when there is a message.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The next message and its sender, without waiting; what is no message, or of nobody, is passed
    /// over.
    pub fn recv(&self) -> io::Result<Option<(u32, Message)>> {
        let mut bytes = [0; LONGEST];
        loop {
            let got = match fds::receive_all(self.fd(), &mut bytes, false) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                got => got?,
            };
            let message = bytes.get(..got.length).filter(|_| !got.cut).and_then(Message::parse);
            if let (Some(mut message), Some(sender)) = (message, got.sender) {
                message.barrier = got.passed;
                return Ok(Some((sender, message)));
            }
        }
    }
}

impl Message {
    /// Reads a message; `None` if it is not UTF-8 or says nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
        let mut message = Self::default();
        let mut empty = true;
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            empty = false;
            match name {
                "READY" => message.ready = value == "1",
                "STOPPING" => message.stopping = value == "1",
                "RELOADING" => message.reloading = value == "1",
                "WATCHDOG" => message.watchdog = value == "1",
                "STATUS" => message.status = Some(value.to_owned()),
                "MAINPID" => message.main_pid = value.parse().ok().filter(|pid| *pid > 0),
                "ERRNO" => message.errno = value.parse().ok(),
                "BARRIER" => {}
                _ => message.others.push((name.to_owned(), value.to_owned())),
            }
        }
        (!empty).then_some(message)
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_and_knows_its_sender() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = Socket::bind(&path, false).unwrap();
        let socket = {
            drop(socket);
            Socket::bind(&path, false).unwrap()
        }; // over the old one
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(socket.recv().unwrap().is_none());

        let client = UnixDatagram::unbound().unwrap();
        client.send_to(&[b'x'; LONGEST + 1], &path).unwrap();
        client.send_to(b"STATUS=\xff", &path).unwrap();
        client.send_to(b"nothing", &path).unwrap();
        client.send_to("READY=1\nSTATUS=ü = ok\nMAINPID=12\nX_PROGRESS=50\nX_STAGE=a=b\n".as_bytes(), &path).unwrap();
        let (sender, message) = socket.recv().unwrap().unwrap();
        assert_eq!(sender, std::process::id());
        assert!(message.ready && !message.stopping && !message.reloading && !message.watchdog);
        assert_eq!(message.status.as_deref(), Some("ü = ok"));
        assert_eq!(message.main_pid, Some(12));
        let others = [("X_PROGRESS", "50"), ("X_STAGE", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(message.others, others);
        assert!(socket.recv().unwrap().is_none());
    }

    #[test]
    fn a_barrier_is_closed_with_its_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = Socket::bind(&path, false).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect(&path).unwrap();
        let (reader, writer) = fds::pipe().unwrap();
        fds::set_nonblocking(reader.as_fd()).unwrap();
        fds::send(client.as_fd(), b"BARRIER=1", Some(writer.as_fd())).unwrap();
        drop(writer);
        let closed = || nix::unistd::read(&reader, &mut [0]) == Ok(0);
        let (_, message) = socket.recv().unwrap().unwrap();
        assert!(message.barrier.is_some() && !closed());
        drop(message);
        assert!(closed());
    }

    #[test]
    fn odd_values_are_no_values() {
        let message = Message::parse(b"READY=2\nMAINPID=-1\nERRNO=x\nSTOPPING=1\nSTATUS=\n\n=\nERRNO\n\0").unwrap();
        assert!(!message.ready && message.stopping);
        assert_eq!((message.main_pid, message.errno), (None, None));
        assert_eq!(message.status.as_deref(), Some(""));
        assert_eq!(message.others, [(String::new(), String::new())]);
        assert!(Message::parse(b"").is_none());
    }
}
