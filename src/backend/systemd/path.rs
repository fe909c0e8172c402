//! Quoting of paths: what fills the rest of its line ([`UnitPath`]), what is a glob pattern
//! ([`GlobPath`]) and what stands in a list of words ([`ListPath`]) has a rule of its own each.

use super::escape::{clean, is_bare, unit_text};
use super::text::UnitText;
use crate::service::AbsPath;
use std::fmt;

/// Longest path and longest part of one (`PATH_MAX` less its NUL, `NAME_MAX`).
pub(super) const MAX_PATH: usize = 4_095;
const MAX_PART: usize = 255;

unit_text!(UnitPath GlobPath ListPath);

/// A path that is written on one line as it is.
fn clean_path(path: &AbsPath) -> Result<&str, String> {
    let text = clean(path.as_path().as_os_str())?;
    if text.contains(['\n', '\r']) {
        return Err("contains a line end, which systemd can't have in this path".to_owned());
    }
    if text.len() > MAX_PATH || text.split('/').any(|part| part.len() > MAX_PART) {
        return Err(format!("is too long: a path has at most {MAX_PATH} bytes, each of its parts {MAX_PART}"));
    }
    Ok(text)
}

/// A path that fills the rest of its line: `WorkingDirectory=`, `StandardOutput=append:`.
///
/// systemd trims the line and unquotes nothing. A `/` at the end is cut again on reading and keeps a
/// white space or a `\` from being the last character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitPath(String);

impl UnitPath {
    /// Refuses line ends and what systemd does not take; the error is the reason.
    pub(crate) fn new(path: &AbsPath) -> Result<Self, String> {
        let mut text = clean_path(path)?.replace('%', "%%");
        if !text.ends_with(|c: char| c.is_alphanumeric() || c == '/') {
            text.push('/');
        }
        Ok(Self(text))
    }
}

/// The path of `EnvironmentFile=`, which systemd reads as a glob pattern (glob(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GlobPath(String);

impl GlobPath {
    /// Matches this path and no other; `optional`: it may be missing.
    pub(crate) fn new(path: &AbsPath, optional: bool) -> Result<Self, String> {
        let text = clean_path(path)?;
        let mut out = String::from(if optional { "-" } else { "" });
        for (at, c) in text.char_indices() {
            let last = at + c.len_utf8() == text.len();
            match c {
                '*' | '?' | '[' => out.extend(['[', c, ']']),
                '\\' => out.push_str("[\\\\]"),
                ' ' | '\t' if last => out.extend(['[', c, ']']),
                '%' => out.push_str("%%"),
                c => out.push(c),
            }
        }
        Ok(Self(out))
    }
}

/// One path of `ReadWritePaths=`: a list of words in which `\` makes the next character plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListPath(String);

impl ListPath {
    /// `missing_ok`: a path that does not exist is passed over.
    pub(crate) fn new(path: &AbsPath, missing_ok: bool) -> Result<Self, String> {
        let text = clean_path(path)?;
        let minus = if missing_ok { "-" } else { "" };
        if is_bare(text) {
            return Ok(Self(format!("{minus}{text}")));
        }
        let mut out = format!("\"{minus}");
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '%' => out.push_str("%%"),
                c => out.push(c),
            }
        }
        out.push('"');
        Ok(Self(out))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::path::Path;

    fn path(text: &str) -> AbsPath {
        AbsPath::new(Path::new(text)).unwrap()
    }

    #[test]
    fn paths_follow_the_rule_of_their_directive() {
        let unit = |text: &str| UnitPath::new(&path(text)).unwrap().to_string();
        assert_eq!(unit("/srv/web"), "/srv/web");
        assert_eq!(unit("/"), "/");
        assert_eq!(unit("/a b%/c "), "/a b%%/c /");
        assert_eq!(unit("/a\\"), "/a\\/");
        let glob = |text: &str| GlobPath::new(&path(text), false).unwrap().to_string();
        assert_eq!(glob("/a*b?[c]\\ "), "/a[*]b[?][[]c][\\\\][ ]");
        assert_eq!(GlobPath::new(&path("/a/.env"), true).unwrap().to_string(), "-/a/.env");
        let list = |text: &str| ListPath::new(&path(text), true).unwrap().to_string();
        assert_eq!(list("/a/b"), "-/a/b");
        assert_eq!(list("/a b\"\\%"), "\"-/a b\\\"\\\\%%\"");
        for bad in ["/a\nb", "/a\rb", "/\u{ffff}"] {
            assert!(UnitPath::new(&path(bad)).is_err());
            assert!(GlobPath::new(&path(bad), false).is_err());
            assert!(ListPath::new(&path(bad), false).is_err());
        }
        assert!(UnitPath::new(&path(&format!("/{}", "x".repeat(256)))).is_err());
    }
}
