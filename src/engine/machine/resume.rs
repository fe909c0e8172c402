//! Takes up what another supervisor left behind, see [`super::saved`].

use super::saved::{Next, Saved, Word};
use super::state::{Cause, Left, Main, Phase, State, Then};
use super::{Action, Exit, Machine, Moment, Process, limit, restart, stop_signal, words};
use crate::engine::job::Job;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// So long after a takeover a program is not yet late.
const TIME_TO_LOOK: Duration = Duration::from_secs(10);

/// What a new supervisor found of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its main process lives (looked for by pid and start time, and by the mark in its environment).
    Alive(Process),
    /// It ended while there was no supervisor; the guardian knows how, or it is unknown.
    Ended(Exit),
    /// Neither. What became of a process that was known is unknown; one that was only asked for was
    /// never started.
    Nothing,
}

fn wall(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

impl Machine {
    /// Of another boot: nothing of it runs, only how it ended last is kept, and what its calendar
    /// counts from. An enabled one is to be started.
    pub fn after_boot(job: Job, saved: &Saved, zone: TimeZone) -> Self {
        let mut machine = Self::new(job, zone);
        machine.last_exit = saved.exit;
        if let Some(timer) = &mut machine.timer {
            timer.stamp = saved.stamp.map(wall);
        }
        machine
    }

    /// Goes on where a supervisor of this boot left off; what is to be done first is appended to `out`.
    pub fn resume(job: Job, saved: &Saved, found: Found, zone: TimeZone, now: Moment, out: &mut Vec<Action>) -> Self {
        let mut machine = Self::after_boot(job, saved, zone);
        let Self { counters, .. } = &mut machine;
        counters.restarts = saved.restarts;
        counters.step = saved.step;
        counters.starts = saved.starts;
        counters.window = Duration::from_millis(saved.window);
        machine.status_text.clone_from(&saved.text);
        if let Some(timer) = &mut machine.timer {
            timer.ran = saved.ran.map(Duration::from_millis);
            if saved.armed {
                let first = saved.first.map_or(now.mono, Duration::from_millis);
                timer.arm_again(first, &machine.zone, now);
            }
        }
        machine.take_up(saved, found, now, out);
        while machine.act(now, out) {}
        machine
    }

    fn take_up(&mut self, saved: &Saved, found: Found, now: Moment, out: &mut Vec<Action>) {
        let until = saved.until.map(Duration::from_millis);
        let why = saved.why.clone().unwrap_or_else(|| words::exit(saved.exit.unwrap_or(Exit::Unknown)));
        let alive = match found {
            Found::Alive(process) => Some(process),
            Found::Ended(_) | Found::Nothing => None,
        };
        let known = alive.or(saved.main());
        let main = known.map(|process| {
            let is_same = saved.main() == Some(process);
            Main {
                process,
                at: if is_same { Duration::from_millis(saved.at) } else { now.mono },
                since: if is_same { wall(saved.since) } else { now.wall },
            }
        });
        self.state = match (saved.state, main) {
            (Word::Stopped, _) => State::Stopped,
            (Word::Completed, _) => State::Completed,
            (Word::Failed, _) => State::Failed { reason: why },
            (Word::Waiting, _) => State::Waiting,
            (Word::Restarting, _) => State::Restarting { until: until.unwrap_or(now.mono), reason: why },
            (Word::Starting, Some(main)) => State::Starting { main, ready_by: self.ready_by(until, now) },
            (Word::Running, Some(main)) => State::Running {
                main,
                end_by: until.filter(|_| self.job.schedule.is_some() || self.job.run_timeout.0 > 0),
                reload: None,
            },
            (Word::Spawning | Word::Starting | Word::Running, _) => {
                State::Spawning { ready_by: self.ready_by(until, now) }
            }
            (Word::Stopping, main) => self.stop_again(saved, main, now),
        };
        if self.state.main().is_some() {
            self.pid_file.clone_from(&self.job.pid_file);
        }
        match found {
            Found::Alive(process) => self.take_up_alive(process, now, out),
            Found::Ended(exit) => self.take_up_ended(exit, now, out),
            Found::Nothing if self.state.main().is_some() => self.take_up_ended(Exit::Unknown, now, out),
            Found::Nothing => self.take_up_nothing(now, out),
        }
    }

    /// It may have become ready while nobody looked: there must be time to find out.
    fn ready_by(&self, until: Option<Duration>, now: Moment) -> Option<Duration> {
        let time = Duration::from(self.job.start_timeout).min(TIME_TO_LOOK);
        until.map(|until| if self.waits_for_ready() { until.max(now.mono.saturating_add(time)) } else { until })
    }

    /// A stop that was under way.
    fn stop_again(&self, saved: &Saved, main: Option<Main>, now: Moment) -> State {
        let left = match main {
            Some(main) => Left::Main(main),
            None if saved.unborn => Left::Unborn,
            None => Left::Rest,
        };
        // it may not have come to the SIGKILL that it wrote down: once more, at once
        let phase = if saved.killed {
            Phase::Killed { since: now.mono, again_at: now.mono, told: false }
        } else {
            Phase::Asked { kill_at: saved.until.map_or(now.mono, Duration::from_millis) }
        };
        let clean = |exit: &Exit| restart::is_clean(*exit, stop_signal(&self.job));
        let cause = match (&saved.why, left, saved.exit) {
            (Some(reason), ..) => Some(Cause::Failure(reason.clone())),
            (None, Left::Rest, Some(exit)) if clean(&exit) => Some(Cause::Clean(exit)),
            (None, Left::Rest, exit) => Some(Cause::Failure(words::exit(exit.unwrap_or(Exit::Unknown)))),
            (None, Left::Main(_) | Left::Unborn, _) => None,
        };
        let then = match saved.then {
            Some(Next::Start) => Then::Start,
            Some(Next::Judge) => Then::Judge(cause),
            Some(Next::Stay) | None => Then::Stay,
        };
        State::Stopping { left, phase, then }
    }

    fn take_up_alive(&mut self, process: Process, now: Moment, out: &mut Vec<Action>) {
        let main = Main { process, at: now.mono, since: now.wall };
        let signal = stop_signal(&self.job);
        match &self.state {
            // the answer to the former supervisor's request
            State::Spawning { .. } => self.executed(process, now, out),
            State::Starting { .. } if self.waits_for_ready() => out.push(Action::Probe(true)),
            State::Starting { .. } => self.ready(now, out),
            State::Running { .. } => self.health(true, out),
            // it may have been killed just before it sent the signal
            State::Stopping { left: Left::Main(_), phase: Phase::Asked { .. }, .. } => out.push(Action::Signal(signal)),
            State::Stopping { .. } => {}
            // nothing should live: it goes first
            State::Stopped | State::Completed | State::Failed { .. } => self.end_stray(main, Then::Stay, now, out),
            State::Waiting | State::Wanting { .. } | State::Restarting { .. } => {
                self.end_stray(main, Then::Start, now, out);
            }
        }
    }

    fn end_stray(&mut self, main: Main, then: Then, now: Moment, out: &mut Vec<Action>) {
        self.state = State::Running { main, end_by: None, reload: None };
        self.begin_stop(then, now, out);
    }

    fn take_up_ended(&mut self, exit: Exit, now: Moment, out: &mut Vec<Action>) {
        match &self.state {
            State::Spawning { .. } | State::Stopping { left: Left::Unborn, .. } => {
                let process = Process { pid: 0, start_ticks: 0 };
                self.executed(process, now, out);
                self.ended(process.pid, exit, now, out);
            }
            State::Starting { main, .. }
            | State::Running { main, .. }
            | State::Stopping { left: Left::Main(main), .. } => self.ended(main.process.pid, exit, now, out),
            State::Stopping { left: Left::Rest, .. }
            | State::Stopped
            | State::Completed
            | State::Failed { .. }
            | State::Waiting
            | State::Wanting { .. }
            | State::Restarting { .. } => self.take_up_nothing(now, out),
        }
    }

    fn take_up_nothing(&mut self, now: Moment, out: &mut Vec<Action>) {
        match &self.state {
            // it was asked for, and counted, and the former supervisor did not come to it
            State::Spawning { .. } => {
                self.state = State::Spawning { ready_by: limit(self.job.start_timeout.into(), now) };
                out.push(Action::Persist);
                out.push(Action::Spawn { attempt: self.counters.restarts.saturating_add(1) });
            }
            State::Stopping { left: Left::Unborn, then, .. } => {
                let then = then.clone();
                self.gone(then, now, out);
            }
            State::Stopping { left: Left::Rest, .. } => {
                out.extend([Action::Signal(stop_signal(&self.job)), Action::AwaitTree]);
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
}
