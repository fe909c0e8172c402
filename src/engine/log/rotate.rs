//! The names of rotated files: `NAME.1` is the newest, higher numbers are older.

use super::point;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a compressed file's name ends in.
const GZ: &str = ".gz";

/// `NAME.number`
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// `NAME.number.gz`
pub(super) fn compressed(path: &Path, number: u32) -> PathBuf {
    let mut name = numbered(path, number).into_os_string();
    name.push(GZ);
    name.into()
}

/// By its name.
pub(super) fn is_compressed(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(GZ.as_bytes())
}

/// Renames `NAME` to `NAME.1`, after `NAME.1` to `NAME.2` and so on up to `keep`, which is dropped;
/// compressed ones (`NAME.1.gz`) likewise.
///
/// From the highest down, so that a process that dies in between leaves a gap and no file is lost;
/// and only up to the first gap, so that the next rotation fills it and drops nothing. `keep` > 0.
pub(super) fn shift(path: &Path, keep: u32) -> io::Result<()> {
    let forms = |number| [numbered(path, number), compressed(path, number)];
    let taken = |number| forms(number).iter().any(|path| path.symlink_metadata().is_ok());
    let absent = |result: io::Result<()>| match result {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    };
    let mut free = 1;
    while free < keep && taken(free) {
        free += 1;
    }
    // one form would stay beside the other of what takes its place
    absent(std::fs::remove_file(compressed(path, free)))?;
    for number in (1..free).rev() {
        for (from, to) in forms(number).into_iter().zip(forms(number + 1)) {
            absent(std::fs::rename(from, to))?;
            point::dies();
        }
    }
    std::fs::rename(path, numbered(path, 1))
}

/// The rotated files of the log at `path` and their numbers, the newest first; gaps are possible. One
/// that is there in both forms is compressed already.
pub(super) fn list(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found = list_all(path)?;
    found.sort_unstable_by_key(|(number, path)| (*number, !is_compressed(path)));
    found.dedup_by_key(|(number, _)| *number);
    Ok(found)
}

/// The same, and both forms.
pub(super) fn list_all(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry
            .file_name()
            .as_bytes()
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"."))
            .map(|rest| rest.strip_suffix(GZ.as_bytes()).unwrap_or(rest))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            // `+1` and `01` are numbers too, but not names of ours
            .filter(|number| {
                let forms = [numbered(path, *number), compressed(path, *number)];
                forms.iter().any(|form| form.file_name() == Some(&entry.file_name()))
            });
        if let Some(number @ 1..) = number
            && entry.file_type()?.is_file()
        {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}

/// The rotated files of the log at `path` to be read, the newest first. One that is there in both forms may be half
/// compressed, by somebody else's hand: the plain one is whole.
pub fn older(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = list_all(path)?;
    found.sort_unstable_by_key(|(number, path)| (*number, is_compressed(path)));
    found.dedup_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// All files of the log at `path`, the oldest first, `path` itself last (it may be absent); compressed
/// ones end in `.gz`.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let rotated = list(path)?.into_iter().rev().map(|(_, path)| path);
    Ok(rotated.chain([path.to_owned()]).collect())
}

/// Removes the rotated files with a number above `keep`, and those last written before `before`.
pub(super) fn expire(path: &Path, keep: u32, before: Option<SystemTime>) -> io::Result<()> {
    for (number, path) in list_all(path)? {
        let old = || path.symlink_metadata().and_then(|found| found.modified());
        if number > keep || before.is_some_and(|before| old().is_ok_and(|old| old < before)) {
            match std::fs::remove_file(&path) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is the failure of a test, a file is a fixture"
)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                std::fs::write(folder.0.path().join(name), text).unwrap();
            }
            folder
        }
        fn log(&self) -> PathBuf {
            self.0.path().join("a.log")
        }
        /// `1=text 3=text`
        fn rotated(&self) -> String {
            let all = list(&self.log()).unwrap();
            let all = all.iter().map(|(number, path)| format!("{number}={}", std::fs::read_to_string(path).unwrap()));
            all.collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn each_file_moves_on_and_the_last_one_goes() {
        let folder = Folder::with(&[("a.log", "d"), ("a.log.1", "c"), ("a.log.2", "b"), ("a.log.3", "a")]);
        shift(&folder.log(), 3).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c 3=b");
        assert!(!folder.log().exists());
    }

    #[test]
    fn a_gap_is_filled_and_nothing_dropped() {
        let folder = Folder::with(&[("a.log", "d"), ("a.log.1", "c"), ("a.log.3", "b"), ("a.log.4", "a")]);
        shift(&folder.log(), 4).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c 3=b 4=a");
        let folder = Folder::with(&[("a.log", "d"), ("a.log.2", "c")]);
        shift(&folder.log(), 2).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c");
    }

    #[test]
    fn compressed_files_move_on_with_the_others() {
        let folder = Folder::with(&[("a.log", "d"), ("a.log.1", "c"), ("a.log.2.gz", "b"), ("a.log.3.gz", "a")]);
        shift(&folder.log(), 3).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c 3=b");
        assert!(!numbered(&folder.log(), 3).exists() && compressed(&folder.log(), 3).exists());
        // the oldest is dropped in whichever form
        shift(&folder.log(), 3).unwrap_err();
        let folder = Folder::with(&[("a.log", "d"), ("a.log.1", "c"), ("a.log.2.gz", "b")]);
        shift(&folder.log(), 2).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c");
        // a compressed one whose original is still there counts once
        let folder = Folder::with(&[("a.log", "d"), ("a.log.1", "c"), ("a.log.1.gz", "C")]);
        assert_eq!(folder.rotated(), "1=C");
        shift(&folder.log(), 5).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=C");
        expire(&folder.log(), 1, None).unwrap();
        assert_eq!(list_all(&folder.log()).unwrap().len(), 1, "both forms go");
    }

    #[test]
    fn only_names_of_its_own_count() {
        let others = [
            "a.log.gz",
            "a.log.01",
            "a.log.+1",
            "a.log.0",
            "a.log.01.gz",
            "a.log.1.gz.gz",
            "b.a.log.1",
            "a.log1",
            "a.log.",
            "ba.log.2",
        ];
        let folder = Folder::with(&others.map(|name| (name, "x")));
        std::fs::create_dir(folder.0.path().join("a.log.7")).unwrap();
        assert_eq!(folder.rotated(), "");
        assert_eq!(files(&folder.log()).unwrap(), [folder.log()]);
        expire(&folder.log(), 0, None).unwrap();
        assert!(others.iter().all(|name| folder.0.path().join(name).exists()));
    }

    #[test]
    fn old_files_and_those_beyond_the_number_go() {
        let folder = Folder::with(&[("a.log", "e"), ("a.log.1", "d"), ("a.log.2", "c"), ("a.log.10", "b")]);
        let now = SystemTime::now();
        let old = std::fs::File::options().write(true).open(numbered(&folder.log(), 2)).unwrap();
        old.set_modified(now - Duration::from_secs(100)).unwrap();
        let names = files(&folder.log()).unwrap();
        assert!(names[0].ends_with("a.log.10") && names[3] == folder.log(), "{names:?}");
        expire(&folder.log(), 5, None).unwrap();
        assert_eq!(folder.rotated(), "1=d 2=c");
        expire(&folder.log(), 5, Some(now - Duration::from_secs(50))).unwrap();
        assert_eq!(folder.rotated(), "1=d");
        assert!(folder.log().exists());
    }
}
