//! What commands say of tasks.

use super::State;
use crate::backend::{BackendKind, Scope};
use crate::files::serde_path::shown;
use jiff::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// One task as `svc tasks --json` and `svc status ID --json` print it: the keys of a service (DESIGN §3), and
/// what only a task has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `task`.
    pub kind: &'static str,
    /// Whose it is to run.
    pub backend: BackendKind,
    /// Whose.
    pub scope: Scope,
    /// Where it stands.
    pub state: State,
    /// It starts by itself: no task does.
    pub enabled: Option<bool>,
    /// Main process.
    pub pid: Option<u32>,
    /// RFC 3339 in UTC.
    pub started_at: Option<Timestamp>,
    /// Starts after the first.
    pub restarts: Option<u32>,
    /// Of its last run.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<String>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Seconds.
    pub cpu_seconds: Option<f64>,
    /// What the program says of itself.
    pub status_text: Option<String>,
    /// The part of its work.
    pub stage: Option<String>,
    /// 0 to 100.
    pub progress: Option<f64>,
    /// Seconds: as it said, else estimated.
    pub eta_seconds: Option<f64>,
    /// No task has any.
    pub health: Option<()>,
    /// Project.
    pub project: Option<String>,
    /// No task comes from one.
    pub manifest: Option<()>,
    /// Never: svc wrote no file for it that somebody could edit.
    pub drifted: bool,
    /// None.
    pub files: Vec<String>,
    /// Its log.
    #[serde(serialize_with = "shown::option")]
    pub log: Option<PathBuf>,
    /// When it may start, where that is known.
    pub next_run_at: Option<Timestamp>,
    /// Why it failed, or waits.
    pub reason: Option<String>,
    /// What it runs, as a person would type it.
    pub command: String,
    /// Where it runs.
    #[serde(serialize_with = "shown::option")]
    pub folder: Option<PathBuf>,
    /// When it was submitted.
    pub submitted_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// The one it is to follow.
    pub after: Option<u64>,
    /// The one that it is tried again for.
    pub retry_of: Option<u64>,
    /// Higher ones start first.
    pub priority: i16,
    /// Tasks before it in the line; none: it does not wait.
    pub position: Option<usize>,
}

/// `svc tasks`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tasks {
    /// Those shown, in the order of their numbers.
    pub all: Vec<Task>,
    /// Records that are not shown.
    pub more: u64,
}

/// What a command did with one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskDone {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Past tense: `cancelled`.
    pub did: String,
}
