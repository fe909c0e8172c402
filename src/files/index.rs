//! All records in one file: a look at hundreds of services reads it instead of hundreds of files.
//!
//! The records are the truth; this is a copy, made by whoever finds none or an old one, and never
//! waited for. It belongs to the records as they are as long as their folder is the same and was not
//! changed since, which every rename and removal in it does. A copy that is made shortly after such
//! a change is not kept: another change could bear the same time. (git's index is believed by the same
//! rule: racy-git(7).)
//!
//! The file: its own CRC-32, then MessagePack with names of fields, so that svc of another version reads
//! what it knows.

use super::record::Record;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of this layout.
const VERSION: u32 = 1;
/// With fewer records reading each is as quick.
pub(super) const MANY: usize = 32;
/// Times of files count in steps of some milliseconds, on network file systems of seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// A folder at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    device: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Moment {
    /// The folder of records as it is now; `None` if there is none.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let data = std::fs::metadata(folder).ok()?;
        Some(Self { device: data.dev(), inode: data.ino(), seconds: data.mtime(), nanoseconds: data.mtime_nsec() })
    }

    /// Long enough ago that a further change must bear another time.
    fn is_settled(&self) -> bool {
        let changed = Duration::new(u64::try_from(self.seconds).unwrap_or(u64::MAX), 0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.checked_sub(changed).is_some_and(|age| age > SETTLED)
    }
}

#[derive(Debug, Deserialize)]
struct Index {
    version: u32,
    moment: Moment,
    records: Vec<Record>,
}

/// The same, of records that stay where they are.
#[derive(Debug, Serialize)]
struct IndexOf<'a> {
    version: u32,
    moment: Moment,
    records: &'a [Record],
}

/// Where it lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.with_extension("index")
}

/// The records of this folder, sorted, if the index is that of this moment.
pub(super) fn read(folder: &Path, moment: Moment) -> Option<Vec<Record>> {
    let bytes = std::fs::read(path(folder)).ok()?;
    let (sum, body) = bytes.split_first_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return None;
    }
    let index: Index = rmp_serde::from_slice(body).ok()?;
    (index.version == VERSION && index.moment == moment).then_some(index.records)
}

/// Keeps `records`, all that the folder held at `moment`. What goes wrong only costs time.
pub(super) fn keep(folder: &Path, moment: Moment, records: &[Record]) {
    let path = path(folder);
    if records.len() < MANY {
        let _ = std::fs::remove_file(path);
        return;
    }
    if moment.is_settled()
        && Moment::of(folder) == Some(moment)
        && let Err(error) = write(folder, &path, &IndexOf { version: VERSION, moment, records })
    {
        tracing::debug!(%error, "no index of the records");
    }
}

/// In the way of [`super::atomic`], but for the waiting for the disk: half an index is none.
fn write(folder: &Path, path: &Path, index: &IndexOf<'_>) -> std::io::Result<()> {
    use std::io::Write;
    // root beside a user, or a user who may read the machine's records, leaves none of its own there
    let owner = std::fs::metadata(folder)?.uid();
    if owner != nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let body = rmp_serde::to_vec_named(index).map_err(std::io::Error::other)?;
    let mut file = tempfile::Builder::new()
        .prefix(super::atomic::PREFIX)
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(path.parent().unwrap_or(folder))?;
    file.write_all(&crc32fast::hash(&body).to_be_bytes())?;
    file.write_all(&body)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use crate::backend::{BackendKind, Rendered, Scope};
    use nix::sys::time::TimeVal;

    fn records(count: usize) -> Vec<Record> {
        let record = |at| {
            let rendered = Rendered { files: Vec::new(), log: Some("/odd\n".into()), notes: Vec::new() };
            let service = crate::service::sample::sample(&format!("web{at:03}"));
            Record::new(&service, &rendered, BackendKind::Supervisor, Scope::User)
        };
        (0..count).map(record).collect()
    }

    /// A folder that was last changed a minute ago.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let all = tempfile::tempdir().unwrap();
        let folder = all.path().join("services");
        std::fs::create_dir(&folder).unwrap();
        settle(&folder);
        (all, folder)
    }

    fn settle(folder: &Path) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let then = TimeVal::new(i64::try_from(now).unwrap() - 60, 0);
        nix::sys::stat::utimes(folder, &then, &then).unwrap();
    }

    #[test]
    fn it_is_believed_until_the_folder_changes() {
        let (_all, folder) = folder();
        let moment = Moment::of(&folder).unwrap();
        keep(&folder, moment, &records(MANY));
        assert_eq!(read(&folder, moment).unwrap(), records(MANY));
        std::fs::write(folder.join("more.json"), "").unwrap();
        assert_eq!(read(&folder, Moment::of(&folder).unwrap()), None);
    }

    #[test]
    fn of_a_folder_that_has_just_changed_none_is_kept() {
        let (_all, folder) = folder();
        std::fs::write(folder.join("more.json"), "").unwrap();
        keep(&folder, Moment::of(&folder).unwrap(), &records(MANY));
        assert!(!path(&folder).exists());
    }

    #[test]
    fn a_damaged_one_is_none_and_that_of_few_goes() {
        let (_all, folder) = folder();
        let moment = Moment::of(&folder).unwrap();
        keep(&folder, moment, &records(MANY));
        let whole = std::fs::read(path(&folder)).unwrap();
        for cut in [0, 3, 4, 100, whole.len() - 1] {
            std::fs::write(path(&folder), &whole[..cut]).unwrap();
            assert_eq!(read(&folder, moment), None);
        }
        let mut other = whole.clone();
        other[whole.len() / 2] ^= 1;
        std::fs::write(path(&folder), &other).unwrap();
        assert_eq!(read(&folder, moment), None);
        keep(&folder, moment, &records(MANY - 1));
        assert!(!path(&folder).exists());
    }
}
