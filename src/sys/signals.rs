//! Signals that are read like a file instead of interrupting: signalfd(2); elsewhere a pipe that a
//! handler writes to.

#![allow(unsafe_code, reason = "signal handlers, where there is no signalfd")]

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The signals of this process that it reads itself.
#[derive(Debug)]
pub struct Signals {
    #[cfg(target_os = "linux")]
    fd: nix::sys::signalfd::SignalFd,
    #[cfg(not(target_os = "linux"))]
    fd: std::os::fd::OwnedFd,
}

impl Signals {
    /// From now on these signals do nothing but become readable here. They must be told in a process
    /// of one thread (others would take them), and once.
    pub fn take(signals: &[Signal]) -> io::Result<Self> {
        // an ignored SIGCHLD would reap children behind our back
        // SAFETY: the default action is no code of ours
        unsafe { sigaction(Signal::SIGCHLD, &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty())) }?;
        Self::open(&signals.iter().copied().collect::<SigSet>())
    }

    /// Readable when there is a signal.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    #[cfg(target_os = "linux")]
    fn open(set: &SigSet) -> io::Result<Self> {
        use nix::sys::signalfd::{SfdFlags, SignalFd};
        set.thread_block()?;
        Ok(Self { fd: SignalFd::with_flags(set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)? })
    }

    /// The next signal; does not wait.
    #[cfg(target_os = "linux")]
    pub fn next(&self) -> io::Result<Option<Signal>> {
        let Some(info) = self.fd.read_signal()? else { return Ok(None) };
        Ok(i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()))
    }

    #[cfg(not(target_os = "linux"))]
    fn open(set: &SigSet) -> io::Result<Self> {
        use std::os::fd::{FromRawFd, IntoRawFd};
        let (reader, writer) = super::fds::pipe()?;
        super::fds::set_nonblocking(reader.as_fd())?;
        super::fds::set_nonblocking(writer.as_fd())?;
        let before = pipe_of_handler::WRITER.swap(writer.into_raw_fd(), std::sync::atomic::Ordering::SeqCst);
        if before >= 0 {
            // SAFETY: it was opened here and nobody else has it: of an earlier call, or before a fork
            drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(before) });
        }
        let action = SigAction::new(SigHandler::Handler(pipe_of_handler::tell), SaFlags::SA_RESTART, SigSet::empty());
        for signal in set {
            // SAFETY: the handler only writes one byte to a pipe
            unsafe { sigaction(signal, &action) }?;
        }
        Ok(Self { fd: reader })
    }

    /// The next signal; does not wait.
    #[cfg(not(target_os = "linux"))]
    pub fn next(&self) -> io::Result<Option<Signal>> {
        let mut byte = [0];
        match nix::unistd::read(&self.fd, &mut byte) {
            Ok(1) => Ok(Signal::try_from(i32::from(byte[0])).ok()),
            Ok(_) | Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Ends this process by a signal, as its default action does; returns where that does not end it.
/// No core of it is left: it is another's end.
pub fn die_of(signal: Signal) {
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0); // then there is a core
    // SAFETY: the default action is no code of ours
    let _ = unsafe { sigaction(signal, &SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty())) };
    let _ = SigSet::from_iter([signal]).thread_unblock(); // below it returns then
    let _ = nix::sys::signal::raise(signal);
}

/// `SIGKILL` for 9.
pub fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}

/// Whether whoever started this process wants it to ignore this signal, as nohup(1) does.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: the action is only asked for, into memory of our own
    unsafe {
        let mut action: nix::libc::sigaction = std::mem::zeroed();
        nix::libc::sigaction(signal as i32, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == nix::libc::SIG_IGN
    }
}

/// Where there is no signalfd, a handler writes each signal's number into a pipe.
#[cfg(not(target_os = "linux"))]
mod pipe_of_handler {
    use nix::libc;
    use std::sync::atomic::{AtomicI32, Ordering};

    pub(super) static WRITER: AtomicI32 = AtomicI32::new(-1);

    pub(super) extern "C" fn tell(signal: libc::c_int) {
        let byte = u8::try_from(signal).unwrap_or(0);
        // SAFETY: write(2) of one byte is async-signal-safe; a full pipe holds signals enough
        unsafe { libc::write(WRITER.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(64), "signal 64");
    }
}
