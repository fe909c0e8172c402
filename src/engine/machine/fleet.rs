//! Several jobs and what they depend on: systemd's `Requires=` and `After=` (systemd.unit(5)), by
//! events to their machines.
//!
//! - A job that is to start waits until each job it depends on is up; those that are down are
//!   started. A scheduled one among them is run once, and must end well.
//! - One that fails for good fails those that wait for it. Those that run already stay; so they do
//!   when it crashes and restarts.
//! - Before a job is stopped, those that depend on it and are not down are; before it is restarted
//!   by a person, too, and they start again after it. Meanwhile its own command is held.
//!
//! A cycle can't be installed; if there is one all the same, it fails its start and holds no stop.

mod commands;
mod gate;
mod graph;

use super::saved::Held;
use super::{Action, Event, Machine, Milestone, Moment, Saved};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A job within its fleet; stays the same while it is there.
pub type Id = u32;

/// All jobs of a supervisor.
#[derive(Debug, Default)]
pub struct Fleet {
    members: BTreeMap<Id, Member>,
    names: BTreeMap<String, Id>,
    next: Id,
    /// `depends_on` has changed, `dependents` and `in_cycle` have not yet.
    is_stale: bool,
    /// To be looked at.
    agenda: BTreeSet<Id>,
}

#[derive(Debug)]
struct Member {
    machine: Machine,
    /// Jobs that name it in their `depends_on`.
    dependents: Vec<Id>,
    /// It depends on itself through others.
    in_cycle: bool,
    /// A command that waits until the dependents are down.
    held: Option<Held>,
    /// It has begun to wait, and what it depends on was not asked to start yet.
    asks: bool,
    /// Scheduled jobs whose run it waits for.
    runs: Vec<Id>,
    /// SIGKILL does not end it: nobody waits for that.
    is_stuck: bool,
}

/// What a fleet says, of which job.
pub type Said = (Id, Action);

impl Fleet {
    /// No jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a job in, which replaces one of its name.
    pub fn add(&mut self, machine: Machine) -> Id {
        self.add_held(machine, None)
    }

    /// Takes in what [`Machine::resume`] made of `saved`. When all are in: [`Fleet::resumed`].
    pub fn add_resumed(&mut self, machine: Machine, saved: &Saved) -> Id {
        self.add_held(machine, saved.held)
    }

    fn add_held(&mut self, machine: Machine, held: Option<Held>) -> Id {
        let name = machine.job().name.clone();
        let id = self.names.get(&name).copied().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.names.insert(name, id);
        let asks = machine.is_waiting();
        let member =
            Member { machine, dependents: Vec::new(), in_cycle: false, held, asks, runs: Vec::new(), is_stuck: false };
        self.members.insert(id, member);
        self.is_stale = true;
        id
    }

    /// Goes on with what was under way between the jobs that were taken in.
    pub fn resumed(&mut self, now: Moment, out: &mut Vec<Said>) {
        self.agenda.extend(self.members.keys());
        self.work(now, out);
    }

    /// Lets a job go. Its processes are not touched: stop it first.
    pub fn remove(&mut self, id: Id) -> Option<Machine> {
        let member = self.members.remove(&id)?;
        self.names.remove(&member.machine.job().name);
        self.is_stale = true;
        Some(member.machine)
    }

    /// By its name.
    pub fn id(&self, name: &str) -> Option<Id> {
        self.names.get(name).copied()
    }

    /// One job.
    pub fn machine(&self, id: Id) -> Option<&Machine> {
        self.members.get(&id).map(|member| &member.machine)
    }

    /// All jobs, oldest first.
    pub fn machines(&self) -> impl Iterator<Item = (Id, &Machine)> {
        self.members.iter().map(|(id, member)| (*id, &member.machine))
    }

    /// What is to be written down of a job when it says [`Action::Persist`].
    pub fn saved(&self, id: Id) -> Option<Saved> {
        let member = self.members.get(&id)?;
        let mut saved = member.machine.saved();
        saved.held = member.held;
        Some(saved)
    }

    /// When to call [`tick`](Self::tick), monotonic.
    pub fn deadline(&self) -> Option<Duration> {
        self.members.values().filter_map(|member| member.machine.deadline()).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Moment, out: &mut Vec<Said>) {
        let is_due = |member: &Member| member.machine.deadline().is_some_and(|deadline| deadline <= now.mono);
        let due: Vec<Id> = self.members.iter().filter(|(_, member)| is_due(member)).map(|(id, _)| *id).collect();
        for id in due {
            self.handle(id, Event::Tick, now, out);
        }
    }

    /// The wall clock was set, or the time zone has changed.
    pub fn time_changed(&mut self, zone: &TimeZone, now: Moment, out: &mut Vec<Said>) {
        for id in self.ids() {
            self.handle(id, Event::TimeChanged(zone.clone()), now, out);
        }
    }

    /// Stops all, those that depend on others first.
    pub fn stop_all(&mut self, now: Moment, out: &mut Vec<Said>) {
        self.refresh();
        let mut order = Vec::new();
        for id in self.ids() {
            self.after_dependents(id, &mut BTreeSet::new(), &mut order);
        }
        for id in order {
            self.handle(id, Event::Stop, now, out);
        }
    }

    /// Nothing runs and nothing is under way.
    pub fn is_down(&self) -> bool {
        self.members.values().all(|member| member.machine.is_down() && member.held.is_none())
    }

    /// Takes one event of one job; what is to be done is appended to `out`. An event of a job that
    /// is not there is of one that was let go, and ignored.
    pub fn handle(&mut self, id: Id, event: Event, now: Moment, out: &mut Vec<Said>) {
        self.is_stale |= matches!(event, Event::JobReplaced(_));
        match event {
            Event::Stop => self.hold(id, Held::Stop, now, out),
            Event::StopRun => self.hold(id, Held::Run, now, out),
            Event::Restart => self.hold(id, Held::Restart, now, out),
            Event::Start { .. } | Event::RunOnce => self.start(id, event, now, out),
            other => self.pass(id, other, now, out),
        }
        self.work(now, out);
    }

    fn ids(&self) -> Vec<Id> {
        self.members.keys().copied().collect()
    }

    /// Gives an event to a machine, and notes what it means for others.
    fn pass(&mut self, id: Id, event: Event, now: Moment, out: &mut Vec<Said>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let (waits, mut actions) = (member.machine.waits, Vec::new());
        member.machine.handle(event, now, &mut actions);
        let is_waiting = member.machine.is_waiting();
        if !is_waiting || member.machine.waits != waits {
            (member.asks, member.runs) = (is_waiting, Vec::new());
        }
        let mut run_over = None;
        for action in actions {
            match &action {
                Action::Spawn { .. } => member.is_stuck = false,
                Action::Announce(Milestone::Alive) => member.is_stuck = true,
                Action::Announce(Milestone::Ended { reason, again: false }) => run_over = Some(reason.clone()),
                Action::Announce(Milestone::Failed { reason }) => run_over = Some(Some(reason.clone())),
                Action::Announce(Milestone::Down { again: false }) => run_over = Some(Some("it was stopped".into())),
                // it is to go: who waits for that must not take this for the contrary
                Action::Announce(Milestone::Up) if member.held.is_some() => continue,
                _ => {}
            }
            out.push((id, action));
        }
        self.agenda.insert(id);
        if let Some(failure) = run_over {
            self.run_is_over(id, failure.as_deref(), now, out);
        }
    }

    /// Tells those that waited for a run of a scheduled job.
    fn run_is_over(&mut self, id: Id, failure: Option<&str>, now: Moment, out: &mut Vec<Said>) {
        let waits = |member: &Member| member.runs.contains(&id);
        let waiting: Vec<Id> = self.members.iter().filter(|(_, other)| waits(other)).map(|(id, _)| *id).collect();
        for other in waiting {
            if let Some(member) = self.members.get_mut(&other) {
                member.runs.retain(|run| *run != id);
            }
            match failure {
                Some(reason) => self.fail_dependent(other, id, reason, now, out),
                None => drop(self.agenda.insert(other)),
            }
        }
    }

    fn fail_dependent(&mut self, id: Id, of: Id, reason: &str, now: Moment, out: &mut Vec<Said>) {
        let name = self.members.get(&of).map_or("", |member| &member.machine.job().name);
        let reason = format!("`{name}`, which it depends on, failed: {reason}");
        self.pass(id, Event::DependencyFailed(reason), now, out);
    }

    /// Looks at all that may have changed, until nothing does.
    fn work(&mut self, now: Moment, out: &mut Vec<Said>) {
        self.refresh();
        while let Some(id) = self.agenda.pop_first() {
            let held = self.members.iter().filter(|(_, member)| member.held.is_some()).map(|(id, _)| *id);
            for other in held.collect::<Vec<Id>>() {
                self.release(other, now, out);
            }
            let dependents = self.members.get(&id).map(|member| member.dependents.clone());
            for other in dependents.into_iter().flatten().chain([id]) {
                self.gate(other, now, out);
            }
        }
    }
}
