//! The reactor: feeds the machines with what happens and carries out what they answer.
//!
//! One thread, which never waits but in [`Daemon::turn`]. It may be killed between any two lines:
//! what must not be lost is written down first (a start before the child is let go, an end before
//! the zombie is reaped or taken off the guardian's queue), and [`super::begin`] goes on from there.

use super::front::Front;
use super::guardian::{AT_ONCE_SIGNAL, FINISHED, Hand, RELOAD};
use super::server::Server;
use super::store::{Entry, Store};
use super::unit::Unit;
use super::waits::Waiter;
use crate::engine::cgroup::Hierarchy;
use crate::engine::log::{Intake, Rest};
use crate::engine::machine::fleet::{self, Fleet};
use crate::engine::machine::{Action, Event, Exit, Machine, Milestone, Moment, Process};
use crate::engine::notify::{self, Message};
use crate::engine::probe::Probe;
use crate::engine::spawn::{Exec, read_exec};
use crate::engine::tree::{self, Id, Keepers, Service};
use crate::env::Environment;
use crate::files::paths::Paths;
use crate::files::runtime::Runtime;
use crate::history::{self, Kind};
use crate::sys::changes::Changes;
use crate::sys::poll::{Interest, Watch};
use crate::sys::signals::Signals;
use crate::sys::{clock, process, subreaper};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// Keys of the watch: the fixed ones, then eight for each service, then one for each connection.
pub(super) const SIGNALS: usize = 0;
pub(super) const CHANNEL: usize = 1;
pub(super) const LISTENER: usize = 2;
pub(super) const NOTIFY: usize = 3;
pub(super) const CHANGES: usize = 4;
pub(super) const SCREEN: usize = 5;
const UNITS: usize = 8;
const PIPE: usize = 0;
const CHILD: usize = 1;
const FOREIGN: usize = 2;
/// From here on: connections.
pub(super) const CONNECTIONS: usize = 1 << 24;

/// Bytes that one service may write to its log before others have their turn.
pub(super) const BUDGET: usize = 1024 * 1024;
/// Bytes that the pipe of one that floods may hold, and how many have such a pipe.
const ROOM: usize = 1024 * 1024;
const ROOMY_AT_MOST: usize = 16;
/// A log that can't be written is tried again after this.
const BLOCKED: Duration = Duration::from_secs(1);
/// A log file is looked for at its place again when so long has passed.
const CHECK: Duration = Duration::from_secs(1);
/// Old logs are removed this often.
const EXPIRE: Duration = Duration::from_hours(1);
/// Looks for the rest of a service's processes: the first, the longest pause.
const REST_FIRST: Duration = Duration::from_millis(5);
const REST_LONGEST: Duration = Duration::from_millis(100);
/// The wall clock was set when it and the other clock differ by more than this from what they did.
const CLOCK_SET: i64 = 1_000;

/// Which service, by its place.
pub(super) type At = usize;

/// What a process that we started is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The program of a service, or the child that becomes it.
    Main(At),
    /// Its reload command.
    Reload(At),
    /// Looks whether it is ready, or whether what it waits for is there.
    Probe(At),
    /// Checks its health.
    Health(At),
    /// Its command for a failure.
    Hook(At),
    /// What follows the end of a task.
    Exit,
    /// Compresses a file of its log.
    Compress(At),
}

/// The supervisor.
pub(super) struct Daemon {
    pub(super) hand: Hand,
    pub(super) watch: Watch,
    pub(super) signals: Signals,
    pub(super) notify: notify::Socket,
    /// Held as long as any supervisor or guardian of this user lives.
    pub(super) lock: OwnedFd,
    /// What is removed from the runtime folder.
    pub(super) changes: Option<Changes>,
    /// Where control groups can be made, or why they can't.
    pub(super) groups: Result<Hierarchy, String>,
    pub(super) environment: Environment,
    pub(super) runtime: Runtime,
    pub(super) paths: Paths,
    pub(super) store: Store,
    pub(super) boot: String,
    /// In the ids of its starts.
    pub(super) realm: String,
    pub(super) intake: Intake,
    pub(super) units: Vec<Option<Unit>>,
    pub(super) names: BTreeMap<String, At>,
    /// The machines of all.
    pub(super) fleet: Fleet,
    /// Places by the fleet's ids.
    pub(super) places: HashMap<fleet::Id, At>,
    pub(super) roles: HashMap<u32, Role>,
    pub(super) server: Server,
    pub(super) events: VecDeque<(At, Event)>,
    /// Signals to whole trees, sent together: one look at /proc for all.
    pub(super) to_signal: Vec<(At, i32)>,
    /// Of some the main process has just ended: what is left of them is to be looked for.
    pub(super) await_trees: bool,
    /// Much was done that needed memory and code which are needed no more.
    pub(super) untidy: bool,
    /// Wall clock less the other, milliseconds.
    pub(super) offset: i64,
    /// Asked to end: all is stopped, then it ends.
    pub(super) ending: bool,
    /// The exit code, when it is time.
    pub(super) over: Option<u8>,
    /// What it runs in the foreground, if it does.
    pub(super) front: Option<Front>,
    /// Where it is written down what became of services.
    pub(super) history: Option<PathBuf>,
    pub(super) since: jiff::Timestamp,
    pub(super) tasks: super::tasks::Tasks,
}

impl Daemon {
    pub(super) fn now() -> Moment {
        Moment { mono: clock::since_boot(), wall: clock::now() }
    }

    pub(super) fn unit(&mut self, at: At) -> Option<&mut Unit> {
        self.units.get_mut(at)?.as_mut()
    }

    /// The machine of a service.
    pub(super) fn machine(&self, at: At) -> Option<&Machine> {
        self.fleet.machine(self.units.get(at)?.as_ref()?.job)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (At, &Unit)> {
        self.units.iter().enumerate().filter_map(|(at, unit)| Some((at, unit.as_ref()?)))
    }

    /// Until it is told to end; the exit code for the guardian.
    pub(super) fn run(mut self) -> u8 {
        let mut ready = Vec::new();
        self.settle();
        self.tend_tasks();
        loop {
            self.look_for_end();
            let alone = |code: &u8| matches!(*code, super::TAKE_OVER | super::LEFT_TO_THE_NEXT);
            let flushed = |code: &u8| alone(code) || self.server.is_flushed();
            if let Some(code) = self.over.filter(flushed) {
                return self.end(code);
            }
            ready.clear();
            let limit = self.deadline().map(|at| at.saturating_sub(clock::since_boot()));
            if self.watch.wait(limit, &mut ready).is_err() {
                return 1; // the next one has a watch of its own
            }
            for key in &ready {
                self.turn(*key);
            }
            self.tick();
            self.settle();
            self.tend_tasks();
            self.resume_connections();
            if self.untidy && self.server.is_quiet() {
                self.untidy = false;
                subreaper::trim_memory();
            }
        }
    }

    fn end(mut self, code: u8) -> u8 {
        if code == super::TAKE_OVER {
            self.take_over();
        }
        if code == FINISHED {
            let runtime = &self.runtime;
            // the lock last: what is gone before is nobody's then
            let state = self.front.as_ref().is_none_or(|front| !front.is_managed()).then(|| runtime.state());
            let files = [runtime.socket(), runtime.notify()].into_iter().chain(state);
            for file in files.chain([runtime.log_record(), runtime.lock()]) {
                let _ = std::fs::remove_file(file); // the next one makes its own
            }
            match &self.front {
                Some(front) => front.clear(),
                None => runtime.retire(self.environment.uid),
            }
            if let Ok(groups) = &self.groups {
                let _ = groups.remove(); // somebody else's processes may be in it
            }
        }
        if code == RELOAD {
            for (_, unit) in self.units.iter_mut().enumerate().filter_map(|(at, unit)| Some((at, unit.as_mut()?))) {
                let probe = if let Some(Probe::Process(pid)) = unit.probe.take() { Some(pid) } else { None };
                for pid in probe.into_iter().chain(unit.health.take()) {
                    let _ = subreaper::kill(pid, Signal::SIGKILL);
                }
            }
        }
        code
    }

    /// The guardian is gone: this process becomes one.
    fn take_over(self) -> ! {
        let Self { hand, units, notify, server, lock, watch, mut intake, .. } = self;
        drop(watch);
        let mut stored: Vec<(u64, OwnedFd)> = units.into_iter().flatten().map(|unit| (unit.id, unit.pipe)).collect();
        stored.extend(lock.try_clone().map(|fd| (super::begin::STARTED, fd)));
        stored.extend([(super::begin::LOCK, lock), (super::begin::LISTENER, server.listener.into())]);
        stored.extend(
            intake
                .screen()
                .and_then(|screen| screen.queue().try_clone_to_owned().ok())
                .map(|fd| (super::begin::QUEUE, fd)),
        );
        stored.extend(notify.fd().try_clone_to_owned().map(|fd| (super::begin::NOTIFY, fd)));
        hand.take_over(stored)
    }

    /// One descriptor has something to say.
    fn turn(&mut self, key: usize) {
        match key {
            SIGNALS => self.signalled(),
            CHANNEL => self.orphans(),
            LISTENER => self.accept(),
            NOTIFY => self.notified(),
            CHANGES => self.mend_folder(),
            SCREEN => self.screen_ready(),
            key if key >= CONNECTIONS => self.connection(key - CONNECTIONS),
            key => {
                let (at, part) = ((key - UNITS) / 8, (key - UNITS) % 8);
                match part {
                    PIPE => self.drain(at, BUDGET),
                    CHILD => self.child_spoke(at),
                    _ => self.foreign_ended(at),
                }
            }
        }
    }

    fn signalled(&mut self) {
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                Signal::SIGCHLD => self.children(),
                // launchd sends it to the rest of the group when the process that it started is dead
                Signal::SIGTERM if self.is_left_alone() => self.over = Some(super::LEFT_TO_THE_NEXT),
                Signal::SIGTERM | Signal::SIGINT => self.shut_down(),
                AT_ONCE_SIGNAL => self.kill_everything(),
                _ => {}
            }
        }
    }

    /// A shim whose guardian was killed: its manager knows nothing of this process, and starts another shim.
    fn is_left_alone(&self) -> bool {
        let managed = self.front.as_ref().is_some_and(Front::is_managed);
        managed && nix::unistd::getppid().as_raw().cast_unsigned() != self.hand.guardian_pid
    }

    /// Stops everything, those first that others do not depend on; then ends.
    pub(super) fn shut_down(&mut self) {
        if !self.ending {
            self.say_in_front();
        }
        self.ending = true;
        let mut out = Vec::new();
        let tasks: Vec<_> = (0..self.units.len()).filter_map(|at| Some((at, self.task_grace(at)?))).collect();
        for (at, job) in tasks {
            let Some(id) = self.units.get(at).and_then(Option::as_ref).map(|unit| unit.job) else { continue };
            self.fleet.handle(id, Event::JobReplaced(Box::new(job)), Self::now(), &mut out);
        }
        self.fleet.stop_all(Self::now(), &mut out);
        self.carry_out(out);
    }

    /// Does what the fleet says.
    pub(super) fn carry_out(&mut self, said: Vec<fleet::Said>) {
        for (job, action) in said {
            if let Some(at) = self.places.get(&job).copied() {
                self.act(at, action);
            }
        }
    }

    /// Our own children that ended: recorded, then reaped; then one look for what they left.
    fn children(&mut self) {
        while let Ok(Some((pid, exit))) = subreaper::peek_ended() {
            self.process_ended(pid, exit.into());
            self.handle_events();
            let _ = subreaper::reap(pid);
        }
        self.look_for_rest(true);
    }

    /// The guardian's children that ended.
    fn orphans(&mut self) {
        loop {
            match self.hand.next_ended() {
                Ok(Some(ended)) => {
                    self.orphan_ended(&ended);
                    if self.hand.consume().is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                // the guardian is gone: this process takes its place, and the next one this one's
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    let managed = self.front.as_ref().is_some_and(Front::is_managed);
                    self.over = Some(if managed { super::LEFT_TO_THE_NEXT } else { super::TAKE_OVER });
                    return;
                }
                Err(_) => return, // told again
            }
        }
        self.look_for_rest(true);
    }

    /// An end that was told before, or is that of an earlier process of this id, is no news.
    pub(super) fn orphan_ended(&mut self, ended: &super::guardian::Ended) {
        let of_another = match self.roles.get(&ended.pid) {
            Some(Role::Main(at)) => {
                self.units[*at].as_ref().and_then(|unit| service(&self.fleet, unit).main).is_some_and(|main| {
                    main.pid == ended.pid && ended.start_ticks != 0 && main.start_ticks != ended.start_ticks
                })
            }
            _ => false,
        };
        if !of_another {
            self.process_ended(ended.pid, ended.exit.into());
            self.handle_events();
        }
    }

    pub(super) fn process_ended(&mut self, pid: u32, exit: Exit) {
        match self.roles.remove(&pid) {
            Some(Role::Main(at)) => {
                self.child_spoke(at);
                // its last words come before its end
                self.drain(at, usize::MAX);
                let exit = self.units[at].as_ref().map_or(exit, |unit| unit.judge(exit));
                self.remember(at, Kind::Exited, |event| {
                    (event.pid, event.exit_code, event.signal) = (Some(pid), exit.code(), exit.signal());
                });
                self.events.push_back((at, Event::Ended { pid, exit }));
            }
            Some(Role::Reload(at)) => {
                if let Some(unit) = self.unit(at).filter(|unit| unit.reload.is_some_and(|one| one.pid == pid)) {
                    unit.reload = None;
                    let result = match exit {
                        Exit::Code(0) => Ok(()),
                        other => Err(other.words()),
                    };
                    self.events.push_back((at, Event::ReloadDone(result)));
                }
            }
            Some(Role::Health(at)) => self.health_ended(at, pid, exit),
            Some(Role::Exit) => {}
            Some(Role::Hook(_)) if exit == Exit::Code(0) => {}
            Some(Role::Hook(at)) => self.note(at, &format!("`on_failure`: {}", exit.words())),
            Some(Role::Compress(at)) => self.compressed(at, exit),
            Some(Role::Probe(at)) => {
                if let Some(unit) = self.unit(at) {
                    unit.probe = None;
                    self.events.push_back((
                        at,
                        match exit {
                            Exit::Code(0) => Event::Ready,
                            _ => Event::ReadyFailed("what looks whether it is ready was ended".into()),
                        },
                    ));
                }
            }
            None => {}
        }
    }

    /// A child says that it has become the program, or why not.
    fn child_spoke(&mut self, at: At) {
        let Self { units, fleet, .. } = self;
        let Some(unit) = units.get_mut(at).and_then(Option::as_mut) else { return };
        let (Some((process, fd)), Some(machine)) = (&unit.child, fleet.machine(unit.job)) else { return };
        let process = *process;
        let event = match read_exec(fd.as_fd(), machine.job()) {
            Ok(Exec::Pending) => return,
            Ok(Exec::Done) => Event::Executed(process),
            Ok(Exec::Failed(error)) => Event::ExecFailed(error.message),
            Err(error) => Event::ExecFailed(crate::error::io_reason(&error)),
        };
        let fd = unit.child.take().map(|(_, fd)| fd);
        unit.executed = clock::since_boot();
        if let Some(fd) = fd {
            self.watch.remove(&fd);
        }
        if matches!(event, Event::ExecFailed(_)) {
            self.roles.remove(&process.pid);
        } else {
            self.remember(at, Kind::Started, |event| event.pid = Some(process.pid));
        }
        self.events.push_back((at, event));
        self.handle_events();
    }

    fn foreign_ended(&mut self, at: At) {
        let Some(unit) = self.unit(at) else { return };
        let Some((process, fd)) = unit.foreign.take() else { return };
        self.watch.remove(&fd);
        self.process_ended(process.pid, Exit::Unknown);
    }

    /// Moves what a service wrote to its log.
    pub(super) fn drain(&mut self, at: At, budget: usize) {
        let now = Self::now();
        let Self { units, intake, watch, front, .. } = self;
        let Some(unit) = units.get_mut(at).and_then(Option::as_mut) else { return };
        if unit.blocked.as_ref().is_some_and(|(until, _)| now.mono < *until) {
            return;
        }
        let paused = now.mono.saturating_sub(unit.checked) >= CHECK;
        if paused {
            unit.checked = now.mono;
            let _ = unit.log.check(); // writing tells what is wrong
        }
        if unit.log.ages() && unit.expired.is_none_or(|last| now.mono.saturating_sub(last) >= EXPIRE) {
            unit.expired = Some(now.mono);
            let _ = unit.log.expire(now.wall); // the next time
        }
        let mut matched = false;
        let regex = match &unit.probe {
            Some(Probe::Line(regex)) => Some(regex.clone()),
            _ => None,
        };
        let mut see = |line: &[u8]| matched |= regex.as_ref().is_some_and(|regex| regex.is_match(line));
        let wants = regex.is_some();
        let drained = intake.drain(
            unit.id,
            unit.pipe.as_fd(),
            &mut unit.log,
            now.wall,
            budget,
            if wants { Some(&mut see) } else { None },
        );
        let mut floods = false;
        if let Ok(drained) = &drained
            && drained.bytes > 0
        {
            unit.flow.add(drained.lines, drained.bytes, now.mono);
        }
        match drained {
            Ok(drained) => match drained.rest {
                Rest::Blocked(cause) => {
                    if unit.blocked.is_none() {
                        watch.remove(&unit.pipe);
                    }
                    unit.blocked = Some((now.mono + BLOCKED, crate::error::io_reason(&cause)));
                }
                Rest::Unseen => {
                    if unit.blocked.is_none() {
                        watch.remove(&unit.pipe);
                    }
                    if let Some(front) = front {
                        front.hold(at);
                    }
                }
                Rest::Empty | Rest::More => {
                    floods = matches!(drained.rest, Rest::More);
                    if let Some((_, why)) = unit.blocked.take() {
                        let _ = watch.add(&unit.pipe, key(at, PIPE), Interest::Read);
                        let text = format!("svc: this log could not be written for a while ({why}); nothing is lost");
                        intake.note(unit.id, &mut unit.log, now.wall, &text);
                    }
                }
            },
            Err(error) => unit.blocked = Some((now.mono + BLOCKED, crate::error::io_reason(&error))),
        }
        if floods && !unit.roomy {
            unit.roomy = true;
            make_room(units, at);
        }
        self.compress(at);
        if matched {
            self.events.push_back((at, Event::Ready));
        }
    }

    /// Messages of programs: sd_notify(3). Only a process of a service is believed, and only about it.
    fn notified(&mut self) {
        while let Ok(Some((sender, message))) = self.notify.recv() {
            if let Some(at) = self.owner(sender) {
                self.heed(at, &message);
            }
        }
    }

    fn owner(&self, pid: u32) -> Option<At> {
        if let Some(Role::Main(at)) = self.roles.get(&pid) {
            return Some(*at);
        }
        let (places, services): (Vec<At>, Vec<Service<'_>>) =
            self.all().map(|(at, unit)| (at, service(&self.fleet, unit))).unzip();
        let known = self.known();
        tree::owner_of(pid, &services, Keepers { pids: &self.keepers(), realm: &self.realm, known: &known })
            .map(|which| places[which])
    }

    fn heed(&mut self, at: At, message: &Message) {
        if self.task_says(at, message) {
            return;
        }
        let Some(unit) = self.unit(at) else { return };
        let speaks = matches!(unit.probe, Some(Probe::Notify));
        let mut events = Vec::new();
        if let Some(process) = message.main_pid.and_then(Id::of) {
            events.push(Event::MainIs(Process { pid: process.pid, start_ticks: process.start_ticks }));
        }
        if let Some(text) = &message.status {
            events.push(Event::StatusText(text.clone()));
        }
        if message.stopping {
            events.push(Event::Stopping);
        }
        if message.ready && speaks {
            events.push(Event::Ready);
        }
        for event in events {
            if let Event::MainIs(process) = &event {
                let mine = self.owner(process.pid) == Some(at);
                if !mine {
                    continue;
                }
                self.roles.insert(process.pid, Role::Main(at));
            }
            self.events.push_back((at, event));
        }
    }

    /// What is due.
    fn tick(&mut self) {
        let now = Self::now();
        let offset = now.wall.as_millisecond() - i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX);
        let set = (offset - self.offset).abs() > CLOCK_SET;
        self.offset = offset;
        let mut out = Vec::new();
        if set {
            self.fleet.time_changed(&super::begin::zone(), now, &mut out);
        }
        self.fleet.tick(now, &mut out);
        self.carry_out(out);
        for at in 0..self.units.len() {
            let Some(unit) = self.units[at].as_mut() else { continue };
            if unit.log.tells_at().is_some_and(|at| at <= now.wall) {
                self.intake.tell_left_out(unit.id, &mut unit.log, now.wall);
            }
            if unit.blocked.as_ref().is_some_and(|(until, _)| *until <= now.mono) {
                self.drain(at, BUDGET);
            }
        }
        self.look_for_rest(false);
        self.look_at_settling(now.mono);
        self.server.drop_slow(&self.watch);
        self.server.listen_again(&self.watch, now.mono);
        if self.server.is_idle(now.mono) && self.tasks.is_idle() && self.over.is_none() {
            self.over = Some(FINISHED);
        }
    }

    /// Whether it was asked to end and all is down; in the foreground, whether all has ended. Looked at
    /// whenever everything is settled: nothing else may ever happen.
    fn look_for_end(&mut self) {
        let goes_on = match &self.front {
            Some(_) => !self.is_over_in_front(clock::since_boot()),
            None => !self.ending,
        };
        if self.over.is_none() && !goes_on && self.fleet.is_down() {
            self.server.ended();
            self.over = Some(FINISHED);
        }
    }

    /// When there is something to do though nobody says anything.
    fn deadline(&self) -> Option<Duration> {
        let of_units = self.all().flat_map(|(_, unit)| {
            let waiting = unit.waiters.iter().filter_map(Waiter::deadline);
            let tells = unit.log.tells_at().map(|at| {
                let left = at.duration_since(clock::now());
                clock::since_boot() + Duration::try_from(left).unwrap_or_default()
            });
            let others = [unit.rest.map(|(at, _)| at), unit.blocked.as_ref().map(|b| b.0), tells];
            others.into_iter().flatten().chain(waiting)
        });
        let calendar = self.fleet.machines().any(|(_, machine)| machine.job().schedule.is_some());
        // the wall clock may be set: looked at once a minute where that matters
        let minute = calendar.then(|| clock::since_boot() + Duration::from_mins(1));
        let of_units = of_units.chain(self.front.as_ref().and_then(Front::deadline));
        of_units
            .chain(self.fleet.deadline())
            .chain(self.tasks.deadline())
            .chain(self.server.deadline())
            .chain(minute)
            .min()
    }

    /// Until nothing is left to handle, to look for, or to signal.
    pub(super) fn settle(&mut self) {
        loop {
            self.handle_events();
            if std::mem::take(&mut self.await_trees) {
                self.look_for_rest(false);
                continue;
            }
            if self.to_signal.is_empty() {
                return;
            }
            self.send_signals();
        }
    }

    /// Handles events until there is none. What is to be signalled or looked for waits for
    /// [`Daemon::settle`], so that many share one look.
    fn handle_events(&mut self) {
        while let Some((at, event)) = self.events.pop_front() {
            let Some(job) = self.units.get(at).and_then(Option::as_ref).map(|unit| unit.job) else { continue };
            let mut out = Vec::new();
            self.fleet.handle(job, event, Self::now(), &mut out);
            self.carry_out(out);
            self.forget_if_down(at);
        }
    }

    pub(super) fn act(&mut self, at: At, action: Action) {
        match action {
            Action::Spawn { .. } => self.spawn(at),
            Action::Signal(signal) => self.to_signal.push((at, signal)),
            Action::KillAll => self.to_signal.push((at, Signal::SIGKILL as i32)),
            Action::AwaitTree => {
                if let Some(unit) = self.unit(at) {
                    unit.rest = Some((Duration::ZERO, 0));
                    self.await_trees = true;
                }
            }
            Action::Probe(on) => self.probe(at, on),
            Action::Health(on) => self.check_health(at, on),
            Action::TellFailure(reason) => self.tell_failure(at, &reason),
            Action::Reload => self.reload(at),
            Action::EndReload => {
                if let Some(process) = self.unit(at).and_then(|unit| unit.reload.take()) {
                    let _ = subreaper::kill(process.pid, Signal::SIGKILL);
                }
            }
            Action::WritePid { path, pid } => {
                if let Err(error) = super::begin::write_pid(path.as_path(), pid) {
                    let path = path.as_path().display().to_string();
                    self.note(at, &format!("can't write the PID file `{path}`: {}", crate::error::io_reason(&error)));
                }
            }
            Action::RemovePid { path } => {
                let _ = std::fs::remove_file(path.as_path()); // it may be gone
            }
            Action::Persist => self.persist(at),
            Action::Note(text) => self.note(at, &text),
            Action::Announce(milestone) => self.announce(at, &milestone),
        }
    }

    /// Writes down what became of a service, for `svc history`.
    fn remember(&self, at: At, kind: Kind, more: impl FnOnce(&mut history::Event)) {
        let (Some(folder), Some(unit)) = (&self.history, self.units.get(at).and_then(Option::as_ref)) else { return };
        if crate::task::spec::id_of(&unit.name).is_some() {
            return; // its record says it
        }
        let mut event = history::Event::new(clock::now(), kind);
        more(&mut event);
        history::file::add(folder, self.paths.file_mode(), &unit.name, &event);
    }

    pub(super) fn note(&mut self, at: At, text: &str) {
        if self.front.as_ref().is_some_and(Front::is_killed) {
            return; // what is said of each end is of no use
        }
        let Some(unit) = self.units.get_mut(at).and_then(Option::as_mut) else { return };
        if crate::task::spec::id_of(&unit.name).is_some() {
            return; // its record says what became of it, and its log is its own
        }
        self.intake.note(unit.id, &mut unit.log, clock::now(), &format!("svc: {text}"));
    }

    /// Writes down where a service is.
    pub(super) fn persist(&mut self, at: At) {
        let Self { units, store, boot, fleet, .. } = self;
        let slot = match units.get(at).and_then(Option::as_ref) {
            None => return,
            Some(unit) => unit.slot.or_else(|| {
                let taken: HashSet<_> = units.iter().flatten().filter_map(|unit| unit.slot).collect();
                store.allot(|slot| taken.contains(&slot)).ok()
            }),
        };
        let Some(unit) = units[at].as_mut() else { return };
        unit.slot = slot;
        let Some(saved) = fleet.saved(unit.job) else { return };
        let Some(slot) = slot else { return }; // a full disk: found by its marks, if it comes to that
        let entry = Entry {
            name: unit.name.clone(),
            boot: boot.clone(),
            run: unit.run.clone(),
            child: unit.child.as_ref().map(|(process, _)| (process.pid, process.start_ticks)),
            saved,
        };
        let _ = store.put(slot, &entry); // as above
    }

    fn probe(&mut self, at: At, on: bool) {
        let Some(unit) = self.unit(at) else { return };
        if let Some(Probe::Process(pid)) = unit.probe.take() {
            let _ = subreaper::kill(pid, Signal::SIGKILL);
            self.roles.remove(&pid);
        }
        let Some(machine) = self.machine(at).filter(|_| on) else { return };
        let begun = if machine.is_wanting() {
            crate::engine::probe::begin_wait(&machine.job().wait_for).map(Some)
        } else {
            crate::engine::probe::begin(&machine.job().ready)
        };
        let Some(unit) = self.unit(at) else { return };
        match begun {
            Ok(probe) => {
                let pid = if let Some(Probe::Process(pid)) = &probe { Some(*pid) } else { None };
                unit.probe = probe;
                if let Some(pid) = pid {
                    self.roles.insert(pid, Role::Probe(at));
                }
            }
            Err(reason) => self.events.push_back((at, Event::ReadyFailed(reason))),
        }
    }

    fn announce(&mut self, at: At, milestone: &Milestone) {
        let now = clock::since_boot();
        let scheduled = self.machine(at).is_some_and(|machine| machine.job().schedule.is_some());
        if let Milestone::Failed { reason } = milestone {
            self.failed_in_front(at, reason);
        }
        self.task_told(at, milestone);
        match milestone {
            Milestone::Failed { reason } => {
                self.remember(at, Kind::Failed, |event| event.reason = Some(reason.clone()));
            }
            Milestone::Ended { reason, again: true } => {
                self.remember(at, Kind::Restarting, |event| event.reason.clone_from(reason));
            }
            Milestone::Down { again: false } => self.remember(at, Kind::Stopped, |_| {}),
            Milestone::Up
            | Milestone::Armed
            | Milestone::Down { again: true }
            | Milestone::Ended { reason: _, again: false }
            | Milestone::Alive
            | Milestone::Reloaded
            | Milestone::ReloadFailed { .. } => {}
        }
        let Some(unit) = self.unit(at) else { return };
        let mut verdicts = Vec::new();
        unit.waiters.retain_mut(|waiter| match waiter.told(milestone, scheduled, now) {
            None => true,
            Some(verdict) => {
                verdicts.push((waiter.clone(), verdict));
                false
            }
        });
        for (waiter, verdict) in verdicts {
            self.answer(at, &waiter, verdict);
        }
    }

    /// Programs that came up: whether they stay.
    fn look_at_settling(&mut self, now: Duration) {
        for at in 0..self.units.len() {
            let main = self.machine(at).and_then(Machine::main);
            let Some(unit) = self.units[at].as_mut().filter(|unit| !unit.waiters.is_empty()) else { continue };
            let due = unit.waiters.iter().filter_map(Waiter::deadline).any(|deadline| deadline <= now);
            if !due {
                continue;
            }
            let used = main.and_then(|main| process::run_time(main.pid));
            let age = now.saturating_sub(unit.executed);
            let mut verdicts = Vec::new();
            unit.waiters.retain_mut(|waiter| match waiter.look(used, age, now) {
                None => true,
                Some(verdict) => {
                    verdicts.push((waiter.clone(), verdict));
                    false
                }
            });
            for (waiter, verdict) in verdicts {
                self.answer(at, &waiter, verdict);
            }
        }
    }

    /// Who gets the orphans of services.
    pub(super) fn keepers(&self) -> Vec<u32> {
        let mut all = vec![std::process::id(), self.hand.guardian_pid];
        if !crate::sys::subreaper::CAN_KEEP_ORPHANS {
            all.push(1);
        }
        for other in self.all().filter_map(|(_, unit)| unit.adopted) {
            if !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    /// Processes that are nobody's orphans.
    pub(super) fn known(&self) -> BTreeSet<u32> {
        self.roles.keys().copied().collect()
    }

    /// Sends all signals that are to be sent: one look at the processes for all of them.
    fn send_signals(&mut self) {
        let wanted = std::mem::take(&mut self.to_signal);
        let known = self.known();
        let keepers = self.keepers();
        let keepers = Keepers { pids: &keepers, realm: &self.realm, known: &known };
        let units = &self.units;
        let targets: Vec<(At, Signal, Service<'_>)> = wanted
            .iter()
            .filter_map(|(at, signal)| {
                Some((*at, Signal::try_from(*signal).ok()?, service(&self.fleet, units[*at].as_ref()?)))
            })
            .collect();
        let services: Vec<Service<'_>> = targets.iter().map(|(_, _, service)| *service).collect();
        for ((_, signal, service), ids) in targets.iter().zip(tree::members(&services, keepers)) {
            if *signal == Signal::SIGKILL {
                tree::kill_round(*service, keepers);
            } else {
                tree::signal_all(&ids, *signal);
                // what was stopped can't heed a signal
                tree::signal_all(&ids, Signal::SIGCONT);
            }
        }
    }

    /// Services whose main process is gone: whether anything is left of them.
    fn look_for_rest(&mut self, all: bool) {
        let now = clock::since_boot();
        let due: Vec<At> = self
            .all()
            .filter(|(_, unit)| unit.rest.is_some_and(|(at, _)| all || at <= now))
            .map(|(at, _)| at)
            .collect();
        if due.is_empty() {
            return;
        }
        let known = self.known();
        let keepers = self.keepers();
        let keepers = Keepers { pids: &keepers, realm: &self.realm, known: &known };
        let strays = tree::strays(keepers);
        let in_group = |at: &At| {
            let group = self.units[*at].as_ref().and_then(|unit| unit.group.as_ref());
            group.is_some_and(|group| !group.members().is_empty())
        };
        let left: Vec<bool> = if strays.is_empty() && !due.iter().any(in_group) {
            vec![false; due.len()]
        } else {
            let services: Vec<Service<'_>> =
                due.iter().filter_map(|at| self.units[*at].as_ref()).map(|unit| service(&self.fleet, unit)).collect();
            tree::members(&services, keepers).iter().map(|ids| !ids.is_empty()).collect()
        };
        for (at, left) in due.into_iter().zip(left) {
            let Some(unit) = self.unit(at) else { continue };
            if left {
                let tries = unit.rest.map_or(0, |(_, tries)| tries);
                let pause = REST_FIRST.saturating_mul(1 << tries.min(8)).min(REST_LONGEST);
                unit.rest = Some((now + pause, tries + 1));
            } else {
                unit.rest = None;
                // nobody is left whom it could reach; what is started next is not meant
                self.to_signal.retain(|(one, _)| *one != at);
                self.drain(at, usize::MAX);
                if let Some(unit) = self.units[at].as_mut() {
                    let _ = self.intake.end_line(unit.id, &mut unit.log, clock::now()); // the log is blocked: the line stays as it is
                }
                self.events.push_back((at, Event::TreeGone));
            }
        }
    }
}

/// Lets the pipe of a service that writes faster than it is read hold more, so that it can go on
/// writing while a batch is on its way: what was copied stays in the pipe until it is stored. Only a
/// few: all pipes of a user share a limit (pipe(7), /proc/sys/fs/pipe-user-pages-soft).
fn make_room(units: &[Option<Unit>], at: At) {
    let roomy = units.iter().flatten().filter(|unit| unit.roomy).count();
    if let Some(unit) = units[at].as_ref().filter(|_| roomy <= ROOMY_AT_MOST) {
        let _ = crate::sys::pipe::set_size(&unit.pipe, ROOM); // it is as large as before
    }
}

/// Its processes, for the tree.
pub(super) fn service<'a>(fleet: &Fleet, unit: &'a Unit) -> Service<'a> {
    let child = unit.child.as_ref().map(|(process, _)| *process);
    let main = fleet.machine(unit.job).and_then(Machine::main).or(child);
    let main = main.map(|main| Id { pid: main.pid, start_ticks: main.start_ticks });
    Service { name: &unit.name, main, group: unit.group.as_ref() }
}

pub(super) const fn key(at: At, part: usize) -> usize {
    UNITS + at * 8 + part
}

pub(super) const KEY_PIPE: usize = PIPE;
pub(super) const KEY_CHILD: usize = CHILD;
pub(super) const KEY_FOREIGN: usize = FOREIGN;
