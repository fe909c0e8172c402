//! `rate_limit`: lines beyond so many within a time are left out, and counted in the log.

use crate::service::Rate;
use jiff::{SignedDuration, Timestamp};

/// What one log has let through.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// When the time began that is counted in.
    from: Option<Timestamp>,
    /// Lines let through since.
    through: u32,
    /// Lines left out since.
    left_out: u64,
    /// In the middle of a line that is left out.
    leaving_out: bool,
}

/// Bytes that are to be treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// How many.
    pub(super) length: usize,
    /// They go to the log.
    pub(super) through: bool,
}

impl Limiter {
    /// Begins to count afresh if it is time; what was left out before.
    pub(super) fn turn(&mut self, rate: Rate, now: Timestamp) -> Option<u64> {
        let ended = self.from.is_none_or(|from| now < from || now >= from + span(rate));
        if !ended {
            return None;
        }
        self.from = Some(now);
        self.through = 0;
        Some(std::mem::take(&mut self.left_out)).filter(|count| *count > 0)
    }

    /// When it is to be said how many were left out.
    pub(super) fn tells_at(&self, rate: Rate) -> Option<Timestamp> {
        self.from.filter(|_| self.left_out > 0).map(|from| from + span(rate))
    }

    /// What comes next of `raw`, which is not empty; `line_start`: the log stands at the start of a line.
    pub(super) fn next(&self, rate: Rate, raw: &[u8], line_start: bool) -> Part {
        let line = || memchr::memchr(b'\n', raw).map_or(raw.len(), |end| end + 1);
        if self.leaving_out {
            return Part { length: line(), through: false };
        }
        let room = rate.lines.saturating_sub(self.through) as usize;
        if room == 0 {
            return if line_start {
                Part { length: raw.len(), through: false }
            } else {
                Part { length: line(), through: true }
            };
        }
        let end = memchr::memchr_iter(b'\n', raw).nth(room - 1);
        Part { length: end.map_or(raw.len(), |end| end + 1), through: true }
    }

    /// `bytes` went where [`Limiter::next`] said.
    pub(super) fn took(&mut self, bytes: &[u8], through: bool) {
        let lines = memchr::memchr_iter(b'\n', bytes).count();
        if through {
            self.through = self.through.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            return;
        }
        // each counts where it begins
        let begun = self.leaving_out;
        self.leaving_out = bytes.last().is_some_and(|last| *last != b'\n');
        self.left_out += lines as u64 + u64::from(self.leaving_out) - u64::from(begun);
    }
}

fn span(rate: Rate) -> SignedDuration {
    SignedDuration::from_secs(rate.per.seconds().into())
}

/// What stands in the log then.
pub(super) fn words(rate: Rate, count: u64) -> String {
    let lines = if count == 1 { "line was" } else { "lines were" };
    format!("svc: {count} {lines} left out: more than `logs.rate_limit`, {rate}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("valid")
    }

    fn rate(text: &str) -> Rate {
        text.parse().expect(text)
    }

    /// What comes through of pieces at times, and what is said of the rest.
    fn run(rate: Rate, pieces: &[(&str, i64)]) -> (String, Vec<u64>) {
        let (mut limiter, mut through, mut said) = (Limiter::default(), String::new(), Vec::new());
        for (piece, time) in pieces {
            said.extend(limiter.turn(rate, at(*time)));
            let mut rest = *piece;
            while !rest.is_empty() {
                let part = limiter.next(rate, rest.as_bytes(), through.is_empty() || through.ends_with('\n'));
                let (bytes, after) = rest.split_at(part.length);
                limiter.took(bytes.as_bytes(), part.through);
                if part.through {
                    through.push_str(bytes);
                }
                rest = after;
            }
        }
        said.extend(limiter.turn(rate, at(1_000_000)));
        (through, said)
    }

    #[test]
    fn lines_beyond_the_limit_are_left_out_and_counted() {
        let all = [("a\nb\nc\nd\ne", 0), ("e\nf\n", 900), ("g\nh\ni\nj\n", 1000), ("k\n", 3000)];
        assert_eq!(run(rate("2/s"), &all), ("a\nb\ng\nh\nk\n".into(), vec![4, 2]));
        assert_eq!(run(rate("100/m"), &all), (all.map(|piece| piece.0).concat(), vec![]));
    }

    #[test]
    fn a_line_comes_through_whole_or_not_at_all() {
        let all = [("a", 0), ("a\nb", 10), ("b\nc\nd", 20), ("d", 1500), ("d\ne\n", 1600)];
        assert_eq!(run(rate("1/s"), &all), ("aa\ne\n".into(), vec![3]));
        assert_eq!(run(rate("1/s"), &[("a\n", 0), ("b", 0), ("b\nc\n", 1100)]), ("a\nc\n".into(), vec![1]));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_log() {
        assert_eq!(run(rate("1/h"), &[("a\nb\n", 0), ("c\n", -5)]), ("a\nc\n".into(), vec![1]));
    }

    proptest! {
        /// Cut into pieces anyhow: the lines that come through are lines that were written, in order, no
        /// more than so many, and the rest is counted.
        #[test]
        fn nothing_is_lost_uncounted(lines in prop::collection::vec("[a-z]{0,5}", 0..30), cut in 1_usize..9, most in 1_u32..12) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let pieces: Vec<(&str, i64)> =
                text.as_bytes().chunks(cut).map(|piece| (std::str::from_utf8(piece).expect("ascii"), 0)).collect();
            let (through, said) = run(Rate { lines: most, per: crate::service::Per::Second }, &pieces);
            let kept: Vec<&str> = through.split_terminator('\n').collect();
            prop_assert_eq!(kept.len(), lines.len().min(most as usize));
            prop_assert!(kept.iter().zip(&lines).all(|(kept, line)| kept == line));
            prop_assert_eq!(said.iter().sum::<u64>(), (lines.len() - kept.len()) as u64);
        }
    }
}
