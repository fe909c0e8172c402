//! What is done for a service beside running it: checks of its health, and what follows a failure.

use super::daemon::{At, Daemon, Role};
use crate::engine::health;
use crate::engine::job::{Bytes, Job};
use crate::engine::log;
use crate::engine::machine::{Event, Exit};
use crate::engine::spawn::{Extra, prepare_command};
use crate::error::io_reason;
use crate::files::health::{self as found, HealthState};
use crate::sys::subreaper::{self, Side};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;

/// Variable of a command of `on_failure`: why the service failed, in words.
const REASON: &str = "SVC_REASON";

impl Daemon {
    /// Begins or ends to check.
    pub(super) fn check_health(&mut self, at: At, on: bool) {
        let Some(unit) = self.unit(at) else { return };
        let name = unit.name.clone();
        if let Some(pid) = unit.health.take() {
            let _ = subreaper::kill(pid, Signal::SIGKILL);
            self.roles.remove(&pid);
        }
        if !on {
            found::remove(&self.paths, &name);
            return;
        }
        // one that was told to be ill is looked at again for the time that it is well
        let was = found::read(&self.paths, &name).map(|health| health.state);
        let was = was.filter(|was| *was == HealthState::Unhealthy).unwrap_or(HealthState::Starting);
        let Some(machine) = self.machine(at) else { return };
        match health::fork(machine.job(), &self.paths, was) {
            Ok(pid) => {
                self.roles.insert(pid, Role::Health(at));
                if let Some(unit) = self.unit(at) {
                    unit.health = Some(pid);
                }
            }
            Err(reason) => self.note(at, &reason),
        }
    }

    /// The process that checks has ended: something has changed, or it was killed.
    pub(super) fn health_ended(&mut self, at: At, pid: u32, exit: Exit) {
        let Some(unit) = self.unit(at).filter(|unit| unit.health == Some(pid)) else { return };
        unit.health = None;
        let name = unit.name.clone();
        let code = exit.code().and_then(|code| u8::try_from(code).ok());
        let bad = match code {
            Some(health::BAD) => {
                let message = found::read(&self.paths, &name).and_then(|health| health.message);
                Some(message.unwrap_or_else(|| "its checks fail".into()))
            }
            Some(health::GOOD) => None,
            // somebody killed it: another one goes on
            _ => return self.check_health(at, true),
        };
        self.events.push_back((at, Event::Health(bad)));
    }

    /// A rotated file of its log is compressed, if there is one, by a process of its own that gives way to
    /// all others; one at a time for all services.
    pub(super) fn compress(&mut self, at: At) {
        if !self.unit(at).is_some_and(|unit| unit.log.may_compress()) {
            return;
        }
        if self.roles.values().any(|role| matches!(role, Role::Compress(_))) {
            return;
        }
        let Some(unit) = self.unit(at) else { return };
        let Some(file) = unit.log.to_compress() else { return };
        let log = unit.log.path().to_owned();
        match subreaper::fork() {
            Ok(Side::Parent(pid)) => {
                self.roles.insert(pid, Role::Compress(at));
            }
            Ok(Side::Child) => {
                subreaper::die_with_parent();
                crate::sys::fds::close_all();
                subreaper::set_name(c"svc-compress");
                subreaper::give_way();
                subreaper::exit_now(u8::from(log::compress(&log, &file).is_err()))
            }
            Err(cause) => self.note(at, &format!("rotated logs are not compressed: {}", io_reason(&cause))),
        }
    }

    /// It has ended; perhaps others wait for their turn.
    pub(super) fn compressed(&mut self, at: At, exit: Exit) {
        let worked = exit == Exit::Code(0);
        let adopted = self.unit(at).map(|unit| unit.log.compressed(worked));
        if !worked {
            self.note(at, "a rotated log could not be compressed; it stays as it is");
        } else if let Some(Err(cause)) = adopted {
            self.note(at, &format!("a rotated log stays uncompressed: {}", io_reason(&cause)));
        }
        for next in 0..self.units.len() {
            self.compress(next);
        }
    }

    /// A service has failed for good.
    pub(super) fn tell_failure(&mut self, at: At, reason: &str) {
        let Some(machine) = self.machine(at) else { return };
        let Some(wanted) = machine.job().on_failure.clone() else { return };
        let name = machine.job().name.clone();
        let desktop = wanted.desktop.then(|| desktop(&name, reason));
        for argv in wanted.command.into_iter().chain(desktop) {
            if let Err(reason) = self.start_hook(at, &argv, reason) {
                self.note(at, &format!("`on_failure`: {reason}"));
            }
        }
    }

    /// It is no process of the service: a stop of that does not end it.
    fn start_hook(&mut self, at: At, argv: &[Bytes], reason: &str) -> Result<(), String> {
        let open_files = self.hand.open_files;
        let Self { units, fleet, .. } = self;
        let Some(unit) = units.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        let Some(machine) = fleet.machine(unit.job) else { return Ok(()) };
        let mut job: Job = machine.job().clone();
        job.env.insert(REASON.into(), reason.into());
        let extra = Extra { run: &unit.run, notify_socket: None, open_files: Some(open_files), cgroup: None };
        let prepared = prepare_command(&job, argv, &extra).map_err(|error| error.message)?;
        let spawned = prepared
            .spawn(unit.pipe.as_fd())
            .map_err(|error| format!("can't start a process: {}", io_reason(&error)))?;
        spawned.release();
        self.roles.insert(spawned.pid, Role::Hook(at));
        Ok(())
    }
}

/// What shows a notification on the desktop: notify-send(1) of libnotify, osascript(1) of macOS.
pub(crate) fn desktop(name: &str, reason: &str) -> Vec<Bytes> {
    let title = format!("{name} has failed");
    if cfg!(target_os = "macos") {
        // the texts are arguments, never part of the script
        let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
        return ["/usr/bin/osascript", "-e", script, &title, reason].map(Bytes::from).into();
    }
    ["/usr/bin/env", "notify-send", "--urgency=critical", "--app-name=svc", "--", &title, reason]
        .map(Bytes::from)
        .into()
}
