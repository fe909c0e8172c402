//! Calendar expressions: when a scheduled service runs. systemd.time(7), CALENDAR EVENTS.
//!
//! The same texts are taken and refused, and the same times come out, as with `systemd-analyze
//! calendar`, which the tests ask. A calendar is searched in civil time (year to microsecond) and the
//! result placed in the time zone:
//! - a time that the clock skips in spring does not happen that day;
//! - a time that comes twice in autumn happens once, the first time; one that was missed by then, the second.
//!
//! Not here: names such as `CEST` that only the machine's own time zone gives a meaning to. A time
//! zone is looked up where jiff looks (`/usr/share/zoneinfo`) when the text is read.

mod parse;
#[cfg(test)]
mod tests;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan};

/// No calendar is searched beyond this year, nor may name one: systemd's own bound.
const LAST_YEAR: i32 = 2199;
/// Microseconds in a second.
const SECOND: i32 = 1_000_000;

/// A calendar expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// Its own time zone; absent: the machine's.
    zone: Option<TimeZone>,
    /// From Monday on; all false is not possible.
    weekdays: [bool; 7],
    year: Component,
    month: Component,
    day: Component,
    /// Days count from the end of the month: 1 is the last.
    from_end: bool,
    hour: Component,
    minute: Component,
    /// Of the minute.
    microsecond: Component,
}

/// What one figure of a date or time may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    /// `*`.
    Any,
    /// `A,B..C/D`.
    Parts(Vec<Part>),
}

/// One of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    start: i32,
    /// The last that may be; absent: as far as the figure goes.
    stop: Option<i32>,
    /// 0: `start` alone.
    repeat: i32,
}

impl Part {
    /// The first from `least` on.
    fn first(self, least: i32) -> Option<i32> {
        if self.start >= least {
            return Some(self.start);
        }
        if self.repeat <= 0 {
            return None;
        }
        let steps = (least - self.start + self.repeat - 1) / self.repeat;
        Some(self.start + steps * self.repeat).filter(|found| self.stop.is_none_or(|stop| *found <= stop))
    }
}

impl Component {
    /// The first from `least` to `most`.
    fn first(&self, least: i32, most: i32) -> Option<i32> {
        let found = match self {
            Self::Any => Some(least),
            Self::Parts(parts) => parts.iter().filter_map(|part| part.first(least)).min(),
        };
        found.filter(|found| *found <= most)
    }

    /// The same for days that count from the end of a month of `length` days.
    fn in_month(&self, least: i32, length: i32) -> Option<i32> {
        let Self::Parts(parts) = self else { return self.first(least, length) };
        let of_month = |part: &Part| {
            let day = |from_end: i32| Some(length + 1 - from_end).filter(|day| *day >= 1);
            let start = day(part.start)?;
            Some(match part.stop {
                Some(stop) => Part { start: day(stop)?, stop: Some(start), repeat: part.repeat },
                None => Part { start, ..*part },
            })
        };
        let found = parts.iter().filter_map(of_month).filter_map(|part| part.first(least)).min();
        found.filter(|found| *found <= length)
    }
}

/// The figures of a calendar written out, for a manager that has a calendar of its own. Absent: any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    /// It names a time zone.
    pub(crate) zone: bool,
    /// It names years.
    pub(crate) years: bool,
    /// It is at the full minute.
    pub(crate) whole_minutes: bool,
    /// Days count from the end of the month.
    pub(crate) from_end: bool,
    /// 1 to 12.
    pub(crate) months: Option<Vec<i32>>,
    /// 1 to 31.
    pub(crate) days: Option<Vec<i32>>,
    /// From Monday, 0, on.
    pub(crate) weekdays: Option<Vec<i32>>,
    /// 0 to 23.
    pub(crate) hours: Option<Vec<i32>>,
    /// 0 to 59.
    pub(crate) minutes: Option<Vec<i32>>,
}

impl Component {
    /// All from `least` to `most`; absent if that is every one of them.
    fn all(&self, least: i32, most: i32) -> Option<Vec<i32>> {
        let next = |from: &i32| self.first(from + 1, most);
        let all: Vec<i32> = std::iter::successors(self.first(least, most), next).collect();
        let full = usize::try_from(most - least + 1).is_ok_and(|count| all.len() == count);
        (!full).then_some(all)
    }
}

impl Calendar {
    /// Every value of each figure.
    pub(crate) fn figures(&self) -> Figures {
        let weekdays: Vec<i32> = (0..7).zip(self.weekdays).filter_map(|(day, is)| is.then_some(day)).collect();
        Figures {
            zone: self.zone.is_some(),
            years: self.year != Component::Any,
            whole_minutes: self.microsecond == Component::Parts(vec![Part { start: 0, stop: None, repeat: 0 }]),
            from_end: self.from_end,
            months: self.month.all(1, 12),
            days: self.day.all(1, 31),
            weekdays: (weekdays.len() < 7).then_some(weekdays),
            hours: self.hour.all(0, 23),
            minutes: self.minute.all(0, 59),
        }
    }

    /// Reads an expression; the error is the reason, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::calendar(text)
    }

    /// The first time after `after`; `None` if there is no more. `zone` is the machine's own, for an
    /// expression that names none.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        let whole = Timestamp::from_microsecond(after.as_microsecond()).ok()?;
        // the microsecond that `after` lies in is over
        let whole = if whole > after { whole.checked_sub(1.microsecond()).ok()? } else { whole };
        let mut from = whole.checked_add(1.microsecond()).ok()?.to_zoned(zone.clone()).datetime();
        loop {
            let found = self.next_civil(from)?;
            match zone.to_ambiguous_timestamp(found).offset() {
                AmbiguousOffset::Unambiguous { offset } => return at(offset, found),
                AmbiguousOffset::Gap { before, .. } => from = end_of_gap(zone, at(before, found)?)?,
                AmbiguousOffset::Fold { before, after: later } => {
                    let first = at(before, found)?;
                    return if first > after { Some(first) } else { at(later, found) };
                }
            }
        }
    }

    /// The first match at `from` or later, on a clock that is never set.
    fn next_civil(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let mut time = Some((i32::from(from.hour()), i32::from(from.minute()), microsecond(from.time())));
        loop {
            let found = self.next_date(date)?;
            let least = time.take().filter(|_| found == date).unwrap_or((0, 0, 0));
            if let Some(time) = self.next_time(least) {
                return Some(DateTime::from_parts(found, time));
            }
            date = found.tomorrow().ok()?;
        }
    }

    fn next_date(&self, from: Date) -> Option<Date> {
        let (mut year, mut month, mut day) = (i32::from(from.year()), i32::from(from.month()), i32::from(from.day()));
        loop {
            let found = self.year.first(year, LAST_YEAR)?;
            if found != year {
                (year, month, day) = (found, 1, 1);
            }
            let Some(found) = self.month.first(month, 12) else {
                (year, month, day) = (year + 1, 1, 1);
                continue;
            };
            if found != month {
                (month, day) = (found, 1);
            }
            let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
            let length = i32::from(first.days_in_month());
            let found = if self.from_end { self.day.in_month(day, length) } else { self.day.first(day, length) };
            match found {
                Some(found) => {
                    let date = first.checked_add(Span::new().days(found - 1)).ok()?;
                    if self.is_weekday(date.weekday()) {
                        return Some(date);
                    }
                    day = found + 1;
                }
                None => (month, day) = (month + 1, 1),
            }
        }
    }

    fn is_weekday(&self, weekday: Weekday) -> bool {
        usize::try_from(weekday.to_monday_zero_offset()).is_ok_and(|at| self.weekdays[at])
    }

    /// The first time of a day from this hour, minute and microsecond on.
    fn next_time(&self, (mut hour, mut minute, mut rest): (i32, i32, i32)) -> Option<Time> {
        loop {
            let found = self.hour.first(hour, 23)?;
            if found != hour {
                (hour, minute, rest) = (found, 0, 0);
            }
            let Some(found) = self.minute.first(minute, 59) else {
                (hour, minute, rest) = (hour + 1, 0, 0);
                continue;
            };
            if found != minute {
                (minute, rest) = (found, 0);
            }
            let Some(found) = self.microsecond.first(rest, 60 * SECOND - 1) else {
                (minute, rest) = (minute + 1, 0);
                continue;
            };
            let small = |figure: i32| i8::try_from(figure).ok();
            return Time::new(small(hour)?, small(minute)?, small(found / SECOND)?, found % SECOND * 1_000).ok();
        }
    }
}

fn microsecond(time: Time) -> i32 {
    i32::from(time.second()) * SECOND + time.subsec_nanosecond() / 1_000
}

fn at(offset: Offset, time: DateTime) -> Option<Timestamp> {
    offset.to_timestamp(time).ok()
}

/// The first civil time after a gap; `inside` lies at or after the moment the clock was set forward.
fn end_of_gap(zone: &TimeZone, inside: Timestamp) -> Option<DateTime> {
    let change = zone.preceding(inside.checked_add(1.second()).ok()?).next()?;
    Some(zone.to_datetime(change.timestamp()))
}
