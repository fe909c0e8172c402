//! Waiting for files to grow or to be replaced: inotify(7). Elsewhere nothing tells of it, and whoever waits looks.

use std::io;
use std::os::fd::BorrowedFd;
#[cfg(not(target_os = "linux"))]
use std::path::Path;
use std::time::Duration;

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Woken {
    /// Something can be read; else time was up.
    pub any: bool,
    /// Nobody reads what we write.
    pub gone: bool,
}

/// Waits until one of `fds` can be read, nobody reads `output` any more, or time is up.
pub fn wait(fds: &[BorrowedFd<'_>], output: Option<BorrowedFd<'_>>, limit: Duration) -> io::Result<Woken> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut list: Vec<PollFd<'_>> = output.iter().map(|fd| PollFd::new(*fd, PollFlags::empty())).collect();
    list.extend(fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
    // rounded up: 0 would spin
    let millis = u16::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u16::MAX);
    let count = match poll(&mut list, PollTimeout::from(millis)) {
        Err(nix::errno::Errno::EINTR) => return Ok(Woken { any: true, gone: false }),
        other => other?,
    };
    let events = list.first().filter(|_| output.is_some()).and_then(PollFd::revents);
    let gone = events.is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP));
    Ok(Woken { any: count > 0, gone })
}

#[cfg(target_os = "linux")]
pub use linux::{Told, Watch};

#[cfg(target_os = "linux")]
mod linux {
    use nix::sys::inotify::{AddWatchFlags as Of, InitFlags, Inotify, WatchDescriptor};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
    use std::path::Path;

    /// Files and folders that are watched.
    #[derive(Debug)]
    pub struct Watch(Inotify);

    /// One of them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Told(WatchDescriptor);

    impl Watch {
        /// Of nothing yet.
        pub fn new() -> io::Result<Self> {
            Ok(Self(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?))
        }

        /// This open file, whatever its name: it grows, is shortened, renamed or removed.
        pub fn file(&self, file: BorrowedFd<'_>) -> io::Result<Told> {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(Told(self.0.add_watch(path.as_str(), Of::IN_MODIFY | Of::IN_ATTRIB | Of::IN_MOVE_SELF)?))
        }

        /// Names in this folder: they come, go, or are of another file.
        pub fn folder(&self, folder: &Path) -> io::Result<Told> {
            let names = Of::IN_CREATE | Of::IN_MOVED_TO | Of::IN_MOVED_FROM | Of::IN_DELETE;
            Ok(Told(self.0.add_watch(folder, names | Of::IN_ONLYDIR)?))
        }

        /// No longer.
        pub fn forget(&self, told: &Told) {
            let _ = self.0.rm_watch(told.0); // it may be gone with its file
        }

        /// Readable when there is something to [`take`](Watch::take).
        pub fn fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        /// What has changed; `None`: some of it was lost.
        pub fn take(&self) -> Vec<Option<Told>> {
            let mut all = Vec::new();
            while let Ok(events) = self.0.read_events() {
                for event in events {
                    let lost = event.mask.contains(Of::IN_Q_OVERFLOW);
                    let told = (!lost).then_some(Told(event.wd));
                    if all.last() != Some(&told) {
                        all.push(told);
                    }
                }
            }
            all
        }
    }
}

/// Nothing tells.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Watch(std::convert::Infallible);

/// Nothing.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told;

#[cfg(not(target_os = "linux"))]
impl Watch {
    /// Not here.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Not here.
    pub fn file(&self, _: BorrowedFd<'_>) -> io::Result<Told> {
        match self.0 {}
    }

    /// Not here.
    pub fn folder(&self, _: &Path) -> io::Result<Told> {
        match self.0 {}
    }

    /// Not here.
    pub fn forget(&self, _: &Told) {
        match self.0 {}
    }

    /// Not here.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    /// Not here.
    pub fn take(&self) -> Vec<Option<Told>> {
        match self.0 {}
    }
}
