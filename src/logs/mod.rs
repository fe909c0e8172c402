//! What services wrote, as one stream in the order of time: their files here, and whatever other logs there are
//! (the journal is `backend::systemd::journal`'s) as [`source::Source`]s.
//!
//! ```text
//!  log ──┐  backwards, to where the last N lines begin
//!  log ──┼─ merge ── choose ── sink
//!  log ──┘  forwards, and on with what comes
//! ```
//!
//! Nothing is allocated for a line: a source lends it, and the sink writes it out.

mod back;
mod chain;
mod choose;
mod file;
mod follow;
mod merge;
mod seek;
pub(crate) mod source;
mod stamp;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is the failure of a test; its files are its own"
)]
mod tests;
pub mod times;
pub mod when;

use crate::error::Error;
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use choose::Chooser;
use file::{FileLog, Part};
use follow::Watched;
use source::{Line, Micros, Source};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// A longer line is shown in pieces: memory stays small whatever a program writes.
const LONGEST: usize = 1024 * 1024;

/// A service and its log file, if it has one.
pub(crate) type Logged = (Name, Option<PathBuf>);

/// What lines are handed to; it says when it has enough.
pub(crate) trait Sink {
    /// The next line.
    fn line(&mut self, line: &Line<'_>) -> ControlFlow<()>;

    /// Lines were left out between two groups of them.
    fn gap(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// There is no more now: what was handed over is to be seen.
    fn rest(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Where it goes, if somebody could go away there.
    fn output(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Sink for Vec<LogLine> {
    fn line(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        self.push(line.kept());
        ControlFlow::Continue(())
    }
}

/// Where lines of services without a file are: opens that log for these, from that moment on if one is given.
pub(crate) type OpenOther<'a> = &'a dyn Fn(&[Name], &LogQuery, Begin) -> Result<Box<dyn Source>, Error>;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// At the first line that is asked for.
    Start,
    /// It is walked backwards first.
    End,
    /// With what was written since.
    At(Micros),
}

/// Who is followed: asked again whenever something is installed or uninstalled.
pub(crate) trait Followed {
    /// What changes then.
    fn folder(&self) -> &Path;

    /// All of them; `None`: what was followed is over for good, and nothing more can come.
    fn who(&self) -> Option<Vec<Logged>>;

    /// Others may come.
    fn grows(&self) -> bool;
}

/// Hands the lines that `query` asks for to `sink`; warnings.
pub(crate) fn read(
    query: &LogQuery,
    other: OpenOther<'_>,
    followed: Option<&dyn Followed>,
    sink: &mut dyn Sink,
) -> Result<Vec<String>, Error> {
    // before the first look: what comes later is not missed
    let mut watched = followed.map(|_| Watched::new());
    let mut sources = open(query, other)?;
    let mute = match query.lines {
        Some(count) => {
            let mute = merge::backward(&mut sources, count, query.before)?;
            sources.iter_mut().try_for_each(|source| source.settle())?;
            mute
        }
        None => 0,
    };
    let mut chooser = Chooser::new(query, mute);
    let mut each = |sources: &mut [Box<dyn Source>], sink: &mut dyn Sink| -> Result<ControlFlow<()>, Error> {
        let flow = merge::forward(sources, &mut |line| chooser.line(line, sink))?;
        Ok(if flow.is_break() { flow } else { sink.rest() })
    };
    let flow = each(&mut sources, sink)?;
    if let (Some(followed), Some(watched), true) = (followed, &mut watched, flow.is_continue()) {
        follow::follow(watched, query, other, followed, &mut sources, sink, &mut each)?;
    }
    Ok(sources.iter_mut().flat_map(|source| source.warnings()).collect())
}

/// The lines of the log at `path` and of the files that it was before, as `svc logs` shows them: all, the `last` ones, or
/// those of that moment or later.
pub fn lines(path: &Path, last: Option<usize>, since: Option<jiff::Timestamp>) -> Result<Vec<LogLine>, Error> {
    let name = Name::parse("log").map_err(Error::failed)?;
    let query = LogQuery { services: vec![(name, Some(path.to_owned()))], lines: last, since, ..LogQuery::default() };
    let mut lines = Vec::new();
    read(&query, &|_, _, _| Err(Error::failed("there is no other log")), None, &mut lines)?;
    Ok(lines)
}

/// The last `count` lines of one file; none where it can't be read.
pub(crate) fn last(name: &Name, path: &Path, count: usize) -> Vec<LogLine> {
    let services = vec![(name.clone(), Some(path.to_owned()))];
    let query = LogQuery { services, lines: Some(count), ..LogQuery::default() };
    let mut lines = Vec::new();
    if let Err(error) = read(&query, &|_, _, _| Err(Error::failed("there is no other log")), None, &mut lines) {
        tracing::debug!(%error, "no log");
    }
    lines
}

fn open(query: &LogQuery, other: OpenOther<'_>) -> Result<Vec<Box<dyn Source>>, Error> {
    let begin = if query.lines.is_some() { Begin::End } else { Begin::Start };
    let mut sources = Vec::new();
    let without: Vec<Name> =
        query.services.iter().filter(|(_, file)| file.is_none()).map(|(name, _)| name.clone()).collect();
    if !without.is_empty() {
        sources.push(other(&without, query, begin)?);
    }
    for (name, path) in &query.services {
        if let Some(path) = path {
            sources.push(file(name, path, query, begin)?);
        }
    }
    Ok(sources)
}

fn file(name: &Name, path: &Path, query: &LogQuery, begin: Begin) -> Result<Box<dyn Source>, Error> {
    let log = FileLog::new(name, path.to_owned(), part(query, name));
    Ok(Box::new(match begin {
        Begin::Start => log.reading_all()?,
        Begin::End => log.reading_back()?,
        Begin::At(began) => log.reading_new(began)?,
    }))
}

fn part(query: &LogQuery, name: &Name) -> Part {
    let (boot_since, boot_until) = query.boot.map_or((None, None), |boot| (boot.since, boot.until));
    let since = [query.since, boot_since, query.since_of(name)].into_iter().flatten().max();
    let until = [query.until, boot_until].into_iter().flatten().min();
    Part {
        since: since.map(jiff::Timestamp::as_microsecond),
        until: until.map(jiff::Timestamp::as_microsecond),
        follow: query.follow,
        grep: query.grep.clone().map(std::rc::Rc::new),
        most: query.lines.unwrap_or_default().saturating_add(query.before),
        context: query.before > 0 || query.after > 0,
    }
}
