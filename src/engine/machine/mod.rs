//! The life of one job. Pure: it is told what happened and when, and answers what is to be done; it
//! asks no clock, no kernel and no file. The reactor (`supervisor/`) feeds it and carries out its
//! actions in their order.
//!
//! States, what brings about the next one, and what a person may do meanwhile:
//!
//! ```text
//!  Stopped   ──start──> Waiting (only with depends_on)          stop: done at once
//!  Completed            │ all up             one failed ──> Failed
//!  Failed               v
//!                    Wanting (only with wait_for) ──too late──> judged
//!                       │ all there                             stop: done at once
//!                       v
//!                    Spawning ──can't be executed──> judged     stop: killed once it is executed
//!                       │ executed
//!                       v
//!                    Starting ──ready──> Running                stop, restart: Stopping
//!                       │ too late, or     │ ended
//!                       │ ended            │
//!                       v                  v
//!                    Stopping (signal to all, then SIGKILL)     start: starts once all is gone
//!                       │ nothing is left of it                 stop: stays down then
//!                       v
//!                    Stopped (asked for) │ start (asked for) │ judged: Completed, Failed or
//!                    Restarting ──delay is over──> start        stop: Stopped. start, restart: at once
//! ```
//!
//! The last command wins: in `Stopping` it only changes what follows. No start is asked for unless
//! every process of the former run is gone (or, main process aside, can't be killed). A scheduled job
//! is armed or not beside its state, see [`timer`]; its state is that of its last run.
//!
//! What the reactor owes: it carries out all actions of one event before the next event; a `Spawn` is
//! always answered; an executed program's end always comes, once it is reaped; after `AwaitTree` it
//! says when nothing is left (also of what left its session); readiness is looked for between
//! `Probe(true)` and `Probe(false)` only. What it can't know it says: [`Exit::Unknown`].
//!
//! A run that ended by itself is judged by its policy when nothing is left of it; clean ends are
//! those of systemd ([`restart::is_clean`]). An end that nobody saw is a failure: what must keep
//! running is started again.

mod command;
mod due;
mod end;
mod event;
pub mod fleet;
mod observe;
mod restart;
mod resume;
mod saved;
mod says;
mod start;
mod state;
mod timer;
mod words;

pub use event::{Action, Event, Exit, Milestone, Moment, Process};
pub use fleet::{Fleet, Id, Said};
pub use observe::Seen;
pub use resume::Found;
pub use saved::Saved;
pub use words::{NOT_READY, span};

use super::job::{Bytes, Job};
use jiff::tz::TimeZone;
use restart::Counters;
use state::State;
use std::time::Duration;
use timer::Timer;

/// One job.
#[derive(Debug)]
pub struct Machine {
    job: Job,
    zone: TimeZone,
    state: State,
    counters: Counters,
    timer: Option<Timer>,
    /// Of the last main process that ended.
    last_exit: Option<Exit>,
    status_text: Option<String>,
    /// How many times it began to wait for what it depends on.
    waits: u32,
    /// The PID file that was written and is to be removed.
    pid_file: Option<Bytes>,
}

impl Machine {
    /// A job that never ran; `zone` is the machine's time zone, for calendars.
    pub fn new(job: Job, zone: TimeZone) -> Self {
        let timer = job.schedule.as_ref().and_then(|schedule| Timer::new(schedule).ok());
        Self {
            job,
            zone,
            state: State::Stopped,
            counters: Counters::default(),
            timer,
            last_exit: None,
            status_text: None,
            waits: 0,
            pid_file: None,
        }
    }

    /// What it runs.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Its main process, if there is one.
    pub fn main(&self) -> Option<Process> {
        self.state.main().map(|main| main.process)
    }

    /// When to send [`Event::Tick`], monotonic; always later than the moment of the last event.
    pub fn deadline(&self) -> Option<Duration> {
        let timer = self.timer.as_ref().filter(|_| self.state.is_down()).and_then(Timer::look);
        self.state.deadline().into_iter().chain(timer).min()
    }

    /// Takes one event; what is to be done is appended to `out`.
    pub fn handle(&mut self, event: Event, now: Moment, out: &mut Vec<Action>) {
        match event {
            Event::Start { by_person } => self.start(by_person, now, out),
            Event::Stop => self.stop(now, out),
            Event::StopRun => self.stop_run(now, out),
            Event::Restart => self.restart(now, out),
            Event::Reload => self.reload(now, out),
            Event::RunOnce => self.run_once(now, out),
            Event::DependenciesUp => self.dependencies_up(now, out),
            Event::DependencyFailed(reason) => self.dependency_failed(reason, out),
            Event::Executed(process) => self.executed(process, now, out),
            Event::ExecFailed(reason) => self.exec_failed(reason, now, out),
            Event::MainIs(process) => self.main_is(process, out),
            Event::Ended { pid, exit } => self.ended(pid, exit, now, out),
            Event::TreeGone => self.tree_gone(now, out),
            Event::Ready => self.ready(now, out),
            Event::ReadyFailed(reason) => self.ready_failed(reason, now, out),
            Event::Health(bad) => self.health_is(bad, now, out),
            Event::Stopping => self.says_stopping(now, out),
            Event::StatusText(text) => self.says_status(text, out),
            Event::ReloadDone(result) => self.reload_done(result, out),
            Event::JobReplaced(job) => self.replace(*job, now, out),
            Event::TimeChanged(zone) => self.time_changed(zone, now, out),
            Event::Tick => {}
        }
        while self.act(now, out) {}
    }
}

/// When a start is too late; 0 is never, as with systemd's `infinity`.
fn limit(timeout: Duration, now: Moment) -> Option<Duration> {
    (!timeout.is_zero()).then(|| now.mono.saturating_add(timeout))
}

/// SIGTERM if the job names none that exists here.
fn stop_signal(job: &Job) -> i32 {
    crate::service::Signal::parse(&job.stop_signal).unwrap_or(crate::service::Signal::TERM).number()
}

#[cfg(test)]
mod tests;
