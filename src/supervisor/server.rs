//! The supervisor's side of the socket: connections of commands, their requests, the answers.
//!
//! Nobody is waited for: each connection has its own bytes, and one that is slow, long or silent is
//! closed. Only the user's own processes and root's are listened to (safety §3.6).

use super::daemon::{At, CONNECTIONS, Daemon};
use super::guardian::RELOAD;
use super::protocol::{
    ActionOn, Answer, Ended, Failed, Framer, Hello, Loaded, MAX_MESSAGE, MESSAGE_LIMIT, Outcome, Pong, Request,
    ServiceStatus, decode, encode,
};
use super::waits::{Stage, Verdict, Waiter};
use crate::backend::Verb;
use crate::engine::machine::{Event, Exit, Machine};
use crate::engine::tree;
use crate::sys::poll::{Interest, Watch};
use crate::sys::{clock, peer};
use crate::task::spec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// Connections at a time; more wait in the queue of the listener.
const MOST: usize = 64;
/// Bytes that may wait for one that does not read.
const MOST_UNSENT: usize = 4 * MAX_MESSAGE;
/// Pieces that are read from one connection before others have their turn.
const MOST_PIECES: usize = 64;
/// Requests of one connection that may wait for the one before.
const MOST_REQUESTS: usize = 1024;
/// Without descriptors, connections wait for this.
const PAUSE: Duration = Duration::from_millis(200);
/// Without a service and without a command it ends after this.
const ALONE: Duration = Duration::from_secs(3);
/// Log lines with a failure, and bytes they are looked for in.
const TAIL_LINES: usize = 10;
const TAIL_BYTES: u64 = 16 * 1024;

/// All connections.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) listener: UnixListener,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Since when there is no service.
    pub(super) alone_since: Option<Duration>,
    /// No connection is taken before this: there are too many, or no descriptors.
    full_until: Option<Duration>,
    /// Connections whose request has ended, so that the next may begin.
    resume: Vec<u64>,
    /// Connections that have not been listened to yet.
    fresh: Vec<u64>,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    framer: Framer,
    unsent: Vec<u8>,
    greeted: bool,
    /// Not begun yet.
    requests: VecDeque<Request>,
    doing: Doing,
    /// Since when a message is not complete, or nothing was sent of what waits.
    waits_since: Option<Duration>,
    interest: Interest,
    closing: bool,
}

/// The request that is carried out.
#[derive(Debug, PartialEq, Eq)]
enum Doing {
    Nothing,
    /// So many outcomes are still to come.
    Perform(usize),
    /// These are to be forgotten.
    Forget(BTreeSet<String>),
    Shutdown,
}

impl Server {
    pub(super) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            connections: BTreeMap::new(),
            next: 0,
            alone_since: None,
            full_until: None,
            resume: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Nobody is connected.
    pub(super) fn is_quiet(&self) -> bool {
        self.connections.is_empty()
    }

    /// All that was said has been sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.connections.values().all(|one| one.unsent.is_empty())
    }

    /// Everything is stopped: those who wait for that are told.
    pub(super) fn ended(&mut self) {
        for one in self.connections.values_mut().filter(|one| one.doing == Doing::Shutdown) {
            one.doing = Doing::Nothing;
            one.say(&Answer::Done {});
            let _ = one.flush(); // it did not wait for the answer
            one.unsent.clear();
        }
        for one in self.connections.values_mut() {
            one.unsent.clear();
        }
    }

    /// When a slow one is to be closed, or it ends for want of services.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let slow = self.connections.values().filter_map(|one| Some(one.waits_since? + MESSAGE_LIMIT));
        slow.chain(self.alone_since.map(|since| since + ALONE)).chain(self.full_until).min()
    }

    /// The listener is not watched for a moment: it would be told again and again.
    fn pause(&mut self, watch: &Watch) {
        watch.remove(&self.listener);
        self.full_until = Some(clock::since_boot() + PAUSE);
    }

    /// Takes connections again, when it is time.
    pub(super) fn listen_again(&mut self, watch: &Watch, now: Duration) {
        if self.full_until.is_some_and(|until| until <= now) {
            self.full_until = None;
            let _ = watch.add(&self.listener, super::daemon::LISTENER, Interest::Read); // then again later
        }
    }

    /// Closes those that take too long.
    pub(super) fn drop_slow(&mut self, watch: &Watch) {
        let now = clock::since_boot();
        self.connections.retain(|_, one| {
            let slow = one.waits_since.is_some_and(|since| now.saturating_sub(since) >= MESSAGE_LIMIT);
            let over = one.closing && one.unsent.is_empty();
            if slow || over {
                watch.remove(&one.stream);
            }
            !slow && !over
        });
    }

    /// Whether it is time to end: no service, no command, for a while.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        self.connections.is_empty() && self.alone_since.is_some_and(|since| now.saturating_sub(since) >= ALONE)
    }

    /// A service is gone: who waited for that goes on.
    pub(super) fn forgotten(&mut self, name: &str, watch: &Watch) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(one) = self.connections.get_mut(&id) else { continue };
            if let Doing::Forget(names) = &mut one.doing
                && names.remove(name)
                && names.is_empty()
            {
                one.doing = Doing::Nothing;
                one.say(&Answer::Done {});
                self.resume.push(id);
            }
            one.send(id, watch);
        }
    }
}

impl Connection {
    fn say(&mut self, answer: &Answer) {
        match encode(answer) {
            Ok(bytes) => self.unsent.extend(bytes),
            Err(error) => {
                let refused = Answer::Refused { message: format!("the answer is too long: {error}") };
                self.unsent.extend(encode(&refused).unwrap_or_default());
            }
        }
        if self.unsent.len() > MOST_UNSENT {
            self.closing = true;
            self.unsent.clear();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.unsent.drain(..count);
                    self.waits_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what it can and waits for room for the rest.
    fn send(&mut self, id: u64, watch: &Watch) {
        if self.flush().is_err() {
            self.closing = true;
            self.unsent.clear();
        }
        let interest = if self.unsent.is_empty() { Interest::Read } else { Interest::Both };
        if interest != self.interest {
            self.interest = interest;
            let _ = watch.change(&self.stream, key(id), interest); // it is closed for being slow then
        }
        if !self.unsent.is_empty() {
            self.waits_since.get_or_insert_with(clock::since_boot);
        }
    }
}

fn key(id: u64) -> usize {
    CONNECTIONS + usize::try_from(id).unwrap_or(0)
}

impl Daemon {
    /// Takes connections.
    pub(super) fn accept(&mut self) {
        if self.server.full_until.is_some() {
            return;
        }
        loop {
            if self.server.connections.len() >= MOST {
                return self.server.pause(&self.watch);
            }
            let stream = match self.server.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => return self.server.pause(&self.watch),
            };
            let uid = nix::unistd::geteuid().as_raw();
            let known = peer::of(stream.as_fd()).is_ok_and(|peer| peer.uid == uid || peer.uid == 0);
            if !known || stream.set_nonblocking(true).is_err() {
                continue;
            }
            let id = self.server.next;
            self.server.next += 1;
            if self.watch.add(&stream, key(id), Interest::Read).is_err() {
                continue;
            }
            let connection = Connection {
                stream,
                framer: Framer::default(),
                unsent: encode(&Hello::mine(&self.paths.state)).unwrap_or_default(),
                greeted: false,
                requests: VecDeque::new(),
                doing: Doing::Nothing,
                waits_since: Some(clock::since_boot()),
                interest: Interest::Read,
                closing: false,
            };
            self.server.connections.insert(id, connection);
            // what it asks is there already, mostly: answered with the greeting
            self.server.fresh.push(id);
        }
    }

    /// A connection can be read or written.
    pub(super) fn connection(&mut self, number: usize) {
        let id = number as u64;
        let Some(one) = self.server.connections.get_mut(&id) else { return };
        let mut piece = [0; 16 * 1024];
        let mut pieces = 0;
        let end = loop {
            pieces += 1;
            if pieces > MOST_PIECES {
                break false;
            }
            match one.stream.read(&mut piece) {
                Ok(0) => break true,
                Ok(count) => one.framer.push(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        let understood = one.understand();
        if end || understood.is_err() || one.requests.len() > MOST_REQUESTS {
            self.close(id);
            return;
        }
        self.go_on(id);
        if let Some(one) = self.server.connections.get_mut(&id) {
            one.send(id, &self.watch);
            if !one.greeted || one.framer.is_waiting() {
                one.waits_since.get_or_insert_with(clock::since_boot);
            }
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(one) = self.server.connections.remove(&id) {
            self.watch.remove(&one.stream);
        }
        for unit in self.units.iter_mut().flatten() {
            unit.waiters.retain(|waiter| waiter.connection != id);
        }
        // others may have waited for a place
        self.accept();
    }

    /// Begins the next request, if none is carried out.
    fn go_on(&mut self, id: u64) {
        loop {
            let Some(one) = self.server.connections.get_mut(&id) else { return };
            if one.doing != Doing::Nothing {
                // whoever waits may ask whether anybody is there
                if matches!(one.requests.front(), Some(Request::Ping {})) {
                    one.requests.pop_front();
                    let pong = self.pong();
                    self.say(id, &pong);
                    continue;
                }
                return;
            }
            let Some(request) = one.requests.pop_front() else { return };
            self.request(id, request);
        }
    }

    pub(super) fn say(&mut self, id: u64, answer: &Answer) {
        if let Some(one) = self.server.connections.get_mut(&id) {
            one.say(answer);
            one.send(id, &self.watch);
        }
    }

    fn doing(&mut self, id: u64, doing: Doing) {
        if let Some(one) = self.server.connections.get_mut(&id) {
            one.doing = doing;
        }
    }

    fn request(&mut self, id: u64, request: Request) {
        self.untidy |= matches!(request, Request::Load { .. } | Request::Perform { .. } | Request::Forget { .. });
        match request {
            Request::Load { names } => {
                let results = names.into_iter().map(|name| Loaded { error: self.load(&name).err(), name }).collect();
                self.settle();
                self.say(id, &Answer::Loaded { results });
            }
            Request::Status { names, processes } => {
                let services = self.statuses(names, processes);
                self.say(id, &Answer::Status { services });
            }
            Request::Perform { actions } => self.perform(id, actions),
            Request::Forget { names } => {
                let known: BTreeSet<String> = names.into_iter().filter(|name| self.names.contains_key(name)).collect();
                if known.is_empty() {
                    self.say(id, &Answer::Done {});
                    return;
                }
                self.doing(id, Doing::Forget(known.clone()));
                for name in known {
                    let at = self.names[&name];
                    if let Some(unit) = self.unit(at) {
                        unit.forget = true;
                    }
                    self.events.push_back((at, Event::Stop));
                }
                self.settle();
            }
            Request::Shutdown {} => {
                self.doing(id, Doing::Shutdown);
                self.shut_down();
                self.settle();
            }
            Request::ReloadBinary {} if self.front.is_some() => {
                self.say(id, &Answer::Refused { message: "runs in the foreground, which is not reloaded".into() });
            }
            Request::ReloadBinary {} => {
                self.say(id, &Answer::Done {});
                self.over = Some(RELOAD);
            }
            Request::Ping {} => {
                let pong = self.pong();
                self.say(id, &pong);
            }
            Request::Tasks {} => {
                self.tasks.look = true;
                self.tend_tasks();
                self.say(id, &Answer::Done {});
            }
        }
    }

    fn pong(&self) -> Answer {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Answer::Pong(Pong {
            pid: std::process::id(),
            guardian: Some(self.hand.guardian_pid),
            svc: env!("CARGO_PKG_VERSION").into(),
            since: Some(self.since),
            takeovers: self.hand.generation.saturating_sub(1),
            services: count(self.names.keys().filter(|name| spec::id_of(name).is_none()).count()),
            running: count(self.all().filter(|(at, unit)| self.is_running_service(*at, &unit.name)).count()),
        })
    }

    fn is_running_service(&self, at: At, name: &str) -> bool {
        spec::id_of(name).is_none() && self.machine(at).and_then(Machine::main).is_some()
    }

    fn statuses(&mut self, names: Option<Vec<String>>, processes: bool) -> Vec<ServiceStatus> {
        let now = Self::now();
        let wanted: Vec<At> = match names {
            None => self.names.iter().filter(|(name, _)| spec::id_of(name).is_none()).map(|(_, at)| *at).collect(),
            Some(names) => names.iter().filter_map(|name| self.names.get(name).copied()).collect(),
        };
        let trees = if processes { self.trees(&wanted) } else { Vec::new() };
        let mut all = Vec::with_capacity(wanted.len());
        for (place, at) in wanted.into_iter().enumerate() {
            let Some(unit) = self.units[at].as_ref() else { continue };
            let Some(machine) = self.fleet.machine(unit.job) else { continue };
            let seen = machine.observe(now);
            let (exit_code, signal) = (seen.exit.and_then(Exit::code), seen.exit.and_then(Exit::signal));
            let stale = unit.file.is_stale();
            let accounts = unit.group.as_ref().filter(|group| group.controllers().memory);
            all.push(ServiceStatus {
                name: unit.name.clone(),
                state: seen.state,
                pid: seen.main.map(|main| main.pid),
                start_ticks: seen.main.map(|main| main.start_ticks),
                started_at: seen.since,
                restarts: seen.restarts,
                exit_code,
                signal,
                reason: match &unit.blocked {
                    Some((_, why)) => Some(format!("its log can't be written, it waits: {why}")),
                    None => seen.reason.map(str::to_owned),
                },
                status_text: seen.status_text.map(str::to_owned),
                next_run_at: seen.next_run.filter(|_| seen.armed),
                needs_load: stale,
                loaded: unit.file.sha256().filter(|_| !stale),
                cgroup: accounts.map(|group| group.path().as_os_str().into()),
                pids: trees.get(place).cloned().unwrap_or_default(),
                log_rate: Some(unit.flow.rates(now.mono)),
            });
        }
        all
    }

    /// All processes of each, the main one first.
    fn trees(&self, wanted: &[At]) -> Vec<Vec<u32>> {
        let known = self.known();
        let keepers = self.keepers();
        let keepers = tree::Keepers { pids: &keepers, realm: &self.realm, known: &known };
        let units = wanted.iter().filter_map(|at| self.units[*at].as_ref());
        let services: Vec<_> = units.clone().map(|unit| super::daemon::service(&self.fleet, unit)).collect();
        let trees = match services[..] {
            [one] => vec![tree::below(one, keepers)],
            _ => tree::members(&services, keepers),
        };
        trees
            .into_iter()
            .zip(units)
            .map(|(ids, unit)| {
                let main = self.fleet.machine(unit.job).and_then(Machine::main).map(|main| main.pid);
                let mut pids: Vec<u32> = ids.into_iter().map(|one| one.pid).collect();
                pids.sort_by_key(|pid| (Some(*pid) != main, *pid));
                pids
            })
            .collect()
    }

    fn perform(&mut self, id: u64, actions: Vec<ActionOn>) {
        if self.ending {
            self.say(id, &Answer::Refused { message: "the supervisor is ending".into() });
            return;
        }
        self.doing(id, Doing::Perform(actions.len()));
        for ActionOn { verb, name } in actions {
            let Some(at) = self.names.get(&name).copied() else {
                let failed = Failed { message: "is not known to the supervisor".into(), ..Failed::default() };
                self.outcome(id, Outcome { verb, name, result: Ended::Failed(failed) });
                continue;
            };
            // else who uninstalls it would wait for ever for an end that never comes
            if verb != Verb::Stop && self.unit(at).is_some_and(|unit| unit.forget) {
                let failed = Failed { message: "is being uninstalled".into(), ..Failed::default() };
                self.outcome(id, Outcome { verb, name, result: Ended::Failed(failed) });
                continue;
            }
            let event = match verb {
                Verb::Start => Event::Start { by_person: true },
                Verb::Stop => Event::Stop,
                Verb::Restart => Event::Restart,
                Verb::Reload => Event::Reload,
                Verb::Enable | Verb::Disable => {
                    self.outcome(id, Outcome { verb, name, result: Ended::Ok {} });
                    continue;
                }
            };
            if let Some(job) = self.task_grace(at) {
                self.events.push_back((at, Event::JobReplaced(Box::new(job))));
            }
            if let Some(unit) = self.unit(at) {
                unit.waiters.push(Waiter { connection: id, verb, stage: Stage::Wanted });
            }
            self.events.push_back((at, event));
        }
        self.settle();
        self.done_if_none_left(id);
    }

    /// The verdict on one action goes to who asked.
    pub(super) fn answer(&mut self, at: At, waiter: &Waiter, verdict: Verdict) {
        let Some(unit) = self.units[at].as_ref() else { return };
        let name = unit.name.clone();
        let result = match verdict {
            Verdict::Done => Ended::Ok {},
            Verdict::Failed(message, hint) => {
                let exit = self.machine(at).and_then(|machine| machine.observe(Self::now()).exit);
                let (exit_code, signal) = (exit.and_then(Exit::code), exit.and_then(Exit::signal));
                let log_tail = unit.log.tail(unit.log_from, TAIL_BYTES, TAIL_LINES);
                let hint = hint.map(str::to_owned);
                Ended::Failed(Failed { message, hint, log_tail, exit_code, signal, denied: false })
            }
        };
        self.outcome(waiter.connection, Outcome { verb: waiter.verb, name, result });
    }

    fn outcome(&mut self, id: u64, outcome: Outcome) {
        self.say(id, &Answer::Outcome(outcome));
        if let Some(Doing::Perform(left)) = self.server.connections.get_mut(&id).map(|one| &mut one.doing) {
            *left = left.saturating_sub(1);
        }
        self.done_if_none_left(id);
    }

    fn done_if_none_left(&mut self, id: u64) {
        if self.server.connections.get(&id).is_some_and(|one| one.doing == Doing::Perform(0)) {
            self.doing(id, Doing::Nothing);
            self.say(id, &Answer::Done {});
            self.server.resume.push(id);
        }
    }

    /// Begins what had to wait for the request before it.
    pub(super) fn resume_connections(&mut self) {
        while let Some(id) = self.server.fresh.pop() {
            self.connection(usize::try_from(id).unwrap_or(usize::MAX));
        }
        while let Some(id) = self.server.resume.pop() {
            self.go_on(id);
        }
    }
}

impl Connection {
    /// Puts whole messages into the queue.
    fn understand(&mut self) -> io::Result<()> {
        while let Some(body) = self.framer.next_body()? {
            if !self.greeted {
                let hello: Hello = decode(body)?;
                self.greeted = true;
                if let Err(reason) = hello.speaks_with_this() {
                    self.say(&Answer::Refused { message: reason });
                }
                continue;
            }
            match decode::<Request>(body) {
                Ok(request) => self.requests.push_back(request),
                Err(_) => self.say(&Answer::Refused { message: "a request that this supervisor does not know".into() }),
            }
        }
        let waits = !self.greeted || self.framer.is_waiting() || !self.unsent.is_empty();
        self.waits_since = if waits { self.waits_since.or_else(|| Some(clock::since_boot())) } else { None };
        self.framer.shrink();
        Ok(())
    }
}
