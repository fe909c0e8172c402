//! The last word on a service's health: one small file a service, written by whoever checks it, read by
//! any `svc`. It lasts no longer than the run that it speaks of.

use super::paths::Paths;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a service's health is. DESIGN §3, `health` of `svc status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The word.
    pub state: HealthState,
    /// Why it is not well, or why the last check failed.
    pub message: Option<String>,
    /// When it was checked last; none before the first check.
    pub checked_at: Option<Timestamp>,
}

/// The words of a service's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// No check has been well yet, and none counted as bad.
    Starting,
    /// The last checks were well, or not yet bad for good.
    Healthy,
    /// So many checks in a row failed that it counts.
    Unhealthy,
}

impl HealthState {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Paths {
    /// What the checks of services found.
    pub fn health(&self) -> PathBuf {
        self.state.join("health")
    }

    /// The file of one service.
    pub fn health_of(&self, name: &str) -> PathBuf {
        self.health().join(format!("{name}.json"))
    }
}

/// What was found of a service; `None`: it is not checked, or never was.
pub fn read(paths: &Paths, name: &str) -> Option<Health> {
    serde_json::from_slice(&std::fs::read(paths.health_of(name)).ok()?).ok()
}

/// Replaces what was found. Nothing is synced: after a power cut it is wrong anyway.
pub fn write(paths: &Paths, name: &str, health: &Health) -> io::Result<()> {
    let path = paths.health_of(name);
    let new = path.with_extension("new");
    match write_to(&new, health, paths.file_mode()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            paths.make(&paths.health())?;
            write_to(&new, health, paths.file_mode())?;
        }
        result => result?,
    }
    std::fs::rename(&new, &path)
}

fn write_to(path: &Path, health: &Health, mode: u32) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
    options.open(path)?.write_all(serde_json::to_string(health)?.as_bytes())
}

/// Forgets what was found of a service.
pub fn remove(paths: &Paths, name: &str) {
    let _ = std::fs::remove_file(paths.health_of(name)); // it may never have been checked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Scope;

    #[test]
    fn what_was_found_is_read_back_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let paths = Paths { state: folder.path().join("svc"), scope: Scope::User };
        assert_eq!(read(&paths, "web"), None);
        let health = Health {
            state: HealthState::Unhealthy,
            message: Some("HTTP status 503".into()),
            checked_at: Timestamp::from_second(1).ok(),
        };
        write(&paths, "web", &health).expect("written");
        write(&paths, "web", &health).expect("written again");
        assert_eq!(read(&paths, "web"), Some(health));
        let mode = std::fs::metadata(paths.health_of("web")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        remove(&paths, "web");
        assert_eq!(read(&paths, "web"), None);
    }
}
