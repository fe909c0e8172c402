//! What is done for a service beside running it: checks of its health, and what follows a failure.

use super::daemon::{At, Daemon, Role};
use crate::engine::health;
use crate::engine::job::{Bytes, Job};
use crate::engine::machine::{Event, Exit};
use crate::engine::spawn::{Extra, prepare_command};
use crate::error::io_reason;
use crate::files::health::{self as found, HealthState};
use crate::sys::subreaper;
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

/// What tells on the desktop that a service has failed.
pub(crate) fn desktop(name: &str, reason: &str) -> Vec<Bytes> {
    desktop_message(&format!("{name} has failed"), reason, true)
}

/// What shows a notification on the desktop: notify-send(1) of libnotify, osascript(1) of macOS.
pub(crate) fn desktop_message(title: &str, text: &str, is_urgent: bool) -> Vec<Bytes> {
    if cfg!(target_os = "macos") {
        // the texts are arguments, never part of the script
        let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
        return ["/usr/bin/osascript", "-e", script, title, text].map(Bytes::from).into();
    }
    let urgency = if is_urgent { "--urgency=critical" } else { "--urgency=normal" };
    ["/usr/bin/env", "notify-send", urgency, "--app-name=svc", "--", title, text].map(Bytes::from).into()
}
