//! What lay at a path before a change, and how to put it back: byte, mode and link.

use crate::error::Error;
use crate::files::atomic::{NewFile, sync_folder, write_all};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What lay at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing.
    Absent,
    /// A file.
    File { contents: Vec<u8>, mode: u32 },
    /// A link.
    Link(PathBuf),
}

/// Remembers what lies at `path`.
pub(crate) fn remember(path: &Path) -> Result<Before, Error> {
    let data = match std::fs::symlink_metadata(path) {
        Ok(data) => data,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Before::Absent),
        Err(cause) => return Err(crate::files::lock::denied("read", path, &cause)),
    };
    let failed = |cause: std::io::Error| Error::file("read", path, &cause);
    if data.file_type().is_symlink() {
        return std::fs::read_link(path).map(Before::Link).map_err(failed);
    }
    let contents = std::fs::read(path).map_err(failed)?;
    Ok(Before::File { contents, mode: data.permissions().mode() & 0o7777 })
}

/// Puts back what lay at these paths; goes on past a failure and returns the first.
pub(crate) fn put_back<'a>(all: impl IntoIterator<Item = (&'a Path, &'a Before)>) -> Result<(), Error> {
    let mut first = Ok(());
    for (path, before) in all {
        let result = match before {
            Before::Absent => {
                // a log that was begun has its times beside it
                let _ = crate::engine::log::forget_times(path);
                remove(path)
            }
            Before::File { contents, mode } => write_all(&[NewFile { path, contents, mode: *mode }]),
            Before::Link(target) => remove(path).and_then(|()| {
                std::os::unix::fs::symlink(target, path).map_err(|cause| Error::file("put back the link", path, &cause))
            }),
        };
        if first.is_ok() {
            first = result;
        }
    }
    first
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(crate::files::lock::denied("remove", path, &cause))
        }
        _ => Ok(()),
    }
}

/// Makes removals last: syncs each folder once.
pub(crate) fn sync_folders<'a>(paths: impl IntoIterator<Item = &'a Path>) {
    let folders: BTreeSet<&Path> = paths.into_iter().filter_map(Path::parent).collect();
    for folder in folders {
        let _ = sync_folder(folder); // a folder that can't be synced still lost the file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_link_and_nothing_come_back_as_they_were() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let old = NewFile { path: &path("file"), contents: b"old", mode: 0o600 };
        write_all(&[old]).expect("written");
        std::os::unix::fs::symlink("elsewhere", path("link")).expect("linked");
        let all: Vec<(PathBuf, Before)> =
            ["file", "link", "none"].map(|name| (path(name), remember(&path(name)).expect("read"))).into();
        for (path, _) in &all {
            remove(path).expect("removed");
            write_all(&[NewFile { path, contents: b"new", mode: 0o644 }]).expect("written");
        }
        put_back(all.iter().map(|(path, before)| (path.as_path(), before))).expect("put back");
        for (path, before) in &all {
            assert_eq!(&remember(path).expect("read"), before, "{}", path.display());
        }
    }
}
