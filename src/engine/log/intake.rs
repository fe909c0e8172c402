//! The way from pipes to logs; the protocol stands in the module above.

use super::record::{self, Record};
use super::render::{cut, stamp};
use super::{Drained, Rest, Writer, point};
use crate::sys::pipe;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of a batch at most: what a pipe holds by default.
const BATCH: usize = 64 * 1024;
/// A line that began in an earlier batch is shown with so many bytes before this one at most.
const LONGEST_SHOWN: u64 = 64 * 1024;

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

/// What it takes on Linux.
#[derive(Debug)]
struct Careful {
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

/// Moves what services write from their pipes to their logs: one for all.
#[derive(Debug)]
pub struct Intake {
    careful: Option<Careful>,
    /// Bytes as they were written.
    raw: Box<[u8]>,
    /// As the log gets them.
    out: Vec<u8>,
    /// Without `careful`: what was read and could not be written, by the id of the log.
    held: BTreeMap<u64, Vec<u8>>,
}

/// Why a batch ended early.
enum Stop {
    /// The log or the record: to be tried again.
    Blocked(io::Error),
    /// A pipe.
    Broken(io::Error),
}

/// One call of [`Intake::drain`].
struct Turn<'a> {
    id: u64,
    pipe: BorrowedFd<'a>,
    /// Number of `pipe`.
    number: u64,
    now: Timestamp,
    stamp: Option<String>,
}

impl Intake {
    /// `record` is [`open_record`](super::open_record)'s. Without `staging` bytes are read, then
    /// written, and a SIGKILL in between loses them.
    pub fn new(staging: Option<Staging>, record: File) -> io::Result<Self> {
        let careful = staging.map(|staging| Careful::new(staging, record)).transpose()?;
        Ok(Self { careful, raw: vec![0; BATCH].into(), out: Vec::new(), held: BTreeMap::new() })
    }

    /// After the process before was killed: finishes or undoes the batch that was on its way, before
    /// anything else. `open` gives the log and the pipe of the id that the record names, if they are
    /// still there. A damaged record leaves the log as it is. After an error (the log can't be
    /// opened) all goes on; lines of that one batch may come twice.
    pub fn recover<'a>(
        &mut self,
        open: impl FnOnce(u64) -> Option<(&'a mut Writer, BorrowedFd<'a>)>,
    ) -> io::Result<()> {
        let Some(careful) = &mut self.careful else { return Ok(()) };
        careful.unsettled = true;
        let finished = match Record::read(&careful.record).and_then(|batch| Some((batch, open(batch.id)?))) {
            Some((batch, (log, pipe))) => careful.finish(&batch, log, pipe, &mut self.raw),
            None => Ok(()),
        };
        careful.settle().and(finished)
    }

    /// Moves what lies in `pipe` (any end of it that can be read) to `log`, at most `budget` bytes.
    /// Each line that ends is shown to `line`, without its end. An error is one of the pipe.
    pub fn drain(
        &mut self,
        id: u64,
        pipe: BorrowedFd<'_>,
        log: &mut Writer,
        now: Timestamp,
        budget: usize,
        mut line: Option<&mut dyn FnMut(&[u8])>,
    ) -> io::Result<Drained> {
        let mut done = Drained { bytes: 0, lines: 0, rest: Rest::Empty };
        let stamp = log.timestamps().then(|| stamp(now));
        let turn = Turn { id, pipe, number: pipe::identity(pipe)?, now, stamp };
        while done.bytes < budget {
            let count = self.look(&turn, budget - done.bytes)?;
            if count == 0 {
                return Ok(done);
            }
            let mut from = 0;
            while from < count {
                match self.part(&turn, log, from..count, &mut line) {
                    Ok(taken) => {
                        done.bytes += taken;
                        done.lines += memchr::memchr_iter(b'\n', &self.raw[from..from + taken]).count();
                        from += taken;
                    }
                    Err(stop) => {
                        self.hold(id, from..count);
                        let Stop::Blocked(cause) = stop else { return Err(stop.cause()) };
                        return Ok(Drained { rest: Rest::Blocked(cause), ..done });
                    }
                }
            }
        }
        if self.held.contains_key(&id) || pipe::waiting(pipe)? > 0 {
            done.rest = Rest::More;
        }
        Ok(done)
    }

    /// Writes a line of svc's own (`svc: …`) to the log: now, or, in the middle of a line or while
    /// the log can't be written, after the next end of a line.
    pub fn note(&mut self, id: u64, log: &mut Writer, now: Timestamp, text: &str) {
        log.add_note(now, text);
        // it stays with the log otherwise
        let _ = log.ready().map_err(Stop::Blocked).and_then(|()| self.notes(id, log));
    }

    /// Ends a line that a program has begun and will not end, because it has ended itself; to be
    /// called when its pipe is empty.
    pub fn end_line(&mut self, id: u64, log: &mut Writer) -> io::Result<()> {
        log.ready()?;
        if !log.at_line_start() {
            self.commit(id, None, log, b"", b"\n").map_err(Stop::cause)?;
        }
        self.notes(id, log).map_err(Stop::cause)
    }

    /// Forgets a log for good.
    pub fn forget(&mut self, id: u64) {
        self.held.remove(&id);
    }

    /// Puts what comes next into `raw`; the pipe still holds it.
    fn look(&mut self, turn: &Turn<'_>, most: usize) -> io::Result<usize> {
        if let Some(careful) = &mut self.careful {
            return careful.copy(turn.pipe, most, &mut self.raw);
        }
        if let Some(held) = self.held.remove(&turn.id) {
            self.raw[..held.len()].copy_from_slice(&held);
            return Ok(held.len());
        }
        let most = most.min(pipe::waiting(turn.pipe)?).min(self.raw.len());
        if most == 0 { Ok(0) } else { Ok(nix::unistd::read(turn.pipe, &mut self.raw[..most])?) }
    }

    /// Without `careful`: keeps what is no longer in the pipe.
    fn hold(&mut self, id: u64, range: Range<usize>) {
        if self.careful.is_none() {
            self.held.insert(id, self.raw[range].to_vec());
        }
    }

    /// Moves the first piece of `raw[range]` that goes to one file in one step; how long it was.
    fn part(
        &mut self,
        turn: &Turn<'_>,
        log: &mut Writer,
        range: Range<usize>,
        line: &mut Option<&mut dyn FnMut(&[u8])>,
    ) -> Result<usize, Stop> {
        log.ready().map_err(Stop::Blocked)?;
        self.notes(turn.id, log)?;
        if log.overlong() {
            log.rotate(turn.now).map_err(Stop::Blocked)?;
        }
        let mut out = std::mem::take(&mut self.out);
        let raw = std::mem::take(&mut self.raw);
        let stamp = turn.stamp.as_ref().map(String::as_bytes);
        let result = (|| {
            let mut taken = cut(&raw[range.clone()], stamp, log.place(), &mut out);
            if taken == 0 {
                log.rotate(turn.now).map_err(Stop::Blocked)?;
                let place = super::render::Place { forced: true, ..log.place() };
                taken = cut(&raw[range.clone()], stamp, place, &mut out);
            }
            let bytes = &raw[range.start..range.start + taken];
            let begun = match line {
                Some(_) if !log.at_line_start() => log.unended(LONGEST_SHOWN).unwrap_or_default(),
                _ => Vec::new(),
            };
            let written = if stamp.is_some() { &out[..] } else { bytes };
            self.commit(turn.id, Some((turn.pipe, turn.number)), log, bytes, written)?;
            if let Some(line) = line {
                show(bytes, begun, line);
            }
            Ok(taken)
        })();
        (self.out, self.raw) = (out, raw);
        result
    }

    /// Writes the notes that can be written, if any.
    fn notes(&mut self, id: u64, log: &mut Writer) -> Result<(), Stop> {
        let notes = log.due_notes();
        if notes.is_empty() {
            return Ok(());
        }
        let result = self.commit(id, None, log, b"", &notes);
        if result.is_err() {
            log.put_back(notes);
        }
        result
    }

    /// Writes `written` to the log and takes `raw` from the pipe (and its number), both or neither.
    fn commit(
        &mut self,
        id: u64,
        pipe: Option<(BorrowedFd<'_>, u64)>,
        log: &mut Writer,
        raw: &[u8],
        written: &[u8],
    ) -> Result<(), Stop> {
        let Some(careful) = &mut self.careful else { return log.write(written).map_err(Stop::Blocked) };
        careful.settle().map_err(Stop::Blocked)?;
        let (file, offset) = log.end();
        careful.unsettled = true;
        point::dies();
        Record {
            id,
            taken: raw.len() as u64,
            hash: record::hash(raw),
            file,
            offset,
            written: written.len() as u64,
            boot: careful.boot,
            pipe: pipe.map_or(0, |(_, number)| number),
            staging: careful.staging_number,
        }
        .write(&careful.record)
        .map_err(Stop::Blocked)?;
        point::dies();
        let result = log.write(written).map_err(Stop::Blocked);
        if let (Ok(()), Some((pipe, _))) = (&result, pipe) {
            careful.consume(pipe, raw.len()).map_err(Stop::Broken)?;
            point::dies();
        }
        // if not now, then before the next batch
        let _ = careful.settle();
        result
    }
}

impl Careful {
    fn new(staging: Staging, record: File) -> io::Result<Self> {
        let scratch = pipe::create()?;
        // what fits into the one must fit into the other
        let size = pipe::size(&staging.write)?;
        if pipe::size(&scratch.1)? > size {
            pipe::set_size(&scratch.1, size)?;
        }
        let nothing = File::options().write(true).open("/dev/null")?;
        let staging_number = pipe::identity(&staging.read)?;
        Ok(Self { staging, staging_number, scratch, nothing, record, boot: record::boot(), unsettled: false })
    }

    /// Copies what lies in `from`, at most `most` bytes, to `raw`; `from` keeps it.
    fn copy(&mut self, from: BorrowedFd<'_>, most: usize, raw: &mut [u8]) -> io::Result<usize> {
        let (read, write) = &self.scratch;
        let count = would_block(pipe::tee(from, write, most.min(raw.len())))?.unwrap_or(0);
        let mut got = 0;
        while got < count {
            got += match nix::unistd::read(read, &mut raw[got..count])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                more => more,
            };
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
    fn finish(&mut self, batch: &Record, log: &mut Writer, pipe: BorrowedFd<'_>, raw: &mut [u8]) -> io::Result<()> {
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

impl Stop {
    fn cause(self) -> io::Error {
        match self {
            Self::Blocked(cause) | Self::Broken(cause) => cause,
        }
    }
}

fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Shows each line that ends in `raw`; the first one began with `begun`.
fn show(raw: &[u8], mut begun: Vec<u8>, line: &mut dyn FnMut(&[u8])) {
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', raw) {
        if begun.is_empty() {
            line(&raw[from..end]);
        } else {
            begun.extend_from_slice(&raw[from..end]);
            line(&std::mem::take(&mut begun));
        }
        from = end + 1;
    }
}
