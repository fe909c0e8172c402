//! Where a service's output goes. DESIGN §4: `logs`.

use super::AbsPath;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `logs`. Without a file: the platform's own place (systemd: the journal).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logs {
    /// `file`.
    pub file: Option<AbsPath>,
    /// `max_size`: rotate at this many bytes.
    pub max_size: Option<u64>,
    /// `keep`: so many rotated files.
    pub keep: Option<u32>,
    /// `keep_days`: rotated files this old go.
    pub keep_days: Option<u32>,
    /// `timestamps`: each line begins with its time.
    pub timestamps: Option<bool>,
    /// `compress`: rotated files are compressed.
    pub compress: Option<bool>,
    /// `rate_limit`: lines beyond this are left out.
    pub rate_limit: Option<Rate>,
}

/// Lines within a time: `1000/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// So many, at least one …
    pub lines: u32,
    /// … within this time.
    pub per: Per,
}

/// The time of a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
}

impl Per {
    /// How long it is.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is not a number of lines within a time".to_owned();
        let (lines, per) = text.split_once('/').ok_or_else(wrong)?;
        let per = match per.trim() {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return Err(wrong()),
        };
        let lines: u32 = lines.trim().parse().map_err(|_| wrong())?;
        if lines == 0 { Err("is not one line at least".into()) } else { Ok(Self { lines, per }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.lines, self.per.letter())
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown() {
        for text in ["1000/s", "1/m", "4294967295/h"] {
            assert_eq!(text.parse::<Rate>().map(|rate| rate.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(" 5 / s ".parse::<Rate>(), Ok(Rate { lines: 5, per: Per::Second }));
        for wrong in ["", "5", "/s", "5/", "5/d", "0/s", "-1/s", "5/s/s", "4294967296/h", "1.5/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
