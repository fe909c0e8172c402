//! How a supervisor begins: the first one, one after a kill, one after both were killed.
//!
//! In this order: the lock (there is one supervisor), the socket, what was written down, the jobs and
//! their pipes, the batch of a log that was on its way, the ends that nobody has heard of yet. Then
//! it listens, and the command that started it goes on.

use super::daemon::{At, Daemon, KEY_FOREIGN, KEY_PIPE, Role, SIGNALS, key};
use super::front::{Foreground, Front};
use super::guardian::{AT_ONCE_SIGNAL, FINISHED, Hand, SIGNALS as HEARD};
use super::server::Server;
use super::store::{Entry, Slot, Store};
use super::unit::{FileMark, Unit, id_of};
use crate::engine::cgroup;
use crate::engine::job::{Job, StartAt};
use crate::engine::log::{Intake, Policy, Staging, Writer, open_record};
use crate::engine::machine::fleet::Fleet;
use crate::engine::machine::{Action, Event, Exit, Found, Machine, Moment, Process, Saved};
use crate::engine::notify;
use crate::engine::tree::{self, Id, Keepers};
use crate::env::Environment;
use crate::error::{Error, io_reason};
use crate::files::paths::Paths;
use crate::files::runtime::{Runtime, Unusable};
use crate::service::Name;
use crate::sys::changes::Changes;
use crate::sys::poll::{Interest, Watch};
use crate::sys::signals::Signals;
use crate::sys::{clock, pidfd, process};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// Ids with the guardian that are no service's pipe.
pub(super) const LOCK: u64 = 1;
pub(super) const LISTENER: u64 = 2;
pub(super) const NOTIFY: u64 = 3;
pub(super) const QUEUE: u64 = 4;
pub(super) const STARTED: u64 = 5;

/// Looks for a runtime folder that does not go away.
const TRIES: u32 = 10;

/// A process that gives way to this one does so within this time.
const ENDS_BY: Duration = Duration::from_secs(5);
/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest job file, bytes.
const LONGEST_JOB: u64 = 4 * 1024 * 1024;

/// A supervisor's whole life: its exit code for the guardian. `told` hears that it listens, or why
/// it can't.
pub(super) fn life(hand: Hand, setup: super::Setup) -> u8 {
    let super::Setup { environment, paths, told, front } = setup;
    let (first, in_front) = (hand.generation == 1, front.is_some());
    let mut told = told.filter(|_| first);
    let mut tell = |text: &str| {
        if let Some(mut told) = told.take() {
            let _ = told.write_all(text.as_bytes()); // it does not wait any more
        }
    };
    match begin(hand, &environment, paths, front) {
        Ok(Some(daemon)) => {
            tell(super::READY);
            daemon.run()
        }
        // another one runs
        Ok(None) => {
            tell(super::READY);
            if in_front {
                super::front::never_began("another one runs already in its folder");
            }
            FINISHED
        }
        Err(error) => {
            tell(&format!("{}\n", error.message));
            if in_front && first {
                super::front::never_began(&error.message);
            }
            // nobody can mend it by trying again at once
            if first { FINISHED } else { 1 }
        }
    }
}

/// The runtime folder and its lock; `None`: another supervisor has it.
fn place(
    hand: &Hand,
    environment: &Environment,
    paths: &Paths,
    front: Option<&Foreground>,
    mut kept: Option<OwnedFd>,
) -> Result<Option<(Runtime, OwnedFd)>, Error> {
    let mut tries = 0;
    let began = std::time::Instant::now();
    loop {
        tries += 1;
        let runtime = match front {
            Some(front) => Runtime::own(&front.folder, environment.uid),
            None => Runtime::make(environment),
        }?;
        let lock = lock(hand, &runtime, paths, kept.take());
        // a shim that lost its guardian ends at once, and the manager may be as quick to start this one
        let may_end = front.is_some_and(|front| front.is_managed) && began.elapsed() < ENDS_BY;
        if may_end && matches!(lock, Ok(None)) {
            let _ = crate::sys::fds::wait(&[(hand.channel(), false)], Some(PAUSE)); // it is looked again
            continue;
        }
        // one that ends takes its folder along
        if tries < TRIES && matches!(runtime.check(environment.uid), Err(Unusable::Absent)) {
            continue;
        }
        return Ok(lock?.map(|lock| (runtime, lock)));
    }
}

fn begin(
    mut hand: Hand,
    environment: &Environment,
    paths: Paths,
    front: Option<Foreground>,
) -> Result<Option<Daemon>, Error> {
    let mut stored: HashMap<u64, OwnedFd> = std::mem::take(&mut hand.stored).into_iter().collect();
    let place = place(&hand, environment, &paths, front.as_ref(), stored.remove(&LOCK))?;
    let Some((runtime, lock)) = place else { return Ok(None) };
    if front.is_none() {
        let _ = runtime.announce(environment.uid); // shells that know this folder find it
    }
    let listener = listener(&hand, &runtime, stored.remove(&LISTENER))?;
    let notify = notify_socket(&hand, &runtime, stored.remove(&NOTIFY))?;
    let changes = Changes::of(&runtime.folder).ok(); // without it a removed socket is noticed at the next takeover
    let failed =
        |what: &'static str| move |cause: io::Error| Error::failed(format!("can't {what}: {}", io_reason(&cause)));
    let in_front = [Signal::SIGCHLD, Signal::SIGTERM, AT_ONCE_SIGNAL];
    let heard = if front.is_some() { &in_front[..] } else { &HEARD };
    let signals = Signals::take(heard).map_err(failed("hear signals"))?;
    let watch = Watch::new().map_err(failed("watch descriptors"))?;
    let state = runtime.state();
    let (store, entries) = Store::open(&state).map_err(|cause| Error::file("open the file", &state, &cause))?;
    let record = runtime.log_record();
    let record = open_record(&record).map_err(|cause| Error::file("open the file", &record, &cause))?;
    let (read, write) = (&hand.staging.0, &hand.staging.1);
    let ends = (
        read.try_clone().map_err(failed("copy a descriptor"))?,
        write.try_clone().map_err(failed("copy a descriptor"))?,
    );
    let staging = crate::sys::pipe::CAN_TEE.then(|| Staging::from_ends(ends.0, ends.1));
    let mut intake = Intake::new(staging, record).map_err(failed("make a pipe"))?;
    let front = front.map(|front| Front::begin(front, &hand, &mut stored, &mut intake)).transpose()?;
    let boot = clock::boot_id();
    let realm = crate::engine::spawn::realm(&paths.state);
    let fresh = !entries.iter().any(|(_, entry)| entry.boot == boot);
    // two supervisors may have services of one name
    let groups_key = format!("{}x{:x}", environment.uid, id_of(&paths.state.to_string_lossy()));
    let groups = cgroup::find_writable(&groups_key, &[std::process::id(), hand.guardian_pid]);
    let mut daemon = Daemon {
        hand,
        watch,
        signals,
        notify,
        lock,
        changes,
        groups,
        environment: environment.clone(),
        runtime,
        paths,
        store,
        boot,
        realm,
        intake,
        units: Vec::new(),
        names: BTreeMap::new(),
        fleet: Fleet::new(),
        places: HashMap::new(),
        roles: HashMap::new(),
        server: Server::new(listener),
        events: VecDeque::new(),
        to_signal: Vec::new(),
        await_trees: false,
        untidy: true,
        offset: 0,
        ending: false,
        over: None,
        front,
        since: clock::now(),
    };
    let now = Daemon::now();
    daemon.offset = now.wall.as_millisecond() - i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX);
    daemon.listen().map_err(failed("watch descriptors"))?;
    let actions = daemon.take_up(entries, stored);
    // before anything else is written to a log
    daemon.recover_log();
    for (at, action) in actions {
        daemon.act(at, action);
    }
    for at in 0..daemon.units.len() {
        daemon.persist(at);
    }
    let mut said = Vec::new();
    daemon.fleet.resumed(Daemon::now(), &mut said);
    daemon.carry_out(said);
    daemon.hear_of_the_dead();
    if daemon.front.is_some() {
        daemon.start_in_front();
    } else if fresh {
        daemon.start_enabled();
    }
    if daemon.names.is_empty() {
        daemon.server.alone_since = Some(now.mono);
    }
    Ok(Some(daemon))
}

/// The one lock: handed on by the guardian, or taken. `None`: another supervisor holds it. The file
/// says whose services that one runs.
pub(super) fn lock(
    hand: &Hand,
    runtime: &Runtime,
    paths: &Paths,
    kept: Option<OwnedFd>,
) -> Result<Option<OwnedFd>, Error> {
    if let Some(kept) = kept {
        return Ok(Some(kept));
    }
    let path = runtime.lock();
    let failed = |doing: &'static str| {
        let path = path.clone();
        move |cause: io::Error| Error::file(doing, &path, &cause)
    };
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed("open the file"))?;
        let mut whose = Vec::new();
        file.read_to_end(&mut whose).map_err(failed("read"))?;
        let locked = match nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock) {
            Ok(locked) => locked,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                let state = paths.state.as_os_str().as_encoded_bytes();
                if whose.is_empty() || whose == state {
                    return Ok(None);
                }
                let other = String::from_utf8_lossy(&whose).into_owned();
                return Err(Error::failed(format!(
                    "the supervisor that uses `{}` is of another home (its state lies in `{}`)",
                    runtime.folder.display(),
                    other.escape_debug()
                )));
            }
            Err((_, error)) => return Err(failed("lock")(error.into())),
        };
        let fd = locked.as_fd().try_clone_to_owned().map_err(failed("keep open"))?;
        // dropping it would unlock it for all copies
        std::mem::forget(locked);
        let file = File::from(fd);
        let mine = file.metadata().map_err(failed("look at"))?;
        // one that ended just now took its file away
        let same =
            std::fs::symlink_metadata(&path).is_ok_and(|data| data.ino() == mine.ino() && data.dev() == mine.dev());
        if !same {
            continue;
        }
        file.set_len(0)
            .and_then(|()| file.write_all_at(paths.state.as_os_str().as_encoded_bytes(), 0))
            .map_err(failed("write"))?;
        let fd = OwnedFd::from(file);
        keep(hand, LOCK, &fd)?;
        return Ok(Some(fd));
    }
}

pub(super) fn keep(hand: &Hand, id: u64, fd: &OwnedFd) -> Result<(), Error> {
    let failed =
        |cause: io::Error| Error::failed(format!("can't leave a descriptor with the guardian: {}", io_reason(&cause)));
    hand.keep(id, fd.as_fd()).map_err(failed)
}

/// The socket: handed on by the guardian, or made.
fn listener(hand: &Hand, runtime: &Runtime, kept: Option<OwnedFd>) -> Result<UnixListener, Error> {
    let path = runtime.socket();
    // somebody may have removed the socket: a new one is made
    let there = std::fs::symlink_metadata(&path).is_ok();
    if let Some(kept) = kept.filter(|_| there) {
        return Ok(kept.into());
    }
    let failed = |cause: io::Error| Error::file("listen at", &path, &cause);
    match std::fs::remove_file(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed(cause)),
        _ => {}
    }
    listen_at(hand, &path).map_err(failed)
}

/// A new socket at this path, which the guardian keeps.
pub(super) fn listen_at(hand: &Hand, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    hand.keep(LISTENER, listener.as_fd())?;
    Ok(listener)
}

pub(super) fn notify_socket(hand: &Hand, runtime: &Runtime, kept: Option<OwnedFd>) -> Result<notify::Socket, Error> {
    let path = runtime.notify();
    let failed = |cause: io::Error| Error::file("listen at", &path, &cause);
    let there = std::fs::symlink_metadata(&path).is_ok();
    if let Some(kept) = kept.filter(|_| there) {
        return notify::Socket::of(kept).map_err(failed);
    }
    let socket = notify::Socket::bind(&path, nix::unistd::geteuid().is_root()).map_err(failed)?;
    let fd = socket.fd().try_clone_to_owned().map_err(failed)?;
    keep(hand, NOTIFY, &fd)?;
    Ok(socket)
}

/// A pipe whose one descriptor reads and writes, so that it lives as long as anybody holds it.
pub(super) fn pipe() -> io::Result<OwnedFd> {
    crate::sys::pipe::held()
}

fn reopen(path: &str) -> io::Result<OwnedFd> {
    use std::os::unix::fs::FileTypeExt;
    let file = File::options().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(file.into())
}

impl Daemon {
    fn listen(&self) -> io::Result<()> {
        use super::daemon::{CHANGES, CHANNEL, LISTENER, NOTIFY};
        self.watch.add(self.signals.fd(), SIGNALS, Interest::Read)?;
        self.watch.add(self.hand.channel(), CHANNEL, Interest::Read)?;
        self.watch.add(&self.server.listener, LISTENER, Interest::Read)?;
        if let Some(changes) = &self.changes {
            self.watch.add(changes.fd(), CHANGES, Interest::Read)?;
        }
        self.watch.add(self.notify.fd(), NOTIFY, Interest::Read)
    }

    /// The job of a service: in the foreground there are no job files.
    fn job_of(&self, name: &str) -> Result<(Job, FileMark), String> {
        let path = self.paths.job(name);
        match &self.front {
            Some(front) => Ok((front.job(name)?, FileMark::of(path))),
            None => read_job(&path),
        }
    }

    /// Takes up every job that has a file; what is to be done then.
    fn take_up(&mut self, entries: Vec<(Slot, Entry)>, mut stored: HashMap<u64, OwnedFd>) -> Vec<(At, Action)> {
        let mut actions = Vec::new();
        let mut entries: HashMap<String, (Slot, Entry)> =
            entries.into_iter().map(|(slot, entry)| (entry.name.clone(), (slot, entry))).collect();
        let mut names: BTreeSet<String> = std::fs::read_dir(self.paths.jobs())
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
            .filter(|name| Name::parse(name).is_ok())
            .collect();
        if let Some(front) = &self.front {
            names = front.names();
        }
        let marked = self.marked_processes(&names, &entries);
        names.extend(entries.keys().filter(|name| Name::parse(name).is_ok()).cloned());
        for name in names {
            let entry = entries.remove(&name);
            let found = marked.get(&name).copied();
            let (job, trouble) = match self.job_of(&name) {
                Ok(job) => (job, None),
                // what runs stays under control
                Err(reason) if found.is_some() || entry.as_ref().is_some_and(|(_, entry)| self.lives(entry)) => {
                    let file = FileMark::of(self.paths.job(&name));
                    ((stand_in(&name, &self.paths), file), Some(reason))
                }
                // it can't be run: `Load` says why
                Err(_) => {
                    if let Some((slot, _)) = entry {
                        let _ = self.store.clear(slot); // found to have no job again
                    }
                    continue;
                }
            };
            let kept = stored.remove(&id_of(&name));
            match self.add(&name, job, entry, found, kept) {
                Ok(new) => actions.extend(new),
                Err(error) => tracing::debug!(%name, %error, "not taken up"),
            }
            if let Some((reason, at)) = trouble.zip(self.names.get(&name).copied()) {
                let text = format!("{reason}; it runs on, and is not started again before that is mended");
                actions.push((at, Action::Note(text)));
            }
        }
        actions
    }

    /// Whether the program that was written down runs.
    fn lives(&self, entry: &Entry) -> bool {
        let main = entry.saved.main().map(|main| (main.pid, main.start_ticks)).or(entry.child);
        entry.boot == self.boot
            && main.is_some_and(|(pid, start)| process::stat(pid).is_some_and(|stat| stat.start_ticks == start))
    }

    /// Main processes that nothing written down tells of: by their marks. All processes are looked
    /// at when something was lost, or both keepers were killed in the middle of a start.
    fn marked_processes(
        &self,
        names: &BTreeSet<String>,
        entries: &HashMap<String, (Slot, Entry)>,
    ) -> HashMap<String, Id> {
        let mut found = HashMap::new();
        let keepers = self.keepers();
        let none = std::collections::BTreeSet::new();
        let mut pids = tree::strays(Keepers { pids: &keepers, realm: &self.realm, known: &none });
        let lost = self.store.doubtful || names.iter().any(|name| !entries.contains_key(name));
        if self.hand.staging_is_new || lost {
            // the orphans of keepers that are gone are the system's
            pids = process::all();
        }
        for pid in pids {
            let Some(mark) = tree::marked(pid).filter(|mark| mark.run.starts_with(&self.realm)) else { continue };
            let known = entries.get(&mark.service).is_some_and(|(_, entry)| {
                entry.boot == self.boot
                    && entry
                        .saved
                        .main()
                        .is_some_and(|main| Id::of(main.pid).is_some_and(|id| id.start_ticks == main.start_ticks))
            });
            // the main process of a start leads its own session
            if !known
                && process::session(pid) == Some(pid)
                && let Some(id) = Id::of(pid)
            {
                found.entry(mark.service).or_insert(id);
            }
        }
        found
    }

    /// Adds a service: new, or taken up.
    fn add(
        &mut self,
        name: &str,
        (job, file): (Job, FileMark),
        entry: Option<(Slot, Entry)>,
        marked: Option<Id>,
        kept: Option<OwnedFd>,
    ) -> Result<Vec<(At, Action)>, String> {
        let at = self.units.iter().position(Option::is_none).unwrap_or(self.units.len());
        let now = Self::now();
        // of two states the newer one was lost: what runs counts
        let lives =
            |process: &Process| process::stat(process.pid).is_some_and(|stat| stat.start_ticks == process.start_ticks);
        let by_mark = marked.map(|id| Process { pid: id.pid, start_ticks: id.start_ticks }).filter(lives);
        let entry = entry.map(|(slot, mut entry)| {
            if let Some(process) = by_mark.filter(|_| self.store.doubtful && !self.lives(&entry)) {
                entry = Entry { boot: self.boot.clone(), child: None, saved: running(process, now), ..entry };
            }
            (slot, entry)
        });
        let here = entry.as_ref().filter(|(_, entry)| entry.boot == self.boot);
        let known = here.and_then(|(_, entry)| entry.saved.main());
        let child = here.and_then(|(_, entry)| entry.child).map(|(pid, start_ticks)| Process { pid, start_ticks });
        let may_have = here.is_some_and(|(_, entry)| entry.saved.may_have_spawned());
        let known_here = here.is_some();
        let alive = known.filter(lives).or(child.filter(|child| may_have && lives(child))).or(by_mark);
        let id = id_of(name);
        // the guardian keeps it; else the program still holds it
        let reached = || alive.and_then(|main| reopen(&format!("/proc/{}/fd/1", main.pid)).ok());
        let pipe = kept.or_else(reached).map_or_else(pipe, Ok);
        let pipe = pipe.map_err(|cause| format!("can't make a pipe: {}", io_reason(&cause)))?;
        // its guardian may be another than the one that knew it
        self.hand
            .keep(id, pipe.as_fd())
            .map_err(|cause| format!("can't leave its pipe with the guardian: {}", io_reason(&cause)))?;
        self.watch.add(&pipe, key(at, KEY_PIPE), Interest::Read).map_err(|cause| io_reason(&cause))?;
        let log_path = job.log.file.as_path().to_owned();
        let policy = Policy::from(&job.log);
        let log = Writer::of_old(&log_path, policy);
        let mut out = Vec::new();
        let zone = zone();
        let machine = match (&entry, here) {
            (Some((_, entry)), Some(_)) => {
                let found = match (alive, known.or(child.filter(|_| may_have))) {
                    (Some(process), _) => Found::Alive(process),
                    // its end is on the guardian's queue, or unknown: said in `hear_of_the_dead`
                    (None, Some(process)) => Found::Alive(process),
                    (None, None) => Found::Nothing,
                };
                Machine::resume(job, &entry.saved, found, zone, now, &mut out)
            }
            (Some((_, entry)), None) => Machine::after_boot(job, &entry.saved, zone),
            // nothing was written down, and it runs
            (None, _) => match by_mark {
                Some(process) => {
                    let saved = running(process, now);
                    Machine::resume(job, &saved, Found::Alive(process), zone, now, &mut out)
                }
                None => Machine::new(job, zone),
            },
        };
        let main = machine.main();
        let job = match &entry {
            Some((_, entry)) => self.fleet.add_resumed(machine, &entry.saved),
            None => self.fleet.add(machine),
        };
        self.places.insert(job, at);
        let unit = Unit {
            name: name.to_owned(),
            id,
            slot: entry.as_ref().map(|(slot, _)| *slot),
            log_from: log.length(),
            job,
            log,
            pipe,
            run: entry.map(|(_, entry)| entry.run).unwrap_or_default(),
            child: None,
            foreign: None,
            // nobody of the former pair lives: the orphans of its services are the system's
            adopted: (self.hand.staging_is_new && known_here).then_some(1),
            group: None,
            reload: None,
            probe: None,
            rest: None,
            blocked: None,
            roomy: false,
            checked: Duration::ZERO,
            expired: None,
            executed: now.mono,
            waiters: Vec::new(),
            file,
            forget: false,
        };
        if at == self.units.len() {
            self.units.push(None);
        }
        self.units[at] = Some(unit);
        if alive.is_some() {
            self.make_group(at); // it is in there already, if it was started in one
        }
        self.names.insert(name.to_owned(), at);
        self.server.alone_since = None;
        if let Some(main) = main.or(alive) {
            self.roles.insert(main.pid, Role::Main(at));
            self.watch_foreign(at, main);
        }
        Ok(out.into_iter().map(|action| (at, action)).collect())
    }

    /// A process that is neither our child nor the guardian's tells us of its end itself.
    fn watch_foreign(&mut self, at: usize, main: Process) {
        let parent = process::stat(main.pid).map(|stat| stat.parent);
        let ours = [std::process::id(), self.hand.guardian_pid];
        if parent.is_none_or(|parent| ours.contains(&parent)) {
            return;
        }
        if let Some(unit) = self.unit(at) {
            unit.adopted = parent;
        }
        let Ok(fd) = pidfd::open(main.pid, main.start_ticks) else { return };
        if self.watch.add(&fd, key(at, KEY_FOREIGN), Interest::Read).is_ok()
            && let Some(unit) = self.unit(at)
        {
            unit.foreign = Some((main, fd));
        }
    }

    /// The batch of a log that was on its way.
    fn recover_log(&mut self) {
        let Self { intake, units, .. } = self;
        let recovered = intake.recover(|id| {
            let unit = units.iter_mut().flatten().find(|unit| unit.id == id)?;
            Some((&mut unit.log, unit.pipe.as_fd()))
        });
        if let Err(error) = recovered {
            tracing::debug!(%error, "the last batch");
        }
    }

    /// Ends that the guardian has seen, then those that nobody saw.
    fn hear_of_the_dead(&mut self) {
        self.settle();
        while let Ok(Some(ended)) = self.hand.next_ended() {
            self.orphan_ended(&ended);
            if self.hand.consume().is_err() {
                break;
            }
        }
        let gone: Vec<u32> = self
            .fleet
            .machines()
            .filter_map(|(_, machine)| machine.main())
            .filter(|main| process::stat(main.pid).is_none_or(|stat| stat.start_ticks != main.start_ticks))
            .map(|main| main.pid)
            .collect();
        for pid in gone {
            self.process_ended(pid, Exit::Unknown);
        }
        self.settle();
    }

    /// After a boot, or at the first start: what is to start by itself.
    fn start_enabled(&mut self) {
        let wanted: Vec<usize> = self
            .all()
            .filter(|(_, unit)| {
                let machine = self.fleet.machine(unit.job);
                machine.is_some_and(|machine| machine.job().start != StartAt::Manual && machine.main().is_none())
            })
            .filter(|(_, unit)| std::fs::symlink_metadata(self.paths.enabled_mark(&unit.name)).is_ok())
            .map(|(at, _)| at)
            .collect();
        self.events.extend(wanted.into_iter().map(|at| (at, Event::Start { by_person: false })));
    }

    /// Reads a job file again, or for the first time.
    pub(super) fn load(&mut self, name: &str) -> Result<(), String> {
        Name::parse(name)?;
        let (job, file) = self.job_of(name)?;
        if job.name != name {
            let path = self.paths.job(name);
            return Err(format!("the job file `{}` is of `{}`", path.display(), job.name.escape_debug()));
        }
        let Some(at) = self.names.get(name).copied() else {
            for (at, action) in self.add(name, (job, file), None, None, None)? {
                self.act(at, action);
            }
            return Ok(());
        };
        let Some(unit) = self.unit(at) else { return Ok(()) };
        unit.file = file;
        unit.forget = false;
        if unit.log.path() == job.log.file.as_path() {
            unit.log.set_policy(Policy::from(&job.log));
        } else {
            let policy = Policy::from(&job.log);
            unit.log = Writer::of_old(job.log.file.as_path(), policy);
            unit.log_from = unit.log.length();
        }
        self.events.push_back((at, Event::JobReplaced(Box::new(job))));
        Ok(())
    }
}

/// What a process that runs would have left, had it been written down.
fn running(process: Process, now: Moment) -> Saved {
    Saved::running(process, clock::wall_of_ticks(process.start_ticks).unwrap_or_else(clock::now), now)
}

/// The job of a program that runs while its job file is gone or damaged: it can be stopped, and is
/// not started again.
fn stand_in(name: &str, paths: &Paths) -> Job {
    use crate::engine::job::{Limits, Log, Millis, Ready, Restart, StartAt};
    let log = crate::files::record::Record::read(paths, name)
        .and_then(|record| record.log)
        .unwrap_or_else(|| paths.log(name));
    Job {
        version: 1,
        name: name.to_owned(),
        start: StartAt::Manual,
        argv: Vec::new(),
        working_dir: "/".into(),
        env: BTreeMap::new(),
        env_files: Vec::new(),
        umask: None,
        nice: None,
        user: None,
        limits: Limits::default(),
        restart: Restart {
            policy: crate::engine::job::Policy::Never,
            delay: Millis(0),
            max_delay: Millis(0),
            limit: 1,
            within: Millis(1),
            reset: Millis(1),
        },
        stop_signal: "SIGTERM".into(),
        stop_timeout: Millis(10_000),
        reload: None,
        ready: Ready::Exec,
        start_timeout: Millis(30_000),
        depends_on: Vec::new(),
        schedule: None,
        log: Log { file: log.into_os_string().into(), max_size: 0, keep: 0, keep_days: None, timestamps: false },
        pid_file: None,
    }
}

/// Reads a job file.
pub(super) fn read_job(path: &Path) -> Result<(Job, FileMark), String> {
    let shown = path.display();
    let failed = |cause: io::Error| format!("the job file `{shown}`: {}", io_reason(&cause));
    let file = File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    if data.len() > LONGEST_JOB {
        return Err(format!("the job file `{shown}` is too long"));
    }
    let mut text = String::with_capacity(usize::try_from(data.len()).unwrap_or(0) + 1);
    file.take(LONGEST_JOB).read_to_string(&mut text).map_err(failed)?;
    let job = toml::from_str(&text).map_err(|error| format!("the job file `{shown}`: {}", error.message()))?;
    Ok((job, FileMark::read(path, &data, text.as_bytes())))
}

/// The machine's time zone.
pub(super) fn zone() -> jiff::tz::TimeZone {
    clock::local_now().time_zone().clone()
}

/// Writes a PID file in one step, never through a link.
pub(super) fn write_pid(path: &Path, pid: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = Path::new(&name);
    let _ = std::fs::remove_file(temporary); // of an earlier process of this id
    let mut file = File::options().write(true).create_new(true).mode(0o644).open(temporary)?;
    writeln!(file, "{pid}")?;
    std::fs::rename(temporary, path)
}
