//! From the end of a program, asked for or not, to what follows.

use super::event::{Action, Exit, Milestone, Moment};
use super::state::{Cause, Left, Phase, State, Then};
use super::{Machine, restart, stop_signal, words};
use crate::engine::job::{Policy, Verdict};

impl Machine {
    /// Asks all of its processes to go.
    pub(super) fn begin_stop(&mut self, then: Then, now: Moment, out: &mut Vec<Action>) {
        let left = match &self.state {
            State::Spawning { .. } => Left::Unborn,
            State::Starting { main, .. } | State::Running { main, .. } => Left::Main(*main),
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => return,
        };
        self.leave_run("is being stopped", out);
        self.state = State::Stopping { left, phase: self.asked(now), then };
        out.push(Action::Persist);
        if left != Left::Unborn {
            out.push(Action::Signal(stop_signal(&self.job)));
        }
    }

    /// Ends what goes with a run: the look for readiness, a reload.
    pub(super) fn leave_run(&mut self, why: &str, out: &mut Vec<Action>) {
        if let State::Starting { .. } = self.state {
            out.push(Action::Probe(false));
        }
        if let State::Running { .. } = self.state {
            self.health(false, out);
        }
        if let State::Running { reload: Some(_), .. } = self.state {
            self.end_reload(why, out);
        }
    }

    pub(super) fn asked(&self, now: Moment) -> Phase {
        Phase::Asked { kill_at: now.mono.saturating_add(self.job.stop_timeout.into()) }
    }

    pub(super) fn says_stopping(&mut self, now: Moment, out: &mut Vec<Action>) {
        let (main, cause) = match &self.state {
            State::Starting { main, .. } => (*main, Some(Cause::Failure("stopped before it was ready".into()))),
            State::Running { main, .. } => (*main, None),
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Stopping { .. }
            | State::Restarting { .. } => return,
        };
        self.leave_run("is stopping", out);
        self.state = State::Stopping { left: Left::Main(main), phase: self.asked(now), then: Then::Judge(cause) };
        out.push(Action::Persist);
    }

    pub(super) fn ended(&mut self, pid: u32, exit: Exit, now: Moment, out: &mut Vec<Action>) {
        let Some(main) = self.state.main().copied().filter(|main| main.process.pid == pid) else { return };
        self.last_exit = Some(exit);
        self.counters.ran(now.mono.saturating_sub(main.at), &self.job.restart);
        if let Some(path) = self.pid_file.take() {
            out.push(Action::RemovePid { path });
        }
        self.leave_run("ended meanwhile", out);
        let by_exit = if restart::is_clean(exit, stop_signal(&self.job)) {
            Cause::Clean(exit)
        } else {
            Cause::Failure(words::exit(exit))
        };
        let fresh = self.asked(now);
        let (phase, then) = match &self.state {
            State::Stopping { phase, then, .. } => {
                let then = match then {
                    Then::Judge(None) => Then::Judge(Some(by_exit)),
                    other => other.clone(),
                };
                (*phase, then)
            }
            State::Starting { .. } => {
                let reason = format!("{} before it was ready", words::exit(exit));
                (fresh, Then::Judge(Some(Cause::Failure(reason))))
            }
            State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Spawning { .. }
            | State::Running { .. }
            | State::Restarting { .. } => (fresh, Then::Judge(Some(by_exit))),
        };
        let asked_before = matches!(self.state, State::Stopping { .. });
        self.state = State::Stopping { left: Left::Rest, phase, then };
        out.push(Action::Persist);
        if !asked_before {
            out.push(Action::Signal(stop_signal(&self.job)));
        }
        out.push(Action::AwaitTree);
    }

    pub(super) fn tree_gone(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let State::Stopping { left: Left::Rest, then, .. } = &self.state {
            let then = then.clone();
            self.gone(then, now, out);
        }
    }

    /// Nothing is left of a run.
    pub(super) fn gone(&mut self, then: Then, now: Moment, out: &mut Vec<Action>) {
        match then {
            Then::Stay => self.down(State::Stopped, out),
            Then::Start => {
                out.push(Action::Announce(Milestone::Down { again: true }));
                self.start_afresh(now, out);
            }
            Then::Judge(cause) => {
                let cause = cause.unwrap_or_else(|| Cause::Failure(words::exit(Exit::Unknown)));
                self.judge(&cause, now, out);
            }
        }
    }

    pub(super) fn down(&mut self, state: State, out: &mut Vec<Action>) {
        self.state = state;
        out.push(Action::Persist);
        out.push(Action::Announce(Milestone::Down { again: false }));
    }

    /// It ended by itself: what now?
    pub(super) fn judge(&mut self, cause: &Cause, now: Moment, out: &mut Vec<Action>) {
        let rule = self.job.restart;
        let (clean, words) = match cause {
            Cause::Clean(exit) => (Some(*exit), words::exit(*exit)),
            Cause::Failure(reason) => (None, reason.clone()),
        };
        let ended =
            |again| Action::Announce(Milestone::Ended { reason: clean.is_none().then(|| words.clone()), again });
        if restart::is_restarted(rule.policy, self.job.schedule.is_some(), clean.is_some()) {
            let Some(delay) = self.counters.next(now.mono, &rule) else {
                out.push(ended(false));
                let starts = self.counters.starts;
                let plural = if starts == 1 { "" } else { "s" };
                let within = words::span(rule.within.into());
                self.fail(format!("{words}, {starts} start{plural} within {within}"), out);
                return;
            };
            let count = self.counters.restarts;
            out.push(Action::Note(if delay.is_zero() {
                format!("{words}, restart {count} at once")
            } else {
                format!("{words}, restart {count} in {}", words::span(delay))
            }));
            self.state = State::Restarting { until: now.mono.saturating_add(delay), reason: words.clone() };
            out.extend([Action::Persist, ended(true)]);
            return;
        }
        out.push(ended(false));
        match clean {
            None => self.fail(words, out),
            Some(exit) => {
                // the runs of a scheduled one would fill its log
                if exit != Exit::Code(0) || self.job.schedule.is_none() {
                    out.push(Action::Note(words));
                }
                self.state = if exit == Exit::Code(0) { State::Completed } else { State::Stopped };
                out.push(Action::Persist);
            }
        }
    }

    pub(super) fn fail(&mut self, reason: String, out: &mut Vec<Action>) {
        out.push(Action::Note(format!("failed: {reason}")));
        self.state = State::Failed { reason: reason.clone() };
        out.push(Action::Persist);
        if self.job.on_failure.is_some() {
            out.push(Action::TellFailure(reason.clone()));
        }
        out.push(Action::Announce(Milestone::Failed { reason }));
    }

    /// Its health is bad for good, or good again.
    pub(super) fn health_is(&mut self, bad: Option<String>, now: Moment, out: &mut Vec<Action>) {
        let (State::Running { .. }, Some(health)) = (&self.state, &self.job.health) else { return };
        let verdict = health.on_failure;
        let Some(why) = bad else {
            out.push(Action::Note("healthy again".into()));
            self.health(true, out);
            return;
        };
        let reason = format!("unhealthy: {why}");
        out.push(Action::Note(reason.clone()));
        match verdict {
            Verdict::Report => self.health(true, out),
            Verdict::Stop => self.begin_stop(Then::Stay, now, out),
            // asked for whatever becomes of other ends
            Verdict::Restart if self.job.restart.policy == Policy::Never => self.begin_stop(Then::Start, now, out),
            Verdict::Restart => self.begin_stop(Then::Judge(Some(Cause::Failure(reason))), now, out),
        }
    }
}
