//! `ready = { log = … }` of a service whose log is a file: where the file ends before the start
//! (`svc helper log-mark`, an `ExecStartPre=`), and whether a line behind that matches.
//!
//! The mark lies in the runtime folder: `DEVICE INODE OFFSET`.

use crate::backend::systemd::log;
use crate::cli::LogFileArgs;
use crate::command::Context;
use crate::engine::probe;
use crate::error::{Error, io_reason};
use crate::report::Report;
use regex::bytes::Regex;
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A line that is longer is looked through in pieces.
const LONGEST: usize = 1024 * 1024;

/// `svc helper log-mark`.
pub(super) fn mark(context: &Context, args: &LogFileArgs) -> Result<(Report, Vec<String>), Error> {
    let path = path(context, &args.name);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let end = std::fs::metadata(&args.file).map_or((0, 0, 0), |data| (data.dev(), data.ino(), data.len()));
    let text = format!("{} {} {}\n", end.0, end.1, end.2);
    let private =
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).recursive(true).create(folder);
    private.map_err(|cause| Error::file("make the folder", folder, &cause))?;
    crate::files::atomic::write_all(&[crate::files::atomic::NewFile {
        path: &path,
        contents: text.as_bytes(),
        mode: 0o600,
    }])?;
    Ok((Report::Nothing, Vec::new()))
}

/// Waits for a line of this run that matches, as long as the program lives; whether there was one.
pub(super) fn wait(
    context: &Context,
    name: &str,
    file: &Path,
    regex: &Regex,
    alive: impl Fn() -> bool,
) -> Result<bool, Error> {
    let path = path(context, name);
    let marked = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path); // of this start alone
    let (tail, found) = (RefCell::new(Tail::new(file, &marked)), Cell::new(Ok(false)));
    let once = || {
        let seen = tail.borrow_mut().matches(regex);
        let over = !matches!(seen, Ok(false));
        found.set(seen);
        over
    };
    probe::until(once, alive);
    let found = match found.into_inner() {
        // what it wrote last, before it ended
        Ok(false) => tail.into_inner().matches(regex),
        other => other,
    };
    found.map_err(|cause| Error::failed(format!("can't read `{}`: {}", file.display(), io_reason(&cause))))
}

fn path(context: &Context, name: &str) -> PathBuf {
    log::mark(&log::folder(context.scope, &context.environment), name)
}

/// A file from where it ended, and those that take its place.
struct Tail<'a> {
    path: &'a Path,
    open: Option<File>,
    /// Of the file that was there, and where it ended.
    marked: Option<((u64, u64), u64)>,
    rest: Vec<u8>,
}

impl<'a> Tail<'a> {
    fn new(path: &'a Path, marked: &str) -> Self {
        let mut numbers = marked.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let marked = (|| Some(((next()?, next()?), next()?)))();
        Self { path, open: None, marked, rest: Vec::new() }
    }

    /// Looks through what is new.
    fn matches(&mut self, regex: &Regex) -> io::Result<bool> {
        loop {
            if let Some(file) = &mut self.open {
                let mut piece = vec![0; 64 * 1024];
                let count = file.read(&mut piece)?;
                self.rest.extend_from_slice(&piece[..count]);
                if self.lines(regex) {
                    return Ok(true);
                }
                if count > 0 {
                    continue;
                }
            }
            if !self.follow()? {
                return Ok(false);
            }
        }
    }

    /// Opens what has the name now, unless it is open; whether it is another file.
    fn follow(&mut self) -> io::Result<bool> {
        let mut file = match File::open(self.path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(cause),
        };
        let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino()));
        let found = identity(&file)?;
        if self.open.as_ref().map(identity).transpose()? == Some(found) {
            return Ok(false);
        }
        // one that is shorter than it was is written anew
        let length = file.metadata()?.len();
        if let Some((_, end)) = self.marked.take().filter(|(marked, end)| *marked == found && *end <= length) {
            file.seek(SeekFrom::Start(end))?;
        }
        self.rest.clear();
        self.open = Some(file);
        Ok(true)
    }

    fn lines(&mut self, regex: &Regex) -> bool {
        let whole = memchr::memrchr(b'\n', &self.rest).map_or(0, |at| at + 1);
        let end = if whole == 0 && self.rest.len() > LONGEST { self.rest.len() } else { whole };
        let found = self.rest[..end].split(|byte| *byte == b'\n').any(|line| !line.is_empty() && regex.is_match(line));
        self.rest.drain(..end);
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_whole_lines_behind_the_mark_count_over_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "up\n").unwrap();
        let data = std::fs::metadata(&path).unwrap();
        let mark = format!("{} {} {}\n", data.dev(), data.ino(), data.len());
        let regex = Regex::new("^up$").unwrap();
        let mut tail = Tail::new(&path, &mark);
        assert!(!tail.matches(&regex).unwrap(), "that was before");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"u").unwrap();
        assert!(!tail.matches(&regex).unwrap());
        file.write_all(b"p\n").unwrap();
        assert!(tail.matches(&regex).unwrap());
        let mut tail = Tail::new(&path, &format!("{} {} {}", data.dev(), data.ino(), 6));
        assert!(!tail.matches(&regex).unwrap());
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        assert!(!tail.matches(&regex).unwrap());
        std::fs::write(&path, "x\nup\n").unwrap();
        assert!(tail.matches(&regex).unwrap());
        assert!(Tail::new(&path, "").matches(&regex).unwrap(), "there was no file");
    }
}
