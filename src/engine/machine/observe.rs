//! What there is to be seen of a job: the figures of `svc status`.

use super::event::{Exit, Moment};
use super::state::{State, Then};
use super::{Machine, Process};
use crate::report;
use jiff::Timestamp;

/// One job, now.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<'a> {
    /// The word of DESIGN §2. That of a scheduled one is of its last run.
    pub state: report::State,
    /// Main process.
    pub main: Option<Process>,
    /// When it was executed, by the wall clock of that time.
    pub since: Option<Timestamp>,
    /// Automatic restarts since somebody started it.
    pub restarts: u32,
    /// How the last main process ended.
    pub exit: Option<Exit>,
    /// Why it failed, or is restarted.
    pub reason: Option<&'a str>,
    /// What it says of itself.
    pub status_text: Option<&'a str>,
    /// Scheduled, and waits for its times.
    pub armed: bool,
    /// When it runs next; absent too if no time is left.
    pub next_run: Option<Timestamp>,
}

impl Machine {
    /// Its figures.
    pub fn observe(&self, now: Moment) -> Seen<'_> {
        let scheduled = self.job.schedule.is_some();
        let state = match &self.state {
            State::Stopped => report::State::Stopped,
            State::Completed => report::State::Completed,
            State::Failed { .. } => report::State::Failed,
            // the start of a scheduled one is its run
            State::Spawning { .. } if scheduled => report::State::Running,
            State::Waiting | State::Wanting { .. } | State::Spawning { .. } | State::Starting { .. } => {
                report::State::Starting
            }
            State::Running { .. } => report::State::Running,
            State::Stopping { .. } => report::State::Stopping,
            State::Restarting { .. } => report::State::Restarting,
        };
        let reason = match &self.state {
            State::Failed { reason } | State::Restarting { reason, .. } => Some(reason.as_str()),
            State::Stopped
            | State::Completed
            | State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. } => None,
        };
        let main = self.state.main();
        Seen {
            state,
            main: main.map(|main| main.process),
            since: main.map(|main| main.since),
            restarts: self.counters.restarts,
            exit: self.last_exit,
            reason,
            status_text: self.status_text.as_deref().filter(|_| main.is_some()),
            armed: self.timer.as_ref().is_some_and(super::Timer::is_armed),
            next_run: self.timer.as_ref().and_then(|timer| timer.next_run(now)),
        }
    }

    /// Nothing runs and nothing is under way; a scheduled time may still come.
    pub fn is_down(&self) -> bool {
        self.state.is_down()
    }

    /// It runs and is ready.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// It is to start once what it depends on is up: wants [`Event::DependenciesUp`](super::Event) or
    /// `DependencyFailed`.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// It is to start once what it waits for is there.
    pub fn is_wanting(&self) -> bool {
        matches!(self.state, State::Wanting { .. })
    }

    /// It has no process and is to have one: waits, or waits out its delay.
    pub(super) fn is_between_runs(&self) -> bool {
        matches!(self.state, State::Waiting | State::Wanting { .. } | State::Restarting { .. })
    }

    /// It has been asked to go, or its last processes have.
    pub(super) fn is_stopping(&self) -> bool {
        matches!(self.state, State::Stopping { .. })
    }

    /// It runs, or will without another command; not counting the times of a scheduled one.
    pub(super) fn wants_up(&self) -> bool {
        match &self.state {
            State::Stopped | State::Completed | State::Failed { .. } | State::Stopping { then: Then::Stay, .. } => {
                false
            }
            State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { then: Then::Start | Then::Judge(_), .. }
            | State::Restarting { .. } => true,
        }
    }

    /// Why it has failed, if it has.
    pub fn failure(&self) -> Option<&str> {
        match &self.state {
            State::Failed { reason } => Some(reason),
            State::Stopped
            | State::Completed
            | State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => None,
        }
    }
}
