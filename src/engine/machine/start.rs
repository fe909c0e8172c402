//! From the wish to start to a program that is ready.

use super::event::{Action, Milestone, Moment, Process};
use super::restart::Counters;
use super::state::{Cause, Left, Main, Phase, State, Then};
use super::{Machine, limit, stop_signal};
use crate::engine::job::Ready;
use std::time::Duration;

impl Machine {
    /// Somebody asked for it: what was counted is forgotten.
    pub(super) fn start_afresh(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.counters = Counters::default();
        self.begin_start(now, out);
    }

    pub(super) fn begin_start(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.job.depends_on.is_empty() {
            self.set_out(now, out);
        } else {
            self.state = State::Waiting;
            self.waits = self.waits.wrapping_add(1);
            out.push(Action::Persist);
        }
    }

    pub(super) fn dependencies_up(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.state == State::Waiting {
            self.set_out(now, out);
        }
    }

    pub(super) fn dependency_failed(&mut self, reason: String, out: &mut Vec<Action>) {
        if self.state == State::Waiting {
            self.fail(reason, out);
        }
    }

    /// What it depends on is up: it starts as soon as what it waits for is there.
    fn set_out(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.counters.started(now.mono, &self.job.restart);
        if let Some(timer) = &mut self.timer {
            timer.started(now);
        }
        self.status_text = None;
        if self.job.wait_for.is_empty() {
            self.spawn(now, out);
        } else {
            self.state = State::Wanting { until: limit(self.job.start_timeout.into(), now) };
            out.extend([Action::Persist, Action::Probe(true)]);
        }
    }

    fn spawn(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.state = State::Spawning { ready_by: limit(self.job.start_timeout.into(), now) };
        out.push(Action::Persist);
        out.push(Action::Spawn { attempt: self.counters.restarts.saturating_add(1) });
    }

    pub(super) fn executed(&mut self, process: Process, now: Moment, out: &mut Vec<Action>) {
        let main = Main { process, at: now.mono, since: now.wall };
        match &mut self.state {
            State::Spawning { ready_by } => {
                let ready_by = *ready_by;
                self.write_pid(process.pid, out);
                self.begin_run(main, ready_by, out);
            }
            State::Stopping { left, phase, .. } if *left == Left::Unborn => {
                *left = Left::Main(main);
                let signal = match phase {
                    Phase::Asked { .. } => Action::Signal(stop_signal(&self.job)),
                    Phase::Killed { .. } => Action::KillAll,
                };
                out.extend([Action::Persist, signal]);
            }
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => {}
        }
    }

    /// Executed: up, or on its way. The start of a scheduled one is its whole run.
    pub(super) fn begin_run(&mut self, main: Main, by: Option<Duration>, out: &mut Vec<Action>) {
        if self.waits_for_ready() {
            self.state = State::Starting { main, ready_by: by };
            out.extend([Action::Persist, Action::Probe(true)]);
        } else {
            let end_by = by.filter(|_| self.job.schedule.is_some()).or_else(|| {
                let span: Duration = self.job.run_timeout.into();
                (!span.is_zero()).then(|| main.at.saturating_add(span))
            });
            self.state = State::Running { main, end_by, reload: None };
            out.extend([Action::Persist, Action::Announce(Milestone::Up)]);
            self.health(true, out);
        }
    }

    /// Begins or ends to check its health.
    pub(super) fn health(&self, on: bool, out: &mut Vec<Action>) {
        if self.job.health.is_some() {
            out.push(Action::Health(on));
        }
    }

    pub(super) fn waits_for_ready(&self) -> bool {
        self.job.schedule.is_none() && self.job.ready != Ready::Exec
    }

    pub(super) fn ready(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let State::Starting { main, .. } = self.state {
            self.state = State::Running { main, end_by: None, reload: None };
            out.extend([Action::Probe(false), Action::Persist, Action::Announce(Milestone::Up)]);
            self.health(true, out);
        } else if let State::Wanting { .. } = self.state {
            out.push(Action::Probe(false));
            self.spawn(now, out);
        }
    }

    pub(super) fn ready_failed(&mut self, reason: String, now: Moment, out: &mut Vec<Action>) {
        if let State::Starting { .. } = self.state {
            out.push(Action::Note(reason.clone()));
            self.begin_stop(Then::Judge(Some(Cause::Failure(reason))), now, out);
        } else if let State::Wanting { .. } = self.state {
            self.judge(&Cause::Failure(reason), now, out);
        }
    }

    pub(super) fn exec_failed(&mut self, reason: String, now: Moment, out: &mut Vec<Action>) {
        match &self.state {
            State::Spawning { .. } => self.judge(&Cause::Failure(reason), now, out),
            State::Stopping { left: Left::Unborn, then, .. } => {
                let then = match then {
                    Then::Judge(None) => Then::Judge(Some(Cause::Failure(reason))),
                    other => other.clone(),
                };
                self.gone(then, now, out);
            }
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => {}
        }
    }

    pub(super) fn main_is(&mut self, process: Process, out: &mut Vec<Action>) {
        let (State::Starting { main, .. }
        | State::Running { main, .. }
        | State::Stopping { left: Left::Main(main), .. }) = &mut self.state
        else {
            return;
        };
        if main.process != process {
            main.process = process;
            if self.pid_file.is_some() {
                self.write_pid(process.pid, out);
            }
            out.push(Action::Persist);
        }
    }
}
