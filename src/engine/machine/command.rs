//! What a person asks for: start, stop, restart, reload. In each state the last command wins.

use super::event::{Action, Milestone, Moment};
use super::state::{Reloading, State, Then};
use super::timer::Timer;
use super::{Machine, limit};
use crate::engine::job::Reload;

impl Machine {
    pub(super) fn start(&mut self, by_person: bool, now: Moment, out: &mut Vec<Action>) {
        if self.job.schedule.is_some() {
            self.arm(now, out);
            return;
        }
        match &mut self.state {
            State::Stopped | State::Completed | State::Failed { .. } => self.start_afresh(now, out),
            State::Restarting { .. } if by_person => self.start_afresh(now, out),
            State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Restarting { .. } => {}
            State::Running { .. } => out.push(Action::Announce(Milestone::Up)),
            State::Stopping { then, .. } => {
                *then = Then::Start;
                out.push(Action::Persist);
            }
        }
    }

    pub(super) fn restart(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.job.schedule.is_some() && !self.arm(now, out) {
            return;
        }
        match &self.state {
            State::Running { .. } | State::Starting { .. } | State::Spawning { .. } => {
                self.begin_stop(Then::Start, now, out);
            }
            State::Stopped | State::Completed | State::Failed { .. } | State::Restarting { .. } => {
                self.start_afresh(now, out);
            }
            State::Stopping { .. } => self.then(Then::Start, out),
            State::Waiting | State::Wanting { .. } => {}
        }
    }

    pub(super) fn run_once(&mut self, now: Moment, out: &mut Vec<Action>) {
        match &self.state {
            State::Stopped | State::Completed | State::Failed { .. } => self.start_afresh(now, out),
            State::Stopping { then: Then::Stay, .. } => self.then(Then::Start, out),
            State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => {}
        }
    }

    pub(super) fn stop(&mut self, now: Moment, out: &mut Vec<Action>) {
        let was_armed = self.timer.as_ref().is_some_and(Timer::is_armed);
        if let Some(timer) = &mut self.timer {
            timer.disarm();
        }
        match &self.state {
            State::Failed { .. } => self.down(State::Stopped, out),
            State::Stopped | State::Completed => {
                if was_armed {
                    out.push(Action::Persist);
                }
                out.push(Action::Announce(Milestone::Down { again: false }));
            }
            State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => self.stop_run(now, out),
        }
    }

    pub(super) fn stop_run(&mut self, now: Moment, out: &mut Vec<Action>) {
        match &self.state {
            State::Stopped | State::Completed | State::Failed { .. } => {}
            State::Waiting | State::Restarting { .. } => self.down(State::Stopped, out),
            State::Wanting { .. } => {
                out.push(Action::Probe(false));
                self.down(State::Stopped, out);
            }
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => {
                self.begin_stop(Then::Stay, now, out);
            }
            State::Stopping { .. } => self.then(Then::Stay, out),
        }
    }

    pub(super) fn then(&mut self, next: Then, out: &mut Vec<Action>) {
        if let State::Stopping { then, .. } = &mut self.state {
            *then = next;
            out.push(Action::Persist);
        }
    }

    pub(super) fn reload(&mut self, now: Moment, out: &mut Vec<Action>) {
        let refused = |message: &str, hint| {
            Action::Announce(Milestone::ReloadFailed { message: message.to_owned(), hint: Some(hint) })
        };
        let Some(what) = &self.job.reload else {
            out.push(refused("has no way to reload", "set `reload`, or use `svc restart`"));
            return;
        };
        match &mut self.state {
            State::Running { reload, .. } if reload.is_none() => {
                // a signal is sent at once; a command is a start of its own
                let limit = match what {
                    Reload::Signal(_) => None,
                    Reload::Command(_) => limit(self.job.start_timeout.into(), now),
                };
                *reload = Some(Reloading { until: limit });
                out.push(Action::Reload);
            }
            // both who asked hear of the one
            State::Running { .. } => {}
            State::Waiting | State::Wanting { .. } | State::Spawning { .. } | State::Starting { .. } => {
                out.push(refused("is not up yet, so it can't reload", "try again once it runs"));
            }
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => {
                out.push(refused("is not running, so it can't reload", "`svc start` starts it"));
            }
        }
    }

    /// Whether it could be armed.
    pub(super) fn arm(&mut self, now: Moment, out: &mut Vec<Action>) -> bool {
        match (&mut self.timer, &self.job.schedule) {
            (Some(timer), _) => {
                timer.arm(&self.zone, now);
                out.push(Action::Persist);
                out.push(Action::Announce(Milestone::Armed));
                true
            }
            (None, schedule) => {
                let reason = schedule.as_ref().and_then(|schedule| Timer::new(schedule).err());
                let reason = reason.unwrap_or_else(|| "has no schedule".into());
                out.push(Action::Note(reason.clone()));
                if self.state.is_down() {
                    self.state = State::Failed { reason: reason.clone() };
                }
                out.push(Action::Persist);
                out.push(Action::Announce(Milestone::Failed { reason }));
                false
            }
        }
    }
}
