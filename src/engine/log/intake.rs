//! The way from pipes to logs; the protocol stands in the module above.

use super::careful::{Batch, Careful, Staging, Stop, show as write_and_show};
use super::render::{Place, cut, stamp};
use super::screen::{PIECE, Screen};
use super::{Drained, Rest, Writer};
use crate::sys::pipe;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// Bytes of a batch at most: four times what a pipe holds by default, so that a flood is moved by few calls.
pub(super) const BATCH: usize = 256 * 1024;
/// A line that began in an earlier batch is shown with so many bytes before this one at most.
const LONGEST_SHOWN: u64 = 64 * 1024;

/// Moves what services write from their pipes to their logs: one for all.
#[derive(Debug)]
pub struct Intake {
    careful: Option<Careful>,
    screen: Option<Screen>,
    /// Bytes as they were written.
    raw: Box<[u8]>,
    /// As the log gets them.
    out: Vec<u8>,
    /// Without `careful`: what was read and could not be written, by the id of the log.
    held: BTreeMap<u64, Vec<u8>>,
}

/// What a line is shown to.
pub type Line<'a> = dyn FnMut(&[u8]) + 'a;

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
        Ok(Self { careful, screen: None, raw: vec![0; BATCH].into(), out: Vec::new(), held: BTreeMap::new() })
    }

    /// The file of the record was removed: this one takes its place.
    pub fn move_record(&mut self, to: File) {
        if let Some(careful) = &mut self.careful {
            careful.move_record(to);
        }
    }

    /// From now on all is shown, too; to be called before [`recover`](Self::recover).
    pub fn show_on(&mut self, screen: Screen) {
        self.screen = Some(screen);
    }

    /// Where all is shown, if anywhere.
    pub fn screen(&mut self) -> Option<&mut Screen> {
        self.screen.as_mut()
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
        careful.recover(open, &mut self.raw, self.screen.as_mut())
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
        mut line: Option<&mut Line<'_>>,
    ) -> io::Result<Drained> {
        let mut done = Drained { bytes: 0, lines: 0, rest: Rest::Empty };
        let stamp = log.timestamps().then(|| stamp(now));
        log.tell_left_out(now);
        let turn = Turn { id, pipe, number: pipe::identity(pipe)?, now, stamp };
        while done.bytes < budget {
            let count = self.look(&turn, budget - done.bytes)?;
            if count == 0 {
                let _ = self.notes(id, log, now); // they stay with the log otherwise
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
                        return match stop {
                            Stop::Blocked(cause) => Ok(Drained { rest: Rest::Blocked(cause), ..done }),
                            Stop::Waits => Ok(Drained { rest: Rest::Unseen, ..done }),
                            Stop::Broken(cause) => Err(cause),
                        };
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
        let _ = log.ready().map_err(Stop::Blocked).and_then(|()| self.notes(id, log, now));
    }

    /// Ends a line that a program has begun and will not end, because it has ended itself; to be
    /// called when its pipe is empty.
    pub fn end_line(&mut self, id: u64, log: &mut Writer, now: Timestamp) -> io::Result<()> {
        log.ready()?;
        if !log.at_line_start() {
            self.commit(log, Batch { id, from: None, raw: b"", written: b"\n" }).map_err(Stop::cause)?;
        }
        self.notes(id, log, now).map_err(Stop::cause)
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
        line: &mut Option<&mut Line<'_>>,
    ) -> Result<usize, Stop> {
        log.ready().map_err(Stop::Blocked)?;
        self.flush()?;
        self.notes(turn.id, log, turn.now)?;
        if log.overlong() {
            if self.screen.is_some() {
                self.commit(log, Batch { id: turn.id, from: None, raw: b"", written: b"\n" })?;
            }
            log.rotate(turn.now).map_err(Stop::Blocked)?;
        }
        let mut out = std::mem::take(&mut self.out);
        let raw = std::mem::take(&mut self.raw);
        let stamp = turn.stamp.as_ref().map(String::as_bytes);
        let result = (|| {
            let mut range = range;
            if let Some(screen) = &self.screen {
                let begun = log.last_piece(PIECE).map_err(Stop::Blocked)?.len();
                range.end = range.start + screen.fits(begun, &raw[range.clone()]);
            }
            let part = log.limited(&raw[range.clone()]);
            range.end = range.start + part.length;
            if !part.through {
                return self.leave_out(turn, log, &raw[range], line);
            }
            let mut taken = cut(&raw[range.clone()], stamp, log.place(), &mut out);
            if taken == 0 {
                log.rotate(turn.now).map_err(Stop::Blocked)?;
                let place = Place { forced: true, ..log.place() };
                taken = cut(&raw[range.clone()], stamp, place, &mut out);
            }
            let bytes = &raw[range.start..range.start + taken];
            let begun = match line {
                Some(_) if !log.at_line_start() => log.unended_text(LONGEST_SHOWN).unwrap_or_default(),
                _ => Vec::new(),
            };
            log.mark(turn.now);
            let written = if stamp.is_some() { &out[..] } else { bytes };
            self.commit(log, Batch { id: turn.id, from: Some((turn.pipe, turn.number)), raw: bytes, written })?;
            log.took(bytes, true);
            if let Some(line) = line {
                show(bytes, begun, line);
            }
            Ok(taken)
        })();
        (self.out, self.raw) = (out, raw);
        result
    }

    /// Takes lines that are too many from the pipe; the log gets none of them.
    fn leave_out(
        &mut self,
        turn: &Turn<'_>,
        log: &mut Writer,
        bytes: &[u8],
        line: &mut Option<&mut Line<'_>>,
    ) -> Result<usize, Stop> {
        self.commit(log, Batch { id: turn.id, from: Some((turn.pipe, turn.number)), raw: bytes, written: b"" })?;
        log.took(bytes, false);
        if let Some(line) = line {
            show(bytes, Vec::new(), line);
        }
        Ok(bytes.len())
    }

    /// Says how many lines were left out, if it is time.
    pub fn tell_left_out(&mut self, id: u64, log: &mut Writer, now: Timestamp) {
        log.tell_left_out(now);
        // it stays with the log otherwise
        let _ = log.ready().map_err(Stop::Blocked).and_then(|()| self.notes(id, log, now));
    }

    /// Writes the notes that can be written, if any.
    fn notes(&mut self, id: u64, log: &mut Writer, now: Timestamp) -> Result<(), Stop> {
        let notes = log.due_notes();
        if notes.is_empty() {
            return Ok(());
        }
        if self.flush().is_err() {
            log.put_back(notes);
            return Err(Stop::Waits);
        }
        log.mark(now);
        let result = self.commit(log, Batch { id, from: None, raw: b"", written: &notes });
        if result.is_err() {
            log.put_back(notes);
        }
        result
    }

    /// Writes to the log what was taken from the pipe.
    fn commit(&mut self, log: &mut Writer, batch: Batch<'_>) -> Result<(), Stop> {
        self.flush()?;
        match (&mut self.careful, &mut self.screen) {
            (Some(careful), screen) => careful.commit(log, batch, screen.as_mut())?,
            (None, Some(screen)) => write_and_show(log, batch, screen).map_err(Stop::Blocked)?,
            (None, None) => log.write(batch.written).map_err(Stop::Blocked)?,
        }
        let _ = self.flush(); // what is not out now comes before the next batch
        Ok(())
    }

    /// Whether there is room to show more.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.screen.as_mut().is_none_or(Screen::flush) { Ok(()) } else { Err(Stop::Waits) }
    }
}

/// Shows each line that ends in `raw`; the first one began with `begun`.
fn show(raw: &[u8], mut begun: Vec<u8>, line: &mut Line<'_>) {
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
