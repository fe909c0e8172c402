//! Restart policy, growing delay and start limit. systemd.service(5) `Restart=` to `RestartMaxDelaySec=`,
//! systemd.unit(5) `StartLimitIntervalSec=`.

use super::text::{Keyword, Span};
use super::unit::{Growth, Limit, Restart};
use crate::service::{self, Field, RestartPolicy, Schedule};
use std::time::Duration;

/// `RestartSteps=` and `RestartMaxDelaySec=` came with this version.
pub(super) const GROWTH_SINCE: u32 = 254;

/// The delay can't double from nothing: where it grows, it begins with this.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// A field that can't be had, and why.
pub(super) type Refused = (Field, String);

/// What goes into the unit.
pub(super) fn restart(
    restart: &service::Restart,
    schedule: Option<&Schedule>,
    version: u32,
) -> Result<Restart, Refused> {
    let service::Restart { policy, delay, max_delay, limit, reset: _ } = *restart;
    if policy == RestartPolicy::Never {
        // systemd counts starts by a person and by a timer as well: nothing is left to limit.
        return Ok(Restart { policy: Keyword("no"), delay: None, growth: None, limit: None });
    }
    let word = match (policy, schedule) {
        (RestartPolicy::Always, Some(_)) => {
            let reason =
                "can't be `always` for a scheduled service: it runs at its times, and again when it has failed";
            return Err((Field::Restart, reason.to_owned()));
        }
        (RestartPolicy::Always, None) => "always",
        (RestartPolicy::OnFailure | RestartPolicy::Never, _) => "on-failure",
    };
    let growth = growth(delay, max_delay, version)?;
    let first = if growth.is_some() { delay.max(FIRST_DELAY) } else { delay };
    Ok(Restart {
        policy: Keyword(word),
        delay: Some(Span::new(first).map_err(|reason| (Field::RestartDelay, reason))?),
        growth,
        limit: Some(start_limit(limit, regular_starts(schedule, limit.within))?),
    })
}

/// Steps so that the delay about doubles with each: systemd spaces them evenly on a logarithmic scale.
fn growth(delay: Duration, max_delay: Duration, version: u32) -> Result<Option<Growth>, Refused> {
    let first = delay.max(FIRST_DELAY);
    if version < GROWTH_SINCE || max_delay <= first {
        return Ok(None);
    }
    let mut steps = 0;
    let mut reached = first.as_nanos();
    while reached < max_delay.as_nanos() {
        reached = reached.saturating_mul(2);
        steps += 1;
    }
    let max = Span::new(max_delay).map_err(|reason| (Field::RestartMaxDelay, reason))?;
    Ok(Some(Growth { steps, max }))
}

fn start_limit(limit: service::RestartLimit, more: u32) -> Result<Limit, Refused> {
    let within = Span::not_zero(limit.within).map_err(|reason| (Field::RestartLimit, reason))?;
    Ok(Limit { burst: limit.count.saturating_add(more), within })
}

/// Starts by the timer within this time. systemd counts them as well, and would refuse a service
/// that runs every minute after its fifth healthy run.
fn regular_starts(schedule: Option<&Schedule>, within: Duration) -> u32 {
    let interval = match schedule {
        None => return 0,
        Some(Schedule::Every(interval)) => (*interval).max(Duration::from_secs(1)),
        Some(Schedule::Calendar(text)) if is_frequent(text) => Duration::from_mins(1),
        Some(Schedule::Calendar(_)) => return 0,
    };
    u32::try_from(within.as_nanos().div_ceil(interval.as_nanos())).unwrap_or(u32::MAX)
}

/// Whether a calendar expression may elapse several times an hour; `hourly` and `*:00` do not.
fn is_frequent(calendar: &str) -> bool {
    let calendar = calendar.trim();
    if calendar.contains("minutely") {
        return true;
    }
    let Some(time) = calendar.split_whitespace().find(|word| word.contains(':')) else { return false };
    let mut parts = time.split(':');
    parts.next();
    parts.any(|part| part.contains(['*', '/', ',']) || part.contains(".."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::RestartLimit;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wanted(policy: RestartPolicy, delay: Duration, max_delay: Duration) -> service::Restart {
        let limit = RestartLimit { count: 5, within: seconds(600) };
        service::Restart { policy, delay, max_delay, limit, reset: seconds(60) }
    }

    #[test]
    fn the_delay_about_doubles() {
        let steps = |delay, max| growth(delay, max, 254).unwrap().map(|growth| growth.steps);
        assert_eq!(steps(seconds(1), seconds(60)), Some(6));
        assert_eq!(steps(seconds(1), seconds(64)), Some(6));
        assert_eq!(steps(seconds(1), seconds(65)), Some(7));
        assert_eq!(steps(seconds(5), seconds(5)), None);
        assert_eq!(steps(Duration::ZERO, seconds(1)), Some(4));
        assert_eq!(growth(seconds(1), seconds(60), 253).unwrap().map(|g| g.steps), None);
        let unit = restart(&wanted(RestartPolicy::Always, Duration::ZERO, seconds(1)), None, 257).unwrap();
        assert_eq!(unit.delay.unwrap().to_string(), "100ms");
        let unit = restart(&wanted(RestartPolicy::Always, Duration::ZERO, seconds(1)), None, 252).unwrap();
        assert_eq!(unit.delay.unwrap().to_string(), "0");
    }

    #[test]
    fn regular_runs_do_not_use_up_the_limit() {
        let burst = |schedule: &Schedule| {
            let wanted = wanted(RestartPolicy::OnFailure, seconds(1), seconds(60));
            restart(&wanted, Some(schedule), 257).unwrap().limit.unwrap().burst
        };
        assert_eq!(burst(&Schedule::Every(seconds(60))), 15);
        assert_eq!(burst(&Schedule::Every(seconds(86_400))), 6);
        assert_eq!(burst(&Schedule::Calendar("*-*-* 03:00".into())), 5);
        assert_eq!(burst(&Schedule::Calendar("hourly".into())), 5);
        for often in ["minutely", "*:*", "*:0/5", "Mon *:*:00", "*-*-* 08..17:00,30"] {
            assert_eq!(burst(&Schedule::Calendar(often.into())), 15, "{often}");
        }
        let never =
            restart(&wanted(RestartPolicy::Never, seconds(1), seconds(60)), Some(&Schedule::Every(seconds(1))), 257);
        assert!(never.unwrap().limit.is_none());
    }

    #[test]
    fn always_is_not_for_scheduled_services() {
        let schedule = Schedule::Every(seconds(60));
        let error = restart(&wanted(RestartPolicy::Always, seconds(1), seconds(60)), Some(&schedule), 257).unwrap_err();
        assert_eq!(error.0, Field::Restart);
    }
}
