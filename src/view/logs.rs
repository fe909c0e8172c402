//! Log lines: a prefix per service when there are several, from svc, never from the text; control
//! characters harmless on a terminal; as they are in a pipe or with `--raw`.

use super::sanitize::sanitize_bytes;
use super::words;
use crate::report::{LogLine, LogQuery};
use anstyle::{AnsiColor, Style};
use std::io::Write;
use std::ops::ControlFlow;

/// Prints lines as they come.
pub(crate) struct LogPrinter {
    json: bool,
    raw: bool,
    /// Of the longest name; none for a single service.
    prefix: Option<usize>,
    out: anstream::AutoStream<std::io::StdoutLock<'static>>,
}

impl LogPrinter {
    pub(crate) fn new(query: &LogQuery, json: bool, raw: bool) -> Self {
        let width = query.services.iter().map(|(name, _)| name.as_str().len()).max();
        Self {
            json,
            raw,
            prefix: width.filter(|_| query.services.len() > 1),
            out: anstream::AutoStream::auto(std::io::stdout()).lock(),
        }
    }

    /// Prints one; breaks when the reader is gone.
    pub(crate) fn print(&mut self, line: &LogLine) -> ControlFlow<()> {
        let written = if self.json { self.json(line) } else { self.text(line) };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn json(&mut self, line: &LogLine) -> std::io::Result<()> {
        let value = serde_json::json!({
            "time": line.time, "service": line.service, "stream": line.stream, "pid": line.pid,
            "message": String::from_utf8_lossy(&line.message),
        });
        writeln!(self.out, "{value}")
    }

    fn text(&mut self, line: &LogLine) -> std::io::Result<()> {
        if let Some(width) = self.prefix {
            let style = color(line.service.as_str());
            write!(self.out, "{style}{:width$} |{style:#} ", line.service)?;
        }
        let style = if line.stream == "manager" { words::DIM } else { Style::new() };
        if self.raw {
            // bytes of the program: past the stream that would take its escapes out
            write!(self.out, "{style}")?;
            self.out.as_inner().lock_write(&line.message)?;
            return writeln!(self.out, "{style:#}");
        }
        writeln!(self.out, "{style}{}{style:#}", sanitize_bytes(&line.message))
    }
}

/// Writes past the colour filter, in order with what went through it.
trait LockWrite {
    fn lock_write(&self, bytes: &[u8]) -> std::io::Result<()>;
}

impl LockWrite for std::io::StdoutLock<'static> {
    fn lock_write(&self, bytes: &[u8]) -> std::io::Result<()> {
        // the lock is reentrant: this is the same stream and the same buffer
        std::io::stdout().write_all(bytes)
    }
}

/// A colour that stays the same for a name.
fn color(name: &str) -> Style {
    let colors = [
        AnsiColor::Cyan,
        AnsiColor::Magenta,
        AnsiColor::Blue,
        AnsiColor::Green,
        AnsiColor::Yellow,
        AnsiColor::BrightCyan,
    ];
    let sum = name.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    colors[sum % colors.len()].on_default()
}
