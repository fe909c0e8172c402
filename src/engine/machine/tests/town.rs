//! A simulated world of several jobs: simpler programs than those of [`super::twin`], more of them.

use super::twin::{GOOD, Program, job};
use crate::engine::job::Job;
use crate::engine::machine::{Action, Event, Exit, Fleet, Found, Id, Machine, Milestone, Moment, Process, Said, Saved};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Executed,
    Ready,
    Ends(i32, bool),
    TreeGone,
}

/// When, in which order, of which job and process, what.
type Later = (u64, u64, Id, u32, Happens);

pub(super) type Behaviour = Box<dyn FnMut(&str) -> Program>;

pub(super) struct Town {
    pub(super) fleet: Fleet,
    pub(super) now: u64,
    queue: BinaryHeap<Reverse<Later>>,
    sequence: u64,
    program: Behaviour,
    /// Main process of each, and whether it is executed.
    pub(super) live: BTreeMap<Id, (u32, Program, bool)>,
    pids: u32,
    pub(super) trace: Vec<String>,
    pub(super) milestones: Vec<(u64, Id, Milestone)>,
    pub(super) steps: u64,
    /// Whether a stop may only be asked for when the dependents are gone.
    pub(super) strict: bool,
    saved: BTreeMap<Id, Saved>,
}

/// `web: db cache`, `db:`.
pub(super) fn jobs(text: &str) -> Vec<Job> {
    text.split(';')
        .map(|line| {
            let (name, on) = line.split_once(':').expect("NAME: DEPENDENCIES");
            let mut job = job();
            job.name = name.trim().into();
            job.depends_on = on.split_whitespace().map(str::to_owned).collect();
            job
        })
        .collect()
}

impl Town {
    pub(super) fn new(jobs: Vec<Job>, program: impl FnMut(&str) -> Program + 'static) -> Self {
        let mut fleet = Fleet::new();
        for job in jobs {
            fleet.add(Machine::new(job, TimeZone::UTC));
        }
        Self {
            fleet,
            now: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            program: Box::new(program),
            live: BTreeMap::new(),
            pids: 100,
            trace: Vec::new(),
            milestones: Vec::new(),
            steps: 0,
            strict: false,
            saved: BTreeMap::new(),
        }
    }

    pub(super) fn good(text: &str) -> Self {
        Self::new(jobs(text), |_| GOOD)
    }

    pub(super) fn moment(&self) -> Moment {
        let wall = super::twin::BOOT + i64::try_from(self.now).expect("small");
        Moment {
            mono: Duration::from_millis(self.now),
            wall: Timestamp::from_millisecond(wall).expect("within the years of jiff"),
        }
    }

    pub(super) fn name(&self, id: Id) -> String {
        self.fleet.machine(id).expect("it is there").job().name.clone()
    }

    fn happens(&mut self, after: u64, id: Id, pid: u32, what: Happens) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + after, self.sequence, id, pid, what)));
    }

    pub(super) fn send(&mut self, name: &str, event: Event) {
        let id = self.fleet.id(name).expect("it is there");
        self.give(id, event);
    }

    pub(super) fn give(&mut self, id: Id, event: Event) {
        self.steps += 1;
        let mut out = Vec::new();
        self.fleet.handle(id, event, self.moment(), &mut out);
        self.carry_out(out);
    }

    pub(super) fn stop_all(&mut self) {
        let mut out = Vec::new();
        self.fleet.stop_all(self.moment(), &mut out);
        self.carry_out(out);
    }

    pub(super) fn carry_out(&mut self, out: Vec<Said>) {
        for (id, action) in out {
            let name = self.name(id);
            match action {
                Action::Spawn { .. } => {
                    self.trace.push(format!("{} {name} spawn", self.now));
                    self.spawn(id, &name);
                }
                Action::Signal(_) => {
                    if let Some((pid, program, true)) = self.live.get(&id).copied() {
                        self.trace.push(format!("{} {name} signal", self.now));
                        self.check_order(id);
                        if let Some((after, exit)) = program.obeys {
                            self.ends(after, id, pid, exit);
                        }
                    }
                }
                Action::KillAll => {
                    if let Some((pid, program, _)) = self.live.get(&id).copied() {
                        self.ends(program.dies, id, pid, Exit::Signal(9));
                    }
                }
                Action::AwaitTree => self.happens(0, id, 0, Happens::TreeGone),
                Action::Announce(milestone) => {
                    self.trace.push(format!("{} {name} {milestone:?}", self.now));
                    self.milestones.push((self.now, id, milestone));
                }
                Action::Note(text) => self.trace.push(format!("{} {name} note {text}", self.now)),
                Action::Probe(_)
                | Action::Health(_)
                | Action::TellFailure(_)
                | Action::Reload
                | Action::EndReload
                | Action::WritePid { .. }
                | Action::RemovePid { .. } => {}
                Action::Persist => {
                    self.saved.insert(id, self.fleet.saved(id).expect("it is there"));
                }
            }
        }
    }

    fn spawn(&mut self, id: Id, name: &str) {
        assert!(!self.live.contains_key(&id), "a second {name}");
        let on: Vec<String> = self.fleet.machine(id).expect("it is there").job().depends_on.clone();
        for other in on {
            let other = self.fleet.id(&other).expect("it is installed");
            let is_scheduled = self.fleet.machine(other).expect("it is there").job().schedule.is_some();
            let is_executed = self.live.get(&other).is_some_and(|(_, _, executed)| *executed);
            assert!(is_scheduled || is_executed, "{name} starts without {}", self.name(other));
        }
        let program = (self.program)(name);
        self.pids += 1;
        self.live.insert(id, (self.pids, program, false));
        self.happens(program.exec, id, self.pids, Happens::Executed);
    }

    fn check_order(&self, id: Id) {
        let name = self.name(id);
        for (other, machine) in self.fleet.machines() {
            let lives = self.live.contains_key(&other);
            assert!(
                !self.strict || !lives || !machine.job().depends_on.contains(&name),
                "{name} is stopped before {}",
                machine.job().name
            );
        }
    }

    fn ends(&mut self, after: u64, id: Id, pid: u32, exit: Exit) {
        let (figure, is_signal) = match exit {
            Exit::Code(code) => (code, false),
            Exit::Signal(signal) => (signal, true),
            Exit::Memory | Exit::Unknown => (255, false),
        };
        self.happens(after, id, pid, Happens::Ends(figure, is_signal));
    }

    /// The supervisor is killed, and another takes over at once.
    pub(super) fn take_over(&mut self) {
        if self.live.values().any(|(.., executed)| !executed) {
            return;
        }
        let (mut fleet, mut out, now) = (Fleet::new(), Vec::new(), self.moment());
        for (id, machine) in self.fleet.machines() {
            let job = machine.job().clone();
            let Some(saved) = self.saved.get(&id) else {
                fleet.add(Machine::new(job, TimeZone::UTC));
                continue;
            };
            let saved: Saved = serde_json::from_str(&saved.to_json(400)).expect("what it wrote itself");
            let found = match self.live.get(&id) {
                Some((pid, ..)) => Found::Alive(Process { pid: *pid, start_ticks: 0 }),
                None => Found::Nothing,
            };
            let mut actions = Vec::new();
            let machine = Machine::resume(job, &saved, found, TimeZone::UTC, now, &mut actions);
            assert_eq!(fleet.add_resumed(machine, &saved), id);
            out.extend(actions.into_iter().map(|action| (id, action)));
        }
        fleet.resumed(now, &mut out);
        self.fleet = fleet;
        for (id, (pid, program, _)) in self.live.clone() {
            if let Some(after) = program.ready {
                self.happens(after, id, pid, Happens::Ready);
            }
        }
        self.carry_out(out);
    }

    fn step(&mut self, what: Happens, id: Id, pid: u32) {
        let mine = self.live.get(&id).copied().filter(|(live, ..)| *live == pid);
        match (what, mine) {
            (Happens::TreeGone, _) => self.give(id, Event::TreeGone),
            (_, None) => {}
            (Happens::Executed, Some((_, program, _))) => {
                if program.refuses {
                    self.live.remove(&id);
                    self.give(id, Event::ExecFailed("can't be executed".into()));
                    return;
                }
                self.live.insert(id, (pid, program, true));
                if let Some(after) = program.ready {
                    self.happens(after, id, pid, Happens::Ready);
                }
                if let Some((after, exit)) = program.ends {
                    self.ends(after, id, pid, exit);
                }
                self.give(id, Event::Executed(Process { pid, start_ticks: 0 }));
            }
            (Happens::Ready, Some(_)) => self.give(id, Event::Ready),
            (Happens::Ends(..), Some((.., false))) => {}
            (Happens::Ends(figure, is_signal), Some((.., true))) => {
                self.live.remove(&id);
                let exit = if is_signal { Exit::Signal(figure) } else { Exit::Code(figure) };
                self.give(id, Event::Ended { pid, exit });
            }
        }
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds;
        loop {
            let next = self.queue.peek().map(|Reverse((at, ..))| *at);
            let wake = self.fleet.deadline().map(|at| u64::try_from(at.as_micros().div_ceil(1_000)).expect("small"));
            let Some(at) = next.into_iter().chain(wake).min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            if next == Some(at) {
                if let Some(Reverse((_, _, id, pid, what))) = self.queue.pop() {
                    self.step(what, id, pid);
                }
            } else {
                let mut out = Vec::new();
                self.fleet.tick(self.moment(), &mut out);
                self.carry_out(out);
                let deadline = self.fleet.deadline();
                assert!(deadline.is_none_or(|deadline| deadline > self.moment().mono), "a busy loop");
            }
        }
        self.now = until;
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }
}

impl Drop for Town {
    /// What led to a failure.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (_, machine) in self.fleet.machines() {
                println!("{} {:?} {:?}", machine.job().name, machine.job().depends_on, machine.observe(self.moment()));
            }
            for line in self.trace.iter().rev().take(60).rev() {
                println!("{line}");
            }
        }
    }
}
