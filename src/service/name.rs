//! `Name`: what a service is called, in svc, in the unit's file name and on the command line.
//!
//! The rule is DESIGN §4 and lies inside systemd's (quoting-facts §9): letters, digits and
//! `_.@-`, the first a letter or digit, at most 200 bytes, no `..`, not ending in `@` (a template).

use std::fmt;
use std::sync::Arc;

/// A valid name of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Longest name in bytes.
pub const MAX_NAME: usize = 200;

impl Name {
    /// Checks `text` against the rule; the error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), String> {
    let first = text.chars().next().ok_or("a name can't be empty")?;
    if !first.is_ascii_alphanumeric() {
        return Err("a name begins with a letter or digit".into());
    }
    if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "_.@-".contains(*c))) {
        return Err(format!("{bad:?} can't be in a name: letters, digits, `_`, `.`, `@` and `-` can"));
    }
    if text.len() > MAX_NAME {
        return Err(format!("a name has at most {MAX_NAME} bytes, this one has {}", text.len()));
    }
    if text.contains("..") {
        return Err("`..` can't be in a name".into());
    }
    if text.ends_with('@') {
        return Err("a name can't end in `@`: that is a template, not a service".into());
    }
    Ok(())
}

/// A valid name of a group, without the `@` that selects it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// The same rule as for a service's name, but without `@`.
    pub fn parse(text: &str) -> Result<Self, String> {
        check(text)?;
        if text.contains('@') {
            return Err("`@` can't be in the name of a group".into());
        }
        Ok(Self(text.into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
