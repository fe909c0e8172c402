//! One log file of one service.

use super::limit::{self, Limiter, Part};
use super::record::Record;
use super::render::Place;
use super::times::{self, Index};
use super::{LONGEST, Policy, compress, point, render, rotate};
use jiff::Timestamp;
use nix::fcntl::OFlag;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Notes that wait for the end of a line are dropped beyond so many bytes.
const MOST_NOTES: usize = 16 * 1024;

/// A log file, positioned at its end: one descriptor, a few numbers, and the path. It is written
/// through an [`Intake`](super::Intake).
///
/// There is no `O_APPEND`: the offset is known, and a batch can be undone. What somebody else adds
/// to the file is written behind, and a file that somebody shortens goes on where it now ends.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    policy: Policy,
    file: Option<File>,
    /// Device and inode of `file`.
    identity: (u64, u64),
    /// Its end.
    position: u64,
    /// Its last line has ended, or there is none.
    line_start: bool,
    /// Where the line began that has not ended.
    line_from: u64,
    /// Another file has the name, or none: after this line a new one is opened.
    moved: bool,
    /// After a rotation that failed: not again before this size.
    retry_at: u64,
    /// Lines of svc's own that wait for the end of a line.
    notes: Vec<u8>,
    /// Of `file`, once something was written.
    index: Option<Index>,
    /// It can't be opened; tried again after the next check.
    no_index: bool,
    /// There may be rotated files to be compressed.
    has_large: bool,
    limiter: Limiter,
}

impl Writer {
    /// Opens the log at `path`, absolute; makes its folder (0750) and the file (0640). What is not a
    /// regular file with one name (a link, a device, a second name of another file) is refused.
    pub fn open(path: &Path, policy: Policy) -> io::Result<Self> {
        let mut writer = Self::later(path, policy);
        writer.reopen()?;
        Ok(writer)
    }

    /// The same, where there is a log already; else it is made with the first line.
    pub fn of_old(path: &Path, policy: Policy) -> Self {
        let mut writer = Self::later(path, policy);
        if path.symlink_metadata().is_ok() {
            let _ = writer.reopen(); // writing tells what is wrong
        }
        writer
    }

    /// The same, opened by the first one who writes.
    pub fn later(path: &Path, policy: Policy) -> Self {
        Self {
            path: path.to_owned(),
            policy,
            file: None,
            identity: (0, 0),
            position: 0,
            line_start: true,
            line_from: 0,
            moved: false,
            retry_at: 0,
            notes: Vec::new(),
            index: None,
            no_index: false,
            has_large: policy.compress,
            limiter: Limiter::default(),
        }
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.position
    }

    /// The last `lines` lines since `from` (an earlier [`Writer::length`]), looked for in the last
    /// `most` bytes; after a rotation in between, of the file that is written now.
    pub fn tail(&self, from: u64, most: u64, lines: usize) -> Vec<String> {
        let Some(file) = &self.file else { return Vec::new() };
        let from = if from > self.position { 0 } else { from };
        let start = from.max(self.position.saturating_sub(most));
        let mut bytes = vec![0; usize::try_from(self.position - start).unwrap_or(0)];
        if file.read_exact_at(&mut bytes, start).is_err() {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let skipped = usize::from(start > from); // the first is cut
        let all: Vec<&str> = text.lines().skip(skipped).filter(|line| !line.starts_with("svc: ")).collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From the next batch on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.has_large |= policy.compress;
        self.policy = policy;
        self.retry_at = 0;
    }

    /// Looks whether the file still has its name; if not, a new one is opened at the path, once a
    /// line that has begun is at its end. To be called about once a second, and before writing
    /// after a pause. After an error what was open stays in use, if it still has a name.
    pub fn check(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            return Ok(()); // opened when something is written
        }
        self.no_index = false;
        self.moved = !self.in_place();
        if self.moved && self.line_start { self.reopen() } else { Ok(()) }
    }

    /// Its rotated files go after some days: [`Writer::expire`] is to be called now and then. Those
    /// that are too many go with each rotation.
    pub fn ages(&self) -> bool {
        self.policy.keep_days.is_some()
    }

    /// There may be something [`to_compress`](Self::to_compress).
    pub fn may_compress(&self) -> bool {
        self.has_large && self.policy.compress
    }

    /// The rotated file to be compressed next, by [`compress`](super::compress()) in another process;
    /// [`Writer::compressed`] is to be called then.
    pub fn to_compress(&mut self) -> Option<PathBuf> {
        if !self.may_compress() {
            return None;
        }
        let next = compress::next(&self.path);
        self.has_large = next.is_some();
        next
    }

    /// That process has ended; `worked`: well.
    pub fn compressed(&mut self, worked: bool) -> io::Result<()> {
        self.has_large &= worked; // else it is tried again after the next rotation
        compress::adopt(&self.path)
    }

    /// When [`Writer::tell_left_out`] is to be called.
    pub fn tells_at(&self) -> Option<Timestamp> {
        self.limiter.tells_at(self.policy.rate_limit?)
    }

    /// Says how many lines were left out, if it is time.
    pub(super) fn tell_left_out(&mut self, now: Timestamp) {
        let Some(rate) = self.policy.rate_limit else { return };
        if let Some(count) = self.limiter.turn(rate, now) {
            self.add_note(now, &limit::words(rate, count));
        }
    }

    /// What of `raw` is treated alike.
    pub(super) fn limited(&self, raw: &[u8]) -> Part {
        match self.policy.rate_limit {
            None => Part { length: raw.len(), through: true },
            Some(rate) => self.limiter.next(rate, raw, self.line_start),
        }
    }

    /// These came through, or did not.
    pub(super) fn took(&mut self, bytes: &[u8], through: bool) {
        if self.policy.rate_limit.is_some() {
            self.limiter.took(bytes, through);
        }
    }

    /// Removes rotated files that are too old or too many.
    pub fn expire(&mut self, now: Timestamp) -> io::Result<()> {
        let age = self.policy.keep_days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
        let before = age.and_then(|age| SystemTime::from(now).checked_sub(age));
        rotate::expire(&self.path, self.policy.keep, before)?;
        let inode = |path: &PathBuf| path.symlink_metadata().ok().map(|found| found.ino());
        let files = rotate::list_all(&self.path)?;
        let mut inodes: Vec<u64> = files.iter().map(|(_, path)| path).chain([&self.path]).filter_map(inode).collect();
        inodes.push(self.identity.1); // a file that was moved away is written on until its line ends
        times::tidy(&self.path, &inodes)
    }

    fn in_place(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| identity(&found) == self.identity)
    }

    /// What has the name now, or a new file.
    fn reopen(&mut self) -> io::Result<()> {
        self.moved = false;
        let (file, found) = open(&self.path)?;
        self.identity = identity(&found);
        self.file = Some(file);
        self.index = None;
        self.retry_at = 0;
        self.position = 0;
        self.line_start = true;
        self.settle(found.len())
    }

    /// Takes `length` as the end of the file.
    fn settle(&mut self, length: u64) -> io::Result<()> {
        let mut last = *b"\n";
        if length > 0 {
            self.file()?.read_exact_at(&mut last, length - 1)?;
        }
        self.position = length;
        if let Some(index) = &mut self.index {
            index.cut(length);
        }
        self.line_start = last == *b"\n";
        self.line_from = length;
        if !self.line_start {
            let begun = self.unended(LONGEST)?.len() as u64;
            self.line_from = length - begun;
        }
        Ok(())
    }

    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the log is not open"))
    }

    /// Before a write: a file that has a name is open, and its end is known.
    pub(super) fn ready(&mut self) -> io::Result<()> {
        let found = self.file.as_ref().map(File::metadata).transpose()?;
        match found {
            None => self.reopen(),
            Some(found) if found.nlink() == 0 => {
                self.file = None;
                self.reopen()
            }
            // what was open has a name and serves, until the next check
            Some(_) if self.moved && self.line_start && self.reopen().is_ok() => Ok(()),
            Some(found) if found.len() == self.position => Ok(()),
            Some(found) => self.settle(found.len()),
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        let room = match self.policy.max_size {
            0 => u64::MAX,
            most => most.max(self.retry_at).saturating_sub(self.position),
        };
        let one_line = !self.line_start && (self.moved || !self.notes.is_empty());
        Place { line_start: self.line_start, room, forced: self.position == 0, one_line }
    }

    /// The line at the end has become so long that it is cut.
    pub(super) fn overlong(&self) -> bool {
        let most = self.policy.max_size.max(self.retry_at);
        self.policy.max_size > 0 && !self.line_start && self.position >= most.saturating_add(LONGEST)
    }

    /// Rotates. An error means that there is no file now; where the names can't be changed, the old
    /// one is written on.
    pub(super) fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        if !self.in_place() {
            return self.reopen();
        }
        if self.policy.keep == 0 {
            self.file()?.set_len(0)?;
            return self.settle(0);
        }
        if let Err(cause) = rotate::shift(&self.path, self.policy.keep) {
            tracing::warn!(path = %self.path.display(), %cause, "log not rotated");
            self.retry_at = self.position.saturating_add(self.policy.max_size.max(LONGEST));
            return Ok(());
        }
        point::dies();
        self.has_large = self.policy.compress;
        self.file = None;
        self.reopen()?;
        if let Err(cause) = self.expire(now) {
            tracing::warn!(path = %self.path.display(), %cause, "old logs not removed");
        }
        Ok(())
    }

    /// What is written next is written at `now`: for who reads it by time.
    pub(super) fn mark(&mut self, now: Timestamp) {
        if self.index.is_none() && !self.no_index {
            let opened = Index::open(&self.path, self.identity.1, self.position);
            self.index = opened.inspect_err(|cause| tracing::debug!(%cause, "no index of times")).ok();
            self.no_index = self.index.is_none();
        }
        if let Some(index) = &mut self.index {
            let _ = index.mark(self.position, now); // a line without its time is a line nevertheless
        }
    }

    /// Writes all of `bytes` at the end, or nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file()?;
        if let Err(cause) = write_all(file, bytes, self.position) {
            // a disk that refuses this too keeps a piece that comes again: twice rather than never
            let _ = file.set_len(self.position);
            return Err(cause);
        }
        if let Some(end) = memchr::memrchr(b'\n', bytes) {
            self.line_from = self.position + end as u64 + 1;
        }
        self.position += bytes.len() as u64;
        self.line_start = bytes.last().map_or(self.line_start, |last| *last == b'\n');
        Ok(())
    }

    /// Device and inode, and the end.
    pub(super) fn end(&self) -> ((u64, u64), u64) {
        (self.identity, self.position)
    }

    /// Each line begins with the time.
    pub(super) fn timestamps(&self) -> bool {
        self.policy.timestamps
    }

    pub(super) fn at_line_start(&self) -> bool {
        self.line_start
    }

    /// The line that has not ended yet, without the time in front; at most its last `most` bytes.
    pub(super) fn unended_text(&self, most: u64) -> io::Result<Vec<u8>> {
        let bytes = self.unended(most)?;
        let whole = self.policy.timestamps && bytes.len() as u64 == self.position - self.line_from;
        Ok(if whole { render::without_stamp(&bytes).to_vec() } else { bytes })
    }

    /// The end of the line that has not ended yet: what is left when pieces of `piece` bytes are
    /// cut off its beginning, never nothing.
    pub(super) fn last_piece(&self, piece: usize) -> io::Result<Vec<u8>> {
        let long = self.position.saturating_sub(self.line_from);
        if long == 0 { Ok(Vec::new()) } else { self.unended((long - 1) % piece as u64 + 1) }
    }

    /// The last bytes of the line that has not ended yet, at most `most`.
    fn unended(&self, most: u64) -> io::Result<Vec<u8>> {
        let from = self.position.saturating_sub(most);
        let mut bytes = vec![0; usize::try_from(self.position - from).unwrap_or(0)];
        self.file()?.read_exact_at(&mut bytes, from)?;
        if let Some(end) = memchr::memrchr(b'\n', &bytes) {
            drop(bytes.drain(..=end));
        }
        Ok(bytes)
    }

    /// Keeps a line of svc's own.
    pub(super) fn add_note(&mut self, now: Timestamp, text: &str) {
        if self.notes.len() + text.len() <= MOST_NOTES {
            let stamp = if self.policy.timestamps { render::stamp(now) } else { String::new() };
            self.notes.extend_from_slice(stamp.as_bytes());
            self.notes.extend(text.bytes().map(|byte| if byte == b'\n' { b' ' } else { byte }));
            self.notes.push(b'\n');
        }
    }

    /// The lines of svc's own that can be written now.
    pub(super) fn due_notes(&mut self) -> Vec<u8> {
        if self.line_start { std::mem::take(&mut self.notes) } else { Vec::new() }
    }

    /// They could not be written.
    pub(super) fn put_back(&mut self, notes: Vec<u8>) {
        self.notes = notes;
    }

    /// Removes what a batch that was not finished left, from whichever file of this log it went to;
    /// unless something else stands behind it.
    pub(super) fn undo(&mut self, batch: &Record) -> io::Result<()> {
        let undo = |file: &File, found: &Metadata| {
            let length = found.len();
            // a line of svc's own that is whole can stay: nobody would write it again
            let whole = batch.taken == 0 && length == batch.offset + batch.written;
            if length > batch.offset && length <= batch.offset + batch.written && !whole {
                file.set_len(batch.offset)?;
            }
            Ok(())
        };
        self.ready()?;
        if self.identity == batch.file {
            let file = self.file()?;
            undo(file, &file.metadata()?)?;
            return self.ready();
        }
        for (_, path) in rotate::list(&self.path)? {
            let (file, found) = open(&path)?;
            if identity(&found) == batch.file {
                return undo(&file, &found);
            }
        }
        Ok(())
    }
}

fn write_all(file: &File, bytes: &[u8], mut offset: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write_at(point::piece(rest), offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                offset += count as u64;
                rest = &rest[count..];
                point::dies();
            }
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // O_NONBLOCK: a FIFO would wait for its other end
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o640).custom_flags(flags.bits());
    let opened = options.open(path).or_else(|cause| match (cause.kind(), path.parent()) {
        (ErrorKind::NotFound, Some(folder)) => {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
            options.open(path)
        }
        _ => Err(cause),
    });
    let refused = |what| {
        let message = format!("log `{}` {what}; remove it, or name another in `logs.file`", path.display());
        io::Error::new(ErrorKind::InvalidInput, message)
    };
    let file = opened.map_err(|cause| match cause.raw_os_error() {
        Some(nix::libc::ELOOP) => refused("is a symbolic link"),
        // a folder; a socket, or a FIFO on some systems
        Some(nix::libc::EISDIR | nix::libc::ENXIO) => refused("is no regular file"),
        _ => cause,
    })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused("is no regular file"));
    }
    if found.nlink() > 1 {
        return Err(refused("has a second name (a hard link)"));
    }
    Ok((file, found))
}
