//! Every path that svc uses for itself. DESIGN §5. (Paths of rendered files are the backend's.)

use crate::backend::Scope;
use crate::env::Environment;
use std::path::{Path, PathBuf};

/// Folders are those of the platform that svc runs on, not of the backend.
const MACOS: bool = cfg!(target_os = "macos");

/// Folders of svc for one scope.
#[derive(Debug, Clone)]
pub struct Paths {
    /// State: `$XDG_STATE_HOME/svc`; for the machine `/var/lib/svc`, readable by all as its units are.
    /// On macOS `~/Library/Application Support/svc` and `/Library/Application Support/svc`.
    pub state: PathBuf,
    pub(crate) scope: Scope,
}

impl Paths {
    /// Of this scope.
    pub fn new(scope: Scope, environment: &Environment) -> Self {
        let state = match scope {
            Scope::User if MACOS => Self::in_library(environment.home.as_path()),
            Scope::System if MACOS => Self::in_library(Path::new("/")),
            Scope::User => environment.state_home().join("svc"),
            Scope::System => "/var/lib/svc".into(),
        };
        Self { state, scope }
    }

    /// Where macOS wants it, whatever the platform: `Library/Application Support/svc` in `folder`.
    pub(crate) fn in_library(folder: &Path) -> PathBuf {
        folder.join("Library/Application Support/svc")
    }

    /// Records of installed services, one a file.
    pub fn services(&self) -> PathBuf {
        self.state.join("services")
    }

    /// Taken by every command that changes something.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// Present when it was svc that switched lingering on.
    pub fn linger_mark(&self) -> PathBuf {
        self.state.join("linger-by-svc")
    }

    /// What the supervisor runs: job files and marks of what is enabled.
    pub fn supervisor(&self) -> PathBuf {
        self.state.join("supervisor")
    }

    /// Job files of the supervisor, one a service.
    pub fn jobs(&self) -> PathBuf {
        self.supervisor().join("jobs")
    }

    /// The job file of a service ([`crate::engine::job::Job`]).
    pub fn job(&self, name: &str) -> PathBuf {
        self.jobs().join(format!("{name}.toml"))
    }

    /// Empty files, one for each service that starts by itself under the supervisor.
    pub fn enabled(&self) -> PathBuf {
        self.supervisor().join("enabled")
    }

    /// The mark of one service.
    pub fn enabled_mark(&self, name: &str) -> PathBuf {
        self.enabled().join(name)
    }

    /// What shims of launchd need: job files, and the folders they work in.
    pub fn shim(&self) -> PathBuf {
        self.state.join("shim")
    }

    /// The job file of a service that runs under the shim ([`crate::engine::job::Job`]).
    pub fn shim_job(&self, name: &str) -> PathBuf {
        self.shim().join(format!("{name}.toml"))
    }

    /// What the shim of a service says itself.
    pub fn shim_log(&self, name: &str) -> PathBuf {
        self.shim().join(format!("{name}.log"))
    }

    /// svc under the names of services: what macOS shows in Login Items is the name of the executed file.
    pub fn launchers(&self) -> PathBuf {
        self.state.join("launchers")
    }

    /// svc under the name of one service.
    pub fn launcher(&self, name: &str) -> PathBuf {
        self.launchers().join(name)
    }

    /// What svc knows of what launchd has loaded.
    pub fn launchd(&self) -> PathBuf {
        self.state.join("launchd")
    }

    /// Log files that the definition gave no place of their own.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// The log file of a service.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Records of tasks.
    pub fn tasks(&self) -> PathBuf {
        self.state.join("tasks")
    }

    /// Mode of a folder of svc's own: private to the user, public for the machine's.
    pub fn folder_mode(&self) -> u32 {
        if self.scope == Scope::User { 0o700 } else { 0o755 }
    }

    /// Mode of a record.
    pub fn file_mode(&self) -> u32 {
        if self.scope == Scope::User { 0o600 } else { 0o644 }
    }

    /// Makes a folder of svc's own with its parents.
    pub fn make(&self, folder: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(self.folder_mode()).create(folder)
    }
}
