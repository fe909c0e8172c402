//! Log lines: a prefix per service when there are several, from svc, never from the text (safety
//! §3.10). On a terminal control characters are shown, not obeyed; in a pipe or with `--raw` the
//! bytes are as the program wrote them.

use super::sanitize::sanitize;
use super::stream;
use super::words::{self, paint};
use crate::error::{Error, io_reason};
use crate::logs::Sink;
use crate::logs::source::Line;
use crate::report::LogQuery;
use crate::service::Name;
use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use std::collections::HashMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

/// Bytes that are written at once.
const PIECE: usize = 128 * 1024;

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
}

/// How the lines of services are shown that run in the foreground; `prefix`: width of the longest name.
pub(crate) fn in_front(
    json: bool,
    raw: bool,
    prefix: Option<usize>,
) -> impl Fn(&Name, bool, &[u8], &mut Vec<u8>) + Send + Sync {
    let colour = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
    let look = Look { json, raw, colour };
    move |name, own, message, shown| {
        let stream = if own { "manager" } else { "out" };
        let time = json.then(|| crate::sys::clock::now().as_microsecond());
        let line = Line { service: name, time, pid: None, stream, stamp: b"", message };
        let prefix = prefix.map(|width| look.prefix(name, width)).unwrap_or_default();
        look.line(&line, &prefix, shown);
    }
}

/// Prints lines as they come.
pub(crate) struct LogPrinter {
    look: Look,
    /// Width of the longest name; none: no names.
    width: Option<usize>,
    /// What stands before the lines of a service.
    prefixes: HashMap<Name, Vec<u8>>,
    bytes: Vec<u8>,
    out: std::io::StdoutLock<'static>,
    failed: std::io::Result<()>,
}

impl LogPrinter {
    /// `several`: lines of more than one service may come.
    pub(super) fn new(query: &LogQuery, (json, raw): (bool, bool), several: bool) -> Self {
        // past the stream that takes colours out: it would take out the program's too
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        let widest = query.services.iter().map(|(name, _)| name.as_str().len()).max();
        Self {
            look: Look { json, raw, colour: choice != ColorChoice::Never },
            width: several.then(|| widest.unwrap_or_default()),
            prefixes: HashMap::new(),
            bytes: Vec::with_capacity(2 * PIECE),
            out: std::io::stdout().lock(),
            failed: Ok(()),
        }
    }

    fn write(&mut self) -> ControlFlow<()> {
        let written = self.out.write_all(&self.bytes).and_then(|()| self.out.flush());
        self.bytes.clear();
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
        if self.failed.is_ok() && !self.bytes.is_empty() {
            let _ = self.write(); // it says in `failed` how it went
        }
        self.failed.map_err(|cause| Error::failed(format!("can't write the log: {}", io_reason(&cause))))
    }
}

impl Sink for LogPrinter {
    fn line(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        let prefix = match self.width {
            None => &[][..],
            Some(_) if self.look.json => &[],
            Some(width) => {
                if !self.prefixes.contains_key(line.service) {
                    let width = width.max(line.service.as_str().len());
                    self.width = Some(width);
                    self.prefixes.insert(line.service.clone(), self.look.prefix(line.service, width));
                }
                self.prefixes.get(line.service).map(Vec::as_slice).unwrap_or_default()
            }
        };
        self.look.line(line, prefix, &mut self.bytes);
        if self.bytes.len() >= PIECE { self.write() } else { ControlFlow::Continue(()) }
    }

    fn gap(&mut self) -> ControlFlow<()> {
        if !self.look.json {
            self.bytes.extend_from_slice(b"--\n");
        }
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        if self.bytes.is_empty() { ControlFlow::Continue(()) } else { self.write() }
    }

    fn output(&self) -> Option<BorrowedFd<'_>> {
        Some(self.out.as_fd())
    }
}

impl Look {
    /// `web | `, of this width.
    fn prefix(self, name: &Name, width: usize) -> Vec<u8> {
        let name = name.as_str();
        let mut prefix = self.paint(of_name(name), &format!("{name:width$} |")).into_bytes();
        prefix.push(b' ');
        prefix
    }

    /// Adds the bytes of a line, with its end.
    fn line(self, line: &Line<'_>, prefix: &[u8], bytes: &mut Vec<u8>) {
        if self.json {
            let value = serde_json::json!({
                "time": line.time.and_then(|time| Timestamp::from_microsecond(time).ok()),
                "service": line.service, "stream": line.stream, "pid": line.pid,
                "message": String::from_utf8_lossy(line.message),
            });
            bytes.extend_from_slice(format!("{value}\n").as_bytes());
            return;
        }
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(line.stamp);
        let dim = self.colour && line.stream == "manager";
        if dim {
            bytes.extend_from_slice(words::DIM.to_string().as_bytes());
        }
        if self.raw || is_harmless(line.message) {
            bytes.extend_from_slice(line.message);
        } else {
            bytes.extend_from_slice(sanitize(line.message).as_bytes());
        }
        if dim {
            bytes.extend_from_slice(format!("{:#}", words::DIM).as_bytes());
        }
        bytes.push(b'\n');
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { paint(style, text) } else { text.to_owned() }
    }
}

/// Nothing of it could mean anything to a terminal.
fn is_harmless(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// The colour of a name: the same one in every run and on every machine (FNV-1a).
fn of_name(name: &str) -> Style {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    COLOURS[(hash % 6) as usize].on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { json: false, raw: false, colour: false };

    fn shown(look: Look, width: Option<usize>, service: &str, stream: &'static str, message: &[u8]) -> Vec<u8> {
        let time = Some(1_772_359_200_500_000);
        let service = &Name::parse(service).expect("name");
        let line = Line { service, time, pid: Some(7), stream, stamp: b"", message };
        let prefix = width.map(|width| look.prefix(service, width)).unwrap_or_default();
        let mut bytes = Vec::new();
        look.line(&line, &prefix, &mut bytes);
        bytes
    }

    #[test]
    fn one_service_has_no_prefix_and_several_have_one_of_the_same_width() {
        assert_eq!(shown(PLAIN, None, "web", "out", b"hello"), b"hello\n");
        assert_eq!(shown(PLAIN, Some(6), "web", "out", b"hello"), b"web    | hello\n");
        assert_eq!(shown(PLAIN, Some(6), "worker", "out", b""), b"worker | \n");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_and_a_pipe_the_bytes() {
        let evil = b"\x1b[2J\rdb  | \xff";
        assert_eq!(shown(PLAIN, None, "web", "out", evil), b"\\x1b[2J\\x0ddb  | \\xff\n");
        assert_eq!(shown(Look { raw: true, ..PLAIN }, None, "web", "out", evil), b"\x1b[2J\rdb  | \xff\n");
        assert_eq!(shown(PLAIN, None, "web", "out", "ä\tb".as_bytes()), "ä\tb\n".as_bytes());
    }

    #[test]
    fn the_manager_speaks_dimly() {
        let colour = Look { colour: true, ..PLAIN };
        let dim = b"\x1b[2mStarted\x1b[0m\n".to_vec();
        assert_eq!(shown(colour, None, "web", "manager", b"Started"), dim);
        assert_eq!(shown(Look { raw: true, ..colour }, None, "web", "manager", b"Started"), dim);
        assert_eq!(shown(colour, None, "web", "out", b"x"), b"x\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = shown(Look { json: true, ..PLAIN }, None, "web", "out", b"a\x1b\xff");
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
