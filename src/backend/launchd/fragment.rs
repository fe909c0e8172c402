//! A value of any shape inside of a property list.

use super::xml::{Flag, Str, XmlText};
use plist::Value;
use std::fmt;

/// A value whose strings XML can carry; shown as it stands inside the outermost `<dict>`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fragment(Value);

impl Fragment {
    /// Strings, whole numbers, `true` and `false`, lists and tables of these; the error is the reason.
    pub(super) fn new(value: Value) -> Result<Self, String> {
        check(&value).map(|()| Self(value))
    }

    /// The value.
    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl XmlText for Fragment {}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.0, 1)
    }
}

fn show(f: &mut fmt::Formatter<'_>, value: &Value, depth: usize) -> fmt::Result {
    let text = |text: &str| Str::new(text).map_err(|_| fmt::Error); // not after `check`
    let tabs = "\t".repeat(depth);
    match value {
        Value::String(string) => write!(f, "<string>{}</string>", text(string)?),
        Value::Integer(number) => write!(f, "<integer>{number}</integer>"),
        Value::Boolean(flag) => write!(f, "{}", Flag(*flag)),
        Value::Array(items) => {
            writeln!(f, "<array>")?;
            for item in items {
                write!(f, "{tabs}\t")?;
                show(f, item, depth + 1)?;
                writeln!(f)?;
            }
            write!(f, "{tabs}</array>")
        }
        Value::Dictionary(map) => {
            writeln!(f, "<dict>")?;
            for (key, value) in map {
                write!(f, "{tabs}\t<key>{}</key>\n{tabs}\t", text(key)?)?;
                show(f, value, depth + 1)?;
                writeln!(f)?;
            }
            write!(f, "{tabs}</dict>")
        }
        _ => Err(fmt::Error), // not after `check`
    }
}

fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => Str::new(text).map(drop),
        Value::Integer(_) | Value::Boolean(_) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Dictionary(map) => map.iter().try_for_each(|(key, value)| {
            Str::new(key).map_err(|reason| format!("has a key that {reason}"))?;
            check(value)
        }),
        _ => Err("is of a type that launchd does not take".to_owned()),
    }
}
