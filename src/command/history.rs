//! `svc history`: what became of a service, from the records of whoever saw it.

use super::{Context, logs};
use crate::backend::BackendKind;
use crate::backend::systemd::journal;
use crate::cli::HistoryArgs;
use crate::error::{Error, ErrorCode};
use crate::files::record::Record;
use crate::history::{Event, Kind, file};
use crate::report::{History, LogLine, LogQuery, Report};
use crate::service::Name;
use jiff::{SignedDuration, Timestamp};

/// Events that are shown unless more are asked for.
const SHOWN: usize = 30;
/// Ends whose last lines are looked up: the newest.
const LOOKED_UP: usize = 10;
/// Last lines of an end.
const LINES: usize = 3;
/// A line that journald got so long after the end of its program is still one of its last.
const LATE: SignedDuration = SignedDuration::from_millis(100);

/// Runs it.
pub(crate) fn run(context: &Context, args: &HistoryArgs) -> Result<(Report, Vec<String>), Error> {
    let (records, warnings) = super::selection::installed(
        context,
        std::slice::from_ref(&args.name),
        false,
        super::selection::Fallback::Manifest,
    )?;
    let [record] = records.as_slice() else {
        return Err(Error::new(ErrorCode::Usage, format!("`{}` is more than one service", args.name))
            .hint("`svc list` shows them"));
    };
    let since = args.since.as_deref().map(|text| logs::moment("--since", text)).transpose()?;
    let mut events = events(context, record, since)?;
    let shown = args.lines.unwrap_or(SHOWN);
    drop(events.drain(..events.len().saturating_sub(shown)));
    let ends: Vec<usize> = (0..events.len()).rev().filter(|at| events[*at].is_crash()).take(LOOKED_UP).collect();
    for at in ends {
        events[at].lines = last_words(context, record, &events, at, LINES)
            .iter()
            .map(|line| String::from_utf8_lossy(&line.message).into_owned())
            .collect();
    }
    let name = Name::parse(&record.name).map_err(Error::failed)?;
    Ok((Report::History(History { name, events }), warnings))
}

/// All that is known of a service since it was installed, in the order of time.
pub(crate) fn events(context: &Context, record: &Record, since: Option<Timestamp>) -> Result<Vec<Event>, Error> {
    let mut events = file::read(&context.paths.history(), &record.name);
    if context.backend_of_kind(record) == BackendKind::Systemd {
        // what was before is of another service of that name
        let installed = events.iter().find(|event| event.event == Kind::Installed).map(|event| event.time);
        let name = Name::parse(&record.name).map_err(Error::failed)?;
        events.extend(journal::events(context.scope, &name, record.scheduled, since.max(installed))?);
        events.sort_by_key(|event| event.time);
    }
    events.retain(|event| since.is_none_or(|since| event.time >= since));
    Ok(events)
}

/// When it was started last.
pub(crate) fn last_start(events: &[Event]) -> Option<Timestamp> {
    events.iter().rev().find(|event| event.event == Kind::Started).map(|event| event.time)
}

/// What it wrote last before the end that is the event at `at`; nothing where its log can't be read.
pub(crate) fn last_words(
    context: &Context,
    record: &Record,
    events: &[Event],
    at: usize,
    count: usize,
) -> Vec<LogLine> {
    let Ok(name) = Name::parse(&record.name) else { return Vec::new() };
    let started = |event: &&Event| event.event == Kind::Started;
    let next = events[at..].iter().find(started).map(|event| event.time);
    let late = events[at].time.checked_add(LATE).ok();
    let query = LogQuery {
        services: vec![(name, record.log.clone())],
        // svc's own words and the manager's come between
        lines: Some(count * 4),
        since: events[..at].iter().rev().find(started).map(|event| event.time),
        until: [late, next].into_iter().flatten().min(),
        ..LogQuery::default()
    };
    let mut lines: Vec<LogLine> = Vec::new();
    if let Err(error) = logs::read(context, &query, None, &mut lines) {
        tracing::debug!(%error, "no last lines");
    }
    lines.retain(|line| line.stream != "manager" && !line.message.starts_with(b"svc: "));
    lines.split_off(lines.len().saturating_sub(count))
}
