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
mod events;
mod files;
mod journalctl;
mod log;
mod matches;

pub(crate) use events::events;
pub(crate) use log::{JournalLog, boot};

use crate::backend::Scope;
use crate::report::LogLine;
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

/// The last `count` lines that each of `names` wrote; nothing where the journal can't be read.
pub(crate) async fn last_lines(
    scope: Scope,
    names: &[Name],
    count: usize,
    since: Option<Timestamp>,
) -> HashMap<Name, Vec<LogLine>> {
    let matches = Matches::new(scope, names.iter());
    let mut arguments = vec!["--reverse".to_owned()];
    arguments.extend(since.map(since_argument));
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
        if let Err(error) = entries(&arguments, matches.terms(), &mut keep) {
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
pub(crate) fn complaints(scope: Scope, files: &[PathBuf], since: Timestamp) -> Vec<(PathBuf, u32, String)> {
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
    let arguments = [since_argument(since)];
    let mut keep = |entry: Entry| {
        // a unit may be read several times in one reload
        if let Some(complaint) = entry.complaint().filter(|complaint| !found.contains(complaint)) {
            found.push(complaint);
        }
        ControlFlow::Continue(())
    };
    if let Err(error) = entries(&arguments, &terms, &mut keep) {
        tracing::debug!(%error, "no journal");
    }
    found
}

/// A moment as journalctl reads it (systemd.time(7); tried with 247, 252 and 257).
fn moment(time: Timestamp) -> String {
    format!("@{}.{:06}", time.as_second(), time.subsec_microsecond())
}

fn since_argument(since: Timestamp) -> String {
    format!("--since={}", moment(since))
}

/// Whether the journal can be read; why not.
pub(crate) fn check(scope: Scope) -> Result<(), crate::error::Error> {
    let matches = Matches::new(scope, std::iter::empty());
    entries(&["--lines=1".to_owned()], matches.terms(), &mut |_| ControlFlow::Break(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_microseconds() {
        let time: Timestamp = "2026-11-21T08:39:48.089715123Z".parse().expect("time");
        assert_eq!(moment(time), format!("@{}.089715", time.as_second()));
    }
}
