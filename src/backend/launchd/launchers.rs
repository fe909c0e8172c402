//! svc under the names of services. What macOS shows in Login Items is the name of the executed file, so a
//! script would be there as `sh`, and a service under the shim as `svc`. A hard link where that can be, else
//! a copy; replaced by a rename, for a program that is overwritten in place is killed (code signing).

use crate::error::{Error, io_reason};
use crate::files::paths::Paths;
use crate::files::record::Record;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Makes a launcher, or replaces one of another svc.
pub(super) fn make(paths: &Paths, launcher: &Path) -> Result<(), Error> {
    let failed = |cause: &io::Error| crate::files::lock::denied("make the launcher", launcher, cause);
    let svc = std::env::current_exe().map_err(|cause| {
        Error::failed(format!("can't find svc itself, which a launcher is a link to: {}", io_reason(&cause)))
    })?;
    if is_same(&svc, launcher).map_err(|cause| failed(&cause))? {
        return Ok(());
    }
    let folder = paths.launchers();
    paths.make(&folder).map_err(|cause| failed(&cause))?;
    let made = tempfile::Builder::new()
        .prefix(".svc-tmp-")
        .make_in(&folder, |path| {
            std::fs::hard_link(&svc, path).or_else(|_| std::fs::copy(&svc, path).map(|_| ()))?;
            Ok(())
        })
        .map_err(|cause| failed(&cause))?;
    if std::fs::metadata(made.path()).is_ok_and(|data| data.nlink() == 1) {
        std::fs::set_permissions(made.path(), PermissionsExt::from_mode(0o755)).map_err(|cause| failed(&cause))?;
    }
    made.into_temp_path().persist(launcher).map_err(|error| failed(&error.error))
}

/// One file, or two with the same bytes.
fn is_same(svc: &Path, launcher: &Path) -> io::Result<bool> {
    let there = match std::fs::symlink_metadata(launcher) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let own = std::fs::metadata(svc)?;
    if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
        return Ok(true);
    }
    Ok(there.is_file() && own.len() == there.len() && std::fs::read(svc)? == std::fs::read(launcher)?)
}

/// Removes what belongs to services that are not installed any more.
pub(super) fn clean(paths: &Paths) {
    let installed = |name: &str| Record::path(paths, name).exists();
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries(&paths.launchers()) {
        if entry.file_name().to_str().is_some_and(|name| !name.starts_with('.') && !installed(name)) {
            let _ = std::fs::remove_file(entry.path()); // it stays until the next time
        }
    }
    let kept: Vec<_> = entries(&paths.shim())
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .map(|name| crate::supervisor::shim::folder(paths, &name, nix::unistd::geteuid().as_raw()))
        .collect();
    for entry in entries(&paths.shim()) {
        let path = entry.path();
        if path.is_dir() && !kept.contains(&path) {
            let _ = std::fs::remove_dir_all(&path);
        }
        let log = entry.file_name().to_str().and_then(|name| name.strip_suffix(".log")).map(str::to_owned);
        if log.is_some_and(|name| !installed(&name)) {
            let _ = std::fs::remove_file(&path);
        }
    }
    for folder in [paths.launchers(), paths.shim(), paths.launchd()] {
        let _ = std::fs::remove_dir(folder); // fails unless it is empty
    }
}
