//! The states of a job, each with its own data only.

use super::event::{Exit, Process};
use jiff::Timestamp;
use std::time::Duration;

/// What a job is doing. Times are monotonic.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// Stopped by a person, never started, or ended by a harmless signal. No process.
    Stopped,
    /// Ended by itself, exit 0. No process.
    Completed,
    /// Ended by itself with an error, or could not be started, for good. No process.
    Failed { reason: String },
    /// Is to start, and waits for what it depends on. No process.
    Waiting,
    /// Is to start, and waits for what must be there (`wait_for`). No process of its own.
    Wanting { until: Option<Duration> },
    /// A process was asked for and has not become the program yet.
    Spawning { ready_by: Option<Duration> },
    /// Executed, and not ready yet.
    Starting { main: Main, ready_by: Option<Duration> },
    /// Executed and ready.
    Running {
        main: Main,
        /// Of a scheduled one, when its run is too long.
        end_by: Option<Duration>,
        reload: Option<Reloading>,
    },
    /// Must go, or has gone and its other processes must.
    Stopping { left: Left, phase: Phase, then: Then },
    /// Ended, and waits out its delay. No process.
    Restarting { until: Duration, reason: String },
}

/// Its main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Main {
    pub(super) process: Process,
    /// When it was executed.
    pub(super) at: Duration,
    /// The same for people.
    pub(super) since: Timestamp,
}

/// A reload under way; `until` absent: it may take for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reloading {
    pub(super) until: Option<Duration>,
}

/// What there still is of a job that stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// An attempt to execute, not answered yet.
    Unborn,
    /// The main process, and perhaps others.
    Main(Main),
    /// Perhaps others.
    Rest,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked to go; killed at this time.
    Asked { kill_at: Duration },
    /// Killed; killed again at `again_at`.
    Killed { since: Duration, again_at: Duration, told: bool },
}

/// What follows a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: a person wants it down.
    Stay,
    /// A start that somebody asked for.
    Start,
    /// It ended by itself: restart it or not, by its policy. `None`: by how its main process ends.
    Judge(Option<Cause>),
}

/// How a run ended that nobody ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// Well.
    Clean(Exit),
    /// With this reason.
    Failure(String),
}

impl State {
    /// No process, nothing under way, nothing to wait for but a scheduled time.
    pub(super) fn is_down(&self) -> bool {
        matches!(self, Self::Stopped | Self::Completed | Self::Failed { .. })
    }

    /// The main process, where there is one.
    pub(super) fn main(&self) -> Option<&Main> {
        match self {
            Self::Starting { main, .. }
            | Self::Running { main, .. }
            | Self::Stopping { left: Left::Main(main), .. } => Some(main),
            Self::Stopped
            | Self::Completed
            | Self::Failed { .. }
            | Self::Waiting
            | Self::Wanting { .. }
            | Self::Spawning { .. }
            | Self::Stopping { left: Left::Unborn | Left::Rest, .. }
            | Self::Restarting { .. } => None,
        }
    }

    /// When something is to be done without an event.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Stopped | Self::Completed | Self::Failed { .. } | Self::Waiting => None,
            Self::Wanting { until } => *until,
            Self::Spawning { ready_by } | Self::Starting { ready_by, .. } => *ready_by,
            Self::Running { end_by, reload, .. } => {
                let reload = reload.and_then(|reload| reload.until);
                end_by.iter().chain(reload.iter()).min().copied()
            }
            Self::Stopping { phase: Phase::Asked { kill_at }, .. } => Some(*kill_at),
            Self::Stopping { phase: Phase::Killed { again_at, .. }, .. } => Some(*again_at),
            Self::Restarting { until, .. } => Some(*until),
        }
    }
}
