//! The only code that writes to a terminal: results to stdout, everything else to stderr.
//!
//! Each view is a function from a result to text; [`Screen`] knows where it goes. Text from
//! elsewhere goes through [`sanitize`] on its way.

mod ask;
mod columns;
mod converted;
mod detail;
mod done;
mod error;
mod files;
mod findings;
mod history;
mod json;
mod logs;
mod plan;
mod progress;
mod sanitize;
mod stream;
mod supervisor;
mod table;
mod task_bar;
mod tasks;
mod words;

pub(crate) use ask::{choose, confirm, is_possible as can_ask};
pub(crate) use logs::LogPrinter;
pub(crate) use task_bar::TaskBar;
pub(crate) use tasks::one_line as task_line;

use crate::backend::progress::Progress;
use crate::cli::{Color, Global};
use crate::error::{Error, ErrorCode, io_reason};
use crate::report::{LogQuery, Planned, Report};
use crate::service::Name;
use anstream::ColorChoice;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use words::paint;

/// What an empty table says.
const NO_SERVICES: &str = "no services; `svc install NAME -- CMD` makes one\n";

/// What an empty table of tasks says.
const NO_TASKS: &str = "no tasks; `svc run -b -- CMD` starts one\n";

/// Where and how results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    json: bool,
    quiet: bool,
    /// Columns of the terminal; none when stdout is none.
    width: Option<usize>,
}

/// `svc --version`.
pub(crate) fn version() -> ExitCode {
    written(stream::out(concat!("svc ", env!("CARGO_PKG_VERSION"), "\n")), 0)
}

/// A program that could not be executed: said as a shell would, with its exit codes.
pub(crate) fn not_executed(program: &OsStr, cause: &std::io::Error) -> ExitCode {
    let message = format!("can't execute `{}`: {}", program.display(), io_reason(cause));
    stream::err(&error::error(&Error::failed(message)));
    ExitCode::from(if cause.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}

/// Bad usage, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        return written(error.print(), 0);
    }
    if json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let error = Error::new(ErrorCode::Usage, message).hint("`svc --help`");
        return Screen { json, quiet: false, width: None }.error(&error);
    }
    stream::err(&error::usage(error));
    ExitCode::from(ErrorCode::Usage.exit())
}

impl Screen {
    /// By the options typed.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        let columns = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        Self { json: global.json, quiet: global.quiet, width: std::io::stdout().is_terminal().then(columns) }
    }

    /// Shows a report and its warnings; the exit code.
    pub(crate) fn report(&self, report: &Report, warnings: &[String]) -> ExitCode {
        self.warn(warnings);
        let (out, err) = if self.json { (json::report(report), String::new()) } else { self.text(report) };
        stream::err(&err);
        written(if self.json { stream::out_plain(&out) } else { stream::out(&out) }, report.exit())
    }

    /// Shows a report in place of what is on the terminal; elsewhere below it.
    pub(crate) fn again(&self, report: &Report, warnings: &[String]) -> Result<(), Error> {
        let (out, err) = self.text(report);
        let warnings: String = warnings.iter().map(|warning| error::warning(warning)).collect();
        let clear = if self.width.is_some() { "\x1b[H\x1b[2J" } else { "" };
        let shown = stream::out(&format!("{clear}{out}{err}{warnings}"));
        stream::pass(shown).map_err(|cause| Error::failed(format!("can't write the result: {}", io_reason(&cause))))
    }

    /// Shows warnings.
    pub(crate) fn warn(&self, warnings: &[String]) {
        for warning in warnings.iter().filter(|_| !self.quiet) {
            stream::err(&error::warning(warning));
        }
    }

    /// What goes to stdout and to stderr.
    fn text(&self, report: &Report) -> (String, String) {
        let out = match report {
            Report::Status(all) | Report::List(all) if all.is_empty() => return (String::new(), NO_SERVICES.into()),
            Report::Done(all) => return done::done(all, self.quiet),
            Report::Up(up) => return plan::up(up, self.quiet),
            Report::Diff(all) => {
                let staying = if self.quiet { String::new() } else { plan::staying(all) };
                return (plan::diff(all, self.width.is_some()), staying);
            }
            Report::Status(all) => table::status(all, &crate::sys::clock::local_now(), self.width),
            Report::List(all) => table::list(all, &crate::sys::clock::local_now(), self.width),
            Report::Detail(detail) => detail::detail(detail, &crate::sys::clock::local_now()),
            Report::History(all) => history::history(all, &crate::sys::clock::local_now()),
            Report::Text(text) => self.harmless(text.clone()),
            Report::Document(value) => self.harmless(json::pretty(value)),
            Report::Converted(done) => return (self.harmless(converted::out(done)), converted::err(done, self.quiet)),
            Report::Files(all) => self.harmless(files::files(all)),
            Report::Explain(rows) => files::explain(rows, self.width),
            Report::Findings(all) => findings::findings(all),
            Report::Supervisor(status) if self.quiet && status.did.is_some() => String::new(),
            Report::Supervisor(status) => supervisor::supervisor(status, &crate::sys::clock::local_now()),
            Report::Submitted(task) => tasks::submitted(task),
            Report::Tasks(all) if all.all.is_empty() => {
                return (String::new(), NO_TASKS.to_owned() + &tasks::more(all));
            }
            Report::Tasks(all) => {
                let more = if self.quiet { String::new() } else { tasks::more(all) };
                return (tasks::tasks(all, &crate::sys::clock::local_now(), self.width), more);
            }
            Report::Task(task, log) => tasks::detail(task, log, &crate::sys::clock::local_now()),
            Report::TasksDone(all) if self.quiet => all.iter().map(|_| "").collect(),
            Report::TasksDone(all) => tasks::done(all),
            Report::Pruned(_) if self.quiet => String::new(),
            Report::Pruned(count) => format!("{count} record{} removed\n", if *count == 1 { "" } else { "s" }),
            Report::Front(None) | Report::Ended(_) | Report::Nothing => String::new(),
            Report::Front(Some(failed)) => return (String::new(), error::error(&failed.error())),
        };
        (out, String::new())
    }

    /// Text that has to be exact in a pipe, and harmless on a terminal.
    fn harmless(&self, text: String) -> String {
        if self.width.is_some() { sanitize::sanitize_lines(&text) } else { text }
    }

    /// Shows an error; the exit code.
    pub(crate) fn error(&self, error: &Error) -> ExitCode {
        if self.json {
            return written(stream::out_plain(&json::error(error)), error.code.exit());
        }
        stream::err(&error::error(error));
        ExitCode::from(error.code.exit())
    }

    /// How lines of services in the foreground look; `names`: all of them, none for no prefix.
    pub(crate) fn line_look(&self, names: &[Name]) -> impl Fn(&Name, bool, &[u8], &mut Vec<u8>) + Send + Sync + use<> {
        let widest = names.iter().map(|name| name.as_str().len()).max();
        logs::in_front(self.json, self.width.is_none(), widest)
    }

    /// Shows what is about to be done.
    pub(crate) fn plan(&self, plan: &Planned) {
        if !self.quiet && !self.json {
            stream::err(&plan::plan(plan, false));
        }
    }

    /// A line for each of these services that shows how it goes; none where nobody looks.
    pub(crate) fn lines(&self, names: &[&str]) -> Option<Arc<dyn Progress>> {
        let shown = !self.quiet && !self.json && std::io::stderr().is_terminal();
        shown.then(|| Arc::new(progress::Spinners::new(names)) as Arc<dyn Progress>)
    }

    /// A bar for a task that says how far it is.
    pub(crate) fn task_bar(&self) -> TaskBar {
        TaskBar::new(!self.quiet && !self.json && std::io::stderr().is_terminal())
    }

    /// Says something in between, on stderr.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            stream::err(&format!("svc: {text}\n"));
        }
    }

    /// Prints the lines of a log; `several`: of more than one service.
    pub(crate) fn log_printer(&self, query: &LogQuery, raw: bool, several: bool) -> LogPrinter {
        LogPrinter::new(query, (self.json, raw || self.width.is_none()), several)
    }
}

/// The exit code, unless what should be on stdout isn't.
fn written(result: std::io::Result<()>, code: u8) -> ExitCode {
    match stream::pass(result) {
        Ok(()) => ExitCode::from(code),
        Err(cause) => {
            let error = Error::failed(format!("can't write the result: {}", io_reason(&cause)));
            stream::err(&error::error(&error));
            ExitCode::from(code.max(error.code.exit()))
        }
    }
}

/// `label:` in a colour.
fn label(style: anstyle::Style, word: &str) -> String {
    paint(style, format_args!("{word}:"))
}
