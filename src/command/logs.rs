//! `svc logs`: what one or many services wrote, as one stream.

use super::Context;
use super::selection::{Fallback, fits, installed};
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

/// What to read, and warnings.
pub(crate) fn query(context: &Context, args: &LogsArgs) -> Result<(LogQuery, Vec<String>), Error> {
    let (records, warnings) = installed(context, &args.select.selector, args.select.all, Fallback::Manifest)?;
    let time = |flag: &str, text: &Option<String>| -> Result<Option<Timestamp>, Error> {
        text.as_deref()
            .map(|text| {
                when::parse(text, &crate::sys::clock::local_now())
                    .map_err(|reason| Error::new(ErrorCode::Usage, format!("`{flag}`: {reason}")))
            })
            .transpose()
    };
    let grep = args.grep.as_deref().map(|pattern| {
        regex::bytes::Regex::new(pattern)
            .map_err(|error| Error::new(ErrorCode::Usage, format!("`--grep`: {}", last_line(&error.to_string()))))
    });
    let around = |own: Option<usize>| own.or(args.context).unwrap_or_default();
    let query = LogQuery {
        lines: args.lines.or_else(|| (args.follow && args.since.is_none()).then_some(10)),
        follow: args.follow,
        since: time("--since", &args.since)?,
        until: time("--until", &args.until)?,
        grep: grep.transpose()?,
        before: around(args.before),
        after: around(args.after),
        boot: args.boot.map(boot).transpose()?,
        since_of: Vec::new(),
        services: records.iter().filter_map(logged).collect(),
    };
    Ok((query, warnings))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
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
        self.selectors.is_empty() || self.selectors.iter().any(|text| Name::parse(text).is_err())
    }
}
