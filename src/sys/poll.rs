//! Waiting for many descriptors at once: epoll(7), kqueue(2), through the crate `polling`.
//!
//! Level-triggered: what was not read is told again, so that a reader with a budget loses nothing.

#![allow(unsafe_code, reason = "a descriptor that is watched must be let go before it is closed")]

use polling::{Event, Events, PollMode, Poller};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read, or the end.
    Read,
    /// The same, or room to write.
    Both,
    /// Room to write.
    Write,
    /// Only that the other end is gone.
    Closed,
}

/// The set of descriptors that are watched.
#[derive(Debug)]
pub struct Watch {
    poller: Poller,
    events: Events,
}

impl Watch {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poller: Poller::new()?, events: Events::new() })
    }

    /// Watches a descriptor. Whoever closes it calls [`Watch::remove`] first: otherwise another
    /// process that has a copy of it would keep it watched.
    pub fn add(&self, fd: impl AsFd, key: usize, interest: Interest) -> io::Result<()> {
        let raw = fd.as_fd().as_raw_fd();
        // SAFETY: nothing of memory depends on it; `remove` is called before a descriptor is closed
        unsafe { self.poller.add_with_mode(raw, event(key, interest), PollMode::Level) }
    }

    /// Waits for something else from now on.
    pub fn change(&self, fd: impl AsFd, key: usize, interest: Interest) -> io::Result<()> {
        self.poller.modify_with_mode(fd.as_fd(), event(key, interest), PollMode::Level)
    }

    /// Watches no longer; one that is not watched is no error.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = self.poller.delete(fd.as_fd());
    }

    /// Waits until something is to be done, at most `limit`; the keys, appended to `ready`.
    pub fn wait(&mut self, limit: Option<Duration>, ready: &mut Vec<usize>) -> io::Result<()> {
        self.events.clear();
        match self.poller.wait(&mut self.events, limit) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => {
                result?;
            }
        }
        ready.extend(self.events.iter().map(|event| event.key));
        Ok(())
    }
}

fn event(key: usize, interest: Interest) -> Event {
    match interest {
        Interest::Read => Event::readable(key),
        Interest::Both => Event::all(key),
        Interest::Write => Event::writable(key),
        Interest::Closed => Event::none(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_not_read_is_told_again() {
        let (reader, writer) = crate::sys::pipe::create().expect("pipe");
        let mut watch = Watch::new().expect("watch");
        watch.add(&reader, 7, Interest::Read).expect("watched");
        let mut ready = Vec::new();
        watch.wait(Some(Duration::ZERO), &mut ready).expect("waited");
        assert!(ready.is_empty());
        std::fs::File::from(writer).write_all(b"x").expect("written");
        for _ in 0..2 {
            watch.wait(None, &mut ready).expect("waited");
        }
        assert_eq!(ready, [7, 7]);
        watch.remove(&reader);
    }
}
