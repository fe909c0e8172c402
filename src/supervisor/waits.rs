//! Who waits for what became of a service, and when that is known.
//!
//! Pure: it is told milestones and gives verdicts.

use crate::backend::Verb;
use crate::engine::machine::{Milestone, NOT_READY};
use std::time::Duration;

/// A program must have run so long before its start counts as done …
const AT_LEAST: Duration = Duration::from_millis(100);
/// … and have used no CPU for so long; one that is busy all the time is believed after …
const STEP: Duration = Duration::from_millis(50);
/// … so long.
const AT_MOST: Duration = Duration::from_secs(1);

/// One action of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiter {
    /// Whose.
    pub(super) connection: u64,
    pub(super) verb: Verb,
    pub(super) stage: Stage,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for a milestone.
    Wanted,
    /// It is up; whether it stays up is to be seen at this time.
    Settling {
        /// When it came up.
        began: Duration,
        /// The next look.
        look: Duration,
        /// CPU time at the last one, as the system counts it.
        used: Option<u64>,
    },
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is true.
    Done,
    /// It is not: in words, and what to do next.
    Failed(String, Option<&'static str>),
}

/// Why a start is none, in words. A program that never got ready has not stopped by itself.
pub(crate) fn not_up(reason: &str) -> String {
    let what = if reason.contains(NOT_READY) { "could not be started" } else { "stopped right after its start" };
    format!("{what}: {reason}")
}

impl Waiter {
    /// What a milestone means for it; `None`: it waits on.
    pub(super) fn told(&mut self, milestone: &Milestone, scheduled: bool, now: Duration) -> Option<Verdict> {
        let failed = |text: String| Some(Verdict::Failed(text, None));
        match (self.verb, milestone) {
            (Verb::Start | Verb::Restart, Milestone::Up) if !scheduled => {
                self.stage = Stage::Settling { began: now, look: now + STEP, used: None };
                None
            }
            (Verb::Start, Milestone::Armed) => Some(Verdict::Done),
            (Verb::Start | Verb::Restart, Milestone::Ended { reason: None, .. }) => Some(Verdict::Done),
            (Verb::Start | Verb::Restart, Milestone::Ended { reason: Some(reason), .. }) => match self.stage {
                _ if scheduled => failed(format!("failed: {reason}")),
                Stage::Settling { .. } | Stage::Wanted => failed(not_up(reason)),
            },
            (Verb::Start | Verb::Restart, Milestone::Failed { reason }) => failed(reason.clone()),
            (Verb::Start | Verb::Restart, Milestone::Down { again: false }) => {
                failed("another command came in between".into())
            }
            (Verb::Stop, Milestone::Down { .. } | Milestone::Failed { .. }) => Some(Verdict::Done),
            (Verb::Stop, Milestone::Alive) => failed("was killed, and a process of it is still there".into()),
            (Verb::Reload, Milestone::Reloaded) => Some(Verdict::Done),
            (Verb::Reload, Milestone::ReloadFailed { message, hint }) => Some(Verdict::Failed(message.clone(), *hint)),
            (Verb::Enable | Verb::Disable, _) => Some(Verdict::Done),
            _ => None,
        }
    }

    /// When to look next, if it settles.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.stage {
            Stage::Wanted => None,
            Stage::Settling { look, .. } => Some(look),
        }
    }

    /// A look at a program that settles: `used` is its CPU time now, `age` the time since it was
    /// executed.
    pub(super) fn look(&mut self, used: Option<u64>, age: Duration, now: Duration) -> Option<Verdict> {
        let Stage::Settling { began, look, used: before } = self.stage else { return None };
        if now < look {
            return None;
        }
        let quiet = before.is_some() && before == used;
        if (age >= AT_LEAST && quiet) || now.saturating_sub(began) >= AT_MOST {
            return Some(Verdict::Done);
        }
        self.stage = Stage::Settling { began, look: now + STEP, used };
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(verb: Verb) -> Waiter {
        Waiter { connection: 1, verb, stage: Stage::Wanted }
    }

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_start_is_done_when_the_program_was_quiet_for_a_while() {
        let mut one = waiter(Verb::Start);
        assert_eq!(one.told(&Milestone::Up, false, ms(10)), None);
        assert_eq!(one.look(Some(1), ms(20), ms(30)), None, "too early");
        assert_eq!(one.look(Some(1), ms(50), ms(60)), None, "nothing to compare with");
        assert_eq!(one.look(Some(2), ms(100), ms(110)), None, "it was busy");
        assert_eq!(one.look(Some(2), ms(150), ms(160)), Some(Verdict::Done));
    }

    #[test]
    fn a_program_that_is_always_busy_is_believed_in_the_end() {
        let mut one = waiter(Verb::Restart);
        one.told(&Milestone::Up, false, ms(0));
        let busy = (1..40).find(|n| one.look(Some(*n), ms(n * 50), ms(n * 50)).is_some());
        assert_eq!(busy, Some(20));
    }

    #[test]
    fn milestones_end_what_waits_for_them() {
        let told = |verb, milestone: Milestone, scheduled| waiter(verb).told(&milestone, scheduled, ms(0));
        let ended = |reason: Option<&str>| Milestone::Ended { reason: reason.map(str::to_owned), again: true };
        assert_eq!(told(Verb::Start, ended(None), false), Some(Verdict::Done));
        assert_eq!(
            told(Verb::Start, ended(Some("exit code 3")), false),
            Some(Verdict::Failed("stopped right after its start: exit code 3".into(), None))
        );
        assert_eq!(told(Verb::Start, Milestone::Armed, true), Some(Verdict::Done));
        assert_eq!(told(Verb::Restart, Milestone::Armed, true), None);
        assert_eq!(told(Verb::Restart, Milestone::Up, true), None);
        assert_eq!(told(Verb::Start, Milestone::Down { again: true }, false), None);
        assert_eq!(told(Verb::Stop, Milestone::Down { again: true }, false), Some(Verdict::Done));
        assert_eq!(told(Verb::Stop, Milestone::Up, false), None);
        assert_eq!(told(Verb::Reload, Milestone::Reloaded, false), Some(Verdict::Done));
    }
}
