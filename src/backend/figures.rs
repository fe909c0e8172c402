//! Figures of a service's processes, where its manager counts none.

use crate::report::{Observed, Process};
use crate::sys::cgroup;
use crate::sys::process::{self, Stat};

/// Fills in what processes use together (`sum`), and each of them (`listed`), the main one first.
pub(crate) fn of_processes(seen: &mut Observed, main: u32, stats: &[(u32, Stat)], sum: bool, listed: bool) {
    if sum && !stats.is_empty() {
        let (memory, seconds) = process::used(stats.iter().map(|(_, stat)| stat));
        seen.memory_bytes = Some(memory);
        seen.cpu_seconds = Some(seconds);
        seen.metrics_from = Some(cgroup::FROM_PROCESSES);
    }
    if listed {
        seen.processes = stats
            .iter()
            .map(|(pid, stat)| Process { pid: *pid, parent: stat.parent, command: process::command(*pid) })
            .collect();
        seen.processes.sort_by_key(|process| (process.pid != main, process.pid));
    }
}
