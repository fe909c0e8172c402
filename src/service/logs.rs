//! Where a service's output goes. DESIGN §4: `logs`.

use super::AbsPath;

/// `logs`. Without a file: the platform's own place (systemd: the journal).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logs {
    /// `file`.
    pub file: Option<AbsPath>,
    /// `max_size`: rotate at this many bytes.
    pub max_size: Option<u64>,
    /// `keep`: so many rotated files.
    pub keep: Option<u32>,
    /// `keep_days`: rotated files this old go.
    pub keep_days: Option<u32>,
    /// `timestamps`: each line begins with its time.
    pub timestamps: Option<bool>,
}
