//! The templates and what goes into them. A hole takes a [`UnitText`] and nothing else.

use super::escape::{Account, Comment, EnvAssignment, ExecLine, PlainText, Verbatim};
use super::path::{GlobPath, UnitPath};
use super::sandbox::Directive;
use super::text::{Keyword, Octal, RuntimePath, Size, Span, UnitName, UnitText};
use askama::Template;

#[allow(
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    unreachable_pub,
    reason = "the shape askama asks of a filter"
)]
mod filters {
    use super::UnitText;

    /// The only filter of the templates: takes nothing that was not escaped or refused.
    #[askama::filter_fn]
    pub(super) fn unit<T: UnitText>(text: T, _: &dyn askama::Values) -> askama::Result<T> {
        Ok(text)
    }
}

/// `NAME.service`
#[derive(Debug, Template)]
#[template(path = "systemd/service.service", escape = "none")]
pub(super) struct ServiceUnit {
    pub(super) head: Head,
    pub(super) requires: Vec<UnitName>,
    pub(super) wants: Vec<UnitName>,
    pub(super) after: Vec<Keyword>,
    pub(super) on_failure: Option<UnitName>,
    pub(super) run: Run,
    pub(super) stop: Stop,
    pub(super) restart: Restart,
    pub(super) limits: Limits,
    pub(super) sandbox: Vec<Directive>,
    pub(super) own: OwnLines,
    /// None: a timer starts it.
    pub(super) wanted_by: Option<Keyword>,
}

/// `NAME.timer`
#[derive(Debug, Template)]
#[template(path = "systemd/timer.timer", escape = "none")]
pub(super) struct TimerUnit {
    pub(super) head: Head,
    pub(super) service: UnitName,
    pub(super) times: Times,
    pub(super) own: OwnLines,
}

/// `NAME:WHAT.service`, what svc adds beside a service.
#[derive(Debug, Template)]
#[template(path = "systemd/companion.service", escape = "none")]
pub(super) struct Companion {
    pub(super) head: Head,
    pub(super) service: UnitName,
    /// It lives as long as a run of the service.
    pub(super) bound: bool,
    pub(super) run: CompanionRun,
}

#[derive(Debug)]
pub(super) struct CompanionRun {
    pub(super) kind: Keyword,
    pub(super) condition: Option<ExecLine>,
    pub(super) user: Option<Account>,
    pub(super) surroundings: Option<Surroundings>,
    pub(super) start: ExecLine,
    /// It must keep running.
    pub(super) restarts: bool,
}

/// What a command runs in.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) working_dir: UnitPath,
    pub(super) environment: Vec<EnvAssignment>,
    pub(super) environment_files: Vec<GlobPath>,
}

/// What all say of themselves.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) definition: Definition,
    pub(super) identifier: UnitName,
    pub(super) description: PlainText,
}

/// What is run, and in which surroundings.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) kind: Keyword,
    pub(super) notify: bool,
    pub(super) user: Option<Account>,
    pub(super) working_dir: UnitPath,
    pub(super) environment: Vec<EnvAssignment>,
    pub(super) environment_files: Vec<GlobPath>,
    pub(super) start: ExecLine,
    pub(super) before_start: Vec<ExecLine>,
    pub(super) after_start: Vec<ExecLine>,
    pub(super) reload: Option<ExecLine>,
    pub(super) after_stop: Option<ExecLine>,
    pub(super) start_timeout: Span,
    pub(super) output: Output,
    pub(super) umask: Option<Octal>,
    pub(super) nice: Option<i8>,
}

/// Where its output goes.
#[derive(Debug)]
pub(super) enum Output {
    /// To the journal, which keeps so much of it; none: as much as it keeps of all.
    Journal(Option<Limit>),
    /// To the end of this file.
    File(UnitPath),
    /// Through a pipe that `socket` holds open to `writer`.
    Pipe { path: RuntimePath, socket: UnitName, writer: UnitName },
}

/// `NAME:log.socket`
#[derive(Debug, Template)]
#[template(path = "systemd/log.socket", escape = "none")]
pub(super) struct LogSocket {
    pub(super) head: Head,
    pub(super) pipe: RuntimePath,
    pub(super) staging: RuntimePath,
    pub(super) user: Option<Account>,
}

/// `NAME:log.service`
#[derive(Debug, Template)]
#[template(path = "systemd/log.service", escape = "none")]
pub(super) struct LogWriter {
    pub(super) head: Head,
    pub(super) service: UnitName,
    pub(super) start: ExecLine,
}

/// When a timer elapses.
#[derive(Debug, Clone)]
pub(super) enum Times {
    /// So long after it was armed, then so long after each start.
    Every { interval: Span, accuracy: Span },
    /// At these times; caught up after the machine was off.
    Calendar(PlainText),
}

/// Where the definition came from.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) from: Keyword,
    pub(super) path: Comment,
}

impl UnitText for Definition {}

impl std::fmt::Display for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.from, self.path)
    }
}

#[derive(Debug)]
pub(super) struct Stop {
    pub(super) signal: Keyword,
    pub(super) timeout: Span,
    /// What a shell or a Java machine exits with when that signal ended it.
    pub(super) exit_code: u32,
}

#[derive(Debug)]
pub(super) struct Restart {
    pub(super) policy: Keyword,
    pub(super) delay: Option<Span>,
    pub(super) growth: Option<Growth>,
    pub(super) limit: Option<Limit>,
}

#[derive(Debug)]
pub(super) struct Growth {
    pub(super) steps: u32,
    pub(super) max: Span,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) burst: u32,
    pub(super) within: Span,
}

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) cpu_accounting: bool,
    pub(super) memory: Option<Size>,
    pub(super) cpu: Option<u32>,
    pub(super) tasks: Option<u64>,
    pub(super) files: Option<u64>,
}

/// `systemd = {…}` by section.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnLines {
    pub(super) unit: Vec<Verbatim>,
    pub(super) service: Vec<Verbatim>,
    pub(super) install: Vec<Verbatim>,
    pub(super) timer: Vec<Verbatim>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The compiler refuses a raw `String` in a hole with the filter; this finds a hole without.
    #[test]
    fn every_hole_names_its_filter() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/systemd");
        let mut holes = 0;
        for entry in std::fs::read_dir(folder).expect("the templates are there") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a template is text");
            for hole in text.split("{{").skip(1) {
                let inside = hole.split("}}").next().unwrap_or_default().trim();
                assert!(inside.ends_with("|unit"), "{}: {{{{ {inside} }}}} has no filter", path.display());
                holes += 1;
            }
        }
        assert!(holes > 40, "only {holes} holes found");
    }
}
