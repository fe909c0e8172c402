//! Log files that systemd appends to: the last lines, all lines, new lines.
//!
//! Such a file has no times: `since` and `until` do not choose here. Following looks every 100 ms
//! for more, for truncation and for a new file under the name (rotation by somebody else).

use crate::error::{Error, io_reason};
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;
use std::time::Duration;

const BLOCK: u64 = 64 * 1024;
const STEP: Duration = Duration::from_millis(100);

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

/// One file that is read.
struct Source<'a> {
    name: &'a Name,
    path: &'a Path,
    file: Option<(File, u64)>,
    /// Bytes of a line without its end yet.
    rest: Vec<u8>,
    position: u64,
}

/// Hands the lines that `query` asks for to `sink`: each file in its order, then new ones.
pub(crate) async fn read(query: &LogQuery, sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>) -> Result<(), Error> {
    let mut sources = Vec::new();
    for (name, path) in query.services.iter().filter_map(|(name, path)| Some((name, path.as_deref()?))) {
        let mut source = Source { name, path, file: None, rest: Vec::new(), position: 0 };
        source.open()?;
        let start = match (query.lines, &query.grep, source.file.as_mut()) {
            (Some(lines), None, Some((file, _))) => {
                last_lines(file, lines).map_err(|cause| unreadable(path, &cause))?
            }
            _ => 0,
        };
        source.position = start;
        if source.first(query, sink)?.is_break() {
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

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    Error::failed(format!("can't read `{}`: {}", path.display(), io_reason(cause)))
}

impl Source<'_> {
    fn open(&mut self) -> Result<(), Error> {
        match File::open(self.path) {
            Ok(file) => {
                let inode = file.metadata().map_err(|cause| unreadable(self.path, &cause))?.ino();
                (self.file, self.position) = (Some((file, inode)), 0);
                Ok(())
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(unreadable(self.path, &cause)),
        }
    }

    /// What is there now; with a pattern, only the last so many that match.
    fn first(
        &mut self,
        query: &LogQuery,
        sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let (Some(lines), true) = (query.lines, query.grep.is_some()) else { return self.read_on(query, sink) };
        let mut last = std::collections::VecDeque::new();
        let _ = self.read_on(query, &mut |line| {
            last.push_back(line);
            if last.len() > lines {
                last.pop_front();
            }
            ControlFlow::Continue(())
        })?;
        Ok(last.into_iter().map(sink).find(ControlFlow::is_break).unwrap_or(ControlFlow::Continue(())))
    }

    fn more(
        &mut self,
        query: &LogQuery,
        sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let here = std::fs::metadata(self.path).ok();
        if let (Some((_, inode)), Some(here)) = (&self.file, &here) {
            if here.ino() != *inode {
                let old = self.read_on(query, sink)?; // what came before it was moved away
                self.rest.clear();
                self.open()?;
                if old.is_break() {
                    return Ok(old);
                }
            } else if here.len() < self.position {
                self.position = 0; // cut short
                self.rest.clear();
            }
        } else if self.file.is_none() {
            self.open()?;
        }
        self.read_on(query, sink)
    }

    fn read_on(
        &mut self,
        query: &LogQuery,
        sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some((file, _)) = self.file.as_mut() else { return Ok(ControlFlow::Continue(())) };
        file.seek(SeekFrom::Start(self.position)).map_err(|cause| unreadable(self.path, &cause))?;
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        loop {
            let count = reader.read_until(b'\n', &mut self.rest).map_err(|cause| unreadable(self.path, &cause))?;
            self.position += count as u64;
            let whole = self.rest.last() == Some(&b'\n');
            // a line without its end is shown at the end of the file, unless more may come
            if count == 0 && (query.follow || self.rest.is_empty()) || (!whole && query.follow) {
                return Ok(ControlFlow::Continue(()));
            }
            if whole {
                self.rest.pop();
            }
            let message = std::mem::take(&mut self.rest);
            if query.grep.as_ref().is_none_or(|grep| grep.is_match(&message)) {
                let line = LogLine { service: self.name.clone(), time: None, pid: None, stream: "out", message };
                if sink(line).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if count == 0 {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
}

/// Offset of the last `lines` lines, found from the end in blocks.
fn last_lines(file: &mut File, lines: usize) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let (mut end, mut found) = (length, 0);
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.resize(usize::try_from(end - start).unwrap_or_default(), 0);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        for (at, byte) in block.iter().enumerate().rev() {
            let offset = start + at as u64;
            if *byte == b'\n' && offset + 1 < length {
                found += 1;
                if found == lines {
                    return Ok(offset + 1);
                }
            }
        }
        end = start;
    }
    Ok(if lines == 0 { length } else { 0 })
}

/// For tests and callers that have one file.
#[cfg(test)]
fn query(path: PathBuf) -> LogQuery {
    LogQuery { services: vec![(Name::parse("web").expect("name"), Some(path))], ..LogQuery::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(query: &LogQuery) -> Vec<String> {
        let mut all = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
        let mut keep = |line: LogLine| {
            all.push(String::from_utf8(line.message).expect("text"));
            ControlFlow::Continue(())
        };
        runtime.block_on(read(query, &mut keep)).expect("read");
        all
    }

    #[test]
    fn the_last_lines_are_found_whatever_the_end_of_the_file() {
        use std::io::Write;
        let mut file = tempfile::NamedTempFile::new().expect("file");
        for n in 0..20_000 {
            writeln!(file, "line {n}").expect("written");
        }
        let mut query = query(file.path().to_owned());
        query.lines = Some(2);
        assert_eq!(lines(&query), ["line 19998", "line 19999"]);
        write!(file, "half").expect("written");
        assert_eq!(lines(&query), ["line 19999", "half"]);
        query.lines = None;
        assert_eq!(lines(&query).len(), 20_001);
        query.lines = Some(1);
        query.grep = Some(regex::bytes::Regex::new("7$").expect("regex"));
        assert_eq!(lines(&query), ["line 19997"]);
        query.lines = Some(0);
        query.grep = None;
        assert_eq!(lines(&query), Vec::<String>::new());
    }

    #[test]
    fn a_file_that_is_not_there_has_no_lines() {
        assert_eq!(lines(&query("/nowhere/at/all".into())), Vec::<String>::new());
    }
}
