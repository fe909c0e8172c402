//! Tasks of the supervisor: each is a job that runs once, beside the services.
//!
//! The records ([`crate::task`]) say what is to run; this says there that one began, before its program is let
//! go, and that one ended, before its job is forgotten. The shim of launchd does the same for its one task, and
//! leaves the line to the process that it is part of.

use super::daemon::{At, Daemon, Role};
use super::unit::FileMark;
use crate::backend::BackendKind;
use crate::config::Config;
use crate::engine::job::{Bytes, Job, Millis};
use crate::engine::machine::{Event, Exit, Milestone, Process};
use crate::engine::notify::Message;
use crate::engine::spawn::{Extra, prepare_command, run_id};
use crate::error::{Error, io_reason};
use crate::sys::clock;
use crate::task::life::{self, End, Filled};
use crate::task::said::Said;
use crate::task::{Slot, Spec, Stand, Store, exit, spec};
use std::os::fd::AsFd;
use std::time::Duration;

/// What the supervisor knows of tasks beside their jobs.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) store: Store,
    /// The line is this one's to fill.
    pub(super) fills: bool,
    /// A place may be free, or a task new.
    pub(super) look: bool,
    /// When one that waits may start.
    wake: Option<Duration>,
    /// Some wait: it does not end, though it runs nothing.
    waits: bool,
}

impl Tasks {
    pub(super) fn new(store: Store, fills: bool) -> Self {
        Self { store, fills, look: fills, wake: None, waits: false }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.wake
    }

    /// Nothing waits for it.
    pub(super) fn is_idle(&self) -> bool {
        !self.waits
    }
}

fn now() -> i64 {
    clock::now().as_millisecond()
}

impl Daemon {
    /// The job of a task that is not over.
    pub(super) fn task_job(&self, id: u64) -> Result<(Job, FileMark), String> {
        let store = &self.tasks.store;
        let gone = || format!("there is no task {id}");
        let view = store.read().map_err(|error| error.message)?.ok_or_else(gone)?;
        let slot = view.get(id).filter(|slot| slot.stand.has_place()).ok_or_else(gone)?;
        let spec = view.spec(&slot).ok_or_else(|| format!("the record of task {id} is damaged"))?;
        Ok((spec.job(id, store), FileMark::of(store.log(id))))
    }

    /// Jobs of tasks that run, as the records have it.
    pub(super) fn task_names(&self) -> Vec<String> {
        let placed = |slot: &Slot| slot.stand == Stand::Running && slot.backend == BackendKind::Supervisor;
        let live = self.tasks.store.read().ok().flatten().and_then(|view| view.newest(0).ok());
        let live = live.map(|(live, _)| live).unwrap_or_default();
        live.into_iter().filter(placed).map(|slot| spec::unit(slot.id)).collect()
    }

    /// A child is to become the program of this job: says so in the record of its task; the error: it is not to.
    pub(super) fn task_begins(&self, unit: &str, child: Process) -> Result<(), String> {
        let Some(id) = spec::id_of(unit) else { return Ok(()) };
        let by = life::Process { pid: child.pid, ticks: child.start_ticks, boot: life::this_boot() };
        let begun = self.tasks.store.lock().and_then(|mut table| {
            // the child of an earlier supervisor never became the program: this one is in its place
            match table.get(id).filter(|slot| slot.stand == Stand::Running && !life::lives(slot, by.boot)) {
                Some(slot) => {
                    let slot = Slot { pid: by.pid, ticks: by.ticks, boot: by.boot, ..slot };
                    table.put(&slot).map(|()| Some(slot))
                }
                None => life::began(&mut table, id, by, now()),
            }
        });
        match begun {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("it is not to run any more".into()),
            Err(error) => Err(error.message),
        }
    }

    /// What became of a job, in the record of its task.
    pub(super) fn task_told(&mut self, at: At, milestone: &Milestone) {
        let Some(id) = self.unit(at).and_then(|unit| spec::id_of(&unit.name)) else { return };
        let reason = match milestone {
            Milestone::Ended { again: false, reason } => reason.clone(),
            Milestone::Failed { reason } => Some(reason.clone()),
            Milestone::Down { again: false } => Some("its supervisor was stopped".into()),
            Milestone::Up
            | Milestone::Armed
            | Milestone::Alive
            | Milestone::Down { again: true }
            | Milestone::Ended { again: true, .. }
            | Milestone::Reloaded
            | Milestone::ReloadFailed { .. } => return,
        };
        let exit = self.machine(at).and_then(|machine| machine.observe(Self::now()).exit);
        let end = match exit {
            Some(Exit::Code(code)) => End::of(Some(code), None),
            Some(Exit::Signal(number)) => End::of(None, u8::try_from(number).ok()),
            Some(memory @ Exit::Memory) => End { reason: Some(memory.words()), ..End::of(None, Some(9)) },
            Some(Exit::Unknown) | None => End::of(None, None),
        };
        // the time limit, a program that could not be executed: what the exit alone does not say
        let said = reason.filter(|reason| exit.is_none() || reason.contains("within") || end.reason.is_none());
        self.task_over(id, &End { reason: said.or_else(|| end.reason.clone()), ..end });
        if let Some(unit) = self.unit(at) {
            unit.forget = true;
        }
        self.tasks.look = true;
    }

    fn task_over(&mut self, id: u64, end: &End) {
        let over = self.tasks.store.lock().and_then(|mut table| {
            let slot = life::ended(&mut table, id, end, now())?;
            Ok(slot.map(|slot| (slot, table.spec(&slot))))
        });
        match over {
            Ok(Some((slot, Some(spec)))) if slot.stand.is_over() && self.tasks.fills => {
                self.tell_end(&slot, &spec, end.reason.as_deref());
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, id, "the end of a task"),
        }
    }

    /// Looks at the line, if there may be something to do: tasks get the free places.
    pub(super) fn tend_tasks(&mut self) {
        let due = self.tasks.wake.is_some_and(|wake| wake <= clock::since_boot());
        if !self.tasks.fills || !(self.tasks.look || due) {
            return;
        }
        self.tasks.look = false;
        let gone: Vec<At> = self.all().filter(|(_, unit)| unit.forget).map(|(at, _)| at).collect();
        for at in gone {
            self.forget_if_down(at);
        }
        if self.ending {
            return;
        }
        match self.fill_line() {
            Ok(filled) => self.start_tasks(filled),
            Err(error) => tracing::debug!(%error, "the line of tasks"),
        }
        self.settle();
    }

    fn fill_line(&mut self) -> Result<Filled, Error> {
        if self.tasks.store.read()?.is_none() {
            return Ok(Filled::default());
        }
        let config = Config::read(&Config::path(self.paths.scope, &self.environment)).unwrap_or_default();
        let me = life::Process::own();
        let mut table = self.tasks.store.lock()?;
        for slot in table.live()? {
            let mine = slot.backend == BackendKind::Supervisor && slot.stand.has_place();
            if !mine || self.names.contains_key(&spec::unit(slot.id)) {
                continue;
            }
            match slot.stand {
                // whoever was to start it is gone, and so is what it began
                Stand::Starting => life::give_back(&mut table, slot.id)?,
                _ => {
                    let reason = if slot.boot == me.boot { "nobody saw how it ended" } else { WENT_DOWN };
                    life::ended(&mut table, slot.id, &End::lost(reason), now())?;
                }
            }
        }
        let filled = life::fill(&mut table, config.max_parallel_tasks, now(), me)?;
        let waits = |slot: &Slot| slot.backend == BackendKind::Supervisor && slot.stand == Stand::Queued;
        self.tasks.waits = table.live()?.iter().any(waits);
        self.tasks.wake = filled.wake.map(|wake| {
            let ahead = u64::try_from(wake.saturating_sub(now())).unwrap_or(0);
            clock::since_boot() + Duration::from_millis(ahead.max(1))
        });
        Ok(filled)
    }

    fn start_tasks(&mut self, filled: Filled) {
        let (mine, others): (Vec<Slot>, Vec<Slot>) =
            filled.start.into_iter().partition(|slot| slot.backend == BackendKind::Supervisor);
        for slot in mine {
            let name = spec::unit(slot.id);
            let started = self.task_job(slot.id).and_then(|job| self.add_new(&name, job));
            match started {
                Ok(at) => self.events.push_back((at, Event::Start { by_person: true })),
                Err(reason) => {
                    self.task_over(slot.id, &End::lost(reason));
                    self.tasks.look = true;
                }
            }
        }
        for slot in &others {
            let given = self.tasks.store.lock().and_then(|mut table| life::give_back(&mut table, slot.id));
            if let Err(error) = given {
                tracing::debug!(%error, id = slot.id, "a task of another manager");
            }
        }
        let over: Vec<(Slot, Spec)> = match self.tasks.store.read() {
            Ok(Some(view)) => filled.over.iter().filter_map(|slot| Some((*slot, view.spec(slot)?))).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        for (slot, spec) in over {
            self.tell_end(&slot, &spec, Some("what it was to follow did not complete"));
        }
    }

    /// How long a task may take to end, by its record: whoever cancels it may have said so.
    pub(super) fn task_grace(&self, at: At) -> Option<Job> {
        let id = spec::id_of(&self.units.get(at)?.as_ref()?.name)?;
        let slot = self.tasks.store.read().ok()??.get(id)?;
        let job = self.machine(at)?.job();
        Some(Job { stop_timeout: Millis(slot.grace.into()), ..job.clone() })
    }

    /// What a program says by plain sd_notify(3), in the record of its task; whether it is one.
    pub(super) fn task_says(&mut self, at: At, message: &Message) -> bool {
        let Some(id) = self.unit(at).and_then(|unit| spec::id_of(&unit.name)) else { return false };
        let other = |name: &str| message.others.iter().rev().find(|(known, _)| known == name).map(|(_, text)| text);
        let number = |name: &str| other(name).and_then(|text| text.parse().ok());
        let said = Said {
            status: message.status.clone(),
            stage: other("X_SVC_STAGE").cloned(),
            progress: number("X_SVC_PROGRESS"),
            eta: number("X_SVC_ETA"),
            ..Said::default()
        };
        if said != Said::default()
            && let Err(cause) = Said::say(&self.tasks.store, id, &said, now())
        {
            tracing::debug!(%cause, id, "what a task says");
        }
        true
    }

    /// Runs what its submitter wants at the end.
    fn tell_end(&mut self, slot: &Slot, spec: &Spec, reason: Option<&str>) {
        let Some(job) = exit::job(slot, spec, reason, &self.tasks.store) else { return };
        for argv in exit::commands(slot, spec, reason) {
            if let Err(reason) = self.start_exit(&job, &argv) {
                tracing::debug!(%reason, id = slot.id, "what follows a task");
            }
        }
    }

    fn start_exit(&mut self, job: &Job, argv: &[Bytes]) -> Result<(), String> {
        let run = run_id(&self.realm).map_err(|cause| io_reason(&cause))?;
        let extra = Extra { run: &run, open_files: Some(self.hand.open_files), ..Extra::default() };
        let output = exit::open_log(job.log.file.as_path()).map_err(|cause| io_reason(&cause))?;
        let prepared = prepare_command(job, argv, &extra).map_err(|error| error.message)?;
        let spawned = prepared.spawn(output.as_fd()).map_err(|cause| io_reason(&cause))?;
        spawned.release();
        self.roles.insert(spawned.pid, Role::Exit);
        Ok(())
    }
}

/// Why one failed whose machine was switched off, or restarted, while it ran.
pub(crate) const WENT_DOWN: &str = "the machine went down while it ran";
