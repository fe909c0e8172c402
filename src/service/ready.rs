//! When a service counts as started, and what it waits for. DESIGN §4: `ready`, `wait_for`.

use super::AbsPath;

/// `ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// The program was executed. Default.
    Exec,
    /// The program says `READY=1` (`sd_notify(3)`).
    Notify,
    /// Something listens at `HOST:PORT`.
    Tcp(String),
    /// A GET of this URL answers with a 2xx.
    Http(String),
    /// A line of its output matches this regular expression.
    Log(String),
}

/// One `wait_for`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitFor {
    /// The network is up.
    Network,
    /// This path exists.
    Path(AbsPath),
}
