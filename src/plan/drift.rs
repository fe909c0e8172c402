//! What differs from what svc wrote, without anybody having asked svc for it: the same sentences in `status`,
//! `doctor`, `diff` and `up`.

use crate::files::record::Record;
use crate::report::Observed;

/// The drift of one that is to be loaded again.
pub(crate) const OLDER: &str = "the manager has an older definition loaded";

/// Adds what the manager says to how the files differ ([`crate::files::record::drift`]).
pub(crate) fn told_by_manager(record: &Record, seen: &Observed, mut drift: Vec<String>) -> Vec<String> {
    if !seen.known && drift.is_empty() {
        drift.push(seen.reason.clone().unwrap_or_else(|| format!("{} does not know it", record.backend)));
    }
    if seen.needs_load {
        drift.push(OLDER.into());
    }
    drift.extend(seen.differs.iter().map(|differs| differs.what.clone()));
    drift
}
