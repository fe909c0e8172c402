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
    /// Its other processes.
    pub(super) rest: Rest,
    /// A reload command takes so long.
    pub(super) reloads: u64,
}

/// What the other processes of a program do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// There are none.
    None,
    /// They live on after it, and end so long after a signal.
    Obeys(u64),
    /// They live on until they are killed.
    Ignores,
}

/// Runs for ever, and ends 10 ms after a signal.
pub(super) const GOOD: Program = Program {
    exec: 1,
    refuses: false,
    ready: Some(5),
    ends: None,
    obeys: Some((10, Exit::Signal(15))),
    dies: 1,
    rest: Rest::None,
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
    TreeGone,
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
    /// Every spawn.
    pub(super) spawns: Vec<u64>,
    pub(super) milestones: Vec<(u64, Milestone)>,
    pub(super) steps: u64,
    ticks_here: u32,
    /// When the next `Tick` is due.
    wake: Option<u64>,
    /// Delays can't be foretold: its settings have changed, or there was no supervisor for a while.
    pub(super) replaced: bool,
    /// There was no supervisor for a while since the last spawn.
    was_dead: bool,
    /// What can't be killed was left alone.
    gave_up: bool,
    /// When runs began (the spawn) and were over.
    runs: Vec<(u64, Option<u64>)>,
    /// Spawns since the last command or long run.
    counted: Vec<u64>,
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
            milestones: Vec::new(),
            steps: 0,
            ticks_here: 0,
            wake: None,
            replaced: false,
            was_dead: false,
            gave_up: false,
            runs: Vec::new(),
            counted: Vec::new(),
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
        let wake = self.machine.deadline().map(|at| u64::try_from(at.as_micros().div_ceil(1_000)).expect("small"));
        if let Some(at) = wake.filter(|_| wake != self.wake) {
            self.sequence += 1;
            self.queue.push(Reverse((at, self.sequence, Happens::Tick)));
        }
        self.wake = wake;
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
                self.check_restart(attempt);
                self.spawns.push(self.now);
                self.runs.push((self.now, None));
                let program = (self.program)(attempt);
                let pid = self.next_pid;
                self.next_pid += 1;
                self.awaits = false;
                let rest = program.rest != Rest::None;
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
            Action::Health(on) => self.note(|| format!("health {on}")),
            Action::TellFailure(reason) => self.note(|| format!("tell {reason}")),
            Action::Reload => {
                self.note(|| "reload".into());
                if let Some(live) = self.live {
                    self.happens(live.program.reloads, Happens::Reloaded(live.pid));
                }
            }
            Action::EndReload => self.note(|| "end reload".into()),
            Action::WritePid { pid, .. } => self.note(|| format!("pid file {pid}")),
            Action::RemovePid { .. } => self.note(|| "no pid file".into()),
            Action::Persist => self.saved = self.machine.saved(),
            Action::Note(text) if text.starts_with("processes of it are left") => self.gave_up = true,
            Action::Note(text) => self.note(|| format!("note {text}")),
            Action::Announce(milestone) => {
                self.note(|| format!("{milestone:?}"));
                self.milestones.push((self.now, milestone));
            }
        }
    }

    fn over(&mut self) {
        self.live = None;
        if let Some((_, end)) = self.runs.last_mut() {
            *end = Some(self.now);
        }
    }

    /// Something of it lived then.
    pub(super) fn lived_at(&self, at: u64) -> bool {
        self.runs.iter().any(|(from, to)| *from <= at && to.is_none_or(|to| to >= at))
    }

    /// Delay and limit of an automatic restart.
    fn check_restart(&mut self, attempt: u32) {
        let rule = self.machine.job().restart;
        if self.runs.last().is_some_and(|(from, to)| to.is_none_or(|to| to - from >= rule.reset.0)) {
            self.counted.clear();
        }
        if attempt == 1 {
            self.counted.clear();
            self.replaced = false;
        }
        let scheduled = self.machine.job().schedule.is_some();
        self.counted.push(self.now);
        let gave_up = std::mem::take(&mut self.gave_up);
        if self.replaced || scheduled {
            return;
        }
        // what can't be killed is not waited for
        let gone = self.runs.last().and_then(|(_, gone)| *gone).filter(|_| !gave_up);
        if let (2.., Some(gone)) = (attempt, gone) {
            let delay = self.now - gone;
            // an end that was not written down in time is not known of
            assert!(self.was_dead || delay >= rule.delay.0, "restarted after {delay} ms: {rule:?}");
            let longest = rule.max_delay.0.max(rule.delay.0);
            assert!(self.was_dead || delay <= longest, "restarted after {delay} ms: {rule:?}");
        }
        self.was_dead = false;
        let recent = self.counted.iter().filter(|at| **at + rule.within.0 >= self.now).count();
        assert!(recent <= 2 * rule.limit as usize, "{recent} starts: {rule:?}");
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
            && let Rest::Obeys(after) = live.program.rest
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
            Exit::Memory | Exit::Unknown => (2, 0),
        };
        self.happens(after, Happens::Ends(pid, kind, figure));
    }

    /// Tells of an empty tree.
    fn tree(&mut self) {
        if self.live.is_some_and(|live| !live.main && !live.rest) {
            self.over();
        }
        if self.awaits && self.live.is_none() && !self.dead {
            self.awaits = false;
            self.happens(0, Happens::TreeGone);
        }
    }

    /// One thing happens; `false` if nothing ever will.
    pub(super) fn step(&mut self) -> bool {
        let Some(Reverse((at, _, what))) = self.queue.pop() else { return false };
        self.ticks_here = if at > self.now { 0 } else { self.ticks_here };
        self.now = self.now.max(at);
        let mine = |pid: u32, live: &Option<Live>| live.is_some_and(|live| live.pid == pid);
        match what {
            Happens::Tick if self.wake == Some(at) => {
                self.wake = None;
                self.ticks_here += 1;
                assert!(self.ticks_here < 4, "a busy loop at {}: {:?}", self.now, self.machine);
                self.send(Event::Tick);
            }
            Happens::TreeGone if self.live.is_none() => self.send(Event::TreeGone),
            Happens::Refused(pid) if mine(pid, &self.live) => {
                self.over();
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
            Happens::Tick
            | Happens::TreeGone
            | Happens::Refused(_)
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
        let line = self.saved.to_json(400);
        assert!(line.len() <= 400, "{} {line}", line.len());
        self.saved = serde_json::from_str(&line).expect("what it wrote itself");
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
        self.was_dead = true;
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

impl Drop for Twin {
    /// What led to a failure.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.trace.iter().rev().take(40).rev() {
                println!("{line}");
            }
        }
    }
}
