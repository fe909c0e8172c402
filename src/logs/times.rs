//! When what stands in a log file was written: a sparse index beside it, for lines that have no time.
//!
//! ```text
//!  FOLDER/web.log                         FOLDER/.svc/web.log.INODE
//!  FOLDER/web.log.1    (another inode)    FOLDER/.svc/web.log.INODE
//! ```
//!
//! The index is named after the file's inode: a rotation renames nothing, and a file that somebody
//! puts in a log's place has none. It is a header and records of 16 bytes, all numbers little endian:
//!
//! | | |
//! | --- | --- |
//! | header | `svctimes`, flags (bit 0: the clock was set back while this was written) |
//! | record | offset in the log, microseconds since 1970 in UTC |
//!
//! What stands from a record's offset up to the next one's was written at its time, or less than
//! [`PRECISION`] later. Offsets do not go down; of records with one offset the last counts. A cut
//! record at the end is none. Nothing of svc needs the index: without it a line's time is unknown.
//!
//! It is written by the log's writer (`engine::log`), which alone changes it.

use jiff::{SignedDuration, Timestamp};
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder beside log files for what svc needs of its own.
pub const FOLDER: &str = ".svc";
/// Two records are at least so far apart, unless the clock was set back.
pub const PRECISION: SignedDuration = SignedDuration::from_millis(10);
/// Bytes of a record, and of the header.
pub(crate) const LENGTH: u64 = 16;
pub(crate) type Bytes = [u8; 16];
const MAGIC: [u8; 8] = *b"svctimes";
const SET_BACK: u64 = 1;
/// Records that a [`Cursor`] reads at once, and a search that must look at all.
const BLOCK: usize = 256;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// In the log, bytes.
    pub(crate) offset: u64,
    /// When what stands there was written.
    pub(crate) time: Timestamp,
}

impl Record {
    pub(crate) fn to_bytes(self) -> Bytes {
        pair(self.offset.to_le_bytes(), self.time.as_microsecond().to_le_bytes())
    }

    pub(crate) fn from_bytes(bytes: &Bytes) -> Self {
        let (offset, time) = halves(bytes);
        let time = i64::from_le_bytes(time).clamp(0, Timestamp::MAX.as_microsecond());
        Self { offset: u64::from_le_bytes(offset), time: Timestamp::from_microsecond(time).unwrap_or_default() }
    }
}

fn pair(first: [u8; 8], second: [u8; 8]) -> Bytes {
    let mut bytes = Bytes::default();
    bytes[..8].copy_from_slice(&first);
    bytes[8..].copy_from_slice(&second);
    bytes
}

fn halves(bytes: &Bytes) -> ([u8; 8], [u8; 8]) {
    let (mut first, mut second) = ([0; 8], [0; 8]);
    first.copy_from_slice(&bytes[..8]);
    second.copy_from_slice(&bytes[8..]);
    (first, second)
}

/// The first bytes of an index.
pub(crate) fn header(set_back: bool) -> Bytes {
    pair(MAGIC, u64::from(set_back).to_le_bytes())
}

/// Where the index of the file `log` with this inode lies.
pub(crate) fn place(log: &Path, inode: u64) -> PathBuf {
    let mut name = OsString::from(base(log));
    name.push(format!(".{inode}"));
    folder(log).join(name)
}

/// Where the indexes of the files beside `log` lie.
pub(crate) fn folder(log: &Path) -> PathBuf {
    log.parent().unwrap_or(Path::new("/")).join(FOLDER)
}

fn base(log: &Path) -> &std::ffi::OsStr {
    log.file_name().unwrap_or_default()
}

/// The index of one log file, for reading; [`Times::reload`] sees what was added since.
#[derive(Debug)]
pub struct Times {
    file: File,
    /// Whole records.
    count: u64,
    set_back: bool,
}

impl Times {
    /// Of the log whose newest file is at `log` (`…/web.log`), the index of the file with these
    /// metadata: that one, or one that was rotated (`…/web.log.1`). `None`: there is no index, or none
    /// that can be read.
    pub fn of(log: &Path, file: &Metadata) -> Option<Self> {
        let file = File::open(place(log, file.ino())).ok()?;
        let mut times = Self { file, count: 0, set_back: false };
        times.reload().ok()?;
        (times.count > 0).then_some(times)
    }

    /// Of the newest file of the log at `log`.
    pub fn open(log: &Path) -> Option<Self> {
        Self::of(log, &std::fs::metadata(log).ok()?)
    }

    /// Sees the records that were added since. An error: this is no index.
    pub fn reload(&mut self) -> io::Result<()> {
        let mut header = Bytes::default();
        self.file.read_exact_at(&mut header, 0)?;
        let (magic, flags) = halves(&header);
        if magic != MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.set_back = u64::from_le_bytes(flags) & SET_BACK != 0;
        self.count = (self.file.metadata()?.len() / LENGTH).saturating_sub(1);
        Ok(())
    }

    /// When the byte at `offset` was written; `None` before the first record (the file is older than
    /// its index).
    pub fn time_at(&self, offset: u64) -> Option<Timestamp> {
        let after = self.first(|record| record.offset > offset);
        Some(self.record(after.checked_sub(1)?)?.time)
    }

    /// Where what was written at `time` or later begins; `None`: nothing was. What stands before the
    /// first record counts as older than that.
    pub fn offset_at(&self, time: Timestamp) -> Option<u64> {
        if !self.set_back {
            return Some(self.record(self.first(|record| record.time >= time))?.offset);
        }
        let mut records = Block::default();
        (0..self.count).find_map(|number| {
            let record = records.get(self, number)?;
            // of records with one offset the last counts
            let next = records.get(self, number + 1);
            let counts = record.time >= time && next.is_none_or(|next| next.offset > record.offset);
            counts.then_some(record.offset)
        })
    }

    /// When the last record was made.
    pub fn last(&self) -> Option<Timestamp> {
        Some(self.record(self.count.checked_sub(1)?)?.time)
    }

    /// The record with this number, from 0.
    pub(crate) fn record(&self, number: u64) -> Option<Record> {
        if number >= self.count {
            return None;
        }
        let mut bytes = Bytes::default();
        self.file.read_exact_at(&mut bytes, (number + 1) * LENGTH).ok()?;
        Some(Record::from_bytes(&bytes))
    }

    /// The number of the first record of which `later` is true, as it is of all behind it.
    fn first(&self, later: impl Fn(Record) -> bool) -> u64 {
        let (mut from, mut to) = (0, self.count);
        while from < to {
            let middle = from + (to - from) / 2;
            if self.record(middle).is_none_or(&later) {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        from
    }
}

/// Some records, read at once.
#[derive(Debug, Default)]
struct Block {
    from: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn get(&mut self, times: &Times, number: u64) -> Option<Record> {
        if number >= times.count {
            return None;
        }
        let held = (self.bytes.len() as u64) / LENGTH;
        if number < self.from || number >= self.from + held {
            let count = (times.count - number).min(BLOCK as u64);
            self.bytes.resize(usize::try_from(count * LENGTH).ok()?, 0);
            self.from = number;
            if times.file.read_exact_at(&mut self.bytes, (number + 1) * LENGTH).is_err() {
                self.bytes.clear(); // it was cut just now
                return None;
            }
        }
        let at = usize::try_from(number - self.from).ok()?;
        Some(Record::from_bytes(self.bytes.as_chunks().0.get(at)?))
    }
}

/// Times of offsets, which cost next to nothing where each is not far behind the one before. It belongs to
/// one [`Times`], until that is loaded again.
#[derive(Debug, Default)]
pub struct Cursor {
    block: Block,
    /// The first record behind what is known.
    next: u64,
    /// What is known: from here to there all has this time.
    time: Option<Timestamp>,
    from: u64,
    until: u64,
}

impl Cursor {
    /// As [`Times::time_at`].
    pub fn time_at(&mut self, times: &Times, offset: u64) -> Option<Timestamp> {
        if (offset < self.from || offset >= self.until) && !self.ahead(times, offset) {
            self.next = times.first(|record| record.offset > offset);
            self.know(times);
        }
        self.time
    }

    /// Goes on from record to record, as far as one block.
    fn ahead(&mut self, times: &Times, offset: u64) -> bool {
        if offset < self.until {
            return false;
        }
        for _ in 0..BLOCK {
            match self.block.get(times, self.next) {
                Some(record) if record.offset <= offset => self.next += 1,
                _ => {
                    self.know(times);
                    return true;
                }
            }
        }
        false
    }

    fn know(&mut self, times: &Times) {
        let before = self.next.checked_sub(1).and_then(|number| self.block.get(times, number));
        let after = self.block.get(times, self.next);
        self.time = before.map(|record| record.time);
        self.from = before.map_or(0, |record| record.offset);
        self.until = after.map_or(u64::MAX, |record| record.offset);
    }
}

/// Whether a record is to be made at `now` after one at `last`.
pub(crate) fn is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| now < last || now.duration_since(last) >= PRECISION)
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
