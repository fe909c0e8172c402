//! `svc logs`: the journal, and log files, of one or many services.

use super::Context;
use super::selection::{Fallback, installed};
use crate::backend::Backend;
use crate::cli::LogsArgs;
use crate::error::{Error, ErrorCode};
use crate::logs::{tail, when};
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use jiff::Timestamp;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What to read, and warnings.
pub(crate) fn query(context: &Context, args: &LogsArgs) -> Result<(LogQuery, Vec<String>), Error> {
    let (records, mut warnings) = installed(context, &args.select.selector, args.select.all, Fallback::Manifest)?;
    let services =
        records.iter().filter_map(|record| Some((Name::parse(&record.name).ok()?, record.log.clone()))).collect();
    let (query, found) = query_of(services, args)?;
    warnings.extend(found);
    Ok((query, warnings))
}

/// The same of these, each with its log file, if it has one.
pub(crate) fn query_of(
    services: Vec<(Name, Option<PathBuf>)>,
    args: &LogsArgs,
) -> Result<(LogQuery, Vec<String>), Error> {
    let mut warnings = Vec::new();
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
    let query = LogQuery {
        lines: args.lines.or_else(|| (args.follow && args.since.is_none()).then_some(10)),
        follow: args.follow,
        since: time("--since", &args.since)?,
        until: time("--until", &args.until)?,
        grep: grep.transpose()?,
        services,
    };
    if (query.since.is_some() || query.until.is_some()) && query.services.iter().any(|(_, file)| file.is_some()) {
        warnings.push(
            "lines of a log file have no time of their own: `--since` and `--until` only choose from the journal"
                .into(),
        );
    }
    Ok((query, warnings))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

/// Hands all lines to `sink`: of the journal merged by time, of files each in its order.
pub(crate) async fn read(
    context: &Context,
    query: &LogQuery,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    let (files, journal): (Vec<_>, Vec<_>) = query.services.iter().cloned().partition(|(_, file)| file.is_some());
    let part = |services| LogQuery { services, ..query.clone() };
    let (journal, files) = (part(journal), part(files));
    let backend = context.journal();
    if files.services.is_empty() {
        return backend.logs(&journal, sink).await;
    }
    if !query.follow {
        if !journal.services.is_empty() {
            backend.logs(&journal, sink).await?;
        }
        return tail::read(&files, sink).await;
    }
    if journal.services.is_empty() {
        return tail::read(&files, sink).await;
    }
    let shared = std::cell::RefCell::new(sink);
    let mut one = |line| (shared.borrow_mut())(line);
    let mut other = |line| (shared.borrow_mut())(line);
    tokio::select! {
        ended = backend.logs(&journal, &mut one) => ended,
        ended = tail::read(&files, &mut other) => ended,
    }
}
