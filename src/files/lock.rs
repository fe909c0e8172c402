//! One lock for all that changes something, so that two `svc` at once take turns.

use super::paths::Paths;
use crate::error::Error;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

/// Held until dropped; the kernel lets go of it when its process dies (flock(2)).
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "dropping the file releases the lock")] File);

impl Lock {
    /// Waits for its turn.
    pub fn take(paths: &Paths) -> Result<Self, Error> {
        let file = paths.lock();
        paths.make(&paths.state).map_err(|cause| Error::file("make the folder", &paths.state, &cause))?;
        let open = OpenOptions::new().create(true).append(true).mode(paths.file_mode()).open(&file);
        let open = open.map_err(|cause| denied("open", &file, &cause))?;
        open.lock().map_err(|cause| Error::file("lock", &file, &cause))?;
        Ok(Self(open))
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
