//! Who is at the other end of a local socket: unix(7), SO_PEERCRED and SO_PASSCRED; on macOS
//! getpeereid(3) and LOCAL_PEERPID (`<sys/un.h>`).

use std::io;
use std::os::fd::BorrowedFd;

/// The process at the other end of a connection, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its pid, where the system tells.
    pub pid: Option<u32>,
}

/// Who connected.
pub fn of(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
        let credentials = getsockopt(&socket, PeerCredentials)?;
        Ok(Peer { uid: credentials.uid(), pid: u32::try_from(credentials.pid()).ok().filter(|pid| *pid != 0) })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let (uid, _) = nix::unistd::getpeereid(socket)?;
        Ok(Peer { uid: uid.as_raw(), pid: pid(socket) })
    }
}

/// Its pid, where the system tells.
#[cfg(not(target_os = "linux"))]
pub(super) fn pid(socket: impl std::os::fd::AsFd) -> Option<u32> {
    #[cfg(target_os = "macos")]
    {
        let pid = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::LocalPeerPid).ok()?;
        u32::try_from(pid).ok().filter(|pid| *pid != 0)
    }
    #[cfg(not(target_os = "macos"))]
    {
        let _ = socket;
        None
    }
}

/// From now on each datagram tells its sender: `sender` of [`super::fds::Received`]; on Linux. macOS
/// has no such thing (no SCM_CREDS for datagrams in XNU's `bsd/kern/uipc_usrreq.c`): there is no sender.
pub fn tell_senders(socket: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        Ok(nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::PassCred, &true)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = of(here.as_fd()).unwrap();
        assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
        assert!(peer.pid.is_none_or(|pid| pid == std::process::id()));
    }
}
