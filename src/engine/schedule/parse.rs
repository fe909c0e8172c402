//! Reads a calendar expression, as strictly as systemd does.

use super::{Calendar, Component, LAST_YEAR, Part, SECOND};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// More parts of a list than this are refused.
const MOST_PARTS: usize = 240;
/// Longer texts are refused unread.
const MOST_BYTES: usize = 4096;

const WEEKDAYS: [(&str, usize); 14] = [
    ("monday", 0),
    ("mon", 0),
    ("tuesday", 1),
    ("tue", 1),
    ("wednesday", 2),
    ("wed", 2),
    ("thursday", 3),
    ("thu", 3),
    ("friday", 4),
    ("fri", 4),
    ("saturday", 5),
    ("sat", 5),
    ("sunday", 6),
    ("sun", 6),
];

/// Words for whole expressions, and what they mean.
const SHORTHANDS: [(&str, &str); 13] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    // systemd takes its own old slip, too
    ("anually", "*-01-01 00:00:00"),
];

type Res<T> = Result<T, String>;

pub(super) fn calendar(text: &str) -> Res<Calendar> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty: say when, such as `*-*-* 03:00`".into());
    }
    if text.len() > MOST_BYTES {
        return Err(format!("is longer than {MOST_BYTES} bytes"));
    }
    let (rest, zone) = zone(text)?;
    let shorthand = SHORTHANDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(rest));
    let mut reader = Reader { rest: shorthand.map_or(rest, |(_, meaning)| meaning) };
    let weekdays = reader.weekdays()?;
    let mut calendar = match reader.rest.strip_prefix('@') {
        Some(seconds) => moment(seconds)?,
        None => reader.date_and_time()?,
    };
    if weekdays.contains(&true) {
        calendar.weekdays = weekdays;
    }
    calendar.zone = calendar.zone.or(zone);
    check(&mut calendar)?;
    Ok(calendar)
}

/// Splits off a time zone: the last word, if it is one.
fn zone(text: &str) -> Res<(&str, Option<TimeZone>)> {
    let Some((before, word)) = text.rsplit_once(' ') else { return Ok((text, None)) };
    if word.eq_ignore_ascii_case("utc") {
        return Ok((before, Some(TimeZone::UTC)));
    }
    if !word.starts_with(|first: char| first.is_ascii_alphabetic()) || is_weekday(word) {
        return Ok((text, None));
    }
    match TimeZone::get(word) {
        Ok(zone) if zone.iana_name() == Some(word) => Ok((before, Some(zone))),
        Ok(zone) => match zone.iana_name() {
            Some(name) => Err(format!("has the time zone `{word}`, which is written `{name}`")),
            None => Ok((before, Some(zone))),
        },
        Err(_) => {
            Err(format!("ends with `{word}`, which is no time zone known here, such as `Europe/Berlin` or `UTC`"))
        }
    }
}

fn is_weekday(word: &str) -> bool {
    let first = word.split(['.', ',', '-']).next().unwrap_or_default();
    WEEKDAYS.iter().any(|(name, _)| name.eq_ignore_ascii_case(first))
}

/// `@SECONDS` since 1970, UTC.
fn moment(seconds: &str) -> Res<Calendar> {
    let reason = || "is no time: `@` and seconds since 1970".to_owned();
    if !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(reason());
    }
    let at = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(reason)?;
    let at = TimeZone::UTC.to_datetime(at);
    let one = |figure: i32| Component::Parts(vec![Part { start: figure, stop: None, repeat: 0 }]);
    Ok(Calendar {
        zone: Some(TimeZone::UTC),
        weekdays: [true; 7],
        year: one(at.year().into()),
        month: one(at.month().into()),
        day: one(at.day().into()),
        from_end: false,
        hour: one(at.hour().into()),
        minute: one(at.minute().into()),
        microsecond: one(i32::from(at.second()) * SECOND),
    })
}

/// What is not read yet.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Whether the text goes on with this, which then is read.
    fn takes(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).map(|rest| self.rest = rest).is_some()
    }

    fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn wrong<T>(&self) -> Res<T> {
        Err(if self.at_end() {
            "ends too early: it is `Mon..Fri *-*-* 03:00:00`, or parts of that".into()
        } else {
            format!("can't be understood at `{}`: it is `Mon..Fri *-*-* 03:00:00`, or parts of that", self.rest)
        })
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    /// `Mon..Wed,Fri`; all false if there are none.
    fn weekdays(&mut self) -> Res<[bool; 7]> {
        let mut days = [false; 7];
        let mut range_from: Option<usize> = None;
        let mut first = true;
        loop {
            let Some((name, day)) = WEEKDAYS.iter().copied().find(|(name, _)| starts_with(self.rest, name)) else {
                return if first { Ok(days) } else { self.wrong() };
            };
            if !matches!(self.rest.as_bytes().get(name.len()), None | Some(b'-' | b'.' | b',' | b' ')) {
                return self.wrong();
            }
            let from = range_from.unwrap_or(day);
            if from > day {
                return Err("has a range of weekdays that ends before it begins; weeks begin on Monday".into());
            }
            days[from..=day].fill(true);
            self.rest = &self.rest[name.len()..];
            if self.takes("..") || self.takes("-") {
                if range_from.is_some() {
                    return self.wrong();
                }
                range_from = Some(day);
            } else if self.takes(",") || self.at_end() || self.rest.starts_with(' ') {
                range_from = None;
            } else {
                return self.wrong();
            }
            if self.at_end() || self.rest.starts_with(' ') {
                self.spaces();
                return if range_from.is_none() { Ok(days) } else { self.wrong() };
            }
            first = false;
        }
    }

    fn date_and_time(&mut self) -> Res<Calendar> {
        let mut calendar = Calendar {
            zone: None,
            weekdays: [true; 7],
            year: Component::Any,
            month: Component::Any,
            day: Component::Any,
            from_end: false,
            hour: exactly_zero(),
            minute: exactly_zero(),
            microsecond: exactly_zero(),
        };
        if self.at_end() {
            return Ok(calendar);
        }
        let first = self.figures(false)?;
        if self.takes(":") {
            self.time(first, &mut calendar)?;
            return Ok(calendar);
        }
        self.date(first, &mut calendar)?;
        if !self.at_end() {
            let hour = self.figures(false)?;
            if !self.takes(":") {
                return self.wrong();
            }
            self.time(hour, &mut calendar)?;
        }
        Ok(calendar)
    }

    /// What follows the first figure of `*-*-*` or `*-*`.
    fn date(&mut self, first: Component, calendar: &mut Calendar) -> Res<()> {
        calendar.from_end = self.dash()?;
        let second = self.figures(false)?;
        if self.at_end() || self.rest.starts_with(' ') {
            (calendar.month, calendar.day) = (first, second);
        } else {
            if calendar.from_end {
                return self.wrong();
            }
            calendar.from_end = self.dash()?;
            let third = self.figures(false)?;
            if !self.at_end() && !self.rest.starts_with(' ') {
                return self.wrong();
            }
            (calendar.year, calendar.month, calendar.day) = (first, second, third);
        }
        self.spaces();
        Ok(())
    }

    /// `-`, or `~` (true).
    fn dash(&mut self) -> Res<bool> {
        let from_end = self.takes("~");
        if from_end || self.takes("-") { Ok(from_end) } else { self.wrong() }
    }

    /// What follows `HOUR:`.
    fn time(&mut self, hour: Component, calendar: &mut Calendar) -> Res<()> {
        calendar.hour = hour;
        calendar.minute = self.figures(false)?;
        if self.takes(":") {
            calendar.microsecond = self.figures(true)?;
        }
        if self.at_end() { Ok(()) } else { self.wrong() }
    }

    /// `*` or a list; `seconds`: with fractions, in microseconds.
    fn figures(&mut self, seconds: bool) -> Res<Component> {
        if self.takes("*") {
            if self.rest.starts_with('/') {
                return Err("has `*/`: every fifth is `0/5`, of days and months `1/5`".into());
            }
            let each_second = Part { start: 0, stop: None, repeat: SECOND };
            return Ok(if seconds { Component::Parts(vec![each_second]) } else { Component::Any });
        }
        let mut parts = Vec::new();
        loop {
            parts.push(self.part(seconds)?);
            if parts.len() > MOST_PARTS {
                return Err(format!("has a list of more than {MOST_PARTS}"));
            }
            if !self.takes(",") {
                break;
            }
        }
        match self.rest.as_bytes().first() {
            None | Some(b' ' | b'-' | b'~' | b':') => Ok(Component::Parts(parts)),
            Some(_) => self.wrong(),
        }
    }

    fn part(&mut self, seconds: bool) -> Res<Part> {
        let mut part = Part { start: self.figure(seconds)?, stop: None, repeat: 0 };
        if self.takes("..") {
            part.stop = Some(self.figure(seconds)?);
            part.repeat = if seconds { SECOND } else { 1 };
        }
        if self.takes("/") {
            part.repeat = self.figure(seconds)?;
            if part.repeat == 0 {
                return Err("has a step of 0".into());
            }
        } else if seconds && part.stop.is_some_and(|stop| part.start.saturating_add(part.repeat) > stop) {
            return Err("has a range of less than a second: give it a step, such as `0..0.5/0.1`".into());
        }
        Ok(part)
    }

    fn figure(&mut self, seconds: bool) -> Res<i32> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (figure, rest) = self.rest.split_at(digits);
        if figure.is_empty() {
            return self.wrong();
        }
        let too_large = || format!("has a figure that is too large: {figure}");
        let mut value: i32 = figure.parse().map_err(|_| too_large())?;
        self.rest = rest;
        if seconds {
            value = value.checked_mul(SECOND).ok_or_else(too_large)?;
            if self.rest.starts_with('.') && !self.rest.starts_with("..") {
                self.rest = &self.rest[1..];
                value = value.checked_add(self.fraction()?).ok_or_else(too_large)?;
            }
        }
        Ok(value)
    }

    /// Digits after the point, in microseconds; the seventh rounds, further ones do not count.
    fn fraction(&mut self) -> Res<i32> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (digits, rest) = self.rest.split_at(digits);
        if digits.is_empty() {
            return self.wrong();
        }
        self.rest = rest;
        let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |digit| i32::from(digit - b'0'));
        let whole = (0..6).fold(0, |sum, at| sum * 10 + digit(at));
        Ok(whole + i32::from(digit(6) >= 5))
    }
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn exactly_zero() -> Component {
    Component::Parts(vec![Part { start: 0, stop: None, repeat: 0 }])
}

/// Puts figures in order and refuses what can't be. The bounds are systemd's (`calendar_spec_valid`).
fn check(calendar: &mut Calendar) -> Res<()> {
    let Calendar { year, month, day, from_end, hour, minute, microsecond, .. } = calendar;
    *from_end &= *day != Component::Any;
    if let Component::Parts(parts) = year {
        for part in parts {
            part.start = full_year(part.start);
            part.stop = part.stop.map(full_year);
        }
    }
    let days = if *from_end { 28 } else { 31 };
    for (component, name, least, most) in [
        (year, "year", 1970, LAST_YEAR),
        (month, "month", 1, 12),
        (day, "day", 1, days),
        (hour, "hour", 0, 23),
        (minute, "minute", 0, 59),
        (microsecond, "second", 0, 60 * SECOND - 1),
    ] {
        let Component::Parts(parts) = component else { continue };
        for part in parts {
            normalize(part);
            let from_end = name == "day" && *from_end;
            if !is_possible(*part, least, most, from_end) {
                let (least, most) = if name == "second" { (0, 59) } else { (least, most) };
                let article = if name == "hour" { "an" } else { "a" };
                return Err(format!(
                    "has {article} {name} that never comes: {name}s are {least} to {most}, ranges go upwards"
                ));
            }
        }
    }
    Ok(())
}

/// 12 is 2012, 89 is 1989.
fn full_year(year: i32) -> i32 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    }
}

/// A range ends with its last step; one without a step is a single figure.
fn normalize(part: &mut Part) {
    let Some(stop) = part.stop else { return };
    if stop > part.start && part.repeat > 0 {
        part.stop = Some(stop - (stop - part.start) % part.repeat);
    }
    let too_wide = stop > part.start && part.repeat > 0 && part.start.saturating_add(part.repeat) > stop;
    if too_wide || part.stop == Some(part.start) {
        (part.repeat, part.stop) = (0, None);
    }
}

fn is_possible(part: Part, least: i32, most: i32, from_end: bool) -> bool {
    let Part { start, stop, repeat } = part;
    if !(least..=most).contains(&start) || repeat > most - least {
        return false;
    }
    match stop {
        Some(stop) => (least..=most).contains(&stop) && start + repeat <= stop,
        None if from_end => start - repeat >= least,
        None => start + repeat <= most,
    }
}
