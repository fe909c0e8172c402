//! What time brings: delays that are over, starts and stops that take too long, scheduled times.

use super::event::{Action, Milestone, Moment};
use super::state::{Cause, Left, Phase, State, Then};
use super::{Machine, words};
use jiff::tz::TimeZone;
use std::time::Duration;

/// Between two SIGKILLs to what does not die.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// So long after the first SIGKILL it is said that it does not help, and what is left beside the main
/// process is left alone.
const GIVE_UP: Duration = Duration::from_secs(10);

impl Machine {
    /// Does one thing that is due; whether there was one.
    pub(super) fn act(&mut self, now: Moment, out: &mut Vec<Action>) -> bool {
        if self.state.is_down() {
            let due = self.timer.as_mut().is_some_and(|timer| timer.is_due(&self.zone, now));
            if due {
                self.start_afresh(now, out);
            }
            return due;
        }
        if self.state.deadline().is_none_or(|deadline| deadline > now.mono) {
            return false;
        }
        match &mut self.state {
            State::Restarting { .. } => self.begin_start(now, out),
            State::Wanting { .. } => {
                out.push(Action::Probe(false));
                let reason = super::words::waited(&self.job.wait_for, self.job.start_timeout.into());
                self.judge(&Cause::Failure(reason), now, out);
            }
            State::Spawning { .. } => self.late("was not executed", now, out),
            State::Starting { .. } => self.late(words::NOT_READY, now, out),
            State::Running { end_by, .. } if end_by.is_some_and(|end_by| end_by <= now.mono) => {
                self.late("did not end", now, out);
            }
            State::Running { .. } => {
                out.push(Action::EndReload);
                let limit = words::span(self.job.start_timeout.into());
                self.end_reload(&format!("did not end within {limit}"), out);
            }
            State::Stopping { .. } => self.kill(now, out),
            State::Stopped | State::Completed | State::Failed { .. } | State::Waiting => return false,
        }
        true
    }

    pub(super) fn late(&mut self, what: &str, now: Moment, out: &mut Vec<Action>) {
        let whole_run = matches!(self.state, State::Running { .. }) && self.job.schedule.is_none();
        let limit = if whole_run { self.job.run_timeout } else { self.job.start_timeout };
        let reason = format!("{what} within {}", words::span(limit.into()));
        out.push(Action::Note(reason.clone()));
        self.begin_stop(Then::Judge(Some(Cause::Failure(reason))), now, out);
    }

    pub(super) fn kill(&mut self, now: Moment, out: &mut Vec<Action>) {
        let State::Stopping { left, phase, then } = &mut self.state else { return };
        match phase {
            Phase::Asked { .. } => {
                *phase = Phase::Killed { since: now.mono, again_at: now.mono.saturating_add(KILL_AGAIN), told: false };
                let timeout = words::span(self.job.stop_timeout.into());
                let who = if *left == Left::Rest { "its other processes" } else { "it" };
                out.push(Action::Note(format!("{who} did not stop within {timeout}: killed")));
                out.extend([Action::Persist, Action::KillAll]);
            }
            Phase::Killed { since, again_at, told } => {
                let late = now.mono.saturating_sub(*since) >= GIVE_UP;
                if late && *left == Left::Rest {
                    let then = then.clone();
                    out.push(Action::Note("processes of it are left that SIGKILL does not end".into()));
                    self.gone(then, now, out);
                    return;
                }
                *again_at = now.mono.saturating_add(if late { GIVE_UP } else { KILL_AGAIN });
                out.push(Action::KillAll);
                if late && !std::mem::replace(told, true) {
                    out.push(Action::Note("SIGKILL does not end it: it is stuck in the kernel".into()));
                    out.push(Action::Announce(Milestone::Alive));
                }
            }
        }
    }

    pub(super) fn time_changed(&mut self, zone: TimeZone, now: Moment, out: &mut Vec<Action>) {
        self.zone = zone;
        if let Some(timer) = &mut self.timer {
            timer.clock_was_set(&self.zone, now);
            out.push(Action::Persist);
        }
    }
}
