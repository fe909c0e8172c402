//! The newest entries, read from the journal's own files: journalctl takes
//! longer to start than a whole status with its last lines may. JOURNAL_FILE_FORMAT of
//! systemd.io; the crate `sdjournal` reads it, through the files' own index.
//!
//! Whatever this can't read (another compression, a damaged file, no permission) is journalctl's to
//! read or to explain: `None` here.

use super::entry::Entry;
use sdjournal::{EntryRef, Journal, JournalConfig};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Field and value, exactly.
pub(super) type Term = (&'static str, String);

/// Where journald keeps its files: systemd-journald.service(8), FILES.
const FOLDERS: [&str; 2] = ["/run/log/journal", "/var/log/journal"];

/// A moment, microseconds since 1970 in UTC.
pub(super) type Microseconds = u64;

/// Hands the entries that match any of `terms` to `each`, newest first, none older than `since`.
/// After `None` what `each` got so far is to be forgotten.
pub(super) fn newest(
    terms: &[Term],
    since: Option<Microseconds>,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Option<()> {
    let machine = std::fs::read_to_string("/etc/machine-id").ok()?;
    let folders = FOLDERS.iter().map(|folder| Path::new(folder).join(machine.trim()));
    let folders: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
    let config = JournalConfig { max_query_terms: terms.len().max(1), ..JournalConfig::default() };
    let journal = Journal::open_dirs_with_config(&folders, config).map_err(unread).ok()?;
    let mut query = journal.query();
    query.seek_tail();
    for (field, value) in terms {
        // a group for each: within one the crate wants all of them (0.1.15, whatever its docs say)
        query.or_group(|one| {
            one.match_exact(field, value.as_bytes());
        });
    }
    if let Some(since) = since {
        query.since_realtime(since);
    }
    let entries = query.iter().map_err(unread).ok()?;
    for (at, entry) in entries.enumerate() {
        if at == AT_ONCE {
            return None;
        }
        if each(read(&entry.map_err(unread).ok()?)).is_break() {
            break;
        }
    }
    Some(())
}

/// Entries looked at; who wants more asks journalctl.
const AT_ONCE: usize = 200;

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn unread(error: sdjournal::SdJournalError) {
    tracing::debug!(%error, "the journal's files can't be read");
}

fn read(entry: &EntryRef) -> Entry {
    Entry::of_fields(entry.realtime_usec(), entry.iter_fields())
}
