//! The file of one service: a line of JSON for each event, in the order of writing.
//!
//! A line is added by one write, so that any number may add at once and any number read. One that grew too
//! large is replaced by its newer half, under a lock that those who add share: what is added meanwhile is kept.

use super::{Event, Kind};
use crate::files::paths::Paths;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a file at most, and what is kept of it then: some thousand events.
const MOST: u64 = 256 * 1024;
const KEPT: usize = 128 * 1024;
/// Longest line, bytes.
const LONGEST: usize = 3 * 1024;

impl Paths {
    /// What became of services.
    pub fn history(&self) -> PathBuf {
        self.state.join("history")
    }

    /// Of one service.
    pub fn history_of(&self, name: &str) -> PathBuf {
        of(&self.history(), name)
    }
}

fn of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.jsonl"))
}

/// Adds an event to the history in `folder`. What can't be written is left out: it is never worth a failure. A stop
/// makes no file: it is the last that becomes of what is uninstalled.
pub(crate) fn add(folder: &Path, mode: u32, name: &str, event: &Event) {
    if let Err(cause) = add_to(&of(folder, name), mode, event) {
        tracing::debug!(%cause, name, "history not written");
    }
}

fn add_to(path: &Path, mode: u32, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    if line.len() > LONGEST {
        // a reason of somebody else's making
        line = serde_json::to_vec(&Event { reason: None, fields: Vec::new(), ..event.clone() })?;
    }
    line.push(b'\n');
    let make = event.event != Kind::Stopped;
    loop {
        let file = open(path, mode, make)?;
        // nobody waits here: somebody may hold it who was stopped
        let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
        let (file, alone) = match &locked {
            Ok(file) => (&**file, true),
            Err((file, _)) => (file, false),
        };
        let found = file.metadata()?;
        if alone && !std::fs::metadata(path).is_ok_and(|here| here.ino() == found.ino()) {
            continue; // replaced just now
        }
        (&*file).write_all(&line)?;
        return if alone && found.len() > MOST { shorten(path, mode) } else { Ok(()) };
    }
}

fn open(path: &Path, mode: u32, make: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(make).mode(mode).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    options.open(path).or_else(|cause| match path.parent() {
        Some(folder) if make && cause.kind() == ErrorKind::NotFound => {
            // as public as the records beside it
            let public = mode & 0o044;
            let folder_mode = 0o700 | public | public >> 2;
            std::fs::DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
            options.open(path)
        }
        _ => Err(cause),
    })
}

/// Keeps the newer half.
fn shorten(path: &Path, mode: u32) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    let from = bytes.len().saturating_sub(KEPT);
    let from = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |end| from + end + 1);
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(&bytes[from..])?;
    std::fs::rename(&new, path)
}

/// All events of a service, in the order of time; what is damaged is left out.
pub(crate) fn read(folder: &Path, name: &str) -> Vec<Event> {
    let bytes = std::fs::read(of(folder, name)).unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut all: Vec<Event> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    all.sort_by_key(|event| event.time);
    all
}

/// Forgets a service.
pub(crate) fn forget(paths: &Paths, name: &str) {
    let _ = std::fs::remove_file(paths.history_of(name)); // it may never have had one
    let _ = std::fs::remove_dir(paths.history()); // fails unless it is empty
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn event(second: i64) -> Event {
        let reason = Some(format!("of {second}: {}", "x".repeat(100)));
        Event { reason, ..Event::new(Timestamp::from_second(second).unwrap(), Kind::Failed) }
    }

    fn seconds(folder: &Path) -> Vec<i64> {
        read(folder, "web").iter().map(|event| event.time.as_second()).collect()
    }

    #[test]
    fn events_come_back_in_the_order_of_time_and_what_is_damaged_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("history");
        for second in [5, 3, 9] {
            add(&inner, 0o600, "web", &event(second));
        }
        open(&of(&inner, "web"), 0o600, false).unwrap().write_all(b"{\"time\":\nhalf").unwrap();
        assert_eq!(seconds(&inner), [3, 5, 9]);
        assert_eq!(read(&inner, "web")[0], event(3));
        assert!(read(&inner, "other").is_empty());
        assert_eq!(std::fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        let long = Event { reason: Some("x".repeat(10_000)), ..event(11) };
        add(&inner, 0o600, "other", &long);
        assert_eq!(read(&inner, "other"), [Event { reason: None, ..long }]);
    }

    #[test]
    fn it_stays_small_and_keeps_what_many_add_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || (0..1000).for_each(|n| add(path, 0o600, "web", &event(n * 4 + writer))));
            }
        });
        let length = std::fs::metadata(of(path, "web")).unwrap().len();
        assert!(length <= MOST + LONGEST as u64 * 8, "{length}");
        let found = seconds(path);
        assert!(found.len() > KEPT / 200 && found.contains(&3999), "{}", found.len());
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "one came twice");
    }
}
