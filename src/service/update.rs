//! Git update. DESIGN §4: `update`.

use std::ffi::OsString;
use std::time::Duration;

/// `update`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Branch that is followed.
    pub branch: String,
    /// Between two looks. Default 5 min.
    pub interval: Duration,
    /// Run after new commits.
    pub build: Option<Vec<OsString>>,
    /// Go back to the old commit when build or start fails. Default true.
    pub rollback: bool,
    /// Build in a second worktree first. Default false.
    pub staged: bool,
}
