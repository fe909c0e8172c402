//! Times and sizes of other tools as svc writes them.

use crate::definition::units::show_duration;
use std::time::Duration;

/// A time of systemd (systemd.time(7)): `5min 20s`, `1.5h`, a bare number is seconds. `infinity` is none.
pub(super) fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let mut total = 0.0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        total += number * unit(&rest[..letters])?;
        rest = rest[letters..].trim_start();
    }
    let whole = Duration::try_from_secs_f64(total).ok()?;
    (whole <= Duration::from_hours(876_000)).then(|| rounded(whole))
}

/// To a microsecond: what a number with a point lost.
fn rounded(duration: Duration) -> Duration {
    let nanos = duration.subsec_nanos();
    Duration::from_secs(duration.as_secs()) + Duration::from_micros(u64::from((nanos + 500) / 1000))
}

/// In seconds.
fn unit(word: &str) -> Option<f64> {
    Some(match word {
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "us" | "usec" | "µs" | "μs" => 0.000_001,
        "ms" | "msec" => 0.001,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "M" | "month" | "months" => 2_629_800.0,
        "y" | "year" | "years" => 31_557_600.0,
        _ => return None,
    })
}

/// A time as a field's value.
pub(super) fn shown(duration: Duration) -> String {
    show_duration(duration)
}

/// Seconds of a tool that counts in them, maybe with a point.
pub(super) fn seconds(number: f64) -> Option<String> {
    let duration = Duration::try_from_secs_f64(number).ok()?;
    (duration <= Duration::from_hours(876_000)).then(|| shown(rounded(duration)))
}

/// A size in powers of 1024: `512M`, `1G`, `100MB`, a bare number is bytes.
pub(super) fn size(text: &str) -> Option<i64> {
    crate::definition::units::size(text).ok().and_then(|bytes| i64::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_systemd() {
        assert_eq!(span("5min 20s"), Some(Duration::from_secs(320)));
        assert_eq!(span("90"), Some(Duration::from_secs(90)));
        assert_eq!(span("1.5h"), Some(Duration::from_mins(90)));
        assert_eq!(span("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(span("0"), Some(Duration::ZERO));
        for bad in ["", "infinity", "x", "1 fortnight", "1..2s", "999999999999y"] {
            assert_eq!(span(bad), None, "{bad}");
        }
        assert_eq!(seconds(0.5).as_deref(), Some("500ms"));
        assert_eq!(seconds(f64::NAN), None);
        assert_eq!(size("100MB"), Some(100 << 20));
    }
}
