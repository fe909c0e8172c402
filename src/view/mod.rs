//! The only code that writes to a terminal: results to stdout, everything else to stderr.
//!
//! A reader that goes away (`svc status | head`) is no error.

mod detail;
mod done;
mod json;
mod logs;
mod sanitize;
mod table;
mod words;

pub(crate) use logs::LogPrinter;

use crate::cli::{Color, Global};
use crate::error::{Error, ErrorCode};
use crate::report::{Failure, Finding, Level, LogQuery, Report};
use anstream::ColorChoice;
use sanitize::sanitize;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Where and how results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    json: bool,
    quiet: bool,
    /// Columns of the terminal; none when stdout is none.
    width: Option<usize>,
}

pub(crate) fn write_out(text: &str) {
    let _ = anstream::stdout().lock().write_all(text.as_bytes()); // a reader that went away
}

pub(crate) fn write_err(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// `svc --version`.
pub(crate) fn version() -> ExitCode {
    let _ = std::io::stdout().write_all(concat!("svc ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
    ExitCode::SUCCESS
}

/// Bad usage, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if error.use_stderr() && json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return Screen { json, quiet: false, width: None }
            .error(&Error::new(ErrorCode::Usage, message).hint("`svc --help`"));
    }
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { ErrorCode::Usage.exit() } else { 0 })
}

impl Screen {
    /// By the options typed.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        let width = std::io::stdout()
            .is_terminal()
            .then(|| terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)));
        Self { json: global.json, quiet: global.quiet, width }
    }

    /// Shows a report and its warnings; the exit code.
    pub(crate) fn report(&self, report: &Report, warnings: &[String]) -> ExitCode {
        if !self.quiet {
            let style = words::WARNING;
            for warning in warnings {
                write_err(&format!("{style}warning:{style:#} {}\n", sanitize(warning)));
            }
        }
        if self.json {
            write_out(&json::report(report));
        } else {
            self.show(report);
        }
        ExitCode::from(report.exit())
    }

    fn show(&self, report: &Report) {
        match report {
            Report::Status(all) if all.is_empty() => write_err("no services; `svc install NAME -- CMD` makes one\n"),
            Report::List(all) if all.is_empty() => write_err("no services; `svc install NAME -- CMD` makes one\n"),
            Report::Status(all) => write_out(&table::status(all, self.width)),
            Report::List(all) => write_out(&table::list(all, self.width)),
            Report::Detail(detail) => write_out(&detail::detail(detail)),
            Report::Done(all) => done::show(all, self.quiet),
            Report::Text(text) => write_out(text),
            Report::Files(files) => {
                for (at, file) in files.iter().enumerate() {
                    let gap = if at == 0 { "" } else { "\n" };
                    write_out(&format!("{gap}# {}\n{}", sanitize(&file.path.display().to_string()), file.contents));
                }
            }
            Report::Explain(rows) => write_out(&table::explain(rows, self.width)),
            Report::Findings(all) => write_out(&findings(all)),
            Report::Nothing => {}
        }
    }

    /// Shows an error; the exit code.
    pub(crate) fn error(&self, error: &Error) -> ExitCode {
        if self.json {
            write_out(&json::error(error));
            return ExitCode::from(error.code.exit());
        }
        let style = words::ERROR;
        if error.problems.is_empty() {
            let of = error.service.as_ref().map(|name| format!("`{name}`: ")).unwrap_or_default();
            write_err(&format!("{style}error:{style:#} {of}{}\n", sanitize(&error.message)));
        }
        for problem in &error.problems {
            write_err(&format!("{style}error:{style:#} {}\n", sanitize(&problem.to_string())));
            hint(problem.hint.as_deref());
        }
        hint(error.hint.as_deref());
        ExitCode::from(error.code.exit())
    }

    /// Prints the lines of a log.
    pub(crate) fn log_printer(&self, query: &LogQuery, raw: bool) -> LogPrinter {
        LogPrinter::new(query, self.json, raw || self.width.is_none())
    }
}

fn hint(text: Option<&str>) {
    if let Some(text) = text {
        write_err(&format!("  hint: {}\n", sanitize(text)));
    }
}

/// Why something failed, its last lines, and what to do.
fn failure(failure: &Failure) -> String {
    let mut text = format!("{}\n", sanitize(&failure.message));
    for line in &failure.log {
        text.push_str(&format!("  | {}\n", sanitize(line)));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {}\n", sanitize(hint)));
    }
    text
}

fn findings(all: &[Finding]) -> String {
    let width = all.iter().map(|finding| finding.subject.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in all {
        let (sign, style) = match finding.level {
            Level::Ok => ("✓", words::GOOD),
            Level::Warning => ("!", words::WARNING),
            Level::Error => ("✗", words::ERROR),
        };
        text.push_str(&format!(
            "{style}{sign}{style:#} {:width$}  {}\n",
            sanitize(&finding.subject),
            sanitize(&finding.message)
        ));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("  {:width$}  fix: {}\n", "", sanitize(fix)));
        }
    }
    text
}
