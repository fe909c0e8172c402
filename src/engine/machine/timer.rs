//! When a scheduled job runs: what systemd's timer does with `OnActiveSec=`, `OnUnitActiveSec=` and
//! `OnCalendar=` with `Persistent=true` (templates/systemd/timer.timer, systemd.timer(5)).
//!
//! - `every`: first so long after it was armed, then so long after its last start, by the monotonic clock.
//! - calendar: the first match after the last run that the calendar started (or after it was armed
//!   for the first time), by the wall clock. A time missed while down or while the clock was set is
//!   made up for once. A last run that lies in the future (the clock was set back) counts as now.
//!
//! A time that comes during a run: the job runs once more right after it.

use super::event::Moment;
use crate::engine::job::Schedule;
use crate::engine::schedule::Calendar;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// No wait by the wall clock is longer: a clock set without a word is noticed by then.
const LOOK_AGAIN: Duration = Duration::from_mins(10);

/// The times of a job, armed or not.
#[derive(Debug, Clone)]
pub(super) struct Timer {
    plan: Plan,
    /// What the next time is, while armed.
    next: Next,
    /// Monotonic time of the last start, in this boot, since it was armed.
    pub(super) ran: Option<Duration>,
    /// Wall clock of the last start by the calendar, else of the first arming.
    pub(super) stamp: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Plan {
    Every(Duration),
    Calendar(Box<Calendar>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Disarmed,
    /// Armed, and there is no further time.
    Never,
    /// At a monotonic time.
    At(Duration),
    /// At a wall-clock time; looked at again at the monotonic one.
    Wall {
        time: Timestamp,
        look: Duration,
    },
}

impl Timer {
    /// Not armed; the error is the reason.
    pub(super) fn new(schedule: &Schedule) -> Result<Self, String> {
        let plan = match schedule {
            Schedule::Every(interval) => Plan::Every(Duration::from(*interval).max(Duration::from_secs(1))),
            Schedule::Calendar(text) => {
                let calendar = Calendar::parse(text).map_err(|reason| format!("its `schedule` {reason}"))?;
                Plan::Calendar(Box::new(calendar))
            }
        };
        Ok(Self { plan, next: Next::Disarmed, ran: None, stamp: None })
    }

    pub(super) fn is_armed(&self) -> bool {
        self.next != Next::Disarmed
    }

    /// From now on it runs at its times.
    pub(super) fn arm(&mut self, zone: &TimeZone, now: Moment) {
        if !self.is_armed() {
            self.ran = None;
        }
        if self.stamp.is_none_or(|stamp| stamp > now.wall) {
            self.stamp = Some(now.wall);
        }
        self.next = Next::Never;
        self.plan_next(now.mono, zone, now);
    }

    /// Armed as it was before a new supervisor; `first`: when `every` begins if it has not run yet.
    pub(super) fn arm_again(&mut self, first: Duration, zone: &TimeZone, now: Moment) {
        self.next = Next::Never;
        self.plan_next(first, zone, now);
    }

    /// No more times. What ran last is kept.
    pub(super) fn disarm(&mut self) {
        self.next = Next::Disarmed;
    }

    /// The job starts, for whatever reason.
    pub(super) fn started(&mut self, now: Moment) {
        self.ran = Some(now.mono);
        if let (Plan::Every(interval), Next::At(_)) = (&self.plan, self.next) {
            self.next = Next::At(now.mono.saturating_add(*interval));
        }
    }

    /// Whether it is to run now; if so, the time after is planned. Else a wait by the wall clock
    /// that was too short goes on.
    pub(super) fn is_due(&mut self, zone: &TimeZone, now: Moment) -> bool {
        let due = match self.next {
            Next::Disarmed | Next::Never => return false,
            Next::At(at) => at <= now.mono,
            Next::Wall { time, .. } => time <= now.wall,
        };
        if due {
            self.ran = Some(now.mono);
            self.stamp = Some(now.wall);
        }
        if due || self.look().is_some_and(|look| look <= now.mono) {
            self.plan_next(now.mono, zone, now);
        }
        due
    }

    /// The wall clock was set.
    pub(super) fn clock_was_set(&mut self, zone: &TimeZone, now: Moment) {
        if self.stamp.is_some_and(|stamp| stamp > now.wall) {
            self.stamp = Some(now.wall);
        }
        if let (Plan::Calendar(_), true) = (&self.plan, self.is_armed()) {
            self.plan_next(now.mono, zone, now);
        }
    }

    /// When to look at the clock, monotonic.
    pub(super) fn look(&self) -> Option<Duration> {
        match self.next {
            Next::Disarmed | Next::Never => None,
            Next::At(at) => Some(at),
            Next::Wall { look, .. } => Some(look),
        }
    }

    /// The next time, for people.
    pub(super) fn next_run(&self, now: Moment) -> Option<Timestamp> {
        match self.next {
            Next::Disarmed | Next::Never => None,
            Next::Wall { time, .. } => Some(time.max(now.wall)),
            Next::At(at) => now.wall.checked_add(SignedDuration::try_from(at.saturating_sub(now.mono)).ok()?).ok(),
        }
    }

    /// When `every` began, if it waits for its first run.
    pub(super) fn first(&self) -> Option<Duration> {
        match (&self.plan, self.next, self.ran) {
            (Plan::Every(interval), Next::At(at), None) => Some(at.saturating_sub(*interval)),
            _ => None,
        }
    }

    fn plan_next(&mut self, first: Duration, zone: &TimeZone, now: Moment) {
        self.next = match &self.plan {
            Plan::Every(interval) => Next::At(self.ran.unwrap_or(first).saturating_add(*interval)),
            Plan::Calendar(calendar) => match calendar.next_after(self.stamp.unwrap_or(now.wall), zone) {
                Some(time) => Next::Wall { time, look: now.mono.saturating_add(wait(now.wall, time)) },
                None => Next::Never,
            },
        };
    }
}

/// From `now` to `time`, at least a millisecond: clocks do not run alike, and a wait must not be over before it began.
fn wait(now: Timestamp, time: Timestamp) -> Duration {
    let span = Duration::try_from(time.duration_since(now)).unwrap_or_default();
    span.clamp(Duration::from_millis(1), LOOK_AGAIN)
}
