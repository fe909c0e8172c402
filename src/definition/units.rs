//! Numbers with units: durations, sizes, shares, masks. The error is the reason, ready to follow
//! the value in a message.

use crate::service::Cpu;
use std::time::Duration;

/// Longest duration: a hundred years.
const LONGEST: Duration = Duration::from_hours(876_000);

/// `500ms`, `1s`, `2m`, `1h 30m`, `1d`, `1w`; by jiff's reader of friendly durations, with days of
/// 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a duration".to_owned();
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    if text.trim_start().starts_with(['P', 'p', '+']) {
        return Err(wrong());
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("is not a duration: months and years have no fixed length".into());
    }
    if span.is_negative() {
        return Err("is negative".into());
    }
    let total = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let total = Duration::try_from(total).map_err(|_| wrong())?;
    if total > LONGEST { Err("is longer than a hundred years".into()) } else { Ok(total) }
}

/// The shortest text of whole units that [`duration`] reads back as the same.
pub(crate) fn show_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".into();
    }
    let mut rest = duration.as_micros();
    let mut words = Vec::new();
    for (unit, micros) in
        [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1u128)]
    {
        if rest >= micros {
            words.push(format!("{}{unit}", rest / micros));
            rest %= micros;
        }
    }
    words.join(" ")
}

/// `512M`, `2GiB`, `1024`: powers of 1024, as systemd counts.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let parsed =
        parse_size::Config::new().with_binary().parse_size(text.trim()).map_err(|_| "is not a size".to_owned())?;
    if parsed == 0 { Err("is no size at all".into()) } else { Ok(parsed) }
}

/// `50%`, at least 1%.
pub(crate) fn cpu(text: &str) -> Result<Cpu, String> {
    let number = text.trim().strip_suffix('%').ok_or("is not a share of a core: it ends in `%`")?;
    let percent: u32 = number.trim().parse().map_err(|_| "is not a whole number of percent".to_owned())?;
    if (1..=1_000_000).contains(&percent) { Ok(Cpu { percent }) } else { Err("is not between 1% and 1000000%".into()) }
}

/// `027`, octal.
pub(crate) fn umask(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let ok = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mask = u16::from_str_radix(digits, 8).ok().filter(|mask| ok && *mask <= 0o777);
    mask.ok_or_else(|| "is not an octal mask between 000 and 777".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let ok = |text: &str| duration(text).expect(text);
        assert_eq!(ok("500ms"), Duration::from_millis(500));
        assert_eq!(ok("1h30m"), Duration::from_mins(90));
        assert_eq!(ok("1d"), Duration::from_hours(24));
        assert_eq!(ok("2 min"), Duration::from_mins(2));
        for bad in ["", "fast", "10", "-1s", "1y", "1 month", "P1D", "200000d", "1e9s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_shares_and_masks() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("10"), Ok(10));
        assert!(size("12Q").is_err() && size("-1").is_err() && size("0").is_err());
        assert_eq!(cpu("150%"), Ok(Cpu { percent: 150 }));
        assert!(cpu("50").is_err() && cpu("0%").is_err() && cpu("x%").is_err());
        assert_eq!(umask("027"), Ok(0o027));
        assert!(umask("999").is_err() && umask("").is_err() && umask("7777").is_err());
    }

    proptest! {
        #[test]
        fn a_duration_is_read_back_as_it_was_shown(micros in 0u64..3_000_000_000_000_000) {
            let duration_in = Duration::from_micros(micros);
            prop_assert_eq!(duration(&show_duration(duration_in)), Ok(duration_in));
        }
    }
}
