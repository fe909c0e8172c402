//! Times as the five figures of cron, exactly or not at all.

use crate::engine::schedule::Calendar;
use crate::service::Schedule;
use std::time::Duration;

/// `MINUTE HOUR DAY MONTH WEEKDAY`; the error is the reason.
pub(super) fn cron(schedule: &Schedule) -> Result<String, String> {
    match schedule {
        Schedule::Every(every) => each(*every),
        Schedule::Calendar(text) => {
            let figures = Calendar::parse(text)?.figures();
            if figures.zone || figures.years || figures.from_end || !figures.whole_minutes {
                return Err(format!("cron has no word for \"{text}\""));
            }
            if figures.days.is_some() && figures.weekdays.is_some() {
                return Err("cron would run on the day of the month or the weekday, not where both meet".into());
            }
            let list = |all: &Option<Vec<i32>>| match all {
                None => "*".to_owned(),
                Some(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            };
            let weekdays = figures.weekdays.map(|days| days.into_iter().map(|day| (day + 1) % 7).collect());
            Ok([&figures.minutes, &figures.hours, &figures.days, &figures.months, &weekdays].map(list).join(" "))
        }
    }
}

/// Only what divides an hour or a day comes at even distances.
fn each(every: Duration) -> Result<String, String> {
    let minutes = every.as_secs() / 60;
    let whole = Duration::from_mins(minutes) == every && minutes > 0;
    match minutes {
        1 if whole => Ok("* * * * *".into()),
        2..60 if whole && 60 % minutes == 0 => Ok(format!("*/{minutes} * * * *")),
        60 if whole => Ok("0 * * * *".into()),
        1440 if whole => Ok("0 0 * * *".into()),
        61..1440 if whole && minutes.is_multiple_of(60) && 24 % (minutes / 60) == 0 => {
            Ok(format!("0 */{} * * *", minutes / 60))
        }
        _ => Err("cron has no even distance of this length".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_or_not_at_all() {
        let calendar = |text: &str| cron(&Schedule::Calendar(text.into()));
        assert_eq!(calendar("*-*-* 03:30").as_deref(), Ok("30 3 * * *"));
        assert_eq!(calendar("Mon..Wed,Sun 09:00").as_deref(), Ok("0 9 * * 1,2,3,0"));
        assert_eq!(calendar("monthly").as_deref(), Ok("0 0 1 * *"));
        assert!(calendar("03:30:10").is_err() && calendar("Mon *-*-01 00:00").is_err());
        let every = |minutes| cron(&Schedule::Every(Duration::from_mins(minutes)));
        assert_eq!(every(15).as_deref(), Ok("*/15 * * * *"));
        assert_eq!(every(120).as_deref(), Ok("0 */2 * * *"));
        assert!(every(7).is_err() && every(300).is_err());
        assert!(cron(&Schedule::Every(Duration::from_secs(90))).is_err());
    }
}
