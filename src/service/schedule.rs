//! Times of a scheduled service. DESIGN §4: `every`, `schedule`.

use std::time::Duration;

/// `every` or `schedule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// `every`: so long after the last start; at least 1 s.
    Every(Duration),
    /// `schedule`: calendar expressions, `systemd.time(7)`, section CALENDAR EVENTS.
    Calendar(String),
}
