//! What a machine is told and what it answers: the whole language between it and its reactor.

use crate::engine::job::{Bytes, Job};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Now, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since boot, suspended time included (`CLOCK_BOOTTIME`); never set, the same for every process
    /// of this boot. All delays, limits and time-outs are measured by it.
    pub mono: Duration,
    /// Wall clock: for people and calendars only.
    pub wall: Timestamp,
}

/// A process that can't be mistaken for another of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: proc_pid_stat(5); 0 where there is none.
    pub start_ticks: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel killed it with SIGKILL for the memory that its control group took.
    Memory,
    /// It is gone, and nobody saw how.
    Unknown,
}

impl Exit {
    /// `exit code 3`, `killed by SIGKILL`.
    pub fn words(self) -> String {
        super::words::exit(self)
    }

    /// The exit code, of one that exited.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::Memory | Self::Unknown => None,
        }
    }

    /// The name of the signal that ended it.
    pub fn signal(self) -> Option<String> {
        match self {
            Self::Signal(number) => Some(crate::sys::signals::name(number)),
            Self::Memory => Some("SIGKILL".into()),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl From<crate::sys::subreaper::Exit> for Exit {
    fn from(exit: crate::sys::subreaper::Exit) -> Self {
        match exit {
            crate::sys::subreaper::Exit::Code(code) => Self::Code(code),
            crate::sys::subreaper::Exit::Signal { number, .. } => Self::Signal(number),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Start it; arm a scheduled one.
    Start {
        /// A person's command; else by itself at boot or login, or as a dependency of another.
        by_person: bool,
    },
    /// Stop it; disarm a scheduled one.
    Stop,
    /// Something that it depends on stops: stop it too. A scheduled one stays armed.
    StopRun,
    /// Stop and start it; arm a scheduled one and run it now.
    Restart,
    /// Let it read its configuration again.
    Reload,
    /// Run a scheduled one now, as a dependency of another, and leave its times as they are.
    RunOnce,
    /// All jobs it depends on are up; the answer to the state `Waiting`.
    DependenciesUp,
    /// One of them can't come up, in words; the other answer.
    DependencyFailed(String),
    /// The answer to [`Action::Spawn`]: the program is executed.
    Executed(Process),
    /// The other answer, in words; nothing is left of the attempt.
    ExecFailed(String),
    /// Its main process is another one now (`MAINPID=` of sd_notify(3)).
    MainIs(Process),
    /// Its main process ended, and was reaped.
    Ended {
        /// Of which process; that of another than the main one is ignored.
        pid: u32,
        /// How.
        exit: Exit,
    },
    /// The answer to [`Action::AwaitTree`]: no process of it is left.
    TreeGone,
    /// It is ready, by what its job says (`READY=1`, the port, the address, the line).
    Ready,
    /// It can't become ready, in words.
    ReadyFailed(String),
    /// Its health is bad for good, with the reason, or (`None`) good again after it was bad.
    Health(Option<String>),
    /// It said `STOPPING=1`.
    Stopping,
    /// It said `STATUS=…`.
    StatusText(String),
    /// The answer to [`Action::Reload`]; the error in words (`exit code 1`).
    ReloadDone(Result<(), String>),
    /// [`deadline`](super::Machine::deadline) is over. At any other time it does nothing.
    Tick,
    /// Its definition has changed. A running process stays; all but what it was started with
    /// (command, environment, folder, limits) counts from now on.
    JobReplaced(Box<Job>),
    /// The wall clock was set, or the time zone has changed to this one.
    TimeChanged(TimeZone),
}

/// What is to be done, in this order, and all of it before the machine is told of the next event.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start the program; [`Event::Executed`] or [`Event::ExecFailed`] answers, always.
    Spawn {
        /// 1 for the first since somebody started it.
        attempt: u32,
    },
    /// Send this signal to all of its processes, as systemd does with `KillMode=control-group`.
    Signal(i32),
    /// End all of its processes with SIGKILL, an attempt to execute included.
    KillAll,
    /// The main process is gone: say [`Event::TreeGone`] as soon as no other is left, at once if so.
    AwaitTree,
    /// Begin or end to look whether it is ready (port, address, line, notification), or, before its
    /// program is started, whether what it waits for is there.
    Probe(bool),
    /// Begin or end to check its health; begun anew after each [`Event::Health`].
    Health(bool),
    /// It has failed for good, with this reason: run and show what its job says for that.
    TellFailure(String),
    /// Do what the job says for a reload; [`Event::ReloadDone`] answers.
    Reload,
    /// End a reload command that takes too long; nothing needs to answer.
    EndReload,
    /// Write its PID file.
    WritePid {
        /// Absolute.
        path: Bytes,
        /// What goes into it.
        pid: u32,
    },
    /// Remove its PID file.
    RemovePid {
        /// Absolute.
        path: Bytes,
    },
    /// Write [`saved`](super::Machine::saved) down. Comes before what it makes true (before a `Spawn`).
    Persist,
    /// A line for its log, without the `svc: ` in front.
    Note(String),
    /// Tell those who wait.
    Announce(Milestone),
}

/// What those who asked for something wait for.
///
/// `start` is over with `Up`, `Ended` (a failure unless its reason is `None`), `Failed`, and with
/// `Down { again: false }` (another command came in between); of a scheduled one with `Armed`.
/// `restart` is the same, of a scheduled one over with `Ended`. `stop` is over with any `Down`,
/// `Failed` or `Alive`, and with `Up` (a start came in between before its turn to stop). `reload` is
/// over with `Reloaded` or `ReloadFailed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// It runs and is ready.
    Up,
    /// A scheduled one waits for its time.
    Armed,
    /// It was stopped, and nothing is left of it.
    Down {
        /// It starts again at once: `restart`, or `start` while it stopped.
        again: bool,
    },
    /// It ended by itself (or could not be started), and nothing is left of it.
    Ended {
        /// Why that is a failure; `None` if it ended well.
        reason: Option<String>,
        /// It is restarted.
        again: bool,
    },
    /// It has failed and is not restarted; comes after `Ended` if it ran.
    Failed {
        /// In words.
        reason: String,
    },
    /// It was killed, and a process is still there: stuck in the kernel. It is not down yet.
    Alive,
    /// The reload is done.
    Reloaded,
    /// The reload was refused or failed.
    ReloadFailed {
        /// In words: `is not running, so it can't reload`.
        message: String,
        /// What to do next.
        hint: Option<&'static str>,
    },
}
