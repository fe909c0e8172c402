//! Noticing that something is removed from a folder: inotify(7); on macOS EVFILT_VNODE of kqueue(2),
//! which tells of what is new too.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// A folder that is watched.
#[derive(Debug)]
pub struct Changes {
    #[cfg(target_os = "linux")]
    inotify: nix::sys::inotify::Inotify,
    #[cfg(target_os = "macos")]
    queue: std::os::fd::OwnedFd,
    /// What is watched must stay open.
    #[cfg(target_os = "macos")]
    _folder: std::fs::File,
    over: std::cell::Cell<bool>,
}

#[cfg(target_os = "linux")]
impl Changes {
    /// Watches this folder.
    pub fn of(folder: &Path) -> io::Result<Self> {
        use nix::sys::inotify::{AddWatchFlags as Of, InitFlags, Inotify};
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        inotify.add_watch(folder, Of::IN_DELETE | Of::IN_MOVED_FROM | Of::IN_DELETE_SELF | Of::IN_MOVE_SELF)?;
        Ok(Self { inotify, over: false.into() })
    }

    /// Readable when something was removed.
    pub fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.inotify.as_fd()
    }

    /// Takes note of all that there was.
    pub fn take(&self) {
        use nix::sys::inotify::AddWatchFlags as Of;
        while let Ok(events) = self.inotify.read_events() {
            if events.iter().any(|event| event.mask.intersects(Of::IN_DELETE_SELF | Of::IN_MOVE_SELF | Of::IN_IGNORED))
            {
                self.over.set(true);
            }
        }
    }

    /// The folder itself is gone.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }
}

#[cfg(target_os = "macos")]
impl Changes {
    /// Watches this folder.
    pub fn of(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        // open(2) of macOS: only to be told of events, no obstacle to an unmount
        let folder = std::fs::File::options().read(true).custom_flags(nix::libc::O_EVTONLY).open(folder)?;
        let queue = super::darwin::watch_folder(&folder)?;
        Ok(Self { queue, _folder: folder, over: false.into() })
    }

    /// Readable when something was removed.
    pub fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.queue.as_fd()
    }

    /// Takes note of all that there was.
    pub fn take(&self) {
        if super::darwin::take_changes(&self.queue) {
            self.over.set(true);
        }
    }

    /// The folder itself is gone.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl Changes {
    /// Not here.
    pub fn of(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is none.
    pub fn fd(&self) -> BorrowedFd<'_> {
        unreachable!("there is none where it is not supported")
    }

    /// Nothing.
    pub fn take(&self) {}

    /// Nothing is watched.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("a");
        std::fs::create_dir(&inner).expect("made");
        let file = inner.join("f");
        std::fs::File::create(&file).expect("made");
        let changes = Changes::of(&inner).expect("watched");
        std::fs::remove_file(&file).expect("removed");
        crate::sys::fds::wait(&[(changes.fd(), false)], None).expect("noticed");
        changes.take();
        assert!(!changes.is_over());
        std::fs::remove_dir(&inner).expect("removed");
        crate::sys::fds::wait(&[(changes.fd(), false)], None).expect("noticed");
        changes.take();
        assert!(changes.is_over());
    }
}
