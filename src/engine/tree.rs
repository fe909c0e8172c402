//! All processes of a service, however they hide: who belongs to whom, and killing all of them.
//!
//! A process belongs to a service when one of its ancestors, or itself, is the service's main
//! process; or when it lost its parents and became a child of a *keeper* (supervisor or guardian:
//! both are subreapers, so no orphan below them gets further up) and
//!
//! - it or the orphan above it carries the mark of the service in its environment, else
//! - it lies in the session or process group of the main process.
//!
//! A process that empties its environment *and* leaves its session is found while its parents live;
//! after that it is nobody's, and [`strays`] names it. A control group would know it.
//!
//! Where there are no subreapers (macOS), process 1 is a keeper too.

mod kill;
mod scan;

pub use kill::{kill_all, kill_round, signal_all};

use crate::engine::cgroup::Group;
use crate::engine::spawn::{MARK_RUN, MARK_SERVICE};
use crate::sys::process;
use scan::{Proc, Snapshot, children};
use std::collections::BTreeSet;

/// One process, for ever: a pid alone may be another's tomorrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its pid.
    pub pid: u32,
    /// Its start, ticks after boot.
    pub start_ticks: u64,
}

impl Id {
    /// The process that has this pid now.
    pub fn of(pid: u32) -> Option<Self> {
        process::stat(pid).map(|stat| Self { pid, start_ticks: stat.start_ticks })
    }

    /// It has not ended, not even as a zombie.
    pub fn lives(self) -> bool {
        process::stat(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && stat.state != b'Z')
    }
}

/// What marks the processes of one service.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// Its name: the mark of all its starts.
    pub name: &'a str,
    /// The process that was started; it may have ended.
    pub main: Option<Id>,
    /// Its control group, if it has one: all in there are its own.
    pub group: Option<&'a Group>,
}

/// Who gets orphans, and which of a keeper's children are none.
#[derive(Debug, Clone, Copy)]
pub struct Keepers<'a> {
    /// Supervisor, guardian; 1 too, while processes are about whose keepers were killed.
    pub pids: &'a [u32],
    /// What the ids of their starts begin with: another supervisor may run services of the same names.
    pub realm: &'a str,
    /// Main processes of all services, and whatever else the supervisor itself started.
    pub known: &'a BTreeSet<u32>,
}

/// The processes alive of each of the services, sorted; one look at /proc for all of them.
pub fn members(services: &[Service<'_>], keepers: Keepers<'_>) -> Vec<Vec<Id>> {
    let snapshot = Snapshot::take();
    let mut found = vec![Vec::new(); services.len()];
    let mut owners = Owners::new(services, keepers, |pid| snapshot.get(pid));
    for proc in snapshot.all() {
        if let Some(owner) = owners.of(proc).filter(|_| !proc.zombie) {
            found[owner].push(proc.id);
        }
    }
    for (service, found) in services.iter().zip(&mut found) {
        if let Some(group) = service.group {
            found.extend(group.members().into_iter().filter_map(|pid| snapshot.get(pid)).map(|proc| proc.id));
            found.sort_unstable();
            found.dedup();
        }
    }
    found
}

/// The same for one service, to be shown: down from its main process and from each orphan, without
/// a look at everybody. What forks meanwhile may be missed.
pub fn below(service: Service<'_>, keepers: Keepers<'_>) -> Vec<Id> {
    let mut found = BTreeSet::new();
    walk(&[service], keepers, |proc| {
        found.insert(proc.id);
    });
    if let Some(group) = service.group {
        found.extend(group.members().into_iter().filter_map(Id::of));
    }
    found.into_iter().collect()
}

/// Walks down from the main processes and from each orphan; `meet` is called before the children of
/// a process are looked for.
fn walk(services: &[Service<'_>], keepers: Keepers<'_>, mut meet: impl FnMut(&Proc)) {
    let mut owners = Owners::new(services, keepers, Proc::read);
    let mut todo: Vec<u32> = services.iter().filter_map(|service| service.main.map(|main| main.pid)).collect();
    todo.extend(strays(keepers));
    while let Some(pid) = todo.pop() {
        let Some(proc) = Proc::read(pid).filter(|proc| !proc.zombie) else { continue };
        if owners.of(&proc).is_some() {
            meet(&proc);
            todo.extend(children(pid));
        }
    }
}

/// The service that a process belongs to, by its place in the list.
pub fn owner_of(pid: u32, services: &[Service<'_>], keepers: Keepers<'_>) -> Option<usize> {
    let proc = Proc::read(pid)?;
    Owners::new(services, keepers, Proc::read).of(&proc)
}

/// Orphans that a keeper got: its children that are not known. Cheap enough for each exit of a
/// service: no look at the rest of /proc.
pub fn strays(keepers: Keepers<'_>) -> Vec<u32> {
    let mut strays: Vec<u32> = keepers.pids.iter().flat_map(|keeper| children(*keeper)).collect();
    strays.retain(|pid| !keepers.known.contains(pid) && !keepers.pids.contains(pid));
    strays
}

/// The name in the mark of a process; `None`: it has none, or does not let us look.
pub fn marked(pid: u32) -> Option<Mark> {
    let environ = process::environment(pid)?;
    let value = |name: &str| {
        let found =
            environ.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        found.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    Some(Mark { service: value(MARK_SERVICE)?, run: value(MARK_RUN).unwrap_or_default() })
}

/// What every process of a service inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the service.
    pub service: String,
    /// Id of the start.
    pub run: String,
}

/// Finds owners one after the other.
struct Owners<'a, F> {
    services: &'a [Service<'a>],
    keepers: Keepers<'a>,
    look: F,
    /// What became of orphans looked at before: reading an environment costs.
    orphans: std::collections::BTreeMap<u32, Option<usize>>,
}

impl<'a, F: Fn(u32) -> Option<Proc>> Owners<'a, F> {
    fn new(services: &'a [Service<'a>], keepers: Keepers<'a>, look: F) -> Self {
        Self { services, keepers, look, orphans: std::collections::BTreeMap::new() }
    }

    /// Goes up from the process to a main process or to an orphan.
    fn of(&mut self, proc: &Proc) -> Option<usize> {
        let mut at = *proc;
        // no chain is longer than there are pids; a reused one in between could make a circle
        for _ in 0..10_000 {
            let main = self.services.iter().position(|service| service.main == Some(at.id));
            if main.is_some() {
                return main;
            }
            if self.keepers.pids.contains(&at.id.pid) || at.parent == 0 {
                return None;
            }
            if self.keepers.pids.contains(&at.parent) {
                if self.keepers.known.contains(&at.id.pid) {
                    return None; // main process of a service that nobody asked for
                }
                let (services, realm, pid) = (self.services, self.keepers.realm, at.id.pid);
                return *self.orphans.entry(pid).or_insert_with(|| orphan(&at, services, realm));
            }
            at = (self.look)(at.parent)?;
        }
        None
    }
}

/// The owner of an orphan, by its mark, else by its session or group. The number of a session or
/// group is not given to another process while one is in it.
fn orphan(proc: &Proc, services: &[Service<'_>], realm: &str) -> Option<usize> {
    let mark = marked(proc.id.pid).filter(|mark| mark.run.starts_with(realm));
    let by_mark = mark.and_then(|mark| services.iter().position(|service| service.name == mark.service));
    by_mark.or_else(|| {
        services.iter().position(|service| {
            service.main.is_some_and(|main| {
                (proc.session == main.pid || proc.group == main.pid) && proc.id.start_ticks >= main.start_ticks
            })
        })
    })
}
