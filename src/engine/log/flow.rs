//! How fast a service writes: the last minute, for `svc status`.

use crate::report::LogRate;
use std::time::Duration;

/// A minute in so many parts, of which the current one is not whole yet.
const PARTS: usize = 6;
const PART: Duration = Duration::from_secs(10);

/// What was written, of the last minute; 100 bytes or so.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// Number of the current part, since boot.
    part: u64,
    lines: [u64; PARTS + 1],
    bytes: [u64; PARTS + 1],
}

impl Flow {
    /// So much was written. `now`: since boot.
    pub fn add(&mut self, lines: usize, bytes: usize, now: Duration) {
        self.turn(now);
        self.lines[0] += lines as u64;
        self.bytes[0] += bytes as u64;
    }

    /// Averages of the minute before `now`; of the time since boot, if that is shorter.
    pub fn rates(&self, now: Duration) -> LogRate {
        let mut flow = self.clone();
        flow.turn(now);
        let within = now.as_millis().saturating_sub(u128::from(flow.part) * PART.as_millis());
        let of = |parts: &[u64; PARTS + 1]| {
            // of the oldest part only what is not older than a minute
            let rest = PART.as_millis().saturating_sub(within);
            let oldest = u128::from(parts[PARTS]) * rest / PART.as_millis();
            let sum = parts[..PARTS].iter().map(|count| u128::from(*count)).sum::<u128>() + oldest;
            u64::try_from(sum.div_ceil(60)).unwrap_or(u64::MAX)
        };
        LogRate { lines_per_second: of(&flow.lines), bytes_per_second: of(&flow.bytes) }
    }

    fn turn(&mut self, now: Duration) {
        let part = u64::try_from(now.as_millis() / PART.as_millis()).unwrap_or(u64::MAX);
        let ahead = usize::try_from(part.saturating_sub(self.part)).unwrap_or(usize::MAX).min(PARTS + 1);
        for all in [&mut self.lines, &mut self.bytes] {
            all.rotate_right(ahead % (PARTS + 1));
            all[..ahead].fill(0);
        }
        self.part = part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_counts() {
        let mut flow = Flow::default();
        let at = Duration::from_secs;
        let rates = |flow: &Flow, second| {
            let LogRate { lines_per_second, bytes_per_second } = flow.rates(at(second));
            (lines_per_second, bytes_per_second)
        };
        assert_eq!(rates(&flow, 1000), (0, 0));
        for second in 1000..1120 {
            flow.add(100, 5000, at(second));
        }
        let (lines, bytes) = rates(&flow, 1120);
        assert!((95..=105).contains(&lines) && (4750..=5250).contains(&bytes), "{lines} {bytes}");
        let (lines, _) = rates(&flow, 1150);
        assert!((45..=55).contains(&lines), "{lines}");
        assert_eq!(rates(&flow, 1191), (0, 0));
        flow.add(1, 1, at(1191));
        assert_eq!(rates(&flow, 1192), (1, 1), "little is not nothing");
        assert_eq!(rates(&flow, 99_999), (0, 0));
    }
}
