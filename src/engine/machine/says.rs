//! What a program says of itself, what became of a reload, and a definition that changes.

use super::event::{Action, Milestone, Moment};
use super::state::State;
use super::{Machine, Timer};
use crate::engine::job::Job;

impl Machine {
    pub(super) fn says_status(&mut self, text: String, out: &mut Vec<Action>) {
        if self.state.main().is_some() {
            let text = Some(text).filter(|text| !text.is_empty());
            if self.status_text != text {
                self.status_text = text;
                out.push(Action::Persist);
            }
        }
    }

    pub(super) fn reload_done(&mut self, result: Result<(), String>, out: &mut Vec<Action>) {
        if let State::Running { reload, .. } = &mut self.state
            && reload.take().is_some()
        {
            out.push(Action::Announce(match result {
                Ok(()) => Milestone::Reloaded,
                Err(reason) => Milestone::ReloadFailed { message: format!("its reload failed: {reason}"), hint: None },
            }));
        }
    }

    pub(super) fn end_reload(&mut self, why: &str, out: &mut Vec<Action>) {
        self.reload_done(Err(why.to_owned()), out);
    }

    pub(super) fn write_pid(&mut self, pid: u32, out: &mut Vec<Action>) {
        if let Some(path) = self.job.pid_file.clone() {
            self.pid_file = Some(path.clone());
            out.push(Action::WritePid { path, pid });
        }
    }

    pub(super) fn replace(&mut self, job: Job, now: Moment, out: &mut Vec<Action>) {
        let old = std::mem::replace(&mut self.job, job);
        if old.schedule != self.job.schedule {
            let was = self.timer.take();
            self.timer = self.job.schedule.as_ref().and_then(|schedule| Timer::new(schedule).ok());
            if let (Some(was), Some(timer)) = (was, &mut self.timer) {
                timer.stamp = was.stamp;
                if was.is_armed() {
                    timer.arm(&self.zone, now);
                }
            }
        }
        if old.ready != self.job.ready
            && let State::Starting { .. } = self.state
        {
            out.push(Action::Probe(false));
            if self.waits_for_ready() {
                out.push(Action::Probe(true));
            } else {
                self.ready(now, out);
            }
        }
        if let (State::Running { .. }, true) = (&self.state, old.health != self.job.health) {
            out.push(Action::Health(false));
            self.health(true, out);
        }
        if let (Some(main), true) = (self.main(), old.pid_file != self.job.pid_file) {
            if let Some(path) = self.pid_file.take() {
                out.push(Action::RemovePid { path });
            }
            self.write_pid(main.pid, out);
        }
        out.push(Action::Persist);
    }
}
