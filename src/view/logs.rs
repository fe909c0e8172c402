//! Log lines: a prefix per service when there are several, from svc, never from the text (safety
//! §3.10). On a terminal control characters are shown, not obeyed; in a pipe or with `--raw` the
//! bytes are as the program wrote them.

use super::sanitize::sanitize;
use super::stream;
use super::words::{self, paint};
use crate::error::{Error, io_reason};
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;

/// No red, green or yellow, which mean something.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// How a line looks.
#[derive(Debug, Clone, Copy)]
struct Look {
    json: bool,
    raw: bool,
    colour: bool,
    /// Width of the longest name; none for a single service.
    prefix: Option<usize>,
}

/// How the lines of services are shown that run in the foreground; `prefix`: width of the longest name.
pub(crate) fn in_front(
    json: bool,
    raw: bool,
    prefix: Option<usize>,
) -> impl Fn(&Name, bool, &[u8], &mut Vec<u8>) + Send + Sync {
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let look = Look { json, raw, colour, prefix };
    move |name, own, message, shown| {
        let stream = if own { "manager" } else { "out" };
        let time = json.then(crate::sys::clock::now);
        let line = LogLine { service: name.clone(), time, pid: None, stream, message: message.to_vec() };
        shown.extend(look.line(&line));
    }
}

/// Prints lines as they come.
pub(crate) struct LogPrinter {
    look: Look,
    /// Lines are shown at once, as against in blocks.
    at_once: bool,
    out: BufWriter<std::io::StdoutLock<'static>>,
    failed: std::io::Result<()>,
}

impl LogPrinter {
    pub(super) fn new(query: &LogQuery, json: bool, raw: bool) -> Self {
        // past the stream that takes colours out: it would take out the program's too
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let widest = query.services.iter().map(|(name, _)| name.as_str().len()).max();
        let prefix = widest.filter(|_| query.services.len() > 1);
        Self {
            look: Look { json, raw, colour: choice != ColorChoice::Never, prefix },
            at_once: query.follow,
            out: BufWriter::with_capacity(64 * 1024, std::io::stdout().lock()),
            failed: Ok(()),
        }
    }

    /// Prints one; breaks when nobody reads on.
    pub(crate) fn print(&mut self, line: &LogLine) -> ControlFlow<()> {
        let mut written = self.out.write_all(&self.look.line(line));
        if self.at_once {
            written = written.and_then(|()| self.out.flush());
        }
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(cause) => {
                self.failed = stream::pass(Err(cause));
                ControlFlow::Break(())
            }
        }
    }

    /// Writes what is left; whether all could be written. A reader that has gone is no error.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let written = self.failed.and_then(|()| stream::pass(self.out.flush()));
        written.map_err(|cause| Error::failed(format!("can't write the log: {}", io_reason(&cause))))
    }
}

impl Look {
    /// The bytes of a line, with its end.
    fn line(self, line: &LogLine) -> Vec<u8> {
        if self.json {
            let value = serde_json::json!({
                "time": line.time, "service": line.service, "stream": line.stream, "pid": line.pid,
                "message": String::from_utf8_lossy(&line.message),
            });
            return format!("{value}\n").into_bytes();
        }
        let mut bytes = Vec::with_capacity(line.message.len() + 32);
        let name = line.service.as_str();
        if let Some(width) = self.prefix {
            bytes.extend(self.paint(of_name(name), &format!("{name:width$} |")).into_bytes());
            bytes.push(b' ');
        }
        let style = if line.stream == "manager" { words::DIM } else { Style::new() };
        if self.raw {
            let (on, off) = if self.colour { (style.to_string(), format!("{style:#}")) } else { Default::default() };
            bytes.extend(on.as_bytes());
            bytes.extend(&line.message);
            bytes.extend(off.as_bytes());
        } else {
            bytes.extend(self.paint(style, &sanitize(&line.message)).into_bytes());
        }
        bytes.push(b'\n');
        bytes
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { paint(style, text) } else { text.to_owned() }
    }
}

/// The colour of a name: the same one in every run and on every machine (FNV-1a).
fn of_name(name: &str) -> Style {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    COLOURS[(hash % 6) as usize].on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { json: false, raw: false, colour: false, prefix: None };

    fn line(service: &str, stream: &'static str, message: &[u8]) -> LogLine {
        let time = "2026-03-01T10:00:00.5Z".parse().ok();
        let service = Name::parse(service).expect("name");
        LogLine { service, time, pid: Some(7), stream, message: message.to_vec() }
    }

    #[test]
    fn one_service_has_no_prefix_and_several_have_one_of_the_same_width() {
        assert_eq!(PLAIN.line(&line("web", "out", b"hello")), b"hello\n");
        let several = Look { prefix: Some(6), ..PLAIN };
        assert_eq!(several.line(&line("web", "out", b"hello")), b"web    | hello\n");
        assert_eq!(several.line(&line("worker", "out", b"")), b"worker | \n");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_pipe_the_bytes() {
        let evil = line("web", "out", b"\x1b[2J\rdb  | \xff");
        assert_eq!(PLAIN.line(&evil), b"\\x1b[2J\\x0ddb  | \\xff\n");
        assert_eq!(Look { raw: true, ..PLAIN }.line(&evil), b"\x1b[2J\rdb  | \xff\n");
    }

    #[test]
    fn the_manager_speaks_dimly() {
        let colour = Look { colour: true, ..PLAIN };
        let dim = b"\x1b[2mStarted\x1b[0m\n".to_vec();
        assert_eq!(colour.line(&line("web", "manager", b"Started")), dim);
        assert_eq!(Look { raw: true, ..colour }.line(&line("web", "manager", b"Started")), dim);
        assert_eq!(colour.line(&line("web", "out", b"x")), b"x\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = Look { json: true, ..PLAIN }.line(&line("web", "out", b"a\x1b\xff"));
        let text = String::from_utf8(text).expect("UTF-8");
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON"),
            serde_json::json!({
                "time": "2026-03-01T10:00:00.5Z", "service": "web", "stream": "out", "pid": 7, "message": "a\u{1b}\u{fffd}"
            })
        );
    }

    #[test]
    fn a_name_keeps_its_colour_and_many_names_use_all() {
        let all: std::collections::HashSet<_> = (0..40).map(|n| of_name(&format!("agent-{n}")).to_string()).collect();
        assert_eq!(all.len(), COLOURS.len());
        assert_eq!(of_name("web"), of_name("web"));
    }
}
