//! Typed results of commands; their serde derives are the JSON contract of DESIGN §3.

mod plan;
#[cfg(test)]
pub(crate) mod sample;
mod task;

pub use plan::{Change, FileDiff, PlanItem, Planned, Up};
pub use task::{Task, TaskDone, Tasks};

use crate::backend::{BackendKind, Scope, Verb};
use crate::error::Error;
use crate::files::health::Health;
use crate::files::serde_path::shown;
use crate::service::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// DESIGN §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A task that waits in line.
    Queued,
    /// Asked to start, not up yet.
    Starting,
    /// Up.
    Running,
    /// Asked to stop, not down yet.
    Stopping,
    /// Crashed, waiting out its delay.
    Restarting,
    /// Stopped by a person, or never started.
    Stopped,
    /// Ended by itself, exit 0.
    Completed,
    /// Ended by itself with an error, or could not be started.
    Failed,
    /// A task that a person ended.
    Cancelled,
}

/// What a manager says of one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Which.
    pub name: Name,
    /// The manager knows it.
    pub known: bool,
    /// What it is doing.
    pub state: State,
    /// It starts by itself; null if the manager can't tell.
    pub enabled: Option<bool>,
    /// Main process.
    pub pid: Option<u32>,
    /// When the main process was started.
    pub started_at: Option<Timestamp>,
    /// Automatic restarts since a person started it.
    pub restarts: Option<u32>,
    /// Of the last main process that ended.
    pub exit_code: Option<i32>,
    /// Signal that ended the last main process, e.g. `SIGKILL`.
    pub signal: Option<String>,
    /// Memory of all of its processes.
    pub memory_bytes: Option<u64>,
    /// CPU time of all of its processes.
    pub cpu_seconds: Option<f64>,
    /// Where the two figures come from: the manager's accounting, or the sum over the processes.
    pub metrics_from: Option<&'static str>,
    /// What the program says of itself.
    pub status_text: Option<String>,
    /// Why it failed, in words: `exit code 3`, `killed by SIGKILL`, `out of memory`, `did not become ready in time`.
    pub reason: Option<String>,
    /// Next time a scheduled one runs.
    pub next_run_at: Option<Timestamp>,
    /// The manager has an older definition loaded than lies on disk.
    pub needs_load: bool,
    /// What somebody else did to it with the manager.
    pub differs: Vec<Differs>,
    /// It runs, and what is to watch over it does not: a start brings that back.
    pub is_alone: bool,
    /// SHA-256, hexadecimal, of its one file, where the manager has just seen that it lies on disk as
    /// it was read.
    pub loaded: Option<String>,
    /// All of its processes (only when a single service is observed): pid, parent, command line.
    pub processes: Vec<Process>,
    /// How fast it writes, where svc writes its log.
    pub log_rate: Option<LogRate>,
}

impl Observed {
    /// One that nobody knows of; `reason` says why.
    pub fn unknown(name: Name, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::stopped(name) }
    }

    /// One that the manager does not know, or that was never started.
    pub fn stopped(name: Name) -> Self {
        Self {
            name,
            known: false,
            state: State::Stopped,
            enabled: None,
            pid: None,
            started_at: None,
            restarts: None,
            exit_code: None,
            signal: None,
            memory_bytes: None,
            cpu_seconds: None,
            metrics_from: None,
            status_text: None,
            reason: None,
            next_run_at: None,
            needs_load: false,
            differs: Vec::new(),
            is_alone: false,
            loaded: None,
            processes: Vec::new(),
            log_rate: None,
        }
    }
}

/// How fast a service writes: averages of the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRate {
    /// Lines that ended, each second.
    pub lines_per_second: u64,
    /// Bytes, each second.
    pub bytes_per_second: u64,
}

/// How a service is with its manager other than svc left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// What is so.
    pub what: String,
    /// What mends it.
    pub mend: Mend,
}

/// The one command that mends something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// One of svc, without the name: `restart`.
    Svc(&'static str),
    /// Another one, whole.
    Tool(String),
}

/// A definition in another form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Converted {
    /// The text, where it was not written to a file.
    pub text: String,
    /// The file that was written.
    #[serde(serialize_with = "crate::files::serde_path::shown::option")]
    pub file: Option<PathBuf>,
    /// What is to be said of it.
    pub notes: Vec<Note>,
}

/// A word on a line that was read, or on a service that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The file it is about, as it was named.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// The service it is about.
    pub service: Option<String>,
    /// In words, e.g. "`Type=forking` is carried over for systemd only".
    pub text: String,
}

/// A process of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Command line, words joined by spaces; raw, to be sanitized by `view`.
    pub command: String,
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Of which service.
    pub name: Name,
    /// Of what.
    pub verb: Verb,
    /// Done, or why not.
    pub result: Result<(), Failure>,
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Lower case, e.g. `stopped right after its start: exit code 127`.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The last lines that it wrote.
    pub log: Vec<String>,
    /// The manager or the system did not permit it, or nobody could be reached.
    pub denied: bool,
}

/// One service as `svc status --json` and `svc list --json` print it: DESIGN §3, key by key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Name of the service.
    pub name: Name,
    /// `service` or `task`.
    pub kind: &'static str,
    /// Which manager.
    pub backend: BackendKind,
    /// Whose.
    pub scope: Scope,
    /// What it is doing.
    pub state: State,
    /// It starts by itself.
    pub enabled: Option<bool>,
    /// Main process.
    pub pid: Option<u32>,
    /// RFC 3339 in UTC.
    pub started_at: Option<Timestamp>,
    /// Automatic restarts since a person started it.
    pub restarts: Option<u32>,
    /// Of the last main process that ended.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<String>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Seconds.
    pub cpu_seconds: Option<f64>,
    /// What the program says of itself.
    pub status_text: Option<String>,
    /// Of a task.
    pub stage: Option<String>,
    /// Of a task, 0 to 100.
    pub progress: Option<f64>,
    /// Of a task, seconds.
    pub eta_seconds: Option<f64>,
    /// What the checks of its health found, while it runs.
    pub health: Option<Health>,
    /// Project.
    pub project: Option<String>,
    /// Manifest that it comes from.
    #[serde(serialize_with = "shown::option")]
    pub manifest: Option<PathBuf>,
    /// The files differ from what svc wrote.
    pub drifted: bool,
    /// The files svc wrote.
    #[serde(serialize_with = "shown::many")]
    pub files: Vec<PathBuf>,
    /// Log file, or null for the journal.
    #[serde(serialize_with = "shown::option")]
    pub log: Option<PathBuf>,
    /// Next time a scheduled one runs.
    pub next_run_at: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// The manifest is not there any more: the project was moved or removed.
    pub manifest_missing: bool,
    /// How fast it writes, where svc writes its log.
    pub log_rate: Option<LogRate>,
    /// Why `drifted`, one sentence each; not in JSON.
    #[serde(skip)]
    pub drift: Vec<String>,
    /// Groups; not in JSON.
    #[serde(skip)]
    pub groups: Vec<String>,
    /// Not running, but as it should be: armed timer waiting for its time.
    #[serde(skip)]
    pub armed: bool,
}

/// `svc status NAME`.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The same as in the table.
    pub status: Status,
    /// One line for people.
    pub description: Option<String>,
    /// What it runs, as a person would type it.
    pub command: String,
    /// Its processes.
    pub processes: Vec<Process>,
    /// Where memory and CPU come from.
    pub metrics_from: Option<&'static str>,
    /// Last log lines.
    pub log_lines: Vec<LogLine>,
    /// What it survives.
    pub survives: Vec<Survival>,
    /// What to do next when it is not as it should be.
    pub next: Option<String>,
}

/// One part of the `survives:` line of DESIGN §3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survival {
    /// `crash`, `logout`, `reboot`, `upgrade of node`.
    pub what: String,
    /// Found out, not assumed.
    pub yes: bool,
    /// Why, or the command that mends it.
    pub note: Option<String>,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Of which service.
    pub service: Name,
    /// When it was written; none in a file where nothing says so.
    pub time: Option<Timestamp>,
    /// Process that wrote it.
    pub pid: Option<u32>,
    /// `out` for the program's output, `manager` for what the manager says of the service.
    pub stream: &'static str,
    /// The bytes without line end; raw, to be sanitized by `view`.
    pub message: Vec<u8>,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Of these services and their log files, if they have one.
    pub services: Vec<(Name, Option<PathBuf>)>,
    /// Only the last so many of all together; with `grep`, of those that match.
    pub lines: Option<usize>,
    /// Go on with new lines.
    pub follow: bool,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
    /// Only those that match.
    pub grep: Option<regex::bytes::Regex>,
    /// And so many before each of them.
    pub before: usize,
    /// And so many after.
    pub after: usize,
    /// Only of this boot.
    pub boot: Option<Boot>,
    /// Not before this, by service.
    pub since_of: Vec<(Name, Timestamp)>,
}

impl LogQuery {
    /// What only concerns this service: not before that moment.
    pub fn since_of(&self, name: &Name) -> Option<Timestamp> {
        self.since_of.iter().find(|(one, _)| one == name).map(|(_, since)| *since)
    }
}

/// A boot of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// 0 is this one, -1 the one before, 1 the first that the journal knows: journalctl(1), `--boot`.
    pub number: i32,
    /// When it began.
    pub since: Option<Timestamp>,
    /// When it ended; none: it has not.
    pub until: Option<Timestamp>,
}

/// One finding of `svc doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `ok`, `warning` or `error`.
    pub level: Level,
    /// What was looked at, e.g. `user manager`.
    pub subject: String,
    /// What was found, with its proof.
    pub message: String,
    /// The one command that mends it.
    pub fix: Option<String>,
    /// The service it is about.
    pub service: Option<Name>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but will not always.
    Warning,
    /// It does not work.
    Error,
}

/// What one command did with one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Which.
    pub name: Name,
    /// Past tense, e.g. `installed, enabled and started`.
    pub did: String,
    /// Main process afterwards.
    pub pid: Option<u32>,
    /// What else the person should know, one sentence each.
    pub notes: Vec<String>,
    /// Done, or why not.
    pub result: Result<(), Failure>,
}

/// One row of `svc render --explain`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainRow {
    /// Key of the field.
    pub field: &'static str,
    /// How the backend does it.
    pub support: crate::backend::Support,
}

/// `svc supervisor`: who runs, and what was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SupervisorStatus {
    /// It runs now.
    pub running: bool,
    /// What the command did, past tense; null for `status`.
    pub did: Option<&'static str>,
    /// Its process.
    pub pid: Option<u32>,
    /// The process that starts the next one when it is killed.
    pub guardian_pid: Option<u32>,
    /// Version of the svc that it is.
    pub version: Option<String>,
    /// When the guardian began.
    pub started_at: Option<Timestamp>,
    /// How often it was killed and taken over since.
    pub takeovers: Option<u32>,
    /// Services that it knows.
    pub services: Option<u32>,
    /// Services whose program runs.
    pub services_running: Option<u32>,
    /// Memory of both processes.
    pub memory_bytes: Option<u64>,
    /// Its socket.
    #[serde(serialize_with = "shown::option")]
    pub socket: Option<PathBuf>,
    /// A login starts it.
    pub starts_at_login: bool,
    /// The crontab starts it at boot.
    pub starts_at_boot: bool,
}

/// What became of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Which.
    pub name: Name,
    /// In the order of time.
    pub events: Vec<crate::history::Event>,
}

/// What a command gives back.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// `svc status`.
    Status(Vec<Status>),
    /// `svc list`.
    List(Vec<Status>),
    /// `svc status NAME`.
    Detail(Box<Detail>),
    /// Commands that change something.
    Done(Vec<Done>),
    /// `svc history`.
    History(History),
    /// `svc show`.
    Text(String),
    /// `svc schema`.
    Document(serde_json::Value),
    /// `svc init`, `svc import`, `svc export`.
    Converted(Converted),
    /// `svc render`.
    Files(Vec<crate::backend::RenderedFile>),
    /// `svc render --explain`.
    Explain(Vec<ExplainRow>),
    /// `svc doctor`.
    Findings(Vec<Finding>),
    /// `svc supervisor`.
    Supervisor(Box<SupervisorStatus>),
    /// `svc up`.
    Up(Up),
    /// `svc diff`.
    Diff(Planned),
    /// `svc up --foreground`: the service that failed first.
    Front(Option<Failed>),
    /// `svc shim`: how its program ended, for whoever started it.
    Ended(u8),
    /// `svc run -b`, `svc retry -b`.
    Submitted(Box<Task>),
    /// `svc tasks`.
    Tasks(Tasks),
    /// `svc status ID`, with its last lines.
    Task(Box<Task>, Vec<LogLine>),
    /// `svc cancel`.
    TasksDone(Vec<TaskDone>),
    /// `svc tasks prune`: so many records went.
    Pruned(usize),
    /// Nothing more to say.
    Nothing,
}

/// The service that failed first in the foreground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The exit code of its program; 128 and the number of the signal that ended it; 1 if neither.
    pub code: u8,
    /// Its name.
    pub name: String,
    /// In words.
    pub reason: String,
}

impl Failed {
    /// As an error; its exit code is another.
    pub(crate) fn error(&self) -> Error {
        let error = Error::failed(format!("failed: {}", self.reason));
        match Name::parse(&self.name) {
            Ok(name) => error.of(&name),
            Err(_) => error,
        }
    }
}

impl Report {
    /// Exit code of DESIGN §3; the worst of what it holds.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Status(all) => not_running(all.iter()),
            Self::Detail(detail) => not_running(std::iter::once(&detail.status)),
            Self::Done(all) => worst(all),
            Self::Up(up) => up.results.as_deref().map_or(0, worst),
            Self::Diff(plan) => u8::from(plan.is_something()),
            Self::Front(failed) => failed.as_ref().map_or(0, |failed| failed.code),
            Self::Ended(code) => *code,
            Self::Findings(all) => u8::from(all.iter().any(|finding| finding.level == Level::Error)),
            Self::Supervisor(status) => {
                if status.did.is_none() && !status.running {
                    3
                } else {
                    0
                }
            }
            Self::List(_)
            | Self::History(_)
            | Self::Text(_)
            | Self::Document(_)
            | Self::Converted(_)
            | Self::Files(_)
            | Self::Explain(_)
            | Self::Submitted(_)
            | Self::Tasks(_)
            | Self::TasksDone(_)
            | Self::Pruned(_)
            | Self::Nothing => 0,
            Self::Task(task, _) => {
                if task.state == State::Running {
                    0
                } else {
                    3
                }
            }
        }
    }
}

fn worst(all: &[Done]) -> u8 {
    let failures = all.iter().filter_map(|one| one.result.as_ref().err());
    failures.map(|failure| if failure.denied { 5 } else { 1 }).max().unwrap_or(0)
}

/// 3 when something selected is not running; an armed timer that waits for its time is.
fn not_running<'a>(mut all: impl Iterator<Item = &'a Status>) -> u8 {
    if all.any(|status| status.state != State::Running && !status.armed) { 3 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::State::{Completed, Failed, Restarting, Starting, Stopped, Stopping};
    use super::*;

    fn done(result: Result<(), bool>) -> Done {
        let result = result.map_err(|denied| Failure { message: "no".into(), hint: None, log: Vec::new(), denied });
        let name = Name::parse("web").expect("name");
        Done { name, did: "started".into(), pid: None, notes: Vec::new(), result }
    }

    #[test]
    fn status_is_3_when_something_selected_is_not_running() {
        let running = sample::status("web", State::Running);
        let armed = Status { armed: true, ..sample::status("backup", State::Stopped) };
        assert_eq!(Report::Status(vec![running.clone(), armed]).exit(), 0);
        assert_eq!(Report::Status(vec![]).exit(), 0);
        for state in [Starting, Stopping, Restarting, Stopped, Completed, Failed] {
            let all = vec![running.clone(), sample::status("db", state)];
            assert_eq!(Report::Status(all.clone()).exit(), 3, "{state:?}");
            assert_eq!(Report::List(all).exit(), 0, "{state:?}");
        }
    }

    #[test]
    fn the_worst_of_many_counts() {
        assert_eq!(Report::Done(vec![done(Ok(())), done(Ok(()))]).exit(), 0);
        assert_eq!(Report::Done(vec![done(Err(false)), done(Ok(()))]).exit(), 1);
        assert_eq!(Report::Done(vec![done(Err(true)), done(Err(false))]).exit(), 5);
    }

    #[test]
    fn only_errors_of_doctor_fail() {
        let of = |level| Finding { level, subject: "x".into(), message: "y".into(), fix: None, service: None };
        assert_eq!(Report::Findings(vec![of(Level::Ok), of(Level::Warning)]).exit(), 0);
        assert_eq!(Report::Findings(vec![of(Level::Ok), of(Level::Error)]).exit(), 1);
    }
}
