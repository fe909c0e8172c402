//! One service of the supervisor: its machine and what belongs to it in this process.

use super::store::Slot;
use super::waits::Waiter;
use crate::engine::cgroup::Group;
use crate::engine::log::{Flow, Writer};
use crate::engine::machine::{Exit, Process, fleet};
use crate::engine::probe::Probe;
use crate::files::owner::{hash_of, hexadecimal};
use nix::sys::signal::Signal;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// One service.
#[derive(Debug)]
pub(super) struct Unit {
    /// Its name.
    pub(super) name: String,
    /// Of its pipe with the guardian, and of its log.
    pub(super) id: u64,
    /// Its place in the file of states; none while the disk is full.
    pub(super) slot: Option<Slot>,
    /// Its machine in the fleet.
    pub(super) job: fleet::Id,
    pub(super) log: Writer,
    /// Both ends of the pipe that its processes write to.
    pub(super) pipe: OwnedFd,
    /// Id of its last start.
    pub(super) run: String,
    /// A child that is not the program yet, and where it says what became of it.
    pub(super) child: Option<(Process, OwnedFd)>,
    /// Its main process is not a child of ours or the guardian's: nobody is told of its end.
    pub(super) foreign: Option<(Process, OwnedFd)>,
    /// Its control group, where there are any.
    pub(super) group: Option<Group>,
    /// How many of its group the kernel had killed for want of memory before this run.
    pub(super) killed_before: Option<u64>,
    /// Who got its orphans when both keepers were killed: another process than these.
    pub(super) adopted: Option<u32>,
    /// A reload command that runs.
    pub(super) reload: Option<Process>,
    /// Looks whether it is ready.
    pub(super) probe: Option<Probe>,
    /// Checks its health.
    pub(super) health: Option<u32>,
    /// The main process is gone and others may be left: when to look again, and how often that was done.
    pub(super) rest: Option<(Duration, u32)>,
    /// Its log can't be written: when to try again, and why.
    pub(super) blocked: Option<(Duration, String)>,
    /// It has flooded its pipe, which was made larger.
    pub(super) roomy: bool,
    /// How fast it writes.
    pub(super) flow: Flow,
    /// When its log was last looked after.
    pub(super) checked: Duration,
    pub(super) expired: Option<Duration>,
    /// Where its log ended when it was started last.
    pub(super) log_from: u64,
    /// When its program was executed.
    pub(super) executed: Duration,
    pub(super) waiters: Vec<Waiter>,
    /// The job file as it was read.
    pub(super) file: FileMark,
    /// To be forgotten as soon as nothing of it runs.
    pub(super) forget: bool,
}

impl Unit {
    /// How its main process ended, told apart by what its group knows of it.
    pub(super) fn judge(&self, exit: Exit) -> Exit {
        let group = self.group.as_ref().filter(|_| exit == Exit::Signal(Signal::SIGKILL as i32));
        let for_memory = group.is_some_and(|group| group.oom_kills().unwrap_or(0) > self.killed_before.unwrap_or(0));
        if for_memory { Exit::Memory } else { exit }
    }
}

/// What tells a file from a changed one without reading it.
#[derive(Debug, Clone)]
pub(super) struct FileMark {
    path: PathBuf,
    seen: Option<Seen>,
    /// SHA-256 of what was read.
    hash: Option<[u8; 32]>,
}

/// Inode, bytes, time of the last change.
type Seen = (u64, u64, Option<SystemTime>);

fn seen(data: &Metadata) -> Seen {
    use std::os::unix::fs::MetadataExt;
    (data.ino(), data.len(), data.modified().ok())
}

impl FileMark {
    /// Of the file as it is now, unread.
    pub(super) fn of(path: PathBuf) -> Self {
        let seen = std::fs::metadata(&path).ok().map(|data| seen(&data));
        Self { path, seen, hash: None }
    }

    /// Of a file that was opened and read.
    pub(super) fn read(path: &Path, data: &Metadata, contents: &[u8]) -> Self {
        Self { path: path.to_owned(), seen: Some(seen(data)), hash: Some(hash_of(contents)) }
    }

    /// Whether the file is another one now, or gone.
    pub(super) fn is_stale(&self) -> bool {
        std::fs::metadata(&self.path).ok().map(|data| seen(&data)) != self.seen
    }

    /// SHA-256 of what was read, hexadecimal.
    pub(super) fn sha256(&self) -> Option<String> {
        self.hash.as_ref().map(hexadecimal)
    }
}

/// The number of a service by which the guardian and the record of the log know it: the same in
/// every supervisor. FNV-1a, 64 bits, never one of the small numbers that are something else.
pub(super) fn id_of(name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash | 1 << 63
}
