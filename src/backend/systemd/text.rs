//! What may stand in a hole of a unit template: only types that escaped their value or refused it.
//!
//! `{{ hole|unit }}` takes a [`UnitText`] and nothing else, so that a `String` in a template does
//! not compile. The types with a quoting rule are in [`super::escape`]; here are the plain ones.

use crate::service::Name;
use std::fmt;
use std::time::Duration;

/// Text that is right for its place in a unit file as it is.
pub(crate) trait UnitText: fmt::Display {}

impl<T: UnitText + ?Sized> UnitText for &T {}
impl UnitText for u32 {}
impl UnitText for u64 {}
impl UnitText for i8 {}
impl UnitText for Keyword {}
impl UnitText for Span {}
impl UnitText for Size {}
impl UnitText for Octal {}
impl UnitText for UnitName {}

/// A word of systemd's own, written in svc's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keyword(pub(crate) &'static str);

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// `NAME.service` or `NAME.timer`: nothing in a [`Name`] means anything to systemd (quoting-facts, unit names).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitName(String);

impl UnitName {
    /// `NAME.service`
    pub(crate) fn service(name: &Name) -> Self {
        Self(format!("{name}.service"))
    }

    /// `NAME.timer`
    pub(crate) fn timer(name: &Name) -> Self {
        Self(format!("{name}.timer"))
    }

    /// `NAME:WHAT.service`: no service can have that name, since `:` may stand in none.
    pub(crate) fn companion(name: &Name, what: &'static str) -> Self {
        Self(format!("{name}:{what}.service"))
    }

    /// `NAME:WHAT.socket`, likewise.
    pub(crate) fn socket(name: &Name, what: &'static str) -> Self {
        Self(format!("{name}:{what}.socket"))
    }

    /// The name without suffix, as the journal shows it.
    pub(crate) fn bare(name: &Name) -> Self {
        Self(name.to_string())
    }
}

/// A path in svc's folder for pipes of logs, below the manager's runtime folder (`%t`, systemd.unit(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimePath(String);

impl RuntimePath {
    /// Of a service.
    pub(crate) fn new(name: &Name, what: &'static str) -> Self {
        Self(format!("%t/{PIPES}/{name}.{what}"))
    }
}

impl fmt::Display for RuntimePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UnitText for RuntimePath {}

/// The folder of pipes to logs in the manager's runtime folder.
pub(crate) const PIPES: &str = "svc-log";

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time span, `systemd.time(7)`: `500ms`, `1min 30s`, `infinity`. Finer than a microsecond is rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(Option<u64>);

impl Span {
    /// No end.
    pub(crate) const INFINITE: Self = Self(None);

    /// Refuses what systemd can't count: it holds microseconds in 64 bits and drops a longer value with
    /// a mere warning.
    pub(crate) fn new(time: Duration) -> Result<Self, String> {
        let micros = time.as_nanos().div_ceil(1000);
        match u64::try_from(micros) {
            Ok(micros) if i64::try_from(micros).is_ok() => Ok(Self(Some(micros))),
            _ => Err("is longer than systemd can count (292,000 years)".to_owned()),
        }
    }

    /// The same, but never 0, where systemd reads 0 as "no limit".
    pub(crate) fn not_zero(time: Duration) -> Result<Self, String> {
        Self::new(time.max(Duration::from_millis(1)))
    }

    /// The same, 0 being "no limit" for a person too.
    pub(crate) fn zero_is_infinite(time: Duration) -> Result<Self, String> {
        if time.is_zero() { Ok(Self::INFINITE) } else { Self::new(time) }
    }
}

/// Names of units with their length in microseconds, longest first.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = match self.0 {
            None => return f.write_str("infinity"),
            Some(0) => return f.write_str("0"),
            Some(micros) => micros,
        };
        let mut space = "";
        for (unit, length) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                write!(f, "{space}{count}{unit}")?;
                space = " ";
            }
        }
        Ok(())
    }
}

/// Bytes, `systemd.resource-control(5)`: with the largest of `G`, `M`, `K` (base 1024) that loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A file mode mask, four octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Octal(pub(crate) u16);

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(time: Duration) -> String {
        Span::new(time).map_or_else(|e| e, |s| s.to_string())
    }

    #[test]
    fn spans_are_written_as_a_person_would() {
        assert_eq!(span(Duration::ZERO), "0");
        assert_eq!(span(Duration::from_millis(500)), "500ms");
        assert_eq!(span(Duration::from_secs(90)), "1min 30s");
        assert_eq!(span(Duration::from_hours(25)), "1d 1h");
        assert_eq!(span(Duration::from_nanos(1)), "1us");
        assert_eq!(span(Duration::MAX), "is longer than systemd can count (292,000 years)");
        assert_eq!(Span::INFINITE.to_string(), "infinity");
    }

    #[test]
    fn zero_never_becomes_no_limit_by_accident() {
        assert_eq!(Span::not_zero(Duration::ZERO), Span::new(Duration::from_millis(1)));
        assert_eq!(Span::zero_is_infinite(Duration::ZERO), Ok(Span::INFINITE));
    }

    #[test]
    fn sizes_lose_nothing() {
        assert_eq!(Size(512 << 20).to_string(), "512M");
        assert_eq!(Size((512 << 20) + 1).to_string(), "536870913");
        assert_eq!(Size(3 << 10).to_string(), "3K");
        assert_eq!(Octal(0o27).to_string(), "0027");
    }
}
