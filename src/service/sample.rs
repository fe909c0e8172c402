//! A valid service for tests, to be changed field by field.

#![allow(clippy::expect_used, reason = "tests")]

use super::{
    AbsPath, Exec, FieldSet, Limits, Logs, Name, Origin, PassThrough, Ready, Restart, RestartLimit, RestartPolicy,
    Sandbox, SearchPath, Service, Signal, Start, Stop,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// `path`, which must be absolute.
pub(crate) fn abs(path: &str) -> AbsPath {
    AbsPath::new(Path::new(path)).expect("an absolute path")
}

/// A command of this program and these arguments.
pub(crate) fn command(program: &str, args: &[&str]) -> Exec {
    Exec::Command { program: abs(program), written: program.to_owned(), args: args.iter().map(Into::into).collect() }
}

/// A service that sleeps, every field at its default.
pub(crate) fn sample(name: &str) -> Service {
    Service {
        name: Name::parse(name).expect("a valid name"),
        project: None,
        origin: Origin::Manifest { file: abs("/srv/web/svc.toml") },
        asked: FieldSet::default(),
        exec: command("/bin/sleep", &["1000"]),
        instance: None,
        groups: Vec::new(),
        description: None,
        env: BTreeMap::new(),
        env_files: Vec::new(),
        path: SearchPath::Minimal,
        working_dir: abs("/"),
        start: Start::Login,
        restart: Restart {
            policy: RestartPolicy::OnFailure,
            delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            limit: RestartLimit { count: 5, within: Duration::from_mins(10) },
            reset: Duration::from_mins(1),
        },
        stop: Stop { signal: Signal::TERM, timeout: Duration::from_secs(10) },
        reload: None,
        ready: Ready::Exec,
        start_timeout: Duration::from_secs(30),
        depends_on: Vec::new(),
        wait_for: Vec::new(),
        on_failure: None,
        health: None,
        logs: Logs::default(),
        pid_file: None,
        limits: Limits::default(),
        sandbox: Sandbox::None,
        nice: None,
        umask: None,
        user: None,
        schedule: None,
        update: None,
        systemd: PassThrough::default(),
        launchd: toml::Table::new(),
        label: None,
    }
}
