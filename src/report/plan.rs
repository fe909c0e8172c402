//! What `svc up` is about to do, and did: `svc up`, `svc diff` and their `--json`.

use super::Done;
use crate::files::serde_path::shown;
use crate::service::Name;
use serde::Serialize;
use std::path::PathBuf;

/// How a service of the manifest and what is installed under its name go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is not installed.
    New,
    /// Its definition is another one.
    Changed,
    /// Its definition is the same, but a file was edited or removed, or the manager lost it.
    Drifted,
    /// Its definition is the same.
    Unchanged,
    /// It was installed from this manifest, which has it no more.
    Gone,
}

/// What is planned for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanItem {
    /// Which.
    pub name: Name,
    /// How it differs.
    pub change: Change,
    /// Fields that differ, by their keys.
    pub fields: Vec<&'static str>,
    /// What differs without anybody having asked svc for it, one sentence each.
    pub drift: Vec<String>,
    /// What `up` does, e.g. `update and restart`; null: nothing.
    pub action: Option<String>,
    /// The files that differ.
    pub files: Vec<FileDiff>,
}

/// How one file differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDiff {
    /// Absolute.
    #[serde(serialize_with = "shown::one")]
    pub path: PathBuf,
    /// A unified diff with its two head lines; values that look like secrets are `***`.
    pub diff: String,
}

/// The whole plan, in the order of the manifest; then what is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Planned(pub Vec<PlanItem>);

impl Planned {
    /// Something would be done.
    pub fn is_something(&self) -> bool {
        self.0.iter().any(|item| item.action.is_some())
    }
}

/// `svc up`.
#[derive(Debug, Clone, PartialEq)]
pub struct Up {
    /// What was to be done.
    pub plan: Planned,
    /// What was done, of the services that there was something to do for; none: `--dry-run`.
    pub results: Option<Vec<Done>>,
}
