//! `svc logs`: what one or many services wrote, as one stream.

use super::selection::{Fallback, fits, installed};
use super::{Context, history};
use crate::backend::systemd::journal::{self, JournalLog};
use crate::cli::LogsArgs;
use crate::error::{Error, ErrorCode};
use crate::files::paths::Paths;
use crate::files::record::{self, Record};
use crate::logs::source::Source;
use crate::logs::{self, Begin, Followed, Logged, Sink, when};
use crate::report::{Boot, LogLine, LogQuery};
use crate::service::Name;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Last lines before a crash, and crashes of one service that are shown: the newest.
const LAST: usize = 10;
const CRASHES: usize = 50;

/// What to read, and warnings.
pub(crate) fn query(context: &Context, args: &LogsArgs) -> Result<(LogQuery, Vec<String>), Error> {
    let (records, mut warnings) = selected(context, args)?;
    let since_of = if args.last_run { last_runs(context, &records, &mut warnings)? } else { Vec::new() };
    Ok((query_of(records.iter().filter_map(logged).collect(), since_of, args)?, warnings))
}

/// The same of these, each with its log file, if it has one, and for some since when.
pub(crate) fn query_of(
    services: Vec<Logged>,
    since_of: Vec<(Name, Timestamp)>,
    args: &LogsArgs,
) -> Result<LogQuery, Error> {
    let grep = args.grep.as_deref().map(|pattern| {
        regex::bytes::Regex::new(pattern)
            .map_err(|error| Error::new(ErrorCode::Usage, format!("`--grep`: {}", last_line(&error.to_string()))))
    });
    let around = |own: Option<usize>| own.or(args.context).unwrap_or_default();
    Ok(LogQuery {
        lines: args.lines.or_else(|| (args.follow && args.since.is_none()).then_some(10)),
        follow: args.follow,
        since: args.since.as_deref().map(|text| moment("--since", text)).transpose()?,
        until: args.until.as_deref().map(|text| moment("--until", text)).transpose()?,
        grep: grep.transpose()?,
        before: around(args.before),
        after: around(args.after),
        boot: args.boot.map(boot).transpose()?,
        since_of,
        services,
    })
}

/// When each was started last.
fn last_runs(
    context: &Context,
    records: &[Record],
    warnings: &mut Vec<String>,
) -> Result<Vec<(Name, Timestamp)>, Error> {
    let mut all = Vec::new();
    for record in records {
        match (history::last_start(&history::events(context, record, None)?), Name::parse(&record.name)) {
            (Some(start), Ok(name)) => all.push((name, start)),
            _ => {
                warnings.push(format!("when `{}` was started last is not known: all of its log is shown", record.name));
            }
        }
    }
    Ok(all)
}

/// Hands over the last lines before each crash of what is selected, and behind them how it ended.
pub(crate) fn read_failed(context: &Context, args: &LogsArgs, sink: &mut dyn Sink) -> Result<(), Error> {
    let (records, _) = installed(context, &args.select.selector, args.select.all, Fallback::Manifest)?;
    let since = args.since.as_deref().map(|text| moment("--since", text)).transpose()?;
    let mut crashes: Vec<(Timestamp, &Record, String, Vec<LogLine>)> = Vec::new();
    for record in &records {
        let events = history::events(context, record, since)?;
        let ends: Vec<usize> = (0..events.len()).rev().filter(|at| events[*at].is_crash()).take(CRASHES).collect();
        for at in ends {
            let lines = history::last_words(context, record, &events, at, args.lines.unwrap_or(LAST));
            crashes.push((events[at].time, record, events[at].end(), lines));
        }
    }
    crashes.sort_by_key(|(time, ..)| *time);
    for (time, record, end, lines) in crashes {
        for line in &lines {
            if sink.line(&line.lent()).is_break() {
                return Ok(());
            }
        }
        let Ok(service) = Name::parse(&record.name) else { continue };
        let message =
            format!("{end}, {}", time.to_zoned(crate::sys::clock::local_now().time_zone().clone()).strftime("%F %T"));
        let end = LogLine { service, time: Some(time), pid: None, stream: "manager", message: message.into_bytes() };
        if sink.line(&end.lent()).is_break() {
            return Ok(());
        }
    }
    let _ = sink.rest(); // the sink says itself how it went
    Ok(())
}

/// The moment that an option names.
pub(crate) fn moment(flag: &str, text: &str) -> Result<Timestamp, Error> {
    when::parse(text, &crate::sys::clock::local_now())
        .map_err(|reason| Error::new(ErrorCode::Usage, format!("`{flag}`: {reason}")))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

/// Who is meant; of those that may come while they are followed nobody needs to be there yet.
fn selected(context: &Context, args: &LogsArgs) -> Result<(Vec<Record>, Vec<String>), Error> {
    let select = &args.select;
    let may_come = args.follow && !select.selector.is_empty() && select.selector.iter().all(|text| is_many(text));
    match installed(context, &select.selector, select.all, Fallback::Manifest) {
        Err(error) if may_come && error.code == ErrorCode::NotFound => Ok((Vec::new(), Vec::new())),
        other => other,
    }
}

/// A pattern or a group.
fn is_many(selector: &str) -> bool {
    Name::parse(selector).is_err()
}

/// This boot is known by the kernel's clock, others by the journal.
fn boot(number: i32) -> Result<Boot, Error> {
    if number != 0 {
        return journal::boot(number);
    }
    let up = jiff::SignedDuration::try_from(crate::sys::clock::since_boot()).unwrap_or_default();
    Ok(Boot { number, since: crate::sys::clock::now().checked_sub(up).ok(), until: None })
}

fn logged(record: &Record) -> Option<Logged> {
    Some((Name::parse(&record.name).ok()?, record.log.clone()))
}

/// Hands all lines to `sink`; warnings.
pub(crate) fn read(
    context: &Context,
    query: &LogQuery,
    followed: Option<&dyn Followed>,
    sink: &mut dyn Sink,
) -> Result<Vec<String>, Error> {
    let grows = followed.is_some_and(Followed::grows);
    let journal = |names: &[Name], query: &LogQuery, begin: Begin| -> Result<Box<dyn Source>, Error> {
        Ok(Box::new(JournalLog::open(context.scope, names, query, begin, grows)?))
    };
    logs::read(query, &journal, followed, sink)
}

/// The last lines of one service; none where they can't be read.
pub(crate) fn last(context: &Context, record: &Record, count: usize) -> Vec<LogLine> {
    let services = logged(record).into_iter().collect();
    let query = LogQuery { services, lines: Some(count), ..LogQuery::default() };
    let mut lines = Vec::new();
    if let Err(error) = read(context, &query, None, &mut lines) {
        tracing::debug!(%error, "no log lines");
    }
    lines
}

/// Who is selected, as long as it is followed.
pub(crate) struct Selected<'a> {
    paths: &'a Paths,
    folder: PathBuf,
    selectors: &'a [String],
    all: bool,
    /// All of this manifest, where there is no selector.
    manifest: Option<PathBuf>,
}

impl<'a> Selected<'a> {
    /// By what was typed.
    pub(crate) fn new(context: &'a Context, args: &'a LogsArgs) -> Self {
        let select = &args.select;
        let manifest = context.manifest_path().filter(|_| !select.all && select.selector.is_empty());
        Self {
            paths: &context.paths,
            folder: context.paths.services(),
            selectors: &select.selector,
            all: select.all,
            manifest,
        }
    }

    fn holds(&self, record: &Record) -> bool {
        self.all
            || self.manifest.as_deref().is_some_and(|manifest| Context::is_of(record, manifest))
            || fits(self.selectors, &record.name, &record.groups)
    }
}

impl Followed for Selected<'_> {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn who(&self) -> Option<Vec<Logged>> {
        let all = if self.grows() {
            record::read_all(self.paths).map(|(records, _)| records).unwrap_or_default()
        } else {
            self.selectors.iter().filter_map(|name| Record::read(self.paths, name)).collect()
        };
        let all: Vec<Logged> = all.iter().filter(|record| self.holds(record)).filter_map(logged).collect();
        // who was named and is uninstalled writes no more
        (self.grows() || !all.is_empty()).then_some(all)
    }

    fn grows(&self) -> bool {
        self.selectors.is_empty() || self.selectors.iter().any(|text| is_many(text))
    }
}
