//! What is enabled: an empty file for each service, beside the job files.

use crate::files::atomic::sync_folder;
use crate::files::paths::Paths;
use std::collections::HashSet;
use std::io;

/// Makes or removes the mark of a service; [`settle`] makes it last.
pub(super) fn set(paths: &Paths, name: &str, on: bool) -> io::Result<()> {
    let mark = paths.enabled_mark(name);
    if on {
        paths.make(&paths.enabled())?;
        std::fs::OpenOptions::new().create(true).append(true).open(&mark)?;
    } else {
        match std::fs::remove_file(&mark) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
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
