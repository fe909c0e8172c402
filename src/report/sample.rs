//! Made-up results for tests of the views.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::{State, Status};
use crate::backend::{BackendKind, Scope};
use crate::service::Name;

/// A status of a service that says nothing more than its state.
pub(crate) fn status(name: &str, state: State) -> Status {
    Status {
        name: Name::parse(name).unwrap(),
        kind: "service",
        backend: BackendKind::Systemd,
        scope: Scope::User,
        state,
        enabled: Some(true),
        pid: None,
        started_at: None,
        restarts: Some(0),
        exit_code: None,
        signal: None,
        memory_bytes: None,
        cpu_seconds: None,
        status_text: None,
        stage: None,
        progress: None,
        eta_seconds: None,
        health: None,
        project: None,
        manifest: None,
        manifest_missing: false,
        log_rate: None,
        drifted: false,
        files: Vec::new(),
        log: None,
        next_run_at: None,
        reason: None,
        drift: Vec::new(),
        groups: Vec::new(),
        armed: false,
    }
}
