//! The validated service: what every backend renders and drives.
//!
//! A value of [`Service`] cannot be wrong: only [`crate::definition`] makes one, and each field is
//! of a type whose constructor checked it. Nothing here reads files, the environment or the clock.
//! One file per field with a shape; [`field`] lists all fields once.

pub mod exec;
pub mod field;
pub mod health;
pub mod limits;
pub mod logs;
pub mod name;
pub mod pass_through;
pub mod path;
pub mod ready;
pub mod restart;
#[cfg(test)]
pub(crate) mod sample;
pub mod sandbox;
pub mod schedule;
pub mod shape;
pub mod stop;
pub mod text;
pub mod update;

use std::collections::BTreeMap;
use std::time::Duration;

pub use exec::{Exec, Reload};
pub use field::{Field, FieldSet};
pub use health::{Health, OnFailure};
pub use limits::{Cpu, Limits};
pub use logs::{Logs, Per, Rate};
pub use name::{GroupName, Name};
pub use pass_through::PassThrough;
pub use path::{AbsPath, EnvFile, SearchPath};
pub use ready::{Ready, WaitFor};
pub use restart::{Restart, RestartLimit, RestartPolicy};
pub use sandbox::Sandbox;
pub use schedule::Schedule;
pub use stop::{Signal, Stop};
pub use text::{EnvName, EnvValue, Text};
pub use update::Update;

/// When a service starts by itself. DESIGN §4, `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// When its user logs in (system scope: when the machine boots).
    #[default]
    Login,
    /// When the machine boots, nobody being logged in.
    Boot,
    /// Never by itself.
    Manual,
}

impl Start {
    /// Every value, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Login, Self::Boot, Self::Manual];

    /// The word used in a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Boot => "boot",
            Self::Manual => "manual",
        }
    }
}

/// Where a definition came from: named in the rendered files and in `svc list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `svc install NAME -- CMD`; the folder it was typed in.
    CommandLine {
        /// Folder of the shell.
        folder: AbsPath,
    },
    /// A manifest.
    Manifest {
        /// Its absolute path.
        file: AbsPath,
    },
}

/// One service, valid and complete: every default is filled in, every path absolute, every
/// `{name}` replaced. Fields are those of DESIGN §4, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Unique among one user's services of one scope.
    pub name: Name,
    /// Project of the manifest, if it names one.
    pub project: Option<String>,
    /// Where the definition came from.
    pub origin: Origin,
    /// Fields that a person wrote (here or in `[defaults]`), as against filled-in defaults: a
    /// backend refuses what was asked for, but may leave out a default that it can't do.
    pub asked: FieldSet,
    /// `command` or `script`.
    pub exec: Exec,
    /// Which of `instances` this one is.
    pub instance: Option<String>,
    /// `group`.
    pub groups: Vec<GroupName>,
    /// One line for people.
    pub description: Option<Text>,
    /// Extra environment, sorted by name.
    pub env: BTreeMap<EnvName, EnvValue>,
    /// Read at each start, in this order; the last one wins, and wins over `env`.
    pub env_files: Vec<EnvFile>,
    /// The PATH it gets.
    pub path: SearchPath,
    /// Where it runs.
    pub working_dir: AbsPath,
    /// When it starts by itself.
    pub start: Start,
    /// When and how fast it is restarted.
    pub restart: Restart,
    /// How it is stopped.
    pub stop: Stop,
    /// What `svc reload` does.
    pub reload: Option<Reload>,
    /// When it counts as started.
    pub ready: Ready,
    /// How long a start may take.
    pub start_timeout: Duration,
    /// Started after these; stopped before them.
    pub depends_on: Vec<Name>,
    /// What must be there before it starts.
    pub wait_for: Vec<WaitFor>,
    /// What happens when it has failed for good.
    pub on_failure: Option<OnFailure>,
    /// How its health is checked.
    pub health: Option<Health>,
    /// Where its output goes.
    pub logs: Logs,
    /// A PID file for programs that want one.
    pub pid_file: Option<AbsPath>,
    /// Resource limits.
    pub limits: Limits,
    /// How much of the system it can reach.
    pub sandbox: Sandbox,
    /// Scheduling priority, -20 (first) to 19 (last).
    pub nice: Option<i8>,
    /// File mode creation mask, 0 to 0o777.
    pub umask: Option<u16>,
    /// Account it runs as (system scope only).
    pub user: Option<String>,
    /// `every` or `schedule`: a service that runs at times instead of always.
    pub schedule: Option<Schedule>,
    /// Git update.
    pub update: Option<Update>,
    /// `systemd = {…}`, as it is.
    pub systemd: PassThrough,
    /// `launchd = {…}`, as it is.
    pub launchd: toml::Table,
    /// launchd's name for it; default `svc.NAME`.
    pub label: Option<String>,
}
