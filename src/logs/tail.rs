//! Log files that the manager appends to: the last lines, all lines, new lines.
//!
//! Such a file has no times: `since` and `until` do not choose here, and the lines of several
//! files come file by file, then as they are written. Following looks every 100 ms for more, for
//! truncation (it begins again) and for another file of that name (it reads the old one to its end
//! first). A file that is renamed and not replaced is read on. Files that were rotated before
//! (`NAME.1`, the newest, and so on) come first.

use super::blocks;
use crate::error::{Error, ErrorCode};
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(100);
/// A longer line is shown in pieces: memory stays small whatever a program writes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// What a line is handed to.
type Sink<'a> = dyn FnMut(LogLine) -> ControlFlow<()> + 'a;

/// The last `count` lines of one file; none where it can't be read.
pub(crate) async fn last(name: &Name, path: &Path, count: usize) -> Vec<LogLine> {
    let query =
        LogQuery { services: vec![(name.clone(), Some(path.to_owned()))], lines: Some(count), ..LogQuery::default() };
    let mut lines = Vec::new();
    let mut keep = |line| {
        lines.push(line);
        ControlFlow::Continue(())
    };
    if let Err(error) = read(&query, &mut keep).await {
        tracing::debug!(%error, "no log");
    }
    lines
}

/// Hands the lines that `query` asks for to `sink`: each file in its order, then new ones.
/// `lines` counts for each file.
pub(crate) async fn read(query: &LogQuery, sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut sources = Vec::new();
    for (name, path) in query.services.iter().filter_map(|(name, path)| Some((name, path.as_deref()?))) {
        let mut source = Source { name, path, open: None, rest: Vec::new() };
        source.open()?;
        if source.begin(query, sink)?.is_break() {
            return Ok(());
        }
        sources.push(source);
    }
    if !query.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(STEP).await;
        for source in &mut sources {
            if source.more(query, sink)?.is_break() {
                return Ok(());
            }
        }
    }
}

/// One file that is read.
struct Source<'a> {
    name: &'a Name,
    path: &'a Path,
    open: Option<Open>,
    /// Bytes of a line that has not ended yet.
    rest: Vec<u8>,
}

struct Open {
    file: File,
    /// Device and inode.
    identity: (u64, u64),
    /// What lies before it was read.
    position: u64,
}

impl Source<'_> {
    fn error(&self, cause: &std::io::Error) -> Error {
        let error = Error::file("read", self.path, cause).of(self.name);
        if cause.kind() != ErrorKind::PermissionDenied {
            return error;
        }
        let hint = format!("`ls -l {}` shows who may", self.path.display());
        Error { code: ErrorCode::NotPermitted, ..error }.hint(hint)
    }

    /// Opens what has the name now, if anything: a service that never ran has no log.
    fn open(&mut self) -> Result<(), Error> {
        let found = match std::fs::metadata(self.path) {
            Ok(found) => found,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(self.error(&cause)),
        };
        // to open a FIFO waits for a writer
        if !found.is_file() {
            let message = format!("the log `{}` is no file that can be read again", self.path.display());
            return Err(Error::failed(message).of(self.name));
        }
        let opened = File::open(self.path).and_then(|file| Ok((file.metadata()?, file)));
        let (found, file) = opened.map_err(|cause| self.error(&cause))?;
        self.open = Some(Open { file, identity: identity(&found), position: 0 });
        Ok(())
    }

    /// The files that were rotated before, the newest first. One that is rotated in this moment is
    /// met twice and read once.
    fn rotated(&self) -> Vec<Open> {
        let mut seen: Vec<(u64, u64)> = self.open.iter().map(|open| open.identity).collect();
        let paths = crate::engine::log::files(self.path).unwrap_or_default();
        let older = paths.into_iter().rev().filter(|path| path != self.path);
        let open = |path: PathBuf| {
            let file = File::open(path).ok()?; // kept no longer, or not ours to read
            let identity = identity(&file.metadata().ok().filter(Metadata::is_file)?);
            Some(Open { file, identity, position: 0 })
        };
        older
            .filter_map(open)
            .filter(|open| {
                let new = !seen.contains(&open.identity);
                seen.push(open.identity);
                new
            })
            .collect()
    }

    /// What is there now: all, or the last so many.
    fn begin(&mut self, query: &LogQuery, sink: &mut Sink<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(count) = query.lines else {
            let older = self.rotated();
            let newest = self.open.take();
            for old in older.into_iter().rev() {
                self.open = Some(old);
                if self.read_on(query, sink)?.is_break() || self.flush(query, sink).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.open = newest;
            return self.read_on(query, sink);
        };
        let wanted = |line: &[u8]| query.grep.as_ref().is_none_or(|grep| grep.is_match(line));
        // by file, the newest first
        let mut parts = Vec::new();
        let mut left = count;
        if let Some(open) = &mut self.open {
            let last = blocks::last_lines(&mut open.file, left, query.follow, wanted);
            let (lines, end) = last.map_err(|cause| self.error(&cause))?;
            left -= lines.len();
            parts.push(lines);
            if let Some(open) = &mut self.open {
                open.position = end;
            }
        }
        for mut old in if left > 0 { self.rotated() } else { Vec::new() } {
            let last = blocks::last_lines(&mut old.file, left, false, wanted);
            let (lines, _) = last.map_err(|cause| self.error(&cause))?;
            left -= lines.len();
            parts.push(lines);
            if left == 0 {
                break;
            }
        }
        for message in parts.into_iter().rev().flatten() {
            if sink(self.line(message)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What came since.
    fn more(&mut self, query: &LogQuery, sink: &mut Sink<'_>) -> Result<ControlFlow<()>, Error> {
        let here = std::fs::metadata(self.path).ok();
        match (&mut self.open, here) {
            (None, Some(_)) => self.open()?,
            (Some(open), Some(here)) if identity(&here) != open.identity => {
                let old = self.read_on(query, sink)?;
                if old.is_break() || self.flush(query, sink).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                self.open()?;
            }
            (Some(open), Some(here)) if here.len() < open.position => {
                open.position = 0;
                if self.flush(query, sink).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            _ => {}
        }
        self.read_on(query, sink)
    }

    /// Reads to the end.
    fn read_on(&mut self, query: &LogQuery, sink: &mut Sink<'_>) -> Result<ControlFlow<()>, Error> {
        let Some(mut open) = self.open.take() else { return Ok(ControlFlow::Continue(())) };
        let flow = self.read_lines(&mut open, query, sink).map_err(|cause| self.error(&cause));
        self.open = Some(open);
        let flow = flow?;
        // more of the last line may come
        if flow.is_break() || query.follow { Ok(flow) } else { Ok(self.flush(query, sink)) }
    }

    fn read_lines(
        &mut self,
        open: &mut Open,
        query: &LogQuery,
        sink: &mut Sink<'_>,
    ) -> std::io::Result<ControlFlow<()>> {
        open.file.seek(SeekFrom::Start(open.position))?;
        let mut reader = BufReader::with_capacity(64 * 1024, &mut open.file);
        loop {
            let room = LONGEST.saturating_sub(self.rest.len()).max(1);
            let count = reader.by_ref().take(room as u64).read_until(b'\n', &mut self.rest)?;
            open.position += count as u64;
            if count == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            let whole = self.rest.pop_if(|byte| *byte == b'\n').is_some();
            if (whole || self.rest.len() >= LONGEST) && self.hand_over(query, sink).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Hands over a line that will not go on.
    fn flush(&mut self, query: &LogQuery, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.rest.is_empty() { ControlFlow::Continue(()) } else { self.hand_over(query, sink) }
    }

    fn hand_over(&mut self, query: &LogQuery, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let message = std::mem::take(&mut self.rest);
        let wanted = query.grep.as_ref().is_none_or(|grep| grep.is_match(&message));
        if wanted { sink(self.line(message)) } else { ControlFlow::Continue(()) }
    }

    fn line(&self, message: Vec<u8>) -> LogLine {
        LogLine { service: self.name.clone(), time: None, pid: None, stream: "out", message }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
