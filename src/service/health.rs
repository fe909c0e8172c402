//! Health checks and what happens on failure. DESIGN §4: `health`, `on_failure`.

use super::Exec;
use std::time::Duration;

/// How one check is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Something listens at `HOST:PORT`.
    Tcp(String),
    /// A GET of this URL answers as it should.
    Http {
        /// `http://HOST[:PORT][/PATH]`
        url: String,
        /// The answer's code. Default: any of 200 to 399.
        status: Option<u16>,
        /// A regular expression that matches in the first MiB of the answer's body.
        body: Option<String>,
    },
    /// This command exits 0.
    Command(Exec),
}

/// What a failed health does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Restart the service. Default.
    Restart,
    /// Only say so.
    Report,
    /// Stop the service.
    Stop,
}

impl Verdict {
    /// Every value, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Restart, Self::Report, Self::Stop];

    /// The word used in a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Report => "report",
            Self::Stop => "stop",
        }
    }
}

/// `health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is tried.
    pub check: Check,
    /// Between two checks. Default 30 s.
    pub interval: Duration,
    /// For one check. Default 3 s.
    pub timeout: Duration,
    /// Failures in a row until it counts. Default 3.
    pub retries: u32,
    /// Failures so soon after the start do not count. Default 10 s.
    pub grace: Duration,
    /// What happens then.
    pub on_failure: Verdict,
}

/// `on_failure`: when the service has failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnFailure {
    /// Run this.
    pub command: Option<Exec>,
    /// Show a notification on the desktop.
    pub desktop: bool,
}
