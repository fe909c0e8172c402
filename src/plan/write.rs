//! Writing what a batch of services needs: files and records, copies of what was not svc's, private logs.

use super::execute::Options;
use super::restore::{Before, remove};
use super::step::Step;
use crate::backend::Backend;
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::service::Service;
use std::path::{Path, PathBuf};

/// Switches on what `start = "boot"` needs, before anything is written, and remembers who did.
pub(super) async fn outlive_logout(backend: &impl Backend, paths: &Paths) -> Result<(), Error> {
    if backend.outlive_logout(true).await?.is_some() {
        paths.make(&paths.state).map_err(|cause| Error::file("make the folder", &paths.state, &cause))?;
        write_all(&[NewFile {
            path: &paths.linger_mark(),
            contents: b"switched on by svc\n",
            mode: paths.file_mode(),
        }])?;
    }
    Ok(())
}

/// Writes all that differs, in one batch of renames.
pub(super) fn write(
    backend: &impl Backend,
    steps: &mut [Step<'_>],
    paths: &Paths,
    options: Options,
) -> Result<(), Error> {
    let mut contents: Vec<(PathBuf, Vec<u8>, u32)> = Vec::new();
    paths
        .make(&paths.services())
        .map_err(|cause| crate::files::lock::denied("make the folder", &paths.services(), &cause))?;
    for step in steps.iter_mut().filter(|step| step.changed) {
        let prepared = step.prepared;
        for (file, (_, before)) in prepared.rendered.files.iter().zip(&step.before) {
            // a manager tells an old file from a new one by its time: one that is as it should be keeps it
            if matches!(before, Before::File { contents, .. } if contents == file.contents.as_bytes()) {
                continue;
            }
            if let Some(folder) = file.path.parent() {
                // a folder of svc's own is as private as the rest of it, whatever the umask is
                let made =
                    if folder.starts_with(&paths.state) { paths.make(folder) } else { std::fs::create_dir_all(folder) };
                made.map_err(|cause| crate::files::lock::denied("make the folder", folder, &cause))?;
            }
            if options.force
                && let Some(copy) = keep_copy(&file.path, before)?
            {
                step.notes.push(format!("what was there is kept as `{}`", copy.display()));
            }
            contents.push((file.path.clone(), file.contents.as_bytes().to_vec(), file.mode));
        }
        contents.push((Record::path(paths, &prepared.record.name), prepared.record.to_bytes(), paths.file_mode()));
        if let Some(log) = &prepared.rendered.log {
            make_log(log, &prepared.service, backend.makes_logs())?;
        }
        let kept = prepared.rendered.files.len() + 1;
        for (path, before) in &step.before[kept..] {
            if matches!(before, Before::File { .. }) {
                remove(path)?;
            }
        }
    }
    // a link at the target would survive as a file of its own elsewhere: rename replaces the link
    let files: Vec<NewFile<'_>> =
        contents.iter().map(|(path, contents, mode)| NewFile { path, contents, mode: *mode }).collect();
    write_all(&files)
}

/// Keeps a copy of a file that is not svc's beside it.
fn keep_copy(path: &Path, before: &Before) -> Result<Option<PathBuf>, Error> {
    let Before::File { contents, mode } = before else { return Ok(None) };
    let ours = std::str::from_utf8(contents)
        .is_ok_and(|text| matches!(crate::files::owner::owner(text), crate::files::owner::Owner::Svc { .. }));
    if ours {
        return Ok(None);
    }
    let name = |n: u32| PathBuf::from(format!("{}.before-svc-{n}", path.display()));
    let copy = (1..10_000).map(name).find(|copy| std::fs::symlink_metadata(copy).is_err()).unwrap_or_else(|| name(0));
    write_all(&[NewFile { path: &copy, contents, mode: *mode }])?;
    Ok(Some(copy))
}

/// Makes a log file of the service's own, private, before the manager opens it: systemd would make
/// it readable for all, and makes no folder (quoting-facts §7). `later`: who writes it makes it just
/// so with the first line; whether that can be done is seen now.
fn make_log(path: &Path, service: &Service, later: bool) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let failed = |cause: std::io::Error| crate::files::lock::denied("make the log file", path, &cause);
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)
            .map_err(|cause| crate::files::lock::denied("make the folder", folder, &cause))?;
        if later && service.user.is_none() {
            use nix::unistd::AccessFlags;
            return nix::unistd::access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
                .map_err(|cause| failed(cause.into()));
        }
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create_new(true).mode(0o640);
    match options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path) {
        Ok(_) => {
            if let Some(user) =
                service.user.as_deref().and_then(|user| nix::unistd::User::from_name(user).ok().flatten())
            {
                let _ = std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())); // root's log is still a log
            }
            Ok(())
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(failed(cause)),
    }
}
