//! What the tests of this folder share.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::{Intake, Policy, Staging, Writer, files, open_record, render};
use crate::sys::pipe;
use jiff::Timestamp;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Deaths at chosen points: what SIGKILL does, without a process for each. An intake and a writer
/// do nothing when they are dropped, so to unwind is to die.
pub(super) mod point {
    use std::cell::Cell;

    struct Died;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Dies here, if it is time.
    pub(in super::super) fn dies() {
        match LEFT.get() {
            None => {}
            Some(0) => {
                LEFT.set(None);
                std::panic::resume_unwind(Box::new(Died));
            }
            Some(left) => LEFT.set(Some(left - 1)),
        }
    }

    /// A death may come in the middle of a write.
    pub(in super::super) fn piece(bytes: &[u8]) -> &[u8] {
        if LEFT.get().is_some() { &bytes[..bytes.len().div_ceil(2)] } else { bytes }
    }

    /// Runs `work`, which dies at point number `number`; `None`: it did.
    pub(in super::super) fn at<T>(number: u32, work: impl FnOnce() -> T) -> Option<T> {
        LEFT.set(Some(number));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        LEFT.set(None);
        match result {
            Ok(value) => Some(value),
            Err(cause) if cause.is::<Died>() => None,
            Err(cause) => std::panic::resume_unwind(cause),
        }
    }
}

pub(super) const ID: u64 = 7;
pub(super) const PLAIN: Policy =
    Policy { max_size: 0, keep: 1000, keep_days: None, timestamps: false, compress: false, rate_limit: None };

/// One service's pipe and log, and what the guardian keeps.
pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) policy: Policy,
    pub(super) read: OwnedFd,
    pub(super) write: File,
    pub(super) staging: Option<(OwnedFd, OwnedFd)>,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        let (read, write) = pipe::create().unwrap();
        let mut world = Self { folder: tempfile::tempdir().unwrap(), policy, read, write: write.into(), staging: None };
        world.new_guardian();
        world
    }

    /// Where there is no tee(2).
    pub(super) fn elsewhere(policy: Policy) -> Self {
        Self { staging: None, ..Self::new(policy) }
    }

    /// The staging pipe is lost.
    pub(super) fn new_guardian(&mut self) {
        self.staging = pipe::CAN_TEE.then(|| pipe::create().unwrap());
    }

    pub(super) fn staging(&self) -> Option<Staging> {
        let (read, write) = self.staging.as_ref()?;
        Some(Staging::from_ends(read.try_clone().unwrap(), write.try_clone().unwrap()))
    }

    pub(super) fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("web.log")
    }

    pub(super) fn intake(&self) -> Intake {
        Intake::new(self.staging(), open_record(&self.record()).unwrap()).unwrap()
    }

    pub(super) fn log(&self) -> Writer {
        Writer::open(&self.path(), self.policy).unwrap()
    }

    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    pub(super) fn write(&self, text: &str) {
        (&self.write).write_all(text.as_bytes()).unwrap();
    }

    /// All files, the oldest first.
    pub(super) fn files(&self) -> Vec<String> {
        let read = |path: PathBuf| std::fs::read_to_string(path).ok();
        files(&self.path()).unwrap().into_iter().filter_map(read).collect()
    }

    /// All that was logged, without times; checks that each line has one if it should, and that
    /// each file but the last ends with a line.
    pub(super) fn logged(&self) -> String {
        let files = self.files();
        let whole = files.iter().rev().skip(1).all(|file| file.ends_with('\n'));
        assert!(whole, "a line is split: {files:?}");
        let all = files.concat();
        if !self.policy.timestamps {
            return all;
        }
        let line = |line: &str| {
            let rest = render::without_stamp(line.as_bytes());
            assert_ne!(rest, line.as_bytes(), "no time in front of {line:?}");
            String::from_utf8(rest.to_vec()).unwrap()
        };
        all.split_inclusive('\n').map(line).collect()
    }
}

/// A process that runs one ignored test of this module, in its own way when `variable` is set.
pub(super) fn process(test: &str, variable: &str, value: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let test = format!("engine::log::{test}");
    command.args(["--exact", &test, "--ignored", "--nocapture", "--test-threads=1"]).env(variable, value);
    command
}

/// What the parent set; `None` where a person runs all ignored tests.
#[allow(clippy::disallowed_methods, reason = "from a test to its own child")]
pub(super) fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// Another descriptor for what a process has open, as a supervisor gets it that nobody gave one.
#[cfg(target_os = "linux")]
pub(super) fn descriptor_of(process: u32, number: impl std::fmt::Display, write: bool) -> File {
    File::options().read(!write).write(write).open(format!("/proc/{process}/fd/{number}")).unwrap()
}

pub(super) fn now() -> Timestamp {
    "2026-11-21T10:00:00.123456Z".parse().unwrap()
}

/// The supervisor's part.
pub(super) struct Daemon {
    pub(super) intake: Intake,
    pub(super) log: Writer,
}

impl Daemon {
    pub(super) fn new(world: &World) -> Self {
        let (mut intake, mut log) = (world.intake(), world.log());
        intake.recover(|id| (id == ID).then_some((&mut log, world.pipe()))).unwrap();
        Self { intake, log }
    }
}
