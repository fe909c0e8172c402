//! Writing so that a reader, a crash or a power cut finds the old file or the new one, never half:
//! temporary file beside the target, fsync, rename, fsync of the folder.
//!
//! A batch shares the waiting: all temporary files are written, then synced (by one `syncfs(2)`
//! when there are many), then renamed, then each folder is synced once.

use crate::error::Error;
use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Prefix of temporary files; hidden, and no manager reads such a name as a unit.
pub(super) const PREFIX: &str = ".svc-tmp-";
/// From so many files on one sync of the file system is cheaper than one for each.
const MANY: usize = 8;

/// A file to be written.
#[derive(Debug)]
pub struct NewFile<'a> {
    /// Where.
    pub path: &'a Path,
    /// What.
    pub contents: &'a [u8],
    /// Permission bits.
    pub mode: u32,
}

/// Writes all of `files`. Their folders must exist. On an error no target has changed, unless it
/// came from a rename: the caller puts back what was there.
pub fn write_all(files: &[NewFile<'_>]) -> Result<(), Error> {
    let mut ready = Vec::with_capacity(files.len());
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new("/"));
        sweep(folder);
        ready.push((stage(file, folder).map_err(|cause| Error::file("write", file.path, &cause))?, file.path));
    }
    let sync = |(temporary, path): &(NamedTempFile, &Path)| {
        crate::sys::sync(temporary.as_file()).map_err(|cause| Error::file("write", path, &cause))
    };
    if ready.len() < MANY || sync_file_systems(&ready).is_err() {
        ready.iter().try_for_each(sync)?;
    }
    let mut folders = BTreeSet::new();
    for (temporary, path) in ready {
        temporary.persist(path).map_err(|error| Error::file("write", path, &error.error))?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    folders.iter().try_for_each(|folder| sync_folder(folder).map_err(|cause| Error::file("write", folder, &cause)))
}

fn stage(file: &NewFile<'_>, folder: &Path) -> io::Result<NamedTempFile> {
    let mut temporary =
        Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(file.mode)).tempfile_in(folder)?;
    temporary.as_file().set_permissions(Permissions::from_mode(file.mode))?; // whatever the umask
    temporary.write_all(file.contents)?;
    Ok(temporary)
}

#[cfg(target_os = "linux")]
fn sync_file_systems(ready: &[(NamedTempFile, &Path)]) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut done = BTreeSet::new();
    for (temporary, _) in ready {
        if done.insert(temporary.as_file().metadata()?.dev()) {
            nix::unistd::syncfs(temporary.as_file())?;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn sync_file_systems(_: &[(NamedTempFile, &Path)]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes renames and removals in `folder` last.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    crate::sys::sync(&File::open(folder)?)
}

/// Removes temporary files that a killed svc left. Only called with the lock held, so none of them
/// is in use; only once a folder.
fn sweep(folder: &Path) {
    thread_local! { static SWEPT: std::cell::RefCell<BTreeSet<PathBuf>> = const { std::cell::RefCell::new(BTreeSet::new()) }; }
    if !SWEPT.with(|swept| swept.borrow_mut().insert(folder.to_owned())) {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_arrive_whole_with_their_modes_and_leave_nothing_beside() {
        let folder = tempfile::tempdir().expect("folder");
        let names: Vec<PathBuf> = (0..20).map(|n| folder.path().join(format!("{n}"))).collect();
        let files: Vec<NewFile<'_>> =
            names.iter().map(|path| NewFile { path, contents: b"text", mode: 0o640 }).collect();
        write_all(&files).expect("written");
        for path in &names {
            assert_eq!(std::fs::read(path).expect("there"), b"text");
            assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o640);
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 20);
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let error = write_all(&[NewFile { path: Path::new("/nowhere/at/all"), contents: b"", mode: 0o644 }])
            .expect_err("no folder");
        assert_eq!(error.message, "can't write `/nowhere/at/all`: no such file or directory");
    }
}
