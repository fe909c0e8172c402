//! The kernel's side of the protocol: pipes that keep what was not written yet, and the record.

use super::intake::BATCH;
use super::record::{self, Record};
use super::screen::{PIECE, Screen};
use super::{Writer, point};
use crate::sys::pipe;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The staging pipe: what was moved into it counts as written to the log. It must outlive this
/// process, with what is in it: the guardian makes it, and the next process gets it from there.
#[derive(Debug)]
pub struct Staging {
    read: OwnedFd,
    write: OwnedFd,
}

impl Staging {
    /// A new one; none where the kernel lacks what it is for.
    pub fn create() -> io::Result<Option<Self>> {
        if !pipe::CAN_TEE {
            return Ok(None);
        }
        let (read, write) = pipe::create()?;
        Ok(Some(Self { read, write }))
    }

    /// From both ends of one that somebody kept.
    pub fn from_ends(read: OwnedFd, write: OwnedFd) -> Self {
        Self { read, write }
    }

    /// Both ends, reading and writing, for somebody to keep.
    pub fn ends(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        (self.read.as_fd(), self.write.as_fd())
    }
}

/// What is written and consumed in one step.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// Of the log.
    pub(super) id: u64,
    /// The pipe and its number; none for what comes from svc itself.
    pub(super) from: Option<(BorrowedFd<'a>, u64)>,
    /// What lies in the pipe.
    pub(super) raw: &'a [u8],
    /// What the log gets for it.
    pub(super) written: &'a [u8],
}

impl Batch<'_> {
    /// Lines of svc itself, as against the end of a program's line.
    fn is_own(&self) -> bool {
        self.from.is_none() && self.written != b"\n"
    }
}

/// Why a batch ended early.
pub(super) enum Stop {
    /// The log or the record: to be tried again.
    Blocked(io::Error),
    /// A pipe.
    Broken(io::Error),
    /// What was shown before is not out yet.
    Waits,
}

/// What it takes on Linux.
#[derive(Debug)]
pub(super) struct Careful {
    staging: Staging,
    staging_number: u64,
    /// Private pipe for copies: reading and writing end.
    scratch: (OwnedFd, OwnedFd),
    /// /dev/null
    nothing: File,
    record: File,
    boot: u64,
    /// The record or the staging pipe hold what has been dealt with.
    unsettled: bool,
}

impl Stop {
    pub(super) fn cause(self) -> io::Error {
        match self {
            Self::Blocked(cause) | Self::Broken(cause) => cause,
            Self::Waits => ErrorKind::WouldBlock.into(),
        }
    }
}

impl Careful {
    pub(super) fn new(staging: Staging, record: File) -> io::Result<Self> {
        let scratch = pipe::create()?;
        // what fits into the one must fit into the other
        if pipe::size(&staging.write)? < BATCH {
            let _ = pipe::set_size(&staging.write, BATCH); // smaller batches then
        }
        let size = pipe::size(&staging.write)?;
        if pipe::size(&scratch.1)? > size {
            pipe::set_size(&scratch.1, size)?;
        } else {
            let _ = pipe::set_size(&scratch.1, size); // likewise
        }
        let nothing = File::options().write(true).open("/dev/null")?;
        let staging_number = pipe::identity(&staging.read)?;
        Ok(Self { staging, staging_number, scratch, nothing, record, boot: record::boot(), unsettled: false })
    }

    /// The record lies in another file from now on.
    pub(super) fn move_record(&mut self, to: File) {
        if let Some(batch) = Record::read(&self.record) {
            let _ = batch.write(&to); // as before, the batch is not told of: it may be lost at a SIGKILL
        }
        self.record = to;
    }

    /// See [`Intake::recover`](super::Intake::recover); `raw` is room to read.
    pub(super) fn recover<'a>(
        &mut self,
        open: impl FnOnce(u64) -> Option<(&'a mut Writer, BorrowedFd<'a>)>,
        raw: &mut [u8],
        screen: Option<&mut Screen>,
    ) -> io::Result<()> {
        self.unsettled = true;
        let finished = match Record::read(&self.record).and_then(|batch| Some((batch, open(batch.id)?))) {
            Some((batch, (log, pipe))) => self.finish(&batch, log, pipe, raw, screen),
            None => Ok(()),
        };
        self.settle().and(finished)
    }

    /// Writes to the log, shows, and takes from the pipe: all or nothing.
    pub(super) fn commit(
        &mut self,
        log: &mut Writer,
        batch: Batch<'_>,
        screen: Option<&mut Screen>,
    ) -> Result<(), Stop> {
        let Batch { id, from, raw, written } = batch;
        self.settle().map_err(Stop::Blocked)?;
        let (file, offset) = log.end();
        let record = Record {
            id,
            taken: raw.len() as u64,
            hash: record::hash(raw),
            file,
            offset,
            written: written.len() as u64,
            boot: self.boot,
            pipe: from.map_or(0, |(_, number)| number),
            staging: self.staging_number,
        };
        self.unsettled = true;
        record.write(&self.record).map_err(Stop::Blocked)?;
        point::dies();
        let result = match screen {
            Some(screen) => show(log, batch, screen).inspect_err(|_| drop(log.undo(&record))),
            None => log.write(written),
        };
        let result = result.map_err(Stop::Blocked);
        point::dies();
        if let (Ok(()), Some((pipe, _))) = (&result, from) {
            self.consume(pipe, raw.len()).map_err(Stop::Broken)?;
            point::dies();
        }
        // if not now, then before the next batch
        let _ = self.settle();
        result
    }

    /// Copies what lies in `from`, at most `most` bytes, to `raw`; `from` keeps it.
    pub(super) fn copy(&mut self, from: BorrowedFd<'_>, most: usize, raw: &mut [u8]) -> io::Result<usize> {
        let (read, write) = &self.scratch;
        let count = would_block(pipe::tee(from, write, most.min(raw.len())))?.unwrap_or(0);
        if let Err(cause) = read_exact(read, &mut raw[..count]) {
            // the next copy must find it empty
            pipe::splice(read, &self.nothing, count)?;
            return Err(cause);
        }
        point::dies();
        Ok(count)
    }

    /// Moves `count` bytes from `from` to the staging pipe; fewer if somebody else has read them.
    fn consume(&mut self, from: BorrowedFd<'_>, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            match would_block(pipe::splice(from, &self.staging.write, left))? {
                Some(0) => break,
                Some(moved) => left -= moved,
                None if pipe::waiting(from)? == 0 => break,
                None => return Err(io::Error::other("the staging pipe is full")),
            }
        }
        Ok(())
    }

    /// Clears the record, then empties the staging pipe.
    fn settle(&mut self) -> io::Result<()> {
        if !self.unsettled {
            return Ok(());
        }
        Record::clear(&self.record)?;
        point::dies();
        loop {
            let left = pipe::waiting(&self.staging.read)?;
            if left == 0 {
                break;
            }
            pipe::splice(&self.staging.read, &self.nothing, left)?;
            point::dies();
        }
        self.unsettled = false;
        Ok(())
    }

    /// Brings the batch that was on its way to one of its two ends. Done twice it does no harm.
    fn finish(
        &mut self,
        batch: &Record,
        log: &mut Writer,
        pipe: BorrowedFd<'_>,
        raw: &mut [u8],
        screen: Option<&mut Screen>,
    ) -> io::Result<()> {
        let same_pipe = batch.taken == 0 || batch.pipe == pipe::identity(pipe)?;
        if batch.boot != self.boot || !same_pipe {
            return Ok(());
        }
        let count = usize::try_from(batch.taken).unwrap_or(usize::MAX);
        let staged = pipe::waiting(&self.staging.read)?;
        let undo = if batch.staging != self.staging_number {
            // the mark is gone with its keeper
            self.begins_with(pipe, count, batch.hash, raw)?
        } else if staged == 0 {
            true
        } else {
            self.consume(pipe, count.saturating_sub(staged))?;
            false
        };
        if undo {
            point::dies();
            log.undo(batch)?;
            // a line of svc's own that was shown was logged before
            if let Some(screen) = screen.filter(|_| batch.taken > 0) {
                screen.discard();
            }
        }
        point::dies();
        Ok(())
    }

    /// Whether the pipe still begins with the bytes of that hash.
    fn begins_with(&mut self, pipe: BorrowedFd<'_>, count: usize, hash: u64, raw: &mut [u8]) -> io::Result<bool> {
        if count > raw.len() || pipe::waiting(pipe)? < count {
            return Ok(false);
        }
        Ok(self.copy(pipe, count, raw)? == count && record::hash(&raw[..count]) == hash)
    }
}

/// Writes to the log, and what it makes whole to the screen.
pub(super) fn show(log: &mut Writer, batch: Batch<'_>, screen: &mut Screen) -> io::Result<()> {
    let begun = log.last_piece(PIECE)?;
    log.write(batch.written)?;
    point::dies();
    screen.put(batch.id, batch.is_own(), &begun, batch.written)
}

fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn read_exact(from: &OwnedFd, mut into: &mut [u8]) -> io::Result<()> {
    while !into.is_empty() {
        match nix::unistd::read(from, into)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => into = &mut into[count..],
        }
    }
    Ok(())
}
