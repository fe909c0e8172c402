//! Start, stop and restart with those that depend on a job. A stop and a restart are held until they
//! are down.

use super::{Fleet, Held, Id, Machine, Member, Said};
use crate::engine::machine::{Action, Event, Moment};
use std::collections::BTreeSet;

impl Fleet {
    /// A start takes back a stop that is held; a restart that is held is a start too.
    pub(super) fn start(&mut self, id: Id, event: Event, now: Moment, out: &mut Vec<Said>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        match member.held {
            Some(Held::Restart) => return,
            Some(Held::Stop | Held::Run) => {
                member.held = None;
                out.push((id, Action::Persist));
            }
            None => {}
        }
        self.take_back(id, now, out);
        self.pass(id, event, now, out);
    }

    /// `id` is to be up after all: so is what it depends on, whose stop was waiting for this one's.
    fn take_back(&mut self, id: Id, now: Moment, out: &mut Vec<Said>) {
        for other in self.present_dependencies(id) {
            if self.members.get(&other).is_some_and(|member| matches!(member.held, Some(Held::Stop | Held::Run))) {
                self.start(other, Event::Start { by_person: false }, now, out);
            }
        }
    }

    /// Stops or restarts a job once those that depend on it are down.
    pub(super) fn hold(&mut self, id: Id, what: Held, now: Moment, out: &mut Vec<Said>) {
        self.refresh();
        let Some(member) = self.members.get_mut(&id) else { return };
        // its run is stopped already, and it stays disarmed
        let what = if member.held == Some(Held::Stop) && what == Held::Run { Held::Stop } else { what };
        member.held = Some(what);
        if what == Held::Restart {
            self.take_back(id, now, out);
        }
        for other in self.active_dependents(id) {
            self.take_along(other, id, what, now, out);
        }
        self.release(id, now, out);
        if self.members.get(&id).is_some_and(|member| member.held.is_some()) {
            out.push((id, Action::Persist));
        }
    }

    /// `id`, which depends on `on`, goes before it.
    fn take_along(&mut self, id: Id, on: Id, what: Held, now: Moment, out: &mut Vec<Said>) {
        let Some(member) = self.members.get(&id) else { return };
        // who stops it for good has stopped what it takes along
        let wants_up = match member.held {
            Some(Held::Restart) => true,
            Some(Held::Stop | Held::Run) => false,
            None => member.machine.wants_up(),
        };
        let again = what == Held::Restart && member.machine.job().schedule.is_none();
        if !wants_up || (again && member.held == Some(Held::Restart)) {
            return;
        }
        let name = self.members.get(&on).map_or("", |member| &member.machine.job().name);
        let word = if again { "restarted" } else { "stopped" };
        out.push((id, Action::Note(format!("`{name}`, which it depends on, is {word}: {word} too"))));
        self.hold(id, if again { Held::Restart } else { Held::Run }, now, out);
    }

    /// Passes a held command on if nothing stands in its way any more.
    pub(super) fn release(&mut self, id: Id, now: Moment, out: &mut Vec<Said>) {
        let Some(held) = self.members.get(&id).and_then(|member| member.held) else { return };
        for other in self.active_dependents(id) {
            if self.has_come_back(other, held) {
                self.take_along(other, id, held, now, out);
            }
        }
        let has_gone = held != Held::Restart && self.machine(id).is_some_and(Machine::is_between_runs);
        let waits = !has_gone && self.active_dependents(id).iter().any(|other| !self.is_aside(*other, held));
        // taking others along may have brought it to this already
        let Some(member) = self.members.get_mut(&id).filter(|member| member.held == Some(held) && !waits) else {
            return;
        };
        member.held = None;
        let event = match held {
            Held::Stop => Event::Stop,
            Held::Run => Event::StopRun,
            Held::Restart => Event::Restart,
        };
        self.pass(id, event, now, out);
    }

    /// A dependent of a job that is to be restarted has stopped already, and waits for it.
    fn is_aside(&self, id: Id, held: Held) -> bool {
        let waits = |member: &Member| member.held.is_none() && member.machine.is_waiting();
        held == Held::Restart && self.members.get(&id).is_some_and(waits)
    }

    /// A dependent was told to go, and is up again for another reason: a restart of its own, a
    /// scheduled time, a supervisor that was killed in between.
    fn has_come_back(&self, id: Id, held: Held) -> bool {
        let is_back = |member: &Member| member.held.is_none() && !member.machine.is_stopping();
        !self.is_aside(id, held) && self.members.get(&id).is_some_and(is_back)
    }

    /// Those that depend on it and are not down; through those that are, further ones.
    fn active_dependents(&self, id: Id) -> Vec<Id> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let (mut seen, mut left, mut active) = (BTreeSet::from([id]), member.dependents.clone(), Vec::new());
        while let Some(id) = left.pop() {
            let Some(other) = self.members.get(&id).filter(|_| seen.insert(id)) else { continue };
            if member.in_cycle && other.in_cycle {
                continue;
            }
            if (other.machine.is_down() && other.held.is_none()) || other.is_stuck {
                left.extend(&other.dependents);
            } else {
                active.push(id);
            }
        }
        active.sort_unstable();
        active
    }
}
