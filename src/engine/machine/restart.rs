//! Growing delay and start limit: plain counters and times, decided by the monotonic clock alone.
//!
//! The limit is counted as systemd counts it (`RateLimit`, systemd.unit(5) `StartLimitBurst=`): a
//! window begins with the first start after the last window's end, and holds so many starts.

use super::event::Exit;
use crate::engine::job::{Policy, Restart};
use std::time::Duration;

/// So many restarts without a good run are a loop.
const LOOP: u32 = 50;
/// In a loop the delay is not shorter: one that dies as fast as it can would take the machine, and its
/// supervisor with it.
const BREATH: Duration = Duration::from_millis(20);

/// Of one job since somebody started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    /// Automatic restarts, for people; a long run does not take it back.
    pub(super) restarts: u32,
    /// So many times the delay has doubled.
    pub(super) step: u32,
    /// When the window began.
    pub(super) window: Duration,
    /// Starts in the window.
    pub(super) starts: u32,
}

impl Counters {
    /// It is being started.
    pub(super) fn started(&mut self, now: Duration, rule: &Restart) {
        if self.starts == 0 || self.is_over(now, rule) {
            self.window = now;
            self.starts = 0;
        }
        self.starts = self.starts.saturating_add(1);
    }

    /// A run this long was a good one: delay and count begin afresh.
    pub(super) fn ran(&mut self, length: Duration, rule: &Restart) {
        if length >= Duration::from(rule.reset) {
            self.step = 0;
            self.starts = 0;
        }
    }

    /// The delay before the next start, counted; `None` if the limit does not let it start then.
    pub(super) fn next(&mut self, now: Duration, rule: &Restart) -> Option<Duration> {
        let longest = rule.max_delay.0.max(rule.delay.0);
        let factor = 1_u64.checked_shl(self.step).unwrap_or(u64::MAX);
        let asked = Duration::from_millis(rule.delay.0.saturating_mul(factor).min(longest));
        let delay = if self.step < LOOP { asked } else { asked.max(BREATH) };
        if self.starts >= rule.limit.max(1) && !self.is_over(now.saturating_add(delay), rule) {
            return None;
        }
        self.step = self.step.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
        Some(delay)
    }

    /// No time to count in: nothing is limited.
    fn is_over(&self, at: Duration, rule: &Restart) -> bool {
        rule.within.0 == 0 || at > self.window.saturating_add(rule.within.into())
    }
}

/// Whether an end that nobody asked for is a good one: systemd.service(5), `SuccessExitStatus=`,
/// with the stop signal as svc renders it.
pub(super) fn is_clean(exit: Exit, stop_signal: i32) -> bool {
    use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    match exit {
        Exit::Code(code) => code == 0 || code == 128 + stop_signal,
        Exit::Signal(number) => {
            number == stop_signal || [SIGHUP, SIGINT, SIGPIPE, SIGTERM].iter().any(|clean| number == *clean as i32)
        }
        Exit::Memory | Exit::Unknown => false,
    }
}

/// Whether it is restarted. A scheduled one runs at its times, and again when it has failed if asked for.
pub(super) fn is_restarted(policy: Policy, scheduled: bool, clean: bool) -> bool {
    match policy {
        Policy::Never => false,
        Policy::Always if !scheduled => true,
        Policy::Always | Policy::OnFailure => !clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::Millis;

    const RULE: Restart = Restart {
        policy: Policy::OnFailure,
        delay: Millis(1_000),
        max_delay: Millis(5_000),
        limit: 5,
        within: Millis(60_000),
        reset: Millis(10_000),
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_delay_doubles_up_to_its_end_and_the_limit_ends_it() {
        let (mut counters, mut now, mut delays) = (Counters::default(), seconds(100), Vec::new());
        loop {
            counters.started(now, &RULE);
            let Some(delay) = counters.next(now, &RULE) else { break };
            delays.push(delay.as_secs());
            now += delay;
        }
        assert_eq!(delays, [1, 2, 4, 5]);
        assert_eq!((counters.restarts, counters.starts), (4, 5));
        assert!(counters.next(seconds(160), &RULE).is_some(), "the window is over by then");
    }

    #[test]
    fn a_long_run_begins_afresh_but_restarts_count_on() {
        let mut counters = Counters::default();
        counters.started(seconds(1), &RULE);
        assert_eq!(counters.next(seconds(1), &RULE), Some(seconds(1)));
        assert_eq!(counters.next(seconds(1), &RULE), Some(seconds(2)));
        counters.ran(seconds(10), &RULE);
        assert_eq!(counters.next(seconds(11), &RULE), Some(seconds(1)));
        assert_eq!(counters.restarts, 3);
    }

    #[test]
    fn extreme_figures_neither_overflow_nor_divide() {
        let rule =
            Restart { delay: Millis(u64::MAX), max_delay: Millis(0), limit: u32::MAX, within: Millis(0), ..RULE };
        let mut counters = Counters { step: 5_000, restarts: u32::MAX, starts: u32::MAX, window: Duration::MAX };
        counters.started(Duration::MAX, &rule);
        assert!(counters.next(Duration::MAX, &rule).is_some());
        let zero = Restart { delay: Millis(0), limit: 0, ..RULE };
        assert_eq!(Counters { step: 64, ..Counters::default() }.next(seconds(0), &zero), Some(BREATH));
    }

    #[test]
    fn a_loop_without_delay_takes_breath() {
        let rule = Restart { delay: Millis(0), max_delay: Millis(0), limit: u32::MAX, ..RULE };
        let mut counters = Counters::default();
        let delay = |counters: &mut Counters| counters.next(seconds(1), &rule).expect("no limit");
        for _ in 0..LOOP {
            assert_eq!(delay(&mut counters), Duration::ZERO);
        }
        assert_eq!(delay(&mut counters), BREATH);
        counters.ran(seconds(10), &rule);
        assert_eq!(delay(&mut counters), Duration::ZERO);
    }

    #[test]
    fn ends_that_a_manager_calls_clean() {
        let term = nix::sys::signal::Signal::SIGTERM as i32;
        let usr1 = nix::sys::signal::Signal::SIGUSR1 as i32;
        for exit in [Exit::Code(0), Exit::Code(128 + usr1), Exit::Signal(term), Exit::Signal(usr1), Exit::Signal(1)] {
            assert!(is_clean(exit, usr1), "{exit:?}");
        }
        for exit in [Exit::Code(3), Exit::Code(143), Exit::Signal(9), Exit::Memory, Exit::Unknown] {
            assert!(!is_clean(exit, usr1), "{exit:?}");
        }
    }
}
