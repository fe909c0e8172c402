//! Colours with a meaning, and ages and sizes as people say them.

use crate::files::health::Health;
use crate::report::LogRate;
use crate::report::State;
use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, Zoned};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const ERROR: Style = AnsiColor::Red.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();

/// `text` in `style`. The stream takes the colours out again where they don't belong.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Sign, word and colour of a state.
pub(crate) fn state(state: State) -> (&'static str, &'static str, Style) {
    match state {
        State::Starting => ("◌", "starting", WARNING),
        State::Running => ("●", "running", GOOD),
        State::Stopping => ("◌", "stopping", WARNING),
        State::Restarting => ("↻", "restarting", WARNING),
        State::Stopped => ("○", "stopped", DIM),
        State::Completed => ("✓", "completed", GOOD),
        State::Failed => ("✗", "failed", ERROR),
    }
}

/// `5s`, `12m`, `3h 20m`, `2d 4h`.
pub(crate) fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |big: i64, unit: &str, small: i64, sub: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit} {small}{sub}") }
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// How long from `from` to `to`.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> String {
    age(to.as_second() - from.as_second())
}

/// `healthy, checked 12s ago`; `unhealthy: HTTP status 503, checked 2s ago`.
pub(crate) fn health(health: &Health, now: Timestamp) -> String {
    let why = health.message.as_ref().map(|why| format!(": {}", super::sanitize::sanitize(why)));
    let checked = health.checked_at.map(|at| format!(", checked {} ago", between(at, now)));
    format!("{}{}{}", health.state.word(), why.unwrap_or_default(), checked.unwrap_or_default())
}

/// When a scheduled one runs: `runs in 5m`.
pub(crate) fn next_run(at: Timestamp, now: Timestamp) -> String {
    if at <= now { "runs now".into() } else { format!("runs in {}", between(now, at)) }
}

/// A moment in the time zone of `now`: `2026-03-01 10:00:00`.
pub(crate) fn local(at: Timestamp, now: &Zoned) -> String {
    at.to_zoned(now.time_zone().clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `120 lines and 4.5K each second of the last minute`
pub(crate) fn log_rate(rate: LogRate) -> String {
    let LogRate { lines_per_second, bytes_per_second } = rate;
    format!("{lines_per_second} lines and {} each second of the last minute", size(bytes_per_second))
}

/// `512B`, `1.2M`, `3.4G`: powers of 1024.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit == "B" || value >= 100.0 {
                format!("{value:.0}{unit}")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}

/// `0.3s`, `12m`, `3h 20m` of CPU time.
pub(crate) fn cpu(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds of CPU time fit")]
    let whole = seconds as i64;
    if seconds < 60.0 { format!("{seconds:.1}s") } else { age(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_as_people_say_them() {
        assert_eq!([age(5), age(125), age(3600), age(12_000), age(187_200)], ["5s", "2m", "1h", "3h 20m", "2d 4h"]);
        assert_eq!(
            [size(512), size(1_258_291), size(134_217_728), size(3_650_722_201)],
            ["512B", "1.2M", "128M", "3.4G"]
        );
    }
}
