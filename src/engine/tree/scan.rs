//! Looking at /proc: proc_pid_stat(5), proc_pid_task(5).

use super::Id;
use crate::sys::process;
use std::collections::BTreeMap;

/// What counts of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proc {
    pub(super) id: Id,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) zombie: bool,
}

impl Proc {
    pub(super) fn read(pid: u32) -> Option<Self> {
        let stat = process::stat(pid)?;
        Some(Self {
            id: Id { pid, start_ticks: stat.start_ticks },
            parent: stat.parent,
            group: stat.group,
            session: stat.session,
            zombie: matches!(stat.state, b'Z' | b'X'),
        })
    }
}

/// All processes at (about) one moment.
pub(super) struct Snapshot {
    by_pid: BTreeMap<u32, Proc>,
}

impl Snapshot {
    pub(super) fn take() -> Self {
        Self { by_pid: process::all().into_iter().filter_map(Proc::read).map(|proc| (proc.id.pid, proc)).collect() }
    }

    pub(super) fn get(&self, pid: u32) -> Option<Proc> {
        self.by_pid.get(&pid).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Proc> {
        self.by_pid.values()
    }
}

/// The names in a folder that are numbers.
#[cfg(not(target_os = "macos"))]
fn pids(folder: &str) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(target_os = "macos")]
pub(super) use crate::sys::process::children;

/// Children of a process, of all its threads; where the kernel was built without that list, by a
/// look at everybody.
#[cfg(not(target_os = "macos"))]
pub(super) fn children(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let tasks = format!("/proc/{pid}/task");
    for task in pids(&tasks) {
        match crate::sys::text(format!("{tasks}/{task}/children")) {
            Ok(list) => found.extend(list.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok())),
            Err(_) if Proc::read(task).is_none() => {} // it has just ended
            Err(_) => {
                return Snapshot::take().all().filter(|proc| proc.parent == pid).map(|proc| proc.id.pid).collect();
            }
        }
    }
    found
}
