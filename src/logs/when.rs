//! Moments as people write them: `10m ago`, `today`, `2026-01-31 12:00`.

use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, Zoned};

/// Reads a moment; `now` with its zone is what relative ones and dates are read against.
pub fn parse(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong = || format!("\"{}\" is not a time: `10m ago`, `today`, `2026-01-31 12:00`", text.escape_debug());
    let start_of = |day: &Zoned| day.start_of_day().map(|start| start.timestamp()).map_err(|_| wrong());
    match text {
        "now" => return Ok(now.timestamp()),
        "today" => return start_of(now),
        "yesterday" => return start_of(&now.yesterday().map_err(|_| wrong())?),
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        let span = jiff::SignedDuration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        return Timestamp::UNIX_EPOCH.checked_add(span).map_err(|_| wrong());
    }
    let local = |time: DateTime| now.time_zone().to_timestamp(time).map_err(|_| wrong());
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() <= 10
    {
        return local(date.at(0, 0, 0, 0));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return local(time);
    }
    if let Ok(time) = text.parse::<jiff::civil::Time>() {
        return local(now.date().to_datetime(time));
    }
    if let Some(ahead) = text.strip_prefix('+') {
        let span: Span = ahead.trim().parse().map_err(|_| wrong())?;
        return now.checked_add(span).map(|then| then.timestamp()).map_err(|_| wrong());
    }
    let span = text.strip_suffix("ago").or_else(|| text.strip_prefix('-')).unwrap_or(text);
    let span: Span = span.trim().parse().map_err(|_| wrong())?;
    now.checked_sub(span.abs()).map(|then| then.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use jiff::Zoned;

    #[test]
    fn people_write_times_in_many_ways() {
        let now: Zoned = "2026-03-10T12:30:00+01:00[Europe/Paris]".parse().expect("valid");
        let at = |text: &str| parse(text, &now).map(|time| time.to_string());
        assert_eq!(at("10m ago").as_deref(), Ok("2026-03-10T11:20:00Z"));
        assert_eq!(at("10m").as_deref(), Ok("2026-03-10T11:20:00Z"));
        assert_eq!(at("-1h").as_deref(), Ok("2026-03-10T10:30:00Z"));
        assert_eq!(at("+1h").as_deref(), Ok("2026-03-10T12:30:00Z"));
        assert_eq!(at("2 days ago").as_deref(), Ok("2026-03-08T11:30:00Z"));
        assert_eq!(at("today").as_deref(), Ok("2026-03-09T23:00:00Z"));
        assert_eq!(at("yesterday").as_deref(), Ok("2026-03-08T23:00:00Z"));
        assert_eq!(at("2026-01-31").as_deref(), Ok("2026-01-30T23:00:00Z"));
        assert_eq!(at("2026-01-31 12:00").as_deref(), Ok("2026-01-31T11:00:00Z"));
        assert_eq!(at("2026-01-31T12:00:00Z").as_deref(), Ok("2026-01-31T12:00:00Z"));
        assert_eq!(at("08:00").as_deref(), Ok("2026-03-10T07:00:00Z"));
        assert_eq!(at("@1700000000").as_deref(), Ok("2023-11-14T22:13:20Z"));
        assert!(at("soon").is_err() && at("").is_err() && at("\u{1b}[2J").is_err());
    }
}
