//! Services as a beginning supervisor finds them: from the file of states and the marks of processes that
//! run, and as a client asks for: from their job files.

use super::begin::{pipe, reopen, zone};
use super::daemon::{At, Daemon, KEY_FOREIGN, KEY_PIPE, Role, key};
use super::store::{Entry, Slot};
use super::unit::{FileMark, Unit, id_of};
use crate::engine::job::{Job, StartAt};
use crate::engine::log::{Flow, Policy, Writer};
use crate::engine::machine::{Action, Event, Exit, Found, Machine, Moment, Process, Saved};
use crate::engine::tree::{self, Id, Keepers};
use crate::error::io_reason;
use crate::files::paths::Paths;
use crate::service::Name;
use crate::sys::poll::Interest;
use crate::sys::{clock, pidfd, process};
use crate::task::spec;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A job file that is longer is refused unread.
const LONGEST_JOB: u64 = 4 * 1024 * 1024;

impl Daemon {
    /// The job of a service: in the foreground there are no job files.
    pub(super) fn job_of(&self, name: &str) -> Result<(Job, FileMark), String> {
        let path = self.paths.job(name);
        match &self.front {
            Some(front) => Ok((front.job(name)?, FileMark::of(path))),
            None => match spec::id_of(name) {
                Some(id) => self.task_job(id),
                None => read_job(&path),
            },
        }
    }

    /// Takes up every job that has a file; what is to be done then.
    pub(super) fn take_up(
        &mut self,
        entries: Vec<(Slot, Entry)>,
        mut stored: HashMap<u64, OwnedFd>,
    ) -> Vec<(At, Action)> {
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
        match &self.front {
            Some(front) => names = front.names(),
            None => names.extend(self.task_names()),
        }
        let marked = self.marked_processes(&names, &entries);
        let is_one = |name: &&String| Name::parse(name).is_ok() || spec::id_of(name).is_some();
        names.extend(entries.keys().filter(is_one).cloned());
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
            health: None,
            rest: None,
            blocked: None,
            roomy: false,
            flow: Flow::default(),
            checked: Duration::ZERO,
            expired: None,
            executed: now.mono,
            killed_before: None,
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

    /// Adds a job that never ran; its place.
    pub(super) fn add_new(&mut self, name: &str, job: (Job, FileMark)) -> Result<At, String> {
        for (at, action) in self.add(name, job, None, None, None)? {
            self.act(at, action);
        }
        self.names.get(name).copied().ok_or_else(|| "it was not added".into())
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
    pub(super) fn recover_log(&mut self) {
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
    pub(super) fn hear_of_the_dead(&mut self) {
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
    pub(super) fn start_enabled(&mut self) {
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
            return self.add_new(name, (job, file)).map(drop);
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
    let log = crate::files::record::Record::read(paths, name)
        .and_then(|record| record.log)
        .unwrap_or_else(|| paths.log(name));
    Job::bare(name, log.into_os_string().into())
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
