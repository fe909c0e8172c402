//! What a supervisor is given by its guardian, and can ask of it.

use super::message::{ENDED, Ended, Order};
use super::resume::Again;
use super::{Guardian, STORED_AT_MOST, Work};
use crate::sys::fds::{self, Limit};
use crate::sys::messages;
use crate::sys::subreaper;
use nix::sys::signal::Signal;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How often an order to a guardian that takes none is tried again, once every tenth of a second.
const TRIES: u32 = 20;

/// What outlives a supervisor, in its hand.
#[derive(Debug)]
pub struct Hand {
    /// 1 for the first supervisor of this guardian, then one more each; goes on over a reload and a
    /// takeover.
    pub generation: u32,
    /// Descriptors kept by supervisors before this one.
    pub stored: Vec<(u64, OwnedFd)>,
    /// A pipe without a name, reading end first; what was written and not read is still in it.
    pub staging: (OwnedFd, OwnedFd),
    /// No supervisor had the pipe before.
    pub staging_is_new: bool,
    /// The parent, which this process stopped being watched by if it ends: see [`Hand::channel`].
    pub guardian_pid: u32,
    /// Limit of open files, soft and hard, before the guardian raised it: what programs get.
    pub open_files: Limit,
    /// Why the last [`super::RELOAD`] was not done: the error of execve(2).
    pub reload_failed: Option<i32>,
    pub(super) channel: OwnedFd,
    pub(super) kept: RefCell<Vec<u64>>,
    pub(super) sequence: Cell<u64>,
    pub(super) again: Again,
    pub(super) in_front: bool,
    pub(super) work: Work,
}

impl Hand {
    /// Readable when an orphan ended or the guardian is gone; [`Hand::next_ended`] tells which.
    pub fn channel(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// The next orphan that ended, without taking it off the queue; call [`Hand::consume`] when it
    /// is recorded. `None`: none now. An error of kind `UnexpectedEof`: all were told and the
    /// guardian is gone, so [`Hand::take_over`].
    pub fn next_ended(&self) -> io::Result<Option<Ended>> {
        let mut bytes = [0; ENDED];
        loop {
            let length = match messages::receive(self.channel(), &mut bytes, true) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((length, _)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            if let Some(ended) = Ended::from_bytes(&bytes[..length]) {
                self.sequence.set(self.sequence.get().max(ended.sequence));
                return Ok(Some(ended));
            }
            self.consume()?; // a word of a newer guardian
        }
    }

    /// Takes what [`Hand::next_ended`] told off the queue.
    pub fn consume(&self) -> io::Result<()> {
        messages::receive(self.channel(), &mut [0; ENDED], false).map(drop)
    }

    /// Gives the guardian a copy of a descriptor; the next supervisor has it in [`Hand::stored`].
    /// Another of the same id is forgotten.
    pub fn keep(&self, id: u64, fd: BorrowedFd<'_>) -> io::Result<()> {
        let place = self.kept.borrow().binary_search(&id);
        if place.is_err() && self.kept.borrow().len() >= STORED_AT_MOST {
            return Err(io::Error::other("the guardian's table of descriptors is full"));
        }
        self.order(Order::Keep(id), Some(fd))?;
        if let Err(place) = place {
            self.kept.borrow_mut().insert(place, id);
        }
        Ok(())
    }

    /// The guardian has a descriptor of this id.
    pub fn keeps(&self, id: u64) -> bool {
        self.kept.borrow().binary_search(&id).is_ok()
    }

    /// The guardian closes the descriptor of this id, if it has one.
    pub fn forget(&self, id: u64) -> io::Result<()> {
        let Ok(place) = self.kept.borrow().binary_search(&id) else { return Ok(()) };
        self.order(Order::Forget(id), None)?;
        self.kept.borrow_mut().remove(place);
        Ok(())
    }

    /// Sends without waiting; a guardian that takes nothing was stopped by somebody: it is continued.
    fn order(&self, order: Order, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        for _ in 0..TRIES {
            match messages::send(self.channel(), &order.to_bytes(), fd) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
            if nix::unistd::getppid().as_raw().cast_unsigned() == self.guardian_pid {
                subreaper::kill(self.guardian_pid, Signal::SIGCONT)?;
            }
            fds::wait(&[(self.channel(), true)], Some(Duration::from_millis(100)))?;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the guardian takes no orders"))
    }

    /// After the guardian's end this process takes its place: it keeps these descriptors, becomes
    /// small, and forks the next supervisor, whose orphans are now its own children. Drop all else
    /// first. It never returns: the process ends when the supervisor is done.
    ///
    /// Orphans that were the old guardian's are lost to it (the system gave them to another): their
    /// exit status can't be seen any more, their end can, through a pidfd.
    pub fn take_over(self, stored: Vec<(u64, OwnedFd)>) -> ! {
        let code = super::successor(self, stored).and_then(Guardian::guard).unwrap_or(1);
        subreaper::exit_now(code)
    }
}
