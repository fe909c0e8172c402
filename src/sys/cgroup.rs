//! Control groups: cgroups(7), and the kernel's admin-guide/cgroup-v2.

use super::{clock, process};
use crate::report::Process;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Where the unified hierarchy is mounted: `/sys/fs/cgroup`, or `unified` in it on a machine with
/// the hybrid layout.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// All controllers sit here, so `memory.current` counts.
    unified: bool,
}

/// What a service uses.
#[derive(Debug, Default)]
pub struct Figures {
    /// Start of the main process.
    pub started_at: Option<Timestamp>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Seconds.
    pub cpu_seconds: Option<f64>,
    /// Who counted.
    pub from: Option<&'static str>,
    /// All processes, the main one first.
    pub processes: Vec<Process>,
}

/// The control group counted.
pub const FROM_CGROUP: &str = "control group";
/// svc added up what /proc says of the processes alive.
pub const FROM_PROCESSES: &str = "sum over its processes";

impl Tree {
    /// Looks where it is mounted.
    pub fn find() -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        Self { root: if unified { root.into() } else { root.join("unified") }, unified }
    }

    /// The folder of a process's group.
    fn group(&self, pid: u32) -> Option<PathBuf> {
        let text = super::text(format!("/proc/{pid}/cgroup")).ok()?;
        let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(self.root.join(group))
    }

    /// What the service with this main process uses.
    pub fn figures(&self, pid: u32, with_processes: bool) -> Figures {
        let Some(main) = process::stat(pid) else { return Figures::default() };
        let mut figures = Figures { started_at: clock::wall_of_ticks(main.start_ticks), ..Figures::default() };
        let group = self.group(pid);
        let accounted = group.as_ref().filter(|_| self.unified).and_then(|group| number(&group.join("memory.current")));
        if let (Some(memory), Some(group)) = (accounted, &group) {
            figures.memory_bytes = Some(memory);
            figures.cpu_seconds = cpu(group);
            figures.from = Some(FROM_CGROUP);
            if !with_processes {
                return figures;
            }
        }
        let pids = group.as_deref().map(members).filter(|pids| pids.contains(&pid)).unwrap_or_else(|| vec![pid]);
        let stats: Vec<_> =
            pids.iter().filter_map(|one| Some((*one, if *one == pid { main } else { process::stat(*one)? }))).collect();
        if figures.from.is_none() {
            let (memory, seconds) = process::used(stats.iter().map(|(_, stat)| stat));
            figures.memory_bytes = Some(memory);
            figures.cpu_seconds = Some(seconds);
            figures.from = Some(FROM_PROCESSES);
        }
        if with_processes {
            figures.processes = stats
                .iter()
                .map(|(pid, stat)| Process { pid: *pid, parent: stat.parent, command: process::command(*pid) })
                .collect();
            figures.processes.sort_by_key(|process| (process.pid != pid, process.pid));
        }
        figures
    }
}

/// Bytes of memory and seconds of CPU time of a group, as it accounts them itself; none where it
/// does not account memory.
pub fn accounted(group: &Path) -> Option<(u64, Option<f64>)> {
    number(&group.join("memory.current")).map(|memory| (memory, cpu(group)))
}

/// Whether this process may make groups below its own that limit memory, CPU time and tasks: the
/// unified hierarchy, its own folder writable, the three controllers at hand there.
pub fn may_limit() -> bool {
    let tree = Tree::find();
    let Some(group) = tree.group(std::process::id()).filter(|_| tree.unified) else { return false };
    let writable = |path: &Path| nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok();
    let controllers = std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let at_hand = |one: &str| controllers.split_whitespace().any(|word| word == one);
    ["memory", "cpu", "pids"].into_iter().all(at_hand)
        && [group.clone(), group.join("cgroup.procs"), group.join("cgroup.subtree_control")].iter().all(|p| writable(p))
}

/// Processes of a group and the groups below it.
pub(crate) fn members(group: &Path) -> Vec<u32> {
    let mut pids: Vec<u32> = super::text(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    // a group without groups below it has two links, as any folder: no need to list it
    let below = std::fs::metadata(group).is_ok_and(|data| std::os::unix::fs::MetadataExt::nlink(&data) != 2);
    for entry in below.then(|| std::fs::read_dir(group)).into_iter().flatten().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids.extend(members(&entry.path()));
        }
    }
    pids
}

/// A file of one number.
pub(crate) fn number(file: &Path) -> Option<u64> {
    super::text(file).ok()?.trim().parse().ok()
}

/// A number behind its name in a file of such lines.
pub(crate) fn keyed(file: &Path, name: &str) -> Option<u64> {
    let text = super::text(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
}

fn cpu(group: &Path) -> Option<f64> {
    let micros = keyed(&group.join("cpu.stat"), "usage_usec")?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds in a double are exact for 285 years")]
    Some(micros as f64 / 1e6)
}
