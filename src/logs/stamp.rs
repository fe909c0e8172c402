//! The time that svc writes in front of each line of a file with `timestamps`.

use super::source::Micros;

/// `2026-11-21T10:00:00.123456Z `
pub(super) const LENGTH: usize = 28;

/// Reads times one after the other: that of the same second as the last one costs little.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    second: [u8; 20],
    micros: Micros,
}

impl Stamps {
    /// There was one already.
    pub(super) fn any(&self) -> bool {
        self.second != [0; 20]
    }

    /// The moment in front of `line`, if there is one.
    pub(super) fn of(&mut self, line: &[u8]) -> Option<Micros> {
        let stamp: &[u8; LENGTH] = line.first_chunk()?;
        let (second, rest) = stamp.split_first_chunk::<20>()?;
        let [digits @ .., b'Z', b' '] = rest else { return None };
        let fraction = number(digits)?;
        if *second != self.second {
            self.micros = seconds(second)? * 1_000_000;
            self.second = *second;
        }
        Some(self.micros + fraction)
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Of `2026-11-21T10:00:00.`, since 1970.
fn seconds(text: &[u8; 20]) -> Option<i64> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2, b'.'] = text else {
        return None;
    };
    let two = |tens: &u8, ones: &u8| number(&[*tens, *ones]).and_then(|number| i8::try_from(number).ok());
    let year = i16::try_from(number(year)?).ok()?;
    let time =
        jiff::civil::DateTime::new(year, two(m1, m2)?, two(d1, d2)?, two(h1, h2)?, two(i1, i2)?, two(s1, s2)?, 0);
    Some(time.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_whole_time_is_one() {
        let mut stamps = Stamps::default();
        for line in [
            "",
            "2026-11-21T10:00:00.123456Z",
            "2026-11-21 10:00:00.123456Z x",
            "2026-13-21T10:00:00.123456Z x",
            "2026-11-21T10:00:00.12345xZ x",
            "+026-11-21T10:00:00.123456Z x",
            "2026-02-30T10:00:00.123456Z x",
        ] {
            assert_eq!(stamps.of(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(times in prop::collection::vec(0_i64..4_000_000_000_000_000, 1..9), step in 0_i64..2_000_000) {
            let mut stamps = Stamps::default();
            for time in times.into_iter().flat_map(|time| [time, time + step]) {
                let shown = jiff::Timestamp::from_microsecond(time).expect("valid");
                prop_assert_eq!(stamps.of(format!("{shown:.6} text").as_bytes()), Some(time));
            }
        }

        #[test]
        fn any_bytes_are_a_time_or_none(bytes: Vec<u8>) {
            let _ = Stamps::default().of(&bytes);
        }
    }
}
