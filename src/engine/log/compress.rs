//! Rotated files made smaller, by gzip(1)'s format.
//!
//! Another process [`write()`]s the smaller file beside the indexes of times, under the inode of the
//! file that it is made of; only the writer of the log changes names ([`adopt`]), so that a rotation
//! meanwhile is no danger. Killed anywhere, either the file as it was is there, or the whole smaller
//! one, or both: then the smaller one counts.

use super::rotate;
use super::times::scratch;
use crate::logs::times::place;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The oldest rotated file of the log at `log` that is not compressed.
pub(super) fn next(log: &Path) -> Option<PathBuf> {
    let all = rotate::list(log).ok()?;
    all.into_iter().rev().map(|(_, path)| path).find(|path| !rotate::is_compressed(path))
}

/// Compresses `file` of the log at `log`; takes a second for each 50 MB or so, and is to be done in a
/// process of its own.
pub fn write(log: &Path, file: &Path) -> io::Result<()> {
    let mut from = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(file)?;
    let found = from.metadata()?;
    let done = scratch(log, found.ino(), "gz");
    let part = scratch(log, found.ino(), "gz.part");
    if let Some(folder) = part.parent() {
        super::times::make_folder(folder)?;
    }
    match std::fs::remove_file(&part) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let to = File::options().write(true).create_new(true).mode(found.mode() & 0o777).open(&part)?;
    let written = (|| {
        let mut gz = GzEncoder::new(BufWriter::with_capacity(64 * 1024, &to), Compression::default());
        io::copy(&mut from, &mut gz)?;
        gz.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        to.set_modified(found.modified()?)?;
        to.sync_all()?;
        std::fs::rename(&part, &done)
    })();
    written.inspect_err(|_| drop(std::fs::remove_file(&part)))
}

/// Puts what was compressed in the place of what it was made of.
pub(super) fn adopt(log: &Path) -> io::Result<()> {
    for (number, path) in rotate::list_all(log)?.into_iter().filter(|(_, path)| !rotate::is_compressed(path)) {
        let small = rotate::compressed(log, number);
        if small.symlink_metadata().is_err() {
            let inode = path.symlink_metadata()?.ino();
            let done = scratch(log, inode, "gz");
            let Ok(found) = done.symlink_metadata() else { continue };
            // offsets of its lines are those of what is in it
            let _ = std::fs::hard_link(place(log, inode), place(log, found.ino()));
            std::fs::rename(&done, &small)?;
            super::point::dies();
        }
        std::fs::remove_file(&path)?;
        super::point::dies();
    }
    Ok(())
}

#[cfg(test)]
#[path = "compress_tests.rs"]
mod tests;
