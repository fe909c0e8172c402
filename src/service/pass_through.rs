//! `systemd = {…}`: sections and keys as they are, for what svc has no word for.

use std::collections::BTreeMap;

/// Section → key → values in order (a key may stand several times).
///
/// Sections are `Unit`, `Service`, `Install`, `Timer`; keys `[A-Za-z][A-Za-z0-9-]*`; values have no
/// line end, no NUL and no odd number of `\` at the end (safety §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PassThrough(BTreeMap<String, BTreeMap<String, Vec<String>>>);

/// Sections that may be passed through.
pub const SECTIONS: [&str; 4] = ["Unit", "Service", "Install", "Timer"];

impl PassThrough {
    /// Adds one line; the error is the reason.
    pub fn add(&mut self, section: &str, key: &str, value: &str) -> Result<(), String> {
        if !SECTIONS.contains(&section) {
            return Err(format!("the section is one of {}", SECTIONS.join(", ")));
        }
        let mut chars = key.chars();
        if !(chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '-'))
        {
            return Err("a key has letters, digits and `-`".into());
        }
        if value.chars().any(|c| matches!(c, '\n' | '\r' | '\0')) {
            return Err("a value has no line end and no NUL".into());
        }
        if value.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
            return Err("a value can't end in a `\\`: it would swallow the next line".into());
        }
        let keys = self.0.entry(section.to_owned()).or_default();
        keys.entry(key.to_owned()).or_default().push(value.to_owned());
        Ok(())
    }

    /// The lines of one section: key and value, sorted by key.
    pub fn section(&self, section: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .get(section)
            .into_iter()
            .flatten()
            .flat_map(|(key, values)| values.iter().map(move |v| (key.as_str(), v.as_str())))
    }

    /// Sections in use with their keys.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Vec<String>>)> {
        self.0.iter().map(|(section, keys)| (section.as_str(), keys))
    }

    /// Whether nothing is passed through.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
