//! Unix sockets: a connection that does not wait for ever, and who is on the other side.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Who connected, or was connected to: `SO_PEERCRED` (unix(7)), getpeereid(3), `LOCAL_PEERPID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its account when it connected or began to listen.
    pub uid: u32,
    /// Its process then, where the system tells.
    pub pid: Option<u32>,
}

/// Who is on the other side.
#[cfg(target_os = "linux")]
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::PeerCredentials)?;
    Ok(Peer { uid: credentials.uid(), pid: u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0) })
}

/// Who is on the other side.
#[cfg(not(target_os = "linux"))]
pub fn peer(stream: &UnixStream) -> io::Result<Peer> {
    let (uid, _) = nix::unistd::getpeereid(stream)?;
    Ok(Peer { uid: uid.as_raw(), pid: super::peer::pid(stream) })
}

/// A stream socket that is not connected yet, whose calls do not wait; closed at an exec.
pub fn nonblocking() -> io::Result<std::os::fd::OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    #[cfg(target_os = "linux")]
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    #[cfg(not(target_os = "linux"))]
    let flags = SockFlag::empty();
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    #[cfg(not(target_os = "linux"))]
    {
        use std::os::fd::AsFd;
        super::fds::set_cloexec(socket.as_fd(), true)?;
        super::fds::set_nonblocking(socket.as_fd())?;
    }
    Ok(socket)
}

/// Connects within `limit`: a listener whose queue is full would make connect(2) wait for ever; the
/// error is `WouldBlock` then.
#[cfg(target_os = "linux")]
pub fn connect(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, setsockopt, socket, sockopt};
    use nix::sys::time::{TimeVal, TimeValLike};
    use std::os::fd::AsRawFd;
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let limit = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX).max(1);
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::microseconds(limit))?;
    nix::sys::socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::microseconds(0))?;
    Ok(socket.into())
}

/// Connects; this system's connect(2) refuses where the queue is full.
#[cfg(not(target_os = "linux"))]
pub fn connect(path: &Path, _: Duration) -> io::Result<UnixStream> {
    UnixStream::connect(path)
}

/// Sends a message of sd_notify(3) to the socket that `NOTIFY_SOCKET` names: a path, or on Linux an abstract name
/// after an `@`.
pub fn notify(socket: &std::ffi::OsStr, message: &[u8]) -> io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    let own = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = std::os::unix::ffi::OsStrExt::as_bytes(socket).strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return own.send_to_addr(message, &address).map(drop);
    }
    own.send_to(message, socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_peer_is_known_and_a_full_queue_ends_the_wait() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("s");
        assert_eq!(connect(&path, Duration::from_secs(1)).expect_err("absent").kind(), io::ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).expect("bound");
        let stream = connect(&path, Duration::from_secs(1)).expect("connected");
        assert_eq!(peer(&stream).expect("peer").uid, nix::unistd::geteuid().as_raw());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(peer(&stream).expect("peer").pid, Some(std::process::id()));
            let mut held = Vec::new();
            let full = (0..10_000).find_map(|_| match connect(&path, Duration::from_millis(20)) {
                Ok(stream) => {
                    held.push(stream);
                    None
                }
                Err(error) => Some(error.kind()),
            });
            assert_eq!(full, Some(io::ErrorKind::WouldBlock));
        }
        drop(listener);
        let refused = connect(&path, Duration::from_secs(1)).expect_err("nobody listens").kind();
        assert_eq!(refused, io::ErrorKind::ConnectionRefused);
    }
}
