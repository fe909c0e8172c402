//! Starting programs, and the commands of a reload.

use super::daemon::{At, Daemon, KEY_CHILD, Role, key};
use crate::engine::cgroup::Group;
use crate::engine::job::{Job, Ready, Reload};
use crate::engine::machine::{Event, Machine, Process};
use crate::engine::spawn::{Extra, Join, Spawned, prepare, prepare_command, run_id};
use crate::error::io_reason;
use crate::service::Signal;
use crate::sys::clock;
use crate::sys::poll::Interest;
use crate::sys::subreaper;
use std::os::fd::{AsFd, OwnedFd};

/// What a child needs to join its group.
fn join<'a>(group: Option<&Group>, procs: Option<&'a OwnedFd>) -> Option<Join<'a>> {
    let controllers = group?.controllers();
    Some(Join { procs: procs?.as_fd(), memory: controllers.memory, tasks: controllers.pids })
}

impl Daemon {
    /// Starts the program of a service: the child is let go when it is written down.
    pub(super) fn spawn(&mut self, at: At) {
        if let Err(reason) = self.try_spawn(at) {
            self.events.push_back((at, Event::ExecFailed(reason)));
        }
    }

    fn try_spawn(&mut self, at: At) -> Result<(), String> {
        let socket = self.runtime.notify();
        let open_files = self.hand.open_files;
        let limits = self.make_group(at);
        if let Some(reason) = limits {
            self.note(at, &reason);
        }
        let run = run_id(&self.realm);
        let Self { units, fleet, groups, .. } = self;
        let Some(unit) = units.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        unit.adopted = None;
        unit.run = run.map_err(|error| format!("can't make an id for it: {}", io_reason(&error)))?;
        unit.log_from = unit.log.length();
        let Some(machine) = fleet.machine(unit.job) else { return Ok(()) };
        let job = machine.job();
        if job.limits.cpu.is_some() && !unit.group.as_ref().is_some_and(|group| group.controllers().cpu) {
            let why = match groups {
                Err(reason) => reason.as_str(),
                Ok(groups) => groups.missing().unwrap_or("its control group could not be made"),
            };
            return Err(format!("can't set `limits.cpu`: {why}"));
        }
        let procs = unit.group.as_ref().and_then(|group| group.procs().ok());
        let extra = Extra {
            run: &unit.run,
            notify_socket: (matches!(job.ready, Ready::Notify) || job.environ.is_some()).then_some(&*socket),
            open_files: Some(open_files),
            cgroup: join(unit.group.as_ref(), procs.as_ref()),
        };
        let prepared = prepare(job, &extra).map_err(|error| error.message)?;
        let spawned = prepared
            .spawn(unit.pipe.as_fd())
            .map_err(|error| format!("can't start a process: {}", io_reason(&error)))?;
        for warning in prepared.warnings {
            self.note(at, &warning);
        }
        let process = Process { pid: spawned.pid, start_ticks: spawned.start_ticks };
        self.roles.insert(process.pid, Role::Main(at));
        let watched = self.watch.add(&spawned.exec, key(at, KEY_CHILD), Interest::Read);
        if let Err(error) = watched {
            self.roles.remove(&process.pid);
            return Err(format!("can't watch a process: {}", io_reason(&error))); // the child ends by itself
        }
        let Spawned { exec, .. } = spawned;
        let name = self.unit(at).map(|unit| unit.name.clone()).unwrap_or_default();
        if let Err(reason) = self.task_begins(&name, process) {
            self.roles.remove(&process.pid);
            self.watch.remove(&exec);
            return Err(reason); // as above
        }
        if let Some(unit) = self.unit(at) {
            unit.child = Some((process, exec));
        }
        self.persist(at);
        if let Some((_, exec)) = self.unit(at).and_then(|unit| unit.child.as_ref()) {
            crate::sys::spawn::release(exec.as_fd());
        }
        Ok(())
    }

    /// The control group of a service with its limits, where there are any; sentences about limits that
    /// can't be set.
    pub(super) fn make_group(&mut self, at: At) -> Option<String> {
        let Self { groups, units, fleet, .. } = self;
        let unit = units.get_mut(at).and_then(Option::as_mut)?;
        let limits = &fleet.machine(unit.job)?.job().limits;
        let made = groups.as_ref().ok()?.group(&unit.name);
        match made {
            Ok(group) => {
                let limited = group.limit(limits).err();
                unit.killed_before = group.oom_kills();
                unit.group = Some(group);
                limited
            }
            Err(error) => {
                unit.group = None;
                Some(format!("can't make its control group: {}", io_reason(&error)))
            }
        }
    }

    /// Carries out what the job says for a reload.
    pub(super) fn reload(&mut self, at: At) {
        let Some(machine) = self.machine(at) else { return };
        let result = match machine.job().reload.clone() {
            None => Err("has no way to reload".to_owned()),
            Some(Reload::Signal(name)) => match (machine.main(), Signal::parse(&name)) {
                (Some(main), Ok(signal)) => {
                    let signal = nix::sys::signal::Signal::try_from(signal.number()).map_err(|error| error.to_string());
                    signal.and_then(|signal| {
                        let sent = crate::sys::pidfd::signal(main.pid, main.start_ticks, signal);
                        sent.map_err(|error| format!("can't send {name}: {}", io_reason(&error)))
                    })
                }
                (None, _) => Err("is not running, so it can't reload".into()),
                (_, Err(reason)) => Err(format!("`reload`: {name:?} {reason}")),
            },
            Some(Reload::Command(argv)) => match self.reload_command(at, &argv) {
                Ok(()) => return,
                Err(reason) => Err(reason),
            },
        };
        self.events.push_back((at, Event::ReloadDone(result)));
    }

    fn reload_command(&mut self, at: At, argv: &[crate::engine::job::Bytes]) -> Result<(), String> {
        let open_files = self.hand.open_files;
        let Self { units, fleet, .. } = self;
        let Some(unit) = units.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        let Some(machine) = fleet.machine(unit.job) else { return Ok(()) };
        let mut job: Job = machine.job().clone();
        if let Some(main) = machine.main() {
            job.env.insert("MAINPID".into(), main.pid.to_string().as_str().into());
        }
        let procs = unit.group.as_ref().and_then(|group| group.procs().ok());
        let cgroup = join(unit.group.as_ref(), procs.as_ref());
        let extra = Extra { run: &unit.run, notify_socket: None, open_files: Some(open_files), cgroup };
        let prepared = prepare_command(&job, argv, &extra).map_err(|error| error.message)?;
        let spawned = prepared
            .spawn(unit.pipe.as_fd())
            .map_err(|error| format!("can't start a process: {}", io_reason(&error)))?;
        unit.reload = Some(Process { pid: spawned.pid, start_ticks: spawned.start_ticks });
        spawned.release();
        self.roles.insert(spawned.pid, Role::Reload(at));
        Ok(())
    }

    /// A service that is known no more and of which nothing runs goes.
    pub(super) fn forget_if_down(&mut self, at: At) {
        let down = self.machine(at).is_some_and(Machine::is_down);
        let gone = down && self.unit(at).is_some_and(|unit| unit.forget && unit.rest.is_none() && unit.child.is_none());
        if !gone {
            return;
        }
        if let Some(unit) = self.unit(at) {
            unit.checked = clock::since_boot(); // its log may be removed already, and is not made again
        }
        self.drain(at, usize::MAX);
        let Some(unit) = self.units[at].take() else { return };
        self.watch.remove(&unit.pipe);
        if let Some(group) = &unit.group {
            let _ = group.remove(); // one that is not empty is somebody's
        }
        self.intake.forget(unit.id);
        self.names.remove(&unit.name);
        self.places.remove(&unit.job);
        self.fleet.remove(unit.job);
        let _ = self.hand.forget(unit.id); // the guardian is gone: its successor is told nothing of it
        if let Some(slot) = unit.slot {
            let _ = self.store.clear(slot); // it is found to have no job file
        }
        if let Some(process) = unit.reload {
            let _ = subreaper::kill(process.pid, nix::sys::signal::Signal::SIGKILL);
        }
        self.server.forgotten(&unit.name, &self.watch);
        if self.names.is_empty() {
            self.server.alone_since = Some(clock::since_boot());
        }
    }
}
