//! `every` and `schedule` as a timer beside the service. systemd.timer(5).

use super::escape::PlainText;
use super::text::Span;
use super::unit::Times;
use crate::engine::schedule::Calendar;
use crate::service::Schedule;
use std::time::Duration;

/// What goes into `[Timer]`; the error is the reason.
pub(super) fn times(schedule: &Schedule) -> Result<Times, String> {
    match schedule {
        Schedule::Every(interval) => {
            let accuracy = if *interval < Duration::from_secs(10) { 100 } else { 1000 };
            Ok(Times::Every {
                interval: Span::not_zero(*interval)?,
                accuracy: Span::new(Duration::from_millis(accuracy))?,
            })
        }
        Schedule::Calendar(text) => {
            // as systemd reads it: a bad one is refused before anything is written
            Calendar::parse(text)?;
            Ok(Times::Calendar(PlainText::new(text)?))
        }
    }
}

/// `Description=` of the timer.
pub(super) fn description(name: &crate::service::Name, schedule: &Schedule) -> Result<PlainText, String> {
    PlainText::new(&match schedule {
        Schedule::Every(interval) => format!("runs {name} every {}", Span::not_zero(*interval)?),
        Schedule::Calendar(text) => format!("runs {name} at {}", text.trim()),
    })
}
