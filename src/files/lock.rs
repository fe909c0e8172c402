//! One lock for all that changes something, so that two `svc` at once take turns.

use super::index;
use super::paths::Paths;
use crate::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

/// Held until dropped; the kernel lets go of it when its process dies (flock(2)).
#[derive(Debug)]
pub struct Lock {
    file: File,
    paths: Paths,
}

impl Lock {
    /// Waits for its turn.
    pub fn take(paths: &Paths) -> Result<Self, Error> {
        let path = paths.lock();
        loop {
            paths.make(&paths.state).map_err(|cause| denied("make the folder", &paths.state, &cause))?;
            let file = OpenOptions::new().create(true).append(true).mode(paths.file_mode()).open(&path);
            let file = match file {
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue, // the folder went away
                other => other.map_err(|cause| denied("open", &path, &cause))?,
            };
            file.lock().map_err(|cause| Error::file("lock", &path, &cause))?;
            let lock = Self { file, paths: paths.clone() };
            if lock.is_current() {
                return Ok(lock);
            }
        }
    }

    /// Whether the file under the name is still the one that is locked: who was before us may have
    /// removed it.
    fn is_current(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let mine = self.file.metadata().map(|data| (data.dev(), data.ino()));
        let there = std::fs::metadata(self.paths.lock()).map(|data| (data.dev(), data.ino()));
        matches!((mine, there), (Ok(mine), Ok(there)) if mine == there)
    }
}

impl Drop for Lock {
    /// Leaves nothing behind when no service is installed: the last one out removes the lock, and
    /// the folders if they are empty.
    fn drop(&mut self) {
        let services = self.paths.services();
        let empty = std::fs::read_dir(&services).map_or(true, |mut entries| entries.next().is_none());
        if empty && self.is_current() && !self.paths.linger_mark().exists() {
            let supervisor = [self.paths.jobs(), self.paths.enabled(), self.paths.supervisor(), self.paths.logs()];
            let health = [self.paths.health()];
            // each fails unless it is empty
            for folder in [services, self.paths.history()].iter().chain(&supervisor).chain(&health) {
                let _ = std::fs::remove_dir(folder);
            }
            let _ = std::fs::remove_file(index::path(&self.paths.services()));
            let _ = std::fs::remove_file(self.paths.lock());
            let _ = std::fs::remove_dir(&self.paths.state);
        }
    }
}

/// An I/O error; exit 5 when it is one of permission.
pub fn denied(doing: &str, path: &std::path::Path, cause: &std::io::Error) -> Error {
    let mut error = Error::file(doing, path, cause);
    if cause.kind() == std::io::ErrorKind::PermissionDenied {
        error.code = crate::error::ErrorCode::NotPermitted;
    }
    error
}
