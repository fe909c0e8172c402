//! The log of one service in files, as one [`Source`]: rotated ones first, compressed ones too, then the one that
//! has the name, and while it is followed whatever takes its place.
//!
//! A line's time is the one in front of it; else that which the index has for its place; else the
//! file's, of its last write, which only serves to put it in order. What has no time of its own has that of the line before.

use super::LONGEST;
use super::back::{Back, Passed, Wanted};
use super::chain::{self, Segment};
use super::seek;
use super::source::{Growing, Line, Micros, Source};
use super::stamp::{self, Stamps};
use super::times::{Cursor, Times};
use crate::error::{Error, ErrorCode};
use crate::service::Name;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::rc::Rc;

/// Bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// Which lines of a file are read.
#[derive(Clone)]
pub(crate) struct Part {
    /// Not before.
    pub(crate) since: Option<Micros>,
    /// Not after.
    pub(crate) until: Option<Micros>,
    /// Go on when the end is reached.
    pub(crate) follow: bool,
    /// Lines that count when they are counted from the end; none: all.
    pub(crate) grep: Option<Rc<regex::bytes::Regex>>,
    /// So many of them are asked for at most, from the end.
    pub(crate) most: usize,
    /// Those between them are shown too.
    pub(crate) context: bool,
}

/// One log in files.
pub(crate) struct FileLog {
    name: Name,
    path: PathBuf,
    part: Part,
    /// What is to be read behind `open`, the oldest first.
    ahead: VecDeque<Segment>,
    open: Option<Open>,
    /// Read and not taken: from there to the end.
    bytes: Vec<u8>,
    from: usize,
    /// Up to here there is no line end.
    seen: usize,
    /// The line that [`Source::peek`] found.
    line: Option<Found>,
    /// Behind a part of a line that is too long.
    cut: bool,
    stamps: Stamps,
    /// Of the last line, for the order.
    key: Micros,
    /// It is from a line's time.
    timed: bool,
    /// Not to be asked again: `until` was reached.
    over: bool,
    backwards: Option<Backwards>,
    warnings: Vec<String>,
}

/// A line in `bytes`.
struct Found {
    text: Range<usize>,
    /// What comes after it.
    next: usize,
    time: Option<Micros>,
    /// The time stands in front of it.
    stamped: bool,
}

/// The segment that is read.
struct Open {
    segment: Segment,
    text: Box<dyn Read>,
    /// Of the end of `bytes`.
    position: u64,
    times: Option<Times>,
    cursor: Cursor,
}

/// A file may seem to be so much older than it is: its time is of the kernel's coarse clock.
const COARSE: Micros = 10_000;
/// On the way back so many lines without a time are passed until one is found that has one.
const UNTIMED: usize = 256;

/// The way back from the end.
struct Backwards {
    /// Passed already, the newest last; the last one is being passed.
    passed: Vec<Segment>,
    /// To come, the newest first; none: not looked for yet.
    older: Option<VecDeque<Segment>>,
    back: Option<Back>,
    times: Option<Times>,
    /// No line of it has a time, as far as was looked.
    untimed: bool,
    /// Found and not taken, in their order.
    found: VecDeque<(Passed, Micros)>,
    /// The beginning of the last line that was taken, or the end where reading goes on.
    start: u64,
    /// Of the line after.
    key: Micros,
    stamps: Stamps,
}

impl Backwards {
    /// Finds the lines before, up to one that has a time, which is that of those behind it; `false`: there is none
    /// in this file.
    fn look(&mut self, wanted: Wanted<'_>) -> std::io::Result<bool> {
        let Some(back) = &mut self.back else { return Ok(false) };
        let (mut run, mut time) = (Vec::new(), None);
        while let Some(passed) = back.next(&mut self.stamps, wanted)? {
            let times = self.times.as_ref().filter(|_| passed.time.is_none());
            let indexed = times.and_then(|times| times.time_at(passed.offset)).map(jiff::Timestamp::as_microsecond);
            time = passed.time.or(indexed);
            run.push(passed);
            if time.is_some() || self.untimed || run.len() == UNTIMED {
                break;
            }
        }
        self.untimed |= time.is_none();
        let written = self.passed.last().map_or(Micros::MAX, |one| one.written);
        self.key = self.key.min(time.unwrap_or(written));
        self.found.extend(run.into_iter().map(|passed| (passed, self.key)));
        Ok(!self.found.is_empty())
    }
}

impl FileLog {
    /// That of a service.
    pub(crate) fn new(name: &Name, path: PathBuf, part: Part) -> Self {
        Self {
            name: name.clone(),
            path,
            part,
            ahead: VecDeque::new(),
            open: None,
            bytes: Vec::new(),
            from: 0,
            seen: 0,
            line: None,
            cut: false,
            stamps: Stamps::default(),
            key: Micros::MIN,
            timed: false,
            over: false,
            backwards: None,
            warnings: Vec::new(),
        }
    }

    /// Reads all of it, from `since` on.
    pub(crate) fn reading_all(mut self) -> Result<Self, Error> {
        let newest = self.open_newest()?;
        let mut all = chain::older(&self.path);
        all.retain(|one| newest.as_ref().is_none_or(|newest| newest.identity != one.identity));
        all.reverse();
        all.extend(newest);
        self.ahead = self.in_time(all)?;
        Ok(self)
    }

    /// Reads what comes from now on, and what was written since `began`.
    pub(crate) fn reading_new(mut self, began: Micros) -> Result<Self, Error> {
        let Some(mut newest) = self.open_newest()? else { return Ok(self) };
        let born = newest.file.metadata().and_then(|found| found.created()).ok().map(jiff::Timestamp::try_from);
        let new = born.is_none_or(|born| born.is_ok_and(|born| born.as_microsecond() + COARSE >= began));
        if !new || newest.written + COARSE < began {
            let times = self.times(&newest);
            let place = seek::first_at(&newest, times.as_ref(), began).map_err(|cause| self.error(&cause))?;
            newest.start = place.map_or(newest.length, |place| place.from);
            self.part.since = self.part.since.max(place.map(|_| began));
        }
        self.ahead = VecDeque::from([newest]);
        Ok(self)
    }

    /// To be walked backwards first.
    pub(crate) fn reading_back(mut self) -> Result<Self, Error> {
        let newest = self.open_newest()?;
        self.backwards = Some(Backwards {
            start: 0,
            passed: Vec::new(),
            older: None,
            back: None,
            times: None,
            untimed: false,
            found: VecDeque::new(),
            key: Micros::MAX,
            stamps: Stamps::default(),
        });
        match newest {
            Some(newest) => self.step_into(newest)?,
            None => self.step_back()?,
        }
        Ok(self)
    }

    fn times(&self, segment: &Segment) -> Option<Times> {
        Times::of(&self.path, &segment.file.metadata().ok()?)
    }

    fn open_newest(&self) -> Result<Option<Segment>, Error> {
        Segment::open(&self.path).map_err(|cause| self.error(&cause))
    }

    fn error(&self, cause: &std::io::Error) -> Error {
        if cause.kind() == ErrorKind::InvalidInput {
            return Error::failed(cause.to_string()).of(&self.name);
        }
        let error = Error::file("read", &self.path, cause).of(&self.name);
        if cause.kind() != ErrorKind::PermissionDenied {
            return error;
        }
        let hint = format!("`ls -l {}` shows who may", self.path.display());
        Error { code: ErrorCode::NotPermitted, ..error }.hint(hint)
    }

    /// Those of `all`, the oldest first, that may have lines of the time asked for, and from where on.
    fn in_time(&self, all: Vec<Segment>) -> Result<VecDeque<Segment>, Error> {
        let mut left = VecDeque::new();
        let mut before = Micros::MIN;
        for mut segment in all {
            let written = segment.written;
            // of what begins after that moment all is later, and what is later follows
            if self.part.until.is_some_and(|until| before > until) && !self.part.follow {
                break;
            }
            // one that is compressed may have been written to later than its last line was
            before = if segment.compressed { Micros::MIN } else { written };
            match self.part.since {
                Some(since) if written + COARSE < since => continue,
                Some(since) => {
                    let times = self.times(&segment);
                    let place = seek::first_at(&segment, times.as_ref(), since).map_err(|cause| self.error(&cause))?;
                    segment.start = place.map_or(0, |place| place.from);
                }
                None => {}
            }
            left.push_back(segment);
        }
        Ok(left)
    }

    /// Opens what comes next; `false`: nothing.
    fn advance(&mut self) -> Result<bool, Error> {
        let Some(segment) = self.ahead.pop_front() else { return Ok(false) };
        let text = segment.text(self.part.follow).map_err(|cause| self.error(&cause));
        let times = self.times(&segment);
        self.bytes.clear();
        (self.from, self.seen, self.cut) = (0, 0, false);
        match text {
            Ok(text) => {
                let (position, cursor) = (segment.start, Cursor::default());
                self.open = Some(Open { segment, text, position, times, cursor });
            }
            Err(_) if segment.compressed => self.damaged(&segment),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn damaged(&mut self, segment: &Segment) {
        self.warnings.push(format!("`{}` is damaged: the rest of it can't be read", segment.path.display()));
    }

    /// Reads more; how many bytes.
    fn fill(&mut self) -> Result<usize, Error> {
        let Some(open) = &mut self.open else { return Ok(0) };
        if self.from > 0 {
            self.bytes.copy_within(self.from.., 0);
            self.bytes.truncate(self.bytes.len() - self.from);
            self.seen -= self.from;
            self.from = 0;
        }
        let held = self.bytes.len();
        self.bytes.resize(held + PIECE, 0);
        let read = loop {
            match open.text.read(&mut self.bytes[held..]) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.bytes.truncate(held + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(count) => {
                open.position += count as u64;
                Ok(count)
            }
            Err(_) if open.segment.compressed => {
                if let Some(open) = self.open.take() {
                    self.damaged(&open.segment);
                }
                Ok(0)
            }
            Err(cause) => Err(self.error(&cause)),
        }
    }

    /// Takes note of a line that was found, unless it is not of the time asked for.
    fn found(&mut self, line: Range<usize>, next: usize) {
        let own = self.stamps.of(&self.bytes[line.clone()]);
        let time = own.or_else(|| self.indexed(line.start));
        self.key = self.key.max(time.unwrap_or_else(|| self.fallback()));
        self.seen = next;
        if self.part.since.is_some_and(|since| self.key < since) {
            self.from = next;
        } else if self.part.until.is_some_and(|until| self.key > until) {
            self.over = true;
        } else {
            self.line = Some(Found { text: line, next, time, stamped: own.is_some() });
        }
    }

    /// The time that the index has for what begins there in `bytes`.
    fn indexed(&mut self, at: usize) -> Option<Micros> {
        let open = self.open.as_mut()?;
        let offset = open.position.checked_sub((self.bytes.len() - at) as u64)?;
        Some(open.cursor.time_at(open.times.as_ref()?, offset)?.as_microsecond())
    }

    /// What puts a line in order that says nothing itself.
    fn fallback(&self) -> Micros {
        match &self.open {
            Some(open) if !self.timed && !self.stamps.any() => open.segment.written,
            _ => self.key,
        }
    }

    /// The end of what is open is the end of the log for now: more may come.
    fn waits(&self) -> bool {
        self.part.follow && self.ahead.is_empty()
    }

    fn step_into(&mut self, segment: Segment) -> Result<(), Error> {
        let part = &self.part;
        let unended = part.follow && self.backwards.as_ref().is_some_and(|way| way.passed.is_empty());
        let wanted = |line: &[u8]| part.grep.as_ref().is_none_or(|grep| grep.is_match(line));
        let times = self.times(&segment);
        let until = part.until.filter(|until| *until < segment.written);
        let end = match until.map(|until| seek::first_at(&segment, times.as_ref(), until + 1)).transpose() {
            Ok(end) => end.flatten().map_or(segment.length, |place| place.to),
            Err(cause) => return Err(self.error(&cause)),
        };
        let back = Back::new(&segment, end, unended, part.most, part.context, &wanted);
        let back = back.map_err(|cause| self.error(&cause))?;
        if let Some(way) = &mut self.backwards {
            way.start = match &back {
                Back::Plain(blocks) => blocks.resume(),
                Back::Passed(_) => u64::MAX,
            };
            way.back = Some(back);
            (way.times, way.untimed) = (times, false);
            way.passed.push(segment);
        }
        Ok(())
    }

    /// To the file before; nothing if there is none.
    fn step_back(&mut self) -> Result<(), Error> {
        let Some(way) = &mut self.backwards else { return Ok(()) };
        way.back = None;
        let seen: Vec<chain::Identity> = way.passed.iter().map(|one| one.identity).collect();
        let older = way.older.get_or_insert_with(|| {
            chain::older(&self.path).into_iter().filter(|one| !seen.contains(&one.identity)).collect()
        });
        match older.pop_front() {
            Some(segment) if self.part.since.is_none_or(|since| segment.written >= since) => self.step_into(segment),
            _ => Ok(()),
        }
    }
}

impl Source for FileLog {
    fn peek(&mut self) -> Result<Option<Micros>, Error> {
        loop {
            if self.line.is_some() {
                return Ok(Some(self.key));
            }
            if self.over {
                return Ok(None);
            }
            if self.open.is_none() && self.bytes.len() == self.from && !self.advance()? {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', &self.bytes[self.seen..]).map(|at| self.seen + at);
            match end {
                // the end of a line that was shown in parts
                Some(end) if std::mem::take(&mut self.cut) && end == self.from => {
                    self.from = end + 1;
                    self.seen = self.from;
                }
                Some(end) => self.found(self.from..end, end + 1),
                None if self.bytes.len() - self.from >= LONGEST => {
                    self.cut = true;
                    self.found(self.from..self.from + LONGEST, self.from + LONGEST);
                }
                None => {
                    self.seen = self.bytes.len();
                    if self.fill()? > 0 {
                        continue;
                    }
                    if self.open.is_some() && self.waits() {
                        return Ok(None);
                    }
                    if self.from < self.bytes.len() {
                        self.found(self.from..self.bytes.len(), self.bytes.len());
                    }
                    // what is found is in `bytes` still
                    if self.line.is_none() || self.open.is_none() {
                        self.open = None;
                    }
                }
            }
        }
    }

    fn line(&self) -> Line<'_> {
        let nothing = Found { text: 0..0, next: 0, time: None, stamped: false };
        let Found { text, time, stamped, .. } = self.line.as_ref().unwrap_or(&nothing);
        let (stamp, message) = self.bytes[text.clone()].split_at(if *stamped { stamp::LENGTH } else { 0 });
        Line { service: &self.name, time: *time, pid: None, stream: "out", stamp, message }
    }

    fn take(&mut self) {
        if let Some(found) = self.line.take() {
            self.from = found.next;
        }
    }

    fn peek_back(&mut self) -> Result<Option<(Micros, bool)>, Error> {
        let grep = self.part.grep.clone();
        let (since, until) = (self.part.since, self.part.until);
        let wanted = |line: &[u8]| grep.as_ref().is_none_or(|grep| grep.is_match(line));
        loop {
            let Some(way) = &mut self.backwards else { return Ok(None) };
            if let Some((passed, key)) = way.found.front() {
                if since.is_some_and(|since| *key < since) {
                    return Ok(None);
                }
                if until.is_some_and(|until| *key > until) {
                    way.start = passed.offset;
                    way.found.pop_front();
                    continue;
                }
                return Ok(Some((*key, passed.wanted)));
            }
            match way.look(&wanted) {
                Ok(true) => {}
                Ok(false) if way.back.is_none() => return Ok(None),
                Ok(false) => self.step_back()?,
                Err(cause) => return Err(self.error(&cause)),
            }
        }
    }

    fn take_back(&mut self) {
        if let Some(way) = &mut self.backwards
            && let Some((passed, key)) = way.found.pop_front()
        {
            (self.key, self.timed) = (key, !way.untimed);
            way.start = passed.offset;
        }
    }

    fn settle(&mut self) -> Result<(), Error> {
        let Some(mut way) = self.backwards.take() else { return Ok(()) };
        if way.start == u64::MAX {
            way.passed.pop();
        } else if let Some(oldest) = way.passed.last_mut() {
            oldest.start = way.start;
        }
        self.ahead = way.passed.into_iter().rev().collect();
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), Error> {
        if !self.ahead.is_empty() {
            return Ok(());
        }
        let Some(open) = &mut self.open else {
            self.ahead.extend(self.open_newest()?);
            return Ok(());
        };
        if let Some(times) = &mut open.times {
            let _ = times.reload(); // what is known of it stays
            open.cursor = Cursor::default();
        } else {
            open.times = open.segment.file.metadata().ok().and_then(|found| Times::of(&self.path, &found));
        }
        match std::fs::metadata(&self.path) {
            Ok(here) if chain::identity(&here) != open.segment.identity => {
                // what was written to the old one up to its end is read before
                let newer = chain::newer(&self.path, &open.segment).map_err(|cause| self.error(&cause))?;
                self.ahead.extend(newer);
            }
            Ok(here) if here.len() < open.position => {
                open.segment.start = 0;
                let again = open.segment.text(true).map_err(|cause| self.error(&cause))?;
                if let Some(open) = &mut self.open {
                    (open.position, open.text) = (0, again);
                }
                // the line that had begun has no end any more
                if self.from < self.bytes.len() {
                    self.bytes.push(b'\n');
                }
            }
            // renamed and not replaced, or removed: read on
            _ => {}
        }
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn file(&self) -> Option<Growing<'_>> {
        let open = self.open.as_ref();
        Some(Growing {
            open: open.map(|open| open.segment.file.as_fd()),
            identity: open.map_or((0, 0), |open| open.segment.identity),
            path: &self.path,
        })
    }

    fn finish(&mut self) {
        self.part.follow = false;
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
