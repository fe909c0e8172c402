//! Writing the index of times beside a log file; its form stands in [`crate::logs::times`].
//!
//! A record is written before the piece that it tells of: a death in between leaves a record of
//! where the log ends, which the next piece takes the place of. What goes wrong here (a full disk,
//! a folder that may not be made) costs times, never lines.

use crate::logs::times::{self, Bytes, LENGTH, Record};
use jiff::Timestamp;
use nix::fcntl::OFlag;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The index of the file that is written.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    /// Where the next record goes.
    end: u64,
    last: Option<Record>,
    set_back: bool,
}

impl Index {
    /// Opens or makes the index of the log at `log`, whose file has this inode and ends at `length`.
    pub(super) fn open(log: &Path, inode: u64, length: u64) -> io::Result<Self> {
        let path = times::place(log, inode);
        let open = || {
            let mut options = OpenOptions::new();
            let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
            options.read(true).write(true).create(true).truncate(false).mode(0o640).custom_flags(flags.bits());
            options.open(&path)
        };
        let file = open().or_else(|cause| {
            if cause.kind() != ErrorKind::NotFound {
                return Err(cause);
            }
            make_folder(&times::folder(log))?;
            open()
        })?;
        let mut header = Bytes::default();
        let known = file.read_exact_at(&mut header, 0).is_ok();
        let set_back = header == times::header(true);
        if length == 0 || !known || !(set_back || header == times::header(false)) {
            file.set_len(0)?;
            file.write_all_at(&times::header(false), 0)?;
            return Ok(Self { file, end: LENGTH, last: None, set_back: false });
        }
        let mut index = Self { end: file.metadata()?.len() / LENGTH * LENGTH, file, last: None, set_back };
        index.cut(length);
        Ok(index)
    }

    /// What is written at `offset` next is written at `now`.
    pub(super) fn mark(&mut self, offset: u64, now: Timestamp) -> io::Result<()> {
        let last = self.last.map(|last| last.time);
        if !times::is_due(last, now) {
            return Ok(());
        }
        // of what was to be written there, nothing was
        let again = self.last.is_some_and(|last| last.offset >= offset);
        if last.is_some_and(|last| now < last) && !self.set_back {
            self.file.write_all_at(&times::header(true), 0)?;
            self.set_back = true;
        }
        let record = Record { offset, time: now };
        let at = if again { self.end - LENGTH } else { self.end };
        self.file.write_all_at(&record.to_bytes(), at)?;
        self.end = at + LENGTH;
        self.last = Some(record);
        Ok(())
    }

    /// The log ends at `length` now: records of what stood behind are dropped.
    pub(super) fn cut(&mut self, length: u64) {
        let found = |end: u64| -> Option<Record> {
            let mut bytes = Bytes::default();
            self.file.read_exact_at(&mut bytes, end.checked_sub(LENGTH).filter(|at| *at > 0)?).ok()?;
            Some(Record::from_bytes(&bytes))
        };
        let mut end = self.end;
        self.last = loop {
            match found(end) {
                Some(record) if record.offset > length => end -= LENGTH,
                last => break last,
            }
        };
        // a reader in this moment finds records that are too many
        let _ = self.file.set_len(end);
        self.end = end.max(LENGTH);
    }
}

/// The folder of indexes, which may be there already.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(folder) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Where something else that is made of the file with this inode lies; removed as its index is.
pub(super) fn scratch(log: &Path, inode: u64, what: &str) -> PathBuf {
    let mut name = times::place(log, inode).into_os_string();
    name.push(".");
    name.push(what);
    name.into()
}

/// Removes what belongs to none of the files of the log at `log`, which have these inodes.
pub(super) fn tidy(log: &Path, inodes: &[u64]) -> io::Result<()> {
    let mut own = log.file_name().unwrap_or_default().as_bytes().to_vec();
    own.push(b'.');
    let entries = match std::fs::read_dir(times::folder(log)) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let name = entry?.file_name();
        let inode = name.as_bytes().strip_prefix(&own[..]);
        let inode = inode.and_then(|rest| std::str::from_utf8(rest).ok());
        let inode = inode.map(|rest| rest.trim_end_matches(".part").trim_end_matches(".gz"));
        let inode = inode.and_then(|digits| digits.parse::<u64>().ok());
        if inode.is_some_and(|inode| !inodes.contains(&inode)) {
            std::fs::remove_file(times::folder(log).join(name))?;
        }
    }
    Ok(())
}

/// Removes all indexes of the log at `log`, which is removed itself.
pub fn forget_times(log: &Path) -> io::Result<()> {
    tidy(log, &[])?;
    match std::fs::remove_dir(times::folder(log)) {
        // of other logs
        Err(cause) if !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Err(cause),
        _ => Ok(()),
    }
}
