//! What is enabled: a name for each service of an empty file, beside the job files.

use crate::files::atomic::sync_folder;
use crate::files::paths::Paths;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// Makes the mark of a service; [`settle`] makes it last. `like`: a mark that is there, of which the
/// new one can be another name, which costs a tenth of another file.
pub(super) fn add(paths: &Paths, name: &str, like: Option<&Path>) -> io::Result<PathBuf> {
    let mark = paths.enabled_mark(name);
    if let Some(like) = like {
        match std::fs::hard_link(like, &mark) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {} // not everywhere, and not any number
            Ok(()) | Err(_) => return Ok(mark),
        }
    } else {
        paths.make(&paths.enabled())?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(&mark)?;
    Ok(mark)
}

/// Removes the mark of a service; [`settle`] makes it last.
pub(super) fn remove(paths: &Paths, name: &str) -> io::Result<()> {
    match std::fs::remove_file(paths.enabled_mark(name)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes last what was marked; one wait for any number of services.
pub(super) fn settle(paths: &Paths) -> io::Result<()> {
    match sync_folder(&paths.enabled()) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether one is enabled.
pub(super) fn is_on(paths: &Paths, name: &str) -> bool {
    std::fs::symlink_metadata(paths.enabled_mark(name)).is_ok()
}

/// Names of all that is enabled; one look for any number of services.
pub(super) fn all(paths: &Paths) -> HashSet<String> {
    let entries = std::fs::read_dir(paths.enabled()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether there is a job file; none: nobody can tell.
pub(super) fn any_job(paths: &Paths) -> Option<bool> {
    match std::fs::read_dir(paths.jobs()) {
        Ok(entries) => {
            Some(entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "toml")))
        }
        Err(cause) => (cause.kind() == io::ErrorKind::NotFound).then_some(false),
    }
}
