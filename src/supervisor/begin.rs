//! How a supervisor begins: the first one, one after a kill, one after both were killed.
//!
//! In this order: the lock (there is one supervisor), the socket, what was written down, the jobs and
//! their pipes, the batch of a log that was on its way, the ends that nobody has heard of yet. Then
//! it listens, and the command that started it goes on.

use super::daemon::{Daemon, SIGNALS};
use super::front::{Foreground, Front};
use super::guardian::{AT_ONCE_SIGNAL, FINISHED, Hand, SIGNALS as HEARD};
use super::server::Server;
use super::store::Store as States;
use super::tasks::Tasks;
use super::unit::id_of;
use crate::engine::cgroup;
use crate::engine::log::{Intake, Staging, open_record};
use crate::engine::machine::fleet::Fleet;
use crate::engine::notify;
use crate::env::Environment;
use crate::error::{Error, io_reason};
use crate::files::paths::Paths;
use crate::files::runtime::{Runtime, Unusable};
use crate::sys::changes::Changes;
use crate::sys::clock;
use crate::sys::poll::{Interest, Watch};
use crate::sys::signals::Signals;
use crate::task::Store;
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, HashMap, VecDeque};
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
    let (store, entries) = States::open(&state).map_err(|cause| Error::file("open the file", &state, &cause))?;
    let record = runtime.log_record();
    let record = open_record(&record).map_err(|cause| Error::file("open the file", &record, &cause))?;
    let (read, write) = (&hand.staging.0, &hand.staging.1);
    let ends = (
        read.try_clone().map_err(failed("copy a descriptor"))?,
        write.try_clone().map_err(failed("copy a descriptor"))?,
    );
    let staging = crate::sys::pipe::CAN_TEE.then(|| Staging::from_ends(ends.0, ends.1));
    let mut intake = Intake::new(staging, record).map_err(failed("make a pipe"))?;
    let history = front.as_ref().map_or_else(|| Some(paths.history()), |front| front.history.clone());
    let front = front.map(|front| Front::begin(front, &hand, &mut stored, &mut intake)).transpose()?;
    let tasks = front.as_ref().and_then(Front::tasks).unwrap_or_else(|| Store::at(paths.tasks()));
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
        tasks: Tasks::new(tasks, front.is_none()),
        front,
        history,
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

pub(super) fn reopen(path: &str) -> io::Result<OwnedFd> {
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
}

/// The machine's time zone.
pub(super) fn zone() -> jiff::tz::TimeZone {
    clock::local_now().time_zone().clone()
}

/// Writes a PID file in one step, never through a link.
pub(crate) fn write_pid(path: &Path, pid: u32) -> io::Result<()> {
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
