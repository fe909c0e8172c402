//! The journal as one log of many services: a [`Source`].

use super::entry::Entry;
use super::journalctl::{Running, entries};
use super::matches::Matches;
use super::{files, moment, since_argument};
use crate::backend::Scope;
use crate::error::{Error, ErrorCode};
use crate::logs::Begin;
use crate::logs::source::{Growing, Line, Micros, Source};
use crate::report::{Boot, LogLine, LogQuery};
use crate::service::Name;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

/// The lines of some services in the journal, in its order.
pub(crate) struct JournalLog {
    matches: Matches,
    query: LogQuery,
    /// Which entries are read while it is followed.
    followed: Vec<String>,
    /// Read and not taken.
    ready: VecDeque<LogLine>,
    running: Option<Running>,
    /// Of the last line.
    key: Micros,
    over: bool,
    /// On the way back: the newest first, and whether each is wanted.
    back: Vec<(LogLine, bool)>,
    /// Of these, so many were passed.
    passed: usize,
    /// Where to go on from, behind `back`.
    from: From,
}

/// Where reading forward begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    /// At the oldest entry.
    Start,
    /// At this moment.
    Time(Timestamp),
    /// Behind the entry of this cursor: exact, where times are not (entries may share one).
    Behind(String),
}

impl From {
    fn argument(&self) -> Option<String> {
        match self {
            Self::Start => None,
            Self::Time(since) => Some(since_argument(*since)),
            Self::Behind(cursor) => Some(format!("--after-cursor={cursor}")),
        }
    }
}

impl JournalLog {
    /// Of these services. `grows`: others may come while it is followed ([`Source::also`]), so that all entries of the
    /// account are looked at then.
    pub(crate) fn open(
        scope: Scope,
        names: &[Name],
        query: &LogQuery,
        begin: Begin,
        grows: bool,
    ) -> Result<Self, Error> {
        let matches = Matches::new(scope, names.iter());
        let followed = if grows { Matches::all(scope) } else { matches.terms().to_vec() };
        let from = query.since.map_or(From::Start, From::Time);
        let mut log = Self {
            matches,
            query: query.clone(),
            followed,
            ready: VecDeque::new(),
            running: None,
            key: Micros::MIN,
            over: false,
            back: Vec::new(),
            passed: 0,
            from,
        };
        match begin {
            Begin::End => log.look_back()?,
            Begin::Start => log.run()?,
            Begin::At(began) => {
                log.from = Timestamp::from_microsecond(began).map_or(From::Start, From::Time);
                log.run()?;
            }
        }
        Ok(log)
    }

    /// Lets journalctl read on.
    fn run(&mut self) -> Result<(), Error> {
        let mut arguments: Vec<String> = self.from.argument().into_iter().collect();
        arguments.extend(self.boot());
        let terms = if self.query.follow {
            arguments.extend(["--follow".to_owned(), "--no-tail".to_owned()]);
            &self.followed
        } else {
            arguments.extend(self.until());
            self.matches.terms()
        };
        self.running = Some(Running::start(&arguments, terms)?);
        Ok(())
    }

    fn until(&self) -> Option<String> {
        self.query.until.map(|until| format!("--until={}", moment(until)))
    }

    fn boot(&self) -> Option<String> {
        self.query.boot.map(|boot| format!("--boot={}", boot.number))
    }

    fn wanted(&self, line: &LogLine) -> bool {
        self.query.grep.as_ref().is_none_or(|grep| grep.is_match(&line.message))
    }

    /// Whether it is of the time that is asked for of its service.
    fn in_time(&self, line: &LogLine) -> bool {
        self.query.since_of(&line.service).is_none_or(|since| line.time.is_some_and(|time| time >= since))
    }

    /// The lines of an entry that are asked for.
    fn lines(&self, entry: Entry) -> Vec<LogLine> {
        if !self.matches.holds(&entry) {
            return Vec::new();
        }
        self.matches.lines(entry).filter(|line| self.in_time(line)).collect()
    }

    /// Finds the last lines.
    fn look_back(&mut self) -> Result<(), Error> {
        let began = crate::sys::clock::now();
        let most = self.query.lines.unwrap_or_default().saturating_add(self.query.before);
        if let Some(back) = self.newest(most) {
            self.back = back;
            return Ok(());
        }
        let mut arguments = vec!["--reverse".to_owned()];
        arguments.extend(self.from.argument());
        arguments.extend(self.boot());
        arguments.extend(self.until());
        if self.query.grep.is_none() {
            // every entry has one line at least; one entry is needed to go on from
            arguments.push(format!("--lines={}", most.max(1)));
        }
        let context = self.query.before > 0 || self.query.after > 0;
        let (mut back, mut cursor, mut count) = (Vec::new(), None, 0);
        entries(&arguments, self.matches.terms(), &mut |entry| {
            cursor = cursor.take().or_else(|| entry.cursor());
            for line in self.lines(entry).into_iter().rev() {
                let wanted = self.wanted(&line);
                if wanted || context {
                    back.push((line, wanted));
                    count += usize::from(wanted);
                }
            }
            if count < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        self.back = back;
        // in a journal without any all that comes is new
        self.from = cursor.map_or(From::Time(self.query.since.unwrap_or(began)), From::Behind);
        Ok(())
    }

    /// The last lines, newest first, of a query that asks for no more than some of them; `None` if
    /// journalctl has to read.
    fn newest(&self, most: usize) -> Option<Vec<(LogLine, bool)>> {
        let LogQuery { services: _, lines: _, follow, since, until, grep, before: _, after: _, boot, since_of } =
            &self.query;
        let simple = since.is_none() && until.is_none() && boot.is_none() && since_of.is_empty();
        if *follow || grep.is_some() || !simple {
            return None;
        }
        let mut lines = Vec::new();
        files::newest(self.matches.index(), None, &mut |entry| {
            if lines.len() < most && self.matches.holds(&entry) {
                let new: Vec<LogLine> = self.matches.lines(entry).collect();
                lines.extend(new.into_iter().rev().map(|line| (line, true)));
            }
            if lines.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Some(lines)
    }
}

fn micros(line: &LogLine) -> Micros {
    line.time.map_or(Micros::MIN, Timestamp::as_microsecond)
}

impl Source for JournalLog {
    fn peek(&mut self) -> Result<Option<Micros>, Error> {
        loop {
            if let Some(line) = self.ready.front() {
                self.key = self.key.max(micros(line));
                return Ok(Some(self.key));
            }
            let wait = !self.query.follow;
            let Some(running) = self.running.as_mut().filter(|_| !self.over) else { return Ok(None) };
            let Some(entry) = running.next(wait)? else { return Ok(None) };
            if self.query.until.is_some_and(|until| entry.time().is_some_and(|time| time > until)) {
                self.over = true;
            } else {
                self.ready = self.lines(entry).into();
            }
        }
    }

    fn line(&self) -> Line<'_> {
        // there is one: `peek` said so
        self.ready[0].lent()
    }

    fn take(&mut self) {
        self.ready.pop_front();
    }

    fn peek_back(&mut self) -> Result<Option<(Micros, bool)>, Error> {
        Ok(self.back.get(self.passed).map(|(line, wanted)| (micros(line), *wanted)))
    }

    fn take_back(&mut self) {
        self.passed += 1;
    }

    fn settle(&mut self) -> Result<(), Error> {
        let mut back = std::mem::take(&mut self.back);
        back.truncate(self.passed);
        self.ready = back.into_iter().rev().map(|(line, _)| line).collect();
        if self.query.follow { self.run() } else { Ok(()) }
    }

    fn refresh(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().filter(|running| !running.is_over()).map(Running::fd)
    }

    fn file(&self) -> Option<Growing<'_>> {
        None
    }

    fn also(&mut self, name: &Name) -> bool {
        self.matches.add(name);
        true
    }

    fn finish(&mut self) {}

    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// When a boot began and ended, by its number; an error if the journal knows none of that number.
pub(crate) fn boot(number: i32) -> Result<Boot, Error> {
    let mut times = [None, None];
    for (time, order) in times.iter_mut().zip([None, Some("--reverse")]) {
        let mut arguments = vec![format!("--boot={number}")];
        arguments.extend(order.map(str::to_owned));
        let mut first = |entry: Entry| {
            *time = entry.time();
            ControlFlow::Break(())
        };
        entries(&arguments, &[], &mut first).map_err(|error| match error.code {
            ErrorCode::Failed => Error::failed(format!("there is no boot {number} in the journal"))
                .hint("`journalctl --list-boots` shows which there are"),
            ErrorCode::Usage
            | ErrorCode::Invalid
            | ErrorCode::NotFound
            | ErrorCode::Unreachable
            | ErrorCode::NotPermitted => error,
        })?;
    }
    let [since, until] = times;
    Ok(Boot { number, since, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_behind_a_cursor_not_at_a_time() {
        let time = Timestamp::UNIX_EPOCH;
        assert_eq!(From::Time(time).argument().as_deref(), Some("--since=@0.000000"));
        assert_eq!(From::Behind("s=1;i=2".into()).argument().as_deref(), Some("--after-cursor=s=1;i=2"));
        assert_eq!(From::Start.argument(), None);
    }
}
