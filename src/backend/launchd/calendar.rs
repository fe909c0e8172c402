//! `schedule` as launchd's own calendar: `StartCalendarInterval`, launchd.plist(5).
//!
//! An entry names a minute, hour, day, weekday and month, each one figure or any; so lists, ranges and
//! steps are written out. What launchd has no word for is refused with what comes next to it.

use crate::engine::schedule::{Calendar, Figures};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use plist::Value;

/// More entries than this are refused: each is a timer of launchd's.
const MOST: usize = 200;

/// A moment that comes again and again; what is absent may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Entry {
    month: Option<u32>,
    day: Option<u32>,
    /// 0 is Sunday.
    weekday: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
}

/// Why an expression can't be had, and what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) hint: String,
}

impl Entry {
    /// The keys that it names.
    fn figures(&self) -> Vec<(&'static str, u32)> {
        let all = [
            ("Month", self.month),
            ("Day", self.day),
            ("Weekday", self.weekday),
            ("Hour", self.hour),
            ("Minute", self.minute),
        ];
        all.into_iter().filter_map(|(key, figure)| Some((key, figure?))).collect()
    }

    /// As a property list has it.
    fn value(&self) -> Value {
        Value::Dictionary(
            self.figures().into_iter().map(|(key, figure)| (key.to_owned(), Value::from(figure))).collect(),
        )
    }
}

/// What launchd is given for a calendar expression (systemd.time(7)): an entry, or a list of them.
pub(super) fn interval(text: &str) -> Result<Value, Refused> {
    let mut all = entries(text)?;
    Ok(match all.pop() {
        Some(only) if all.is_empty() => only.value(),
        last => Value::Array(all.iter().chain(&last).map(Entry::value).collect()),
    })
}

fn entries(text: &str) -> Result<Vec<Entry>, Refused> {
    let refused = |reason: &str, hint: &str| Err(Refused { reason: reason.to_owned(), hint: hint.to_owned() });
    let calendar = Calendar::parse(text)
        .map_err(|reason| Refused { reason, hint: "such as \"*-*-* 03:00\", \"Mon..Fri 12:30\", \"hourly\"".into() })?;
    let figures = calendar.figures();
    if figures.zone {
        return refused(
            "names a time zone, and launchd's times are those of the machine",
            "the same without the zone, in the machine's own time",
        );
    }
    if !figures.whole_minutes {
        return refused(
            "has seconds, and launchd's calendar has none",
            "a full minute, or so many seconds after the last start: `every = \"30s\"`",
        );
    }
    if figures.years {
        return refused(
            "names a year, and launchd's calendar has none",
            "`*` as the year, and a program that looks at the date",
        );
    }
    if figures.from_end {
        return refused(
            "counts days from the end of the month, which launchd's calendar can't",
            "`*-*-28`; or `*-*-28..31` and a program that looks whether tomorrow is the first",
        );
    }
    if figures.days.is_some() && figures.weekdays.is_some() {
        return refused(
            "has a day of the month and a weekday, and launchd would run it on either, not where both meet",
            "one of the two, and a program that looks at the other",
        );
    }
    if calendar.next_after(Timestamp::UNIX_EPOCH, &TimeZone::UTC).is_none() {
        return refused("never comes", "a day that its month has");
    }
    write_out(figures)
}

fn write_out(figures: Figures) -> Result<Vec<Entry>, Refused> {
    let Figures { months, days, weekdays, hours, mut minutes, .. } = figures;
    if [&months, &days, &weekdays, &hours, &minutes].iter().all(|figure| figure.is_none()) {
        // an entry that names nothing would be an empty one
        minutes = Some((0..60).collect());
    }
    let weekdays = weekdays.map(|days| days.into_iter().map(|day| (day + 1) % 7).collect());
    let lists = [&months, &days, &weekdays, &hours, &minutes];
    let count = lists.iter().map(|list| list.as_ref().map_or(1, Vec::len)).product::<usize>();
    if count > MOST {
        return Err(Refused {
            reason: format!("would be {count} entries of launchd's calendar, more than {MOST}"),
            hint: "so long after the last start: `every = \"5m\"`; or fewer times, such as every hour or every day"
                .into(),
        });
    }
    let figures = |list: &Option<Vec<i32>>| -> Vec<Option<u32>> {
        list.as_ref().map_or_else(|| vec![None], |list| list.iter().map(|figure| u32::try_from(*figure).ok()).collect())
    };
    let [months, days, weekdays, hours, minutes] = lists.map(figures);
    let mut entries = Vec::with_capacity(count);
    for &month in &months {
        for &day in &days {
            for &weekday in &weekdays {
                for &hour in &hours {
                    entries.extend(minutes.iter().map(|&minute| Entry { month, day, weekday, hour, minute }));
                }
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |entry: &Entry| {
            let all: Vec<String> = entry.figures().iter().map(|(key, figure)| format!("{key}={figure}")).collect();
            all.join(" ")
        };
        entries(text).unwrap().iter().map(one).collect()
    }

    #[test]
    fn expressions_become_entries() {
        let table: [(&str, &[&str]); 11] = [
            ("*-*-* 03:00", &["Hour=3 Minute=0"]),
            ("03:30", &["Hour=3 Minute=30"]),
            ("daily", &["Hour=0 Minute=0"]),
            ("hourly", &["Minute=0"]),
            ("weekly", &["Weekday=1 Hour=0 Minute=0"]),
            ("monthly", &["Day=1 Hour=0 Minute=0"]),
            ("yearly", &["Month=1 Day=1 Hour=0 Minute=0"]),
            (
                "Sat,Sun 9,18:00",
                &[
                    "Weekday=6 Hour=9 Minute=0",
                    "Weekday=6 Hour=18 Minute=0",
                    "Weekday=0 Hour=9 Minute=0",
                    "Weekday=0 Hour=18 Minute=0",
                ],
            ),
            ("*:0/20", &["Minute=0", "Minute=20", "Minute=40"]),
            (
                "*-01..03-31 00:00",
                &["Month=1 Day=31 Hour=0 Minute=0", "Month=2 Day=31 Hour=0 Minute=0", "Month=3 Day=31 Hour=0 Minute=0"],
            ),
            ("Mon..Sun 03:*", &["Hour=3"]),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(shown("minutely").len(), 60);
        assert_eq!(shown("Mon..Fri 9..17:0/15").len(), 180);
    }

    #[test]
    fn what_launchd_cannot_say_is_refused_with_what_comes_next() {
        let table = [
            ("03:00:30", "seconds"),
            ("*:*:0/30", "seconds"),
            ("*:*:*", "seconds"),
            ("03:00 UTC", "zone"),
            ("2027-01-01 03:00", "year"),
            ("*-*~01 03:00", "end of the month"),
            ("Fri *-*-13 13:00", "either"),
            ("*-02-30 00:00", "never"),
            ("Mon..Fri 9..17:0/5", "540 entries"),
            ("tomorrow", ""),
        ];
        for (text, reason) in table {
            let refused = entries(text).unwrap_err();
            assert!(refused.reason.contains(reason) && !refused.hint.is_empty(), "{text}: {refused:?}");
        }
    }
}
