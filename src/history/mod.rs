//! What became of a service: starts, ends, restarts, and what people did to it.
//!
//! Three write it: svc when a person acts through it ([`by`] says who), svc's own supervisor and shim, and systemd
//! in its journal (`backend::systemd::journal::events` reads that). The first two add lines to one small file a
//! service ([`mod@file`]), which keeps the newest.

pub(crate) mod by;
pub(crate) mod file;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that happened to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: Kind,
    /// Process that was started or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Code that it exited with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal that ended it, e.g. `SIGKILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Why, in words; of a person's act: why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who did it; none: its manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Of a change: the definition before, first 12 digits of its SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// And after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a change: the fields that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Of an end: the last lines that it wrote; found in its log when the history is read.
    #[serde(skip)]
    pub lines: Vec<String>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody installed it.
    Installed,
    /// Somebody changed its definition.
    Changed,
    /// Somebody started it.
    Start,
    /// Somebody stopped it.
    Stop,
    /// Somebody restarted it.
    Restart,
    /// Somebody let it read its settings again.
    Reload,
    /// Somebody let it start by itself.
    Enable,
    /// Somebody let it not start by itself any more.
    Disable,
    /// Its program was started.
    Started,
    /// Its program has ended.
    Exited,
    /// It is started again by itself, as its definition says.
    Restarting,
    /// It was stopped, and nothing is left of it.
    Stopped,
    /// It has failed, and is not started again by itself.
    Failed,
}

impl Kind {
    /// The word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Changed => "changed",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Started => "started",
            Self::Exited => "exited",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// Name of the account; of the one that called sudo, as root.
    pub user: String,
    /// Its terminal, e.g. `pts/0`; none for a script of a timer.
    #[serde(default)]
    pub terminal: Option<String>,
    /// Program that called svc, e.g. `bash`.
    #[serde(default)]
    pub parent: Option<String>,
}

impl Event {
    /// Nothing but what happened.
    pub fn new(time: Timestamp, event: Kind) -> Self {
        Self {
            time,
            event,
            pid: None,
            exit_code: None,
            signal: None,
            reason: None,
            by: None,
            from: None,
            to: None,
            fields: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// How a program has ended: `exit code 3`, `killed by SIGKILL`.
    pub fn end(&self) -> String {
        match (self.exit_code, &self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by {signal}"),
            (None, None) => "ended unseen".into(),
        }
    }

    /// A run has ended otherwise than well: the end of a program that was not stopped.
    pub fn is_crash(&self) -> bool {
        self.event == Kind::Exited && (self.signal.is_some() || self.exit_code.is_some_and(|code| code != 0))
    }
}

/// How a definition is called in a change.
pub(crate) fn digest(definition: &str) -> String {
    let mut hash = crate::files::owner::hash(definition);
    hash.truncate(12);
    hash
}
