//! What svc had launchd load, since launchd does not say it: a property list is read once, when it is
//! loaded, and editing it changes nothing. One small file a label.

use super::listed::Listed;
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::paths::Paths;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Mutex;

/// Held while one is written.
static WRITING: Mutex<()> = Mutex::new(());

/// One job that svc loaded or started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Loaded {
    /// SHA-256 of its property list then.
    pub(super) hash: String,
    /// Where to.
    #[serde(default)]
    pub(super) domain: String,
    /// How often launchd had started it when a person did.
    #[serde(default)]
    pub(super) runs: u32,
    /// When that was.
    #[serde(default)]
    pub(super) at: Option<Timestamp>,
}

impl Loaded {
    fn path(paths: &Paths, label: &str) -> PathBuf {
        paths.launchd().join(format!("{label}.json"))
    }

    /// What is known of a label.
    pub(super) fn read(paths: &Paths, label: &str) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(paths, label)).ok()?).ok()
    }

    /// Another list than this one was loaded.
    pub(super) fn is_older(&self, listed: &Listed) -> bool {
        !self.hash.is_empty() && self.hash != listed.hash
    }

    /// Loaded elsewhere than it was found now: perhaps there too.
    pub(super) fn is_elsewhere(&self, domain: &str) -> bool {
        !self.domain.is_empty() && self.domain != domain
    }

    /// Notes it.
    pub(super) fn write(&self, paths: &Paths, label: &str) -> Result<(), Error> {
        let folder = paths.launchd();
        paths.make(&folder).map_err(|cause| crate::files::lock::denied("make the folder", &folder, &cause))?;
        let contents = serde_json::to_vec(self).unwrap_or_default();
        // services are started side by side, and a write clears away what another svc has left half done
        let _one = WRITING.lock();
        write_all(&[NewFile { path: &Self::path(paths, label), contents: &contents, mode: paths.file_mode() }])
    }

    /// Forgets it.
    pub(super) fn forget(paths: &Paths, label: &str) {
        let _ = std::fs::remove_file(Self::path(paths, label)); // it may never have been there
    }

    /// Labels that something is known of.
    pub(super) fn labels(paths: &Paths) -> Vec<String> {
        let entries = std::fs::read_dir(paths.launchd()).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned())).collect()
    }
}
