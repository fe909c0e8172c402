//! A Mac in a folder: a home, and the launchd double of `tests/launchd` with its user logged in.

use super::{Ran, below, root, seen, wait_until};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// launchd counts whole seconds: here they are shorter (ThrottleInterval, StartInterval).
const SCALE: &str = "0.05";

/// Why there can't be one here; none: there can.
pub fn no_mac() -> Option<String> {
    let new = Command::new("/usr/bin/python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).output();
    (!new.is_ok_and(|output| output.status.success())).then(|| "the launchd double needs python3 (3.9 or newer)".into())
}

/// One; its launchd and every job of it are gone when it is dropped.
pub struct Mac {
    folder: tempfile::TempDir,
}

impl Mac {
    /// Booted, logged in.
    pub fn up() -> Self {
        let folder = tempfile::Builder::new().prefix("mac").rand_bytes(6).tempdir_in("/tmp").unwrap();
        let mac = Self { folder };
        for name in ["home", "double", "root/Library/LaunchDaemons", "work", "bin"] {
            std::fs::create_dir_all(mac.path().join(name)).unwrap();
        }
        // the command lines of a user, also where root runs the tests: root's services are the machine's
        let svc = mac.path().join("bin/svc");
        std::fs::write(&svc, format!("#!/bin/sh\nexec {} --user \"$@\"\n", env!("CARGO_BIN_EXE_svc"))).unwrap();
        std::fs::set_permissions(&svc, std::fs::Permissions::from_mode(0o755)).unwrap();
        mac.sh("launchctl-double boot && launchctl-double login").ok();
        mac
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// A command in the folder `work`, with nothing in its environment but what a login gives.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let double = root().join("tests/launchd");
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.path().join("work")).stdin(Stdio::null());
        command.env("HOME", self.home()).env("SVC_BACKEND", "launchd");
        let bin = self.path().join("bin");
        command.env("PATH", format!("{}:{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display(), double.display()));
        command.env("SVC_LAUNCHCTL", double.join("launchctl"));
        command.env("LAUNCHD_DOUBLE", self.path().join("double")).env("LAUNCHD_DOUBLE_ROOT", self.path().join("root"));
        // what a user sees of errors, also where root runs the tests
        command.env("LAUNCHD_DOUBLE_SCALE", SCALE).env("LAUNCHD_DOUBLE_RICH", "0");
        command
    }

    /// A line of shell.
    pub fn sh(&self, line: &str) -> Ran {
        Ran::new(line.into(), self.command("/bin/bash").args(["-c", line]).output().unwrap())
    }

    /// `svc` with words of any bytes.
    pub fn svc(&self, words: &[std::ffi::OsString]) -> Ran {
        Ran::new("svc …".into(), self.command(self.path().join("bin/svc")).args(words).output().unwrap())
    }

    /// Processes of its jobs, told by their environment.
    pub fn processes(&self) -> Vec<super::Seen> {
        let mark = format!("LAUNCHD_DOUBLE_JOB={}", self.path().join("double").display());
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| {
            let environ = std::fs::read(entry.path().join("environ")).ok()?;
            let marked = environ.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes());
            seen(entry.file_name().to_str()?.parse().ok()?).filter(|_| marked)
        })
        .collect()
    }

    /// One service's object of `svc status --json`.
    #[track_caller]
    pub fn status(&self, name: &str) -> serde_json::Value {
        self.sh(&format!("svc status {name} --json")).json()[0].clone()
    }

    /// Waits until that object is as it should be.
    #[track_caller]
    pub fn wait(&self, name: &str, what: &str, check: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        wait_until(&format!("`{name}` {what}"), 20, || {
            let status = self.status(name);
            if check(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) -> serde_json::Value {
        self.wait(name, state, |status| status["state"] == state)
    }

    /// Living processes of this name (comm(5)) that belong to its jobs.
    pub fn named(&self, name: &str) -> Vec<super::Seen> {
        self.processes().into_iter().filter(|seen| seen.name == name && seen.state != 'Z').collect()
    }

    /// Labels of svc's that launchd has loaded.
    #[track_caller]
    pub fn loaded(&self) -> Vec<String> {
        let state = self.sh("launchctl-double state").ok().json();
        let labels = state.as_array().unwrap().iter().filter_map(|job| job["label"].as_str().map(str::to_owned));
        labels.collect()
    }

    /// Every file and link below the home.
    pub fn files(&self) -> Vec<PathBuf> {
        below(&self.home())
    }

    /// Waits until no job and no process of one is left.
    #[track_caller]
    pub fn wait_empty(&self) {
        wait_until("the end of all jobs", 10, || {
            let (jobs, processes) = (self.loaded(), self.processes());
            if jobs.is_empty() && processes.is_empty() { Ok(()) } else { Err(format!("{jobs:?} {processes:?}")) }
        });
    }
}

impl Drop for Mac {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SVC_TEST_KEEP").is_some() {
            eprintln!("{} is left up", self.path().display());
            self.folder.disable_cleanup(true);
            return;
        }
        self.sh("launchctl-double shutdown");
    }
}
