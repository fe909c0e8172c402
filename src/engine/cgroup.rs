//! Control groups for services, where the kernel lets us have some: cgroups(7) version 2.
//!
//! ```text
//!   GROUP                   the one that we were started in
//!   ├── svc.supervisor      we ourselves, if we had to make room (only a group without processes
//!   │                       may hand controllers down)
//!   └── svc-KEY
//!       └── NAME.service
//! ```
//!
//! A group knows its processes however they hide, kills them by one write, and may limit them. On a
//! machine with systemd only groups that it has delegated are ours to divide.

mod find;

use crate::engine::job::Limits;
use crate::error::io_reason;
use crate::sys::{cgroup, subreaper};
use nix::sys::signal::Signal;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub use find::find_writable;

/// Which controllers groups have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controllers {
    /// `memory.max`.
    pub memory: bool,
    /// `pids.max`.
    pub pids: bool,
    /// `cpu.max`.
    pub cpu: bool,
}

/// The folder for all groups of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    folder: PathBuf,
    controllers: Controllers,
    missing: Option<String>,
}

impl Hierarchy {
    /// What its groups can limit.
    pub fn controllers(&self) -> Controllers {
        self.controllers
    }

    /// Why a controller is not there, if one is not.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Removes the folder, when the last group is gone.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// The group of a service; made, unless it is there.
    pub fn group(&self, name: &str) -> io::Result<Group> {
        // no file of the kernel's ends so: a service may be called `memory.max`
        let folder = self.folder.join(format!("{name}.service"));
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Err(_) | Ok(()) => Ok(Group { folder, controllers: self.controllers }),
        }
    }
}

/// The group of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    folder: PathBuf,
    controllers: Controllers,
}

impl Group {
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// What it can limit.
    pub fn controllers(&self) -> Controllers {
        self.controllers
    }

    /// `cgroup.procs`, for [`super::spawn::Join`].
    pub fn procs(&self) -> io::Result<OwnedFd> {
        Ok(OpenOptions::new().write(true).open(self.folder.join("cgroup.procs"))?.into())
    }

    /// Sets the limits that it can; what is absent is not limited any more. The error is a sentence.
    pub fn limit(&self, limits: &Limits) -> Result<(), String> {
        let text = |limit: Option<u64>| limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
        let Controllers { memory, pids, cpu } = self.controllers;
        // quota and period in microseconds: 100 % is one core
        let quota = limits.cpu.map(|percent| u64::from(percent.max(1)) * 1000);
        for (there, file, value, field) in [
            (memory, "memory.max", text(limits.memory), "limits.memory"),
            (pids, "pids.max", text(limits.tasks), "limits.tasks"),
            (cpu, "cpu.max", format!("{} 100000", text(quota)), "limits.cpu"),
        ] {
            if there {
                self.write(file, &value)
                    .map_err(|error| format!("can't set `{field}` in the control group: {}", io_reason(&error)))?;
            }
        }
        Ok(())
    }

    /// Its processes and those of groups below it; zombies are none.
    pub fn members(&self) -> Vec<u32> {
        cgroup::members(&self.folder)
    }

    /// Kills all of them; they may take a moment to end.
    pub fn kill(&self) -> io::Result<()> {
        match self.write("cgroup.kill", "1") {
            // before Linux 5.14: a frozen group can't grow while it is killed
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let frozen = self.write("cgroup.freeze", "1");
                for pid in self.members() {
                    let _ = subreaper::kill(pid, Signal::SIGKILL); // it may have ended
                }
                frozen.and_then(|()| self.write("cgroup.freeze", "0"))
            }
            done => done,
        }
    }

    /// Removes it and the groups below it; not while it has processes (`ResourceBusy`). One that is
    /// gone is removed.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.folder)
    }

    /// Bytes of memory in use.
    pub fn memory_bytes(&self) -> Option<u64> {
        cgroup::number(&self.folder.join("memory.current"))
    }

    /// CPU time so far, microseconds.
    pub fn cpu_micros(&self) -> Option<u64> {
        cgroup::keyed(&self.folder.join("cpu.stat"), "usage_usec")
    }

    /// Processes that were killed because memory was short, ours or the machine's.
    pub fn oom_kills(&self) -> Option<u64> {
        cgroup::keyed(&self.folder.join("memory.events"), "oom_kill")
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        write(&self.folder.join(file), text)
    }
}

/// One write to a file of the kernel's, which must be there.
fn write(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(text.as_bytes())
}

fn remove(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "cgroup/tests.rs"]
mod tests;
