//! The gate before a start: what it depends on must be up.

use super::{Fleet, Id, Said};
use crate::engine::machine::{Event, Moment};

impl Fleet {
    /// Lets a job that waits start, or fail, if it is time.
    pub(super) fn gate(&mut self, id: Id, now: Moment, out: &mut Vec<Said>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if !member.machine.is_waiting() || member.held.is_some() {
            return;
        }
        let asks = std::mem::take(&mut member.asks);
        let in_cycle = member.in_cycle;
        let dependencies = match self.dependencies(id) {
            Ok(dependencies) => dependencies,
            Err(name) => {
                let reason = format!("depends on `{name}`, which is not installed");
                self.pass(id, Event::DependencyFailed(reason), now, out);
                return;
            }
        };
        if in_cycle {
            let reason = "depends on itself, through what it depends on".into();
            self.pass(id, Event::DependencyFailed(reason), now, out);
            return;
        }
        if asks {
            for other in &dependencies {
                self.ask(id, *other, now, out);
            }
        }
        // what was asked may have failed at once, and this one with it
        if !self.machine(id).is_some_and(super::Machine::is_waiting) {
            return;
        }
        let mut all_up = true;
        for other in dependencies {
            let Some(member) = self.members.get(&other) else { continue };
            if member.machine.job().schedule.is_some() {
                all_up &= !self.members.get(&id).is_some_and(|member| member.runs.contains(&other));
            } else if let Some(reason) = member.machine.failure().map(str::to_owned) {
                self.fail_dependent(id, other, &reason, now, out);
                return;
            } else if member.held.is_some() || !member.machine.is_up() {
                all_up = false;
                if member.machine.is_down() {
                    self.start(other, Event::Start { by_person: false }, now, out);
                }
            }
        }
        if all_up {
            self.pass(id, Event::DependenciesUp, now, out);
        }
    }

    /// `id` begins to wait for `other`: it is to come up.
    fn ask(&mut self, id: Id, other: Id, now: Moment, out: &mut Vec<Said>) {
        let Some(member) = self.members.get(&other) else { return };
        if member.machine.job().schedule.is_some() {
            if let Some(member) = self.members.get_mut(&id)
                && !member.runs.contains(&other)
            {
                member.runs.push(other);
            }
            self.start(other, Event::RunOnce, now, out);
        } else if member.held.is_some() || !member.machine.is_up() {
            self.start(other, Event::Start { by_person: false }, now, out);
        }
    }
}
