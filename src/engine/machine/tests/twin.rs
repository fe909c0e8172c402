//! A simulated twin of the kernel and the reactor: carries out the machine's actions, lets programs
//! behave as they are told, and gives the events back. Deterministic; time is a number.
//!
//! It checks what must always be so: no second process, no wake-up that is over already, and that
//! the machine knows of a process what is true.

use crate::engine::job::{Job, Millis};
use crate::engine::machine::{Action, Event, Exit, Found, Machine, Milestone, Moment, Process, Saved};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How one run of the program goes. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    /// From the request to the answer.
    pub(super) exec: u64,
    /// It can't be executed.
    pub(super) refuses: bool,
    /// From its execution on.
    pub(super) ready: Option<u64>,
    /// It ends by itself.
    pub(super) ends: Option<(u64, Exit)>,
    /// How it ends after a signal; `None`: it ignores signals.
    pub(super) obeys: Option<(u64, Exit)>,
    /// SIGKILL takes so long.
    pub(super) dies: u64,
    /// Its other processes live on after it: so long after a signal, or for ever (`None`).
    pub(super) rest: Option<Option<u64>>,
    /// A reload command takes so long.
    pub(super) reloads: u64,
}

/// Runs for ever, and ends 10 ms after a signal.
pub(super) const GOOD: Program = Program {
    exec: 1,
    refuses: false,
    ready: Some(5),
    ends: None,
    obeys: Some((10, Exit::Signal(15))),
    dies: 1,
    rest: None,
    reloads: 3,
};

/// Ends by itself.
pub(super) fn ends(after: u64, exit: Exit) -> Program {
    Program { ends: Some((after, exit)), ..GOOD }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Executed(u32),
    Refused(u32),
    Ready(u32),
    Ends(u32, i32, i32),
    RestGone(u32),
    Reloaded(u32),
    Tick,
}

/// The main process and its family.
#[derive(Debug, Clone, Copy)]
struct Live {
    pid: u32,
    program: Program,
    executed: bool,
    main: bool,
    rest: bool,
    killed: bool,
}

/// The world of one job.
pub(super) struct Twin {
    pub(super) machine: Machine,
    /// Milliseconds since boot.
    pub(super) now: u64,
    /// What the wall clock says at boot, milliseconds.
    pub(super) wall: i64,
    queue: BinaryHeap<Reverse<(u64, u64, Happens)>>,
    sequence: u64,
    program: Box<dyn FnMut(u32) -> Program>,
    live: Option<Live>,
    next_pid: u32,
    awaits: bool,
    saved: Saved,
    /// How many actions are carried out before the supervisor is killed; `None`: it is not.
    pub(super) dies_after: Option<u64>,
    pub(super) dead: bool,
    /// The exit of a process that ended while there was no supervisor.
    unseen: Option<Exit>,
    /// What happened: `MILLISECONDS what`.
    pub(super) trace: Vec<String>,
    pub(super) keep_trace: bool,
    /// Every spawn, and the end of the last run.
    pub(super) spawns: Vec<u64>,
    pub(super) gone_at: Option<u64>,
    pub(super) milestones: Vec<(u64, Milestone)>,
    pub(super) steps: u64,
    ticks_here: u32,
}

/// 2024-03-29 00:00 UTC.
pub(super) const BOOT: i64 = 1_711_670_400_000;

impl Twin {
    pub(super) fn new(job: Job, program: impl FnMut(u32) -> Program + 'static) -> Self {
        let machine = Machine::new(job, TimeZone::UTC);
        Self {
            saved: machine.saved(),
            machine,
            now: 1_000_000,
            wall: BOOT,
            queue: BinaryHeap::new(),
            sequence: 0,
            program: Box::new(program),
            live: None,
            next_pid: 100,
            awaits: false,
            dies_after: None,
            dead: false,
            unseen: None,
            trace: Vec::new(),
            keep_trace: true,
            spawns: Vec::new(),
            gone_at: None,
            milestones: Vec::new(),
            steps: 0,
            ticks_here: 0,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        let wall = self.wall + i64::try_from(self.now).expect("small") - 1_000_000;
        Moment {
            mono: Duration::from_millis(self.now),
            wall: Timestamp::from_millisecond(wall).expect("within the years of jiff"),
        }
    }

    fn happens(&mut self, after: u64, what: Happens) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + after, self.sequence, what)));
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.keep_trace {
            self.trace.push(format!("{} {}", self.now - 1_000_000, text()));
        }
    }

    /// Something of it lives, or may.
    pub(super) fn lives(&self) -> bool {
        self.live.is_some()
    }

    /// The main process.
    pub(super) fn main(&self) -> Option<u32> {
        self.live.filter(|live| live.main && live.executed).map(|live| live.pid)
    }

    /// Sends an event and carries out what follows; does nothing while there is no supervisor.
    pub(super) fn send(&mut self, event: Event) {
        if self.dead {
            return;
        }
        let mut actions = Vec::new();
        let now = self.moment();
        self.steps += 1;
        self.machine.handle(event, now, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Some(left) = &mut self.dies_after {
                if *left == 0 {
                    self.dies_after = None;
                    self.dead = true;
                    return;
                }
                *left -= 1;
            }
            self.carry_out_one(action);
        }
        self.check();
        if let Some(deadline) = self.machine.deadline() {
            let at = u64::try_from(deadline.as_micros().div_ceil(1_000)).expect("small");
            self.sequence += 1;
            self.queue.push(Reverse((at, self.sequence, Happens::Tick)));
        }
    }

    fn check(&mut self) {
        let deadline = self.machine.deadline();
        assert!(
            deadline.is_none_or(|deadline| deadline > Duration::from_millis(self.now)),
            "a wake-up that is over: {deadline:?} at {} in {:?}",
            self.now,
            self.machine
        );
        if let Some(main) = self.machine.main() {
            assert_eq!(self.main(), Some(main.pid), "{:?}", self.machine);
        }
        let line = self.machine.saved().to_json(400);
        debug_assert!(line.len() <= 400, "{line}");
    }

    fn carry_out_one(&mut self, action: Action) {
        match action {
            Action::Spawn { attempt } => {
                self.note(|| format!("spawn {attempt}"));
                assert!(
                    self.live.is_none_or(|live| !live.main && live.executed),
                    "a second process: {:?}",
                    self.machine
                );
                self.spawns.push(self.now);
                let program = (self.program)(attempt);
                let pid = self.next_pid;
                self.next_pid += 1;
                self.awaits = false;
                let rest = program.rest.is_some();
                self.live = Some(Live { pid, program, executed: false, main: true, rest, killed: false });
                self.happens(
                    program.exec,
                    if program.refuses { Happens::Refused(pid) } else { Happens::Executed(pid) },
                );
            }
            Action::Signal(signal) => {
                self.note(|| format!("signal {signal}"));
                self.signalled();
            }
            Action::KillAll => {
                self.note(|| "kill".into());
                self.killed();
            }
            Action::AwaitTree => {
                self.awaits = true;
                self.tree();
            }
            Action::Probe(on) => self.note(|| format!("probe {on}")),
            Action::Reload => {
                self.note(|| "reload".into());
                if let Some(live) = self.live {
                    self.happens(live.program.reloads, Happens::Reloaded(live.pid));
                }
            }
            Action::EndReload => self.note(|| "end reload".into()),
            Action::WritePid { pid, .. } => self.note(|| format!("pid file {pid}")),
            Action::RemovePid { .. } => self.note(|| "no pid file".into()),
            Action::Persist => {
                let line = self.machine.saved().to_json(4_000);
                self.saved = serde_json::from_str(&line).expect("what it wrote itself");
            }
            Action::Note(text) => self.note(|| format!("note {text}")),
            Action::Announce(milestone) => {
                self.note(|| format!("{milestone:?}"));
                self.milestones.push((self.now, milestone));
            }
        }
    }

    fn signalled(&mut self) {
        let Some(live) = self.live else { return };
        if live.main
            && live.executed
            && let Some((after, exit)) = live.program.obeys
        {
            self.ends(live.pid, after, exit);
        }
        if live.rest
            && let Some(Some(after)) = live.program.rest
        {
            self.happens(after, Happens::RestGone(live.pid));
        }
    }

    fn killed(&mut self) {
        let Some(live) = &mut self.live else { return };
        live.killed = true;
        let Live { pid, program, executed, rest, .. } = *live;
        if executed {
            self.ends(pid, program.dies, Exit::Signal(9));
        }
        if rest {
            self.happens(program.dies, Happens::RestGone(pid));
        }
    }

    fn ends(&mut self, pid: u32, after: u64, exit: Exit) {
        let (kind, figure) = match exit {
            Exit::Code(code) => (0, code),
            Exit::Signal(signal) => (1, signal),
            Exit::Unknown => (2, 0),
        };
        self.happens(after, Happens::Ends(pid, kind, figure));
    }

    /// Tells of an empty tree.
    fn tree(&mut self) {
        if self.live.is_some_and(|live| !live.main && !live.rest) {
            self.live = None;
            self.gone_at = Some(self.now);
        }
        if self.awaits && self.live.is_none() && !self.dead {
            self.awaits = false;
            self.send(Event::TreeGone);
        }
    }

    /// One thing happens; `false` if nothing ever will.
    pub(super) fn step(&mut self) -> bool {
        let Some(Reverse((at, _, what))) = self.queue.pop() else { return false };
        self.ticks_here = if at > self.now { 0 } else { self.ticks_here };
        self.now = self.now.max(at);
        let mine = |pid: u32, live: &Option<Live>| live.is_some_and(|live| live.pid == pid);
        match what {
            Happens::Tick => {
                self.ticks_here += 1;
                assert!(self.ticks_here < 50, "a busy loop at {}: {:?}", self.now, self.machine);
                self.send(Event::Tick);
            }
            Happens::Refused(pid) if mine(pid, &self.live) => {
                self.live = None;
                self.gone_at = Some(self.now);
                if self.dead {
                    self.unseen = Some(Exit::Code(127));
                }
                self.send(Event::ExecFailed("can't be executed".into()));
            }
            Happens::Executed(pid) if mine(pid, &self.live) => {
                let live = self.live.as_mut().expect("it is mine");
                live.executed = true;
                let Live { program, killed, .. } = *live;
                if let Some(after) = program.ready {
                    self.happens(after, Happens::Ready(pid));
                }
                if let Some((after, exit)) = program.ends {
                    self.ends(pid, after, exit);
                }
                if killed {
                    self.ends(pid, program.dies, Exit::Signal(9));
                }
                self.send(Event::Executed(Process { pid, start_ticks: self.now }));
            }
            Happens::Ready(pid) if self.main() == Some(pid) => self.send(Event::Ready),
            Happens::Ends(pid, kind, figure) if self.main() == Some(pid) => {
                let exit = match kind {
                    0 => Exit::Code(figure),
                    1 => Exit::Signal(figure),
                    _ => Exit::Unknown,
                };
                self.live.as_mut().expect("it is mine").main = false;
                if self.dead {
                    self.unseen = Some(exit);
                }
                self.note(|| format!("ends {exit:?}"));
                self.send(Event::Ended { pid, exit });
                self.tree();
            }
            Happens::RestGone(pid) if mine(pid, &self.live) => {
                self.live.as_mut().expect("it is mine").rest = false;
                self.tree();
            }
            Happens::Reloaded(pid) if self.main() == Some(pid) => self.send(Event::ReloadDone(Ok(()))),
            Happens::Refused(_)
            | Happens::Executed(_)
            | Happens::Ready(_)
            | Happens::Ends(..)
            | Happens::RestGone(_)
            | Happens::Reloaded(_) => {}
        }
        true
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds;
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// SIGKILL to the supervisor.
    pub(super) fn kill_supervisor(&mut self) {
        self.dead = true;
        self.dies_after = None;
    }

    /// A new supervisor, which finds what is so.
    pub(super) fn new_supervisor(&mut self) {
        let job = self.machine.job().clone();
        let unseen = self.unseen.take();
        let found = match (self.main(), unseen) {
            (Some(pid), _)
                if self.saved.may_have_spawned() || self.saved.main().is_some_and(|main| main.pid == pid) =>
            {
                let at = self.saved.main().map_or(self.now, |main| main.start_ticks);
                Found::Alive(Process { pid, start_ticks: at })
            }
            (None, Some(exit)) => Found::Ended(exit),
            (Some(pid), _) => panic!("{pid} is not known: {:?}", self.saved),
            (None, None) => Found::Nothing,
        };
        // an attempt to execute is over one way or the other before it looks
        let mut actions = Vec::new();
        let now = self.moment();
        self.dead = false;
        self.awaits = false;
        self.note(|| format!("new supervisor finds {found:?}"));
        self.machine = Machine::resume(job, &self.saved, found, TimeZone::UTC, now, &mut actions);
        self.carry_out(actions);
        self.saved = self.machine.saved();
        // the program says it again, or the port still answers
        if let Some(live) = self.live
            && let Some(after) = live.program.ready
        {
            self.happens(after, Happens::Ready(live.pid));
        }
    }

    /// An attempt to execute is under way.
    pub(super) fn spawns_now(&self) -> bool {
        self.live.is_some_and(|live| !live.executed)
    }

    /// Sets the wall clock.
    pub(super) fn set_clock(&mut self, by: SignedDuration) {
        self.wall += i64::try_from(by.as_millis()).expect("small");
        self.send(Event::TimeChanged(TimeZone::UTC));
    }
}

/// A job to begin with.
pub(super) fn job() -> Job {
    let mut job = crate::engine::job::tests::sample("web");
    job.stop_timeout = Millis(10_000);
    job
}
