//! How a service is stopped. DESIGN §4: `stop_signal`, `stop_timeout`.

use std::time::Duration;

/// A signal by its name, e.g. `SIGTERM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(nix::sys::signal::Signal);

impl Signal {
    /// SIGTERM, the default.
    pub const TERM: Self = Self(nix::sys::signal::Signal::SIGTERM);

    /// `SIGHUP` or `HUP`, in any case; the error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        name.parse().map(Self).map_err(|_| "is not a signal's name, such as SIGTERM".to_owned())
    }

    /// Its number on this platform, e.g. 15.
    pub fn number(self) -> i32 {
        self.0 as i32
    }

    /// `SIGTERM`.
    pub fn name(self) -> &'static str {
        self.0.as_str()
    }
}

/// The two stop fields together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Sent first. Default SIGTERM.
    pub signal: Signal,
    /// Then SIGKILL to all of its processes. Default 10 s.
    pub timeout: Duration,
}
