//! Restart policy, delay and limit. DESIGN §4: `restart`, `restart_delay`, `restart_max_delay`,
//! `restart_limit`, `restart_reset`.

use std::time::Duration;

/// When a service is restarted after it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// After any end but success.
    OnFailure,
    /// After any end.
    Always,
    /// Never.
    Never,
}

impl RestartPolicy {
    /// Every value, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::OnFailure, Self::Always, Self::Never];

    /// The word used in a manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::OnFailure => "on-failure",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// So many starts within this time, then the service has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartLimit {
    /// Starts, at least 1.
    pub count: u32,
    /// The time they are counted in.
    pub within: Duration,
}

/// The five restart fields together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// `restart`. Default: `on-failure`; `never` for a scheduled service.
    pub policy: RestartPolicy,
    /// `restart_delay`: before the first restart. Default 1 s.
    pub delay: Duration,
    /// `restart_max_delay`: the delay doubles from `delay` to this; not below `delay`. Default 1 min.
    pub max_delay: Duration,
    /// `restart_limit`. Default 5 in 10 min.
    pub limit: RestartLimit,
    /// `restart_reset`: a run this long starts delay and count afresh. Default 1 min.
    pub reset: Duration,
}
