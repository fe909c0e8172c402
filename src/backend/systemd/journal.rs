//! The journal, read through `journalctl -o json`; the newest entries from its files, since they are
//! wanted by commands that take less time than journalctl does ([`files`]).
//!
//! journalctl was chosen over a binding to libsystemd: nothing of C to link, so the same binary runs without
//! systemd and on a Mac; and journalctl reads every format, compression and rotation that the
//! running journald writes, and knows who may read what. [`mod@matches`] says which entries belong to a
//! service, [`entry`] reads them, [`journalctl`] runs the program.
//!
//! journald takes lines as they come: the last words of a program that ended a moment ago may
//! still be on their way to it.

mod entry;
mod files;
mod journalctl;
mod matches;

use crate::backend::Scope;
use crate::error::Error;
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use entry::Entry;
use jiff::Timestamp;
use journalctl::entries;
use matches::{Matches, index_of_files, is_of_manager, of_files};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

/// Looks at the journal for the last words of a program, and the time between two.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Hands the lines that `query` asks for to `sink`, oldest first; several services are merged in
/// the order of the journal. `lines` counts the lines of all of them together.
pub(crate) async fn read(
    scope: Scope,
    query: &LogQuery,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    let matches = Matches::new(scope, query.services.iter().map(|(name, _)| name));
    if let Some(lines) = newest(&matches, query) {
        lines.into_iter().rev().map(&mut *sink).any(|flow| flow.is_break());
        return Ok(());
    }
    let from = match query.lines {
        Some(count) => {
            let last = last(&matches, query, count).await?;
            if last.lines.into_iter().rev().map(&mut *sink).any(|flow| flow.is_break()) {
                return Ok(());
            }
            last.from
        }
        None => From::of(query),
    };
    if query.lines.is_some() && !query.follow {
        return Ok(());
    }
    forward(&matches, query, &from, sink).await
}

/// The last lines, newest first, of a query that asks for no more than some of them; `None` if
/// journalctl has to read.
fn newest(matches: &Matches, query: &LogQuery) -> Option<Vec<LogLine>> {
    let simple = !query.follow && query.grep.is_none() && query.since.is_none() && query.until.is_none();
    let count = query.lines.filter(|_| simple)?;
    let mut lines = Vec::new();
    files::newest(matches.index(), None, &mut |entry| {
        if lines.len() < count && matches.holds(&entry) {
            let new: Vec<LogLine> = matches.lines(entry).collect();
            lines.extend(new.into_iter().rev());
        }
        if lines.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    lines.truncate(count);
    Some(lines)
}

/// Where reading forward begins.
enum From {
    /// At the oldest entry.
    Start,
    /// At this moment.
    Time(Timestamp),
    /// Behind the entry of this cursor: exact, where times are not (entries may share one).
    Behind(String),
}

impl From {
    fn of(query: &LogQuery) -> Self {
        query.since.map_or(Self::Start, Self::Time)
    }

    fn argument(&self) -> Option<String> {
        match self {
            Self::Start => None,
            Self::Time(since) => Some(format!("--since={}", moment(*since))),
            Self::Behind(cursor) => Some(format!("--after-cursor={cursor}")),
        }
    }
}

/// A moment as journalctl reads it (systemd.time(7); tried with 247, 252 and 257).
fn moment(time: Timestamp) -> String {
    format!("@{}.{:06}", time.as_second(), time.subsec_microsecond())
}

fn wanted(query: &LogQuery, line: &LogLine) -> bool {
    query.grep.as_ref().is_none_or(|grep| grep.is_match(&line.message))
}

/// The last lines, newest first, and where to go on from.
struct Last {
    lines: Vec<LogLine>,
    from: From,
}

async fn last(matches: &Matches, query: &LogQuery, count: usize) -> Result<Last, Error> {
    let mut arguments = vec!["--reverse".to_owned()];
    arguments.extend(From::of(query).argument());
    arguments.extend(query.until.map(|until| format!("--until={}", moment(until))));
    if query.grep.is_none() {
        // every entry has one line at least; one entry is needed to go on from
        arguments.push(format!("--lines={}", count.max(1)));
    }
    // behind the newest entry, also when it is not shown; in an empty journal all is new
    let mut from = From::of(query);
    let mut lines = Vec::new();
    entries(&arguments, matches.terms(), &mut |entry: Entry| {
        if let (false, Some(cursor)) = (matches!(from, From::Behind(_)), entry.cursor()) {
            from = From::Behind(cursor);
        }
        let new: Vec<LogLine> = matches.lines(entry).filter(|line| wanted(query, line)).collect();
        lines.extend(new.into_iter().rev());
        if lines.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .await?;
    lines.truncate(count);
    Ok(Last { lines, from })
}

async fn forward(
    matches: &Matches,
    query: &LogQuery,
    from: &From,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut arguments: Vec<String> = from.argument().into_iter().collect();
    if query.follow {
        arguments.extend(["--follow".to_owned(), "--no-tail".to_owned()]);
    } else {
        arguments.extend(query.until.map(|until| format!("--until={}", moment(until))));
    }
    let mut each = |entry: Entry| {
        if query.until.is_some_and(|until| entry.time().is_some_and(|time| time > until)) {
            return ControlFlow::Break(());
        }
        let flow = matches.lines(entry).filter(|line| wanted(query, line)).map(&mut *sink).find(ControlFlow::is_break);
        flow.unwrap_or(ControlFlow::Continue(()))
    };
    let reading = entries(&arguments, matches.terms(), &mut each);
    match query.until.filter(|_| query.follow) {
        // following ends at that moment, whether a line comes after it or not
        Some(until) => {
            let left = Duration::try_from(until.duration_since(crate::sys::clock::now())).unwrap_or_default();
            // what was written before it may have to be read yet
            tokio::time::timeout(left + BETWEEN_LOOKS * 10, reading).await.unwrap_or(Ok(()))
        }
        None => reading.await,
    }
}

/// The last `count` lines that each of `names` wrote; nothing where the journal can't be read.
pub(crate) async fn last_lines(
    scope: Scope,
    names: &[Name],
    count: usize,
    since: Option<Timestamp>,
) -> HashMap<Name, Vec<LogLine>> {
    let matches = Matches::new(scope, names.iter());
    let query = LogQuery { since, ..LogQuery::default() };
    let mut arguments = vec!["--reverse".to_owned()];
    arguments.extend(From::of(&query).argument());
    let mut found: HashMap<Name, Vec<LogLine>> = HashMap::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        found.clear();
        let mut keep = |entry: Entry| {
            let lines: Vec<LogLine> = matches.lines(entry).filter(|line| line.stream == "out").collect();
            for line in lines.into_iter().rev() {
                let all = found.entry(line.service.clone()).or_default();
                if all.len() < count {
                    all.push(line);
                }
            }
            let enough = names.iter().all(|name| found.get(name).is_some_and(|lines| lines.len() >= count));
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if let Err(error) = entries(&arguments, matches.terms(), &mut keep).await {
            tracing::debug!(%error, "no journal");
            break;
        }
        if names.iter().all(|name| found.contains_key(name)) {
            break;
        }
    }
    for lines in found.values_mut() {
        lines.reverse();
    }
    found
}

/// What the manager said of these unit files: file, line, text; each once. One call for all.
pub(crate) async fn complaints(scope: Scope, files: &[PathBuf], since: Timestamp) -> Vec<(PathBuf, u32, String)> {
    let terms = of_files(scope, files);
    let mut found = Vec::new();
    if terms.is_empty() {
        return found;
    }
    let since_micros = u64::try_from(since.as_microsecond()).ok();
    let read = files::newest(&index_of_files(files), since_micros, &mut |entry| {
        let complaint = entry.complaint().filter(|_| is_of_manager(scope, &entry));
        if let Some(complaint) = complaint.filter(|complaint| !found.contains(complaint)) {
            found.push(complaint);
        }
        ControlFlow::Continue(())
    });
    if read.is_some() {
        found.reverse();
        return found;
    }
    found.clear();
    let arguments = [format!("--since={}", moment(since))];
    let mut keep = |entry: Entry| {
        // a unit may be read several times in one reload
        if let Some(complaint) = entry.complaint().filter(|complaint| !found.contains(complaint)) {
            found.push(complaint);
        }
        ControlFlow::Continue(())
    };
    if let Err(error) = entries(&arguments, &terms, &mut keep).await {
        tracing::debug!(%error, "no journal");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_microseconds() {
        let time: Timestamp = "2026-11-21T08:39:48.089715123Z".parse().expect("time");
        assert_eq!(moment(time), format!("@{}.089715", time.as_second()));
    }

    #[test]
    fn reading_goes_on_behind_a_cursor_not_at_a_time() {
        let time = Timestamp::UNIX_EPOCH;
        assert_eq!(From::Time(time).argument().as_deref(), Some("--since=@0.000000"));
        assert_eq!(From::Behind("s=1;i=2".into()).argument().as_deref(), Some("--after-cursor=s=1;i=2"));
        assert_eq!(From::Start.argument(), None);
    }
}
