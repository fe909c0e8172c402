//! Quoting for unit files: a value arrives byte for byte, or it is refused.
//!
//! A unit has several quoting rules, one type each: words of a command line ([`ExecWord`]),
//! assignments ([`EnvAssignment`]), text for people ([`PlainText`]) and text for a comment
//! ([`Comment`]); those of paths are in [`super::path`]. Sources: systemd.syntax(7),
//! systemd.service(5) "COMMAND LINES", systemd.exec(5), and about 1,000 units run on systemd 252.

use super::text::UnitText;
use crate::service::{AbsPath, EnvName, EnvValue};
use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write;

/// Longest logical line of a unit in bytes, its key included; one more and the unit does not load.
pub(crate) const MAX_LINE: usize = 1_048_575;
/// Longest argument or `NAME=VALUE` that Linux takes, without its NUL (`MAX_ARG_STRLEN`, execve(2)).
pub(crate) const MAX_WORD: usize = 131_071;

/// A type whose text is its `Display`, made right by its constructor.
macro_rules! unit_text {
    ($($name:ident)*) => {$(
        impl UnitText for $name {}
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(super) use unit_text;
unit_text!(ExecWord EnvAssignment PlainText Comment Verbatim Account);

/// What no part of a unit can carry: NUL, bytes that are not UTF-8, and the code points that are no
/// characters, which systemd counts as invalid though Rust does not.
pub(super) fn clean(value: &OsStr) -> Result<&str, String> {
    if value.as_encoded_bytes().contains(&0) {
        return Err("contains a NUL byte, which no program can be given".to_owned());
    }
    let Some(text) = value.to_str() else {
        return Err("is not UTF-8, which systemd does not take".to_owned());
    };
    match text.chars().find(|c| is_noncharacter(*c)) {
        Some(c) => Err(format!("contains U+{:04X}, which is no character and which systemd does not take", c as u32)),
        None => Ok(text),
    }
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || (c as u32) & 0xfffe == 0xfffe
}

/// Characters that a terminal or an editor would not show as what they are.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `"…"` as systemd unquotes it: `\xNN` is a byte, `%%` a percent sign. `$` is left alone: the lines
/// of svc have the `:` prefix or no expansion at all.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '%' => out.push_str("%%"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_invisible(c) => push_hex(&mut out, c),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn push_hex(out: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Whether a word means itself without quotes anywhere but at the start of a command line.
pub(super) fn is_bare(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./=:,@+-".contains(&b))
}

/// One word of `ExecStart=` and its kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecWord(String);

impl ExecWord {
    /// Refuses what systemd or the kernel does not take; the error is the reason.
    pub(crate) fn new(word: &OsStr) -> Result<Self, String> {
        let text = clean(word)?;
        if text.len() > MAX_WORD {
            return Err(format!("has {} bytes; Linux gives a program at most {MAX_WORD} in one argument", text.len()));
        }
        Ok(Self(if is_bare(text) { text.to_owned() } else { quote(text) }))
    }

    /// Whether systemd refuses this as the path of a program, however it is quoted
    /// (systemd issue 11561, deliberate).
    pub(crate) fn is_refused_as_program(path: &str) -> bool {
        path.bytes().any(|b| matches!(b, b'"' | b'\'' | b'\\' | 0x01..=0x1f | 0x7f))
    }
}

/// A command line, with the `:` prefix: systemd replaces no variable in it (since 244).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecLine(Vec<ExecWord>);

impl ExecLine {
    /// Refuses a line that systemd could not read; the first word is the absolute path of a program.
    pub(crate) fn new(words: Vec<ExecWord>) -> Result<Self, String> {
        let length = words.iter().map(|word| word.0.len() + 1).sum::<usize>() + "ExecStartPost=:".len();
        if length > MAX_LINE {
            return Err(format!("makes a line of {length} bytes; systemd reads at most {MAX_LINE}"));
        }
        Ok(Self(words))
    }
}

impl UnitText for ExecLine {}

impl fmt::Display for ExecLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = ":";
        for word in &self.0 {
            write!(f, "{before}{word}")?;
            before = " ";
        }
        Ok(())
    }
}

/// One assignment of `Environment=`. Shows no value in its errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvAssignment(String);

impl EnvAssignment {
    /// Refuses what systemd would drop with a mere warning; the error is the reason, without the value.
    pub(crate) fn new(name: &EnvName, value: &EnvValue, version: u32) -> Result<Self, String> {
        let text = clean(value.expose())?;
        if version < 247 && text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
            return Err(format!(
                "contains a control character, which systemd takes since 247 and this one is {version}"
            ));
        }
        let pair = format!("{}={text}", name.as_str());
        if pair.len() > MAX_WORD {
            let length = pair.len();
            return Err(format!("has {length} bytes with its name; Linux gives a program at most {MAX_WORD} in one"));
        }
        Ok(Self(quote(&pair)))
    }
}

/// Text for people that fills the rest of its line: `Description=`. Its ends are trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainText(String);

impl PlainText {
    /// Refuses control characters and an odd number of `\` at the end, which would swallow the next line.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let text = clean(OsStr::new(text))?.trim_matches([' ', '\t']);
        if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
            return Err(format!("contains the control character U+{:04X}", c as u32));
        }
        if ends_in_open_backslash(text) {
            return Err("can't end in a `\\`: systemd would join it with the next line".to_owned());
        }
        let text = text.replace('%', "%%");
        if text.len() > MAX_LINE - "Description=".len() {
            return Err(format!("is too long: systemd reads lines of at most {MAX_LINE} bytes"));
        }
        Ok(Self(text))
    }
}

fn ends_in_open_backslash(text: &str) -> bool {
    text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// A path for a comment or an `X-` key, where systemd unquotes nothing: shown so that it can't end its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment(String);

impl Comment {
    /// Any path; what a line can't show is written `\xNN`, a `\` twice.
    pub(crate) fn path(path: &AbsPath) -> Self {
        let mut out = String::new();
        for chunk in path.as_path().as_os_str().as_encoded_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    c if is_invisible(c) || is_noncharacter(c) => push_hex(&mut out, c),
                    c => out.push(c),
                }
            }
            for byte in chunk.invalid() {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
        if out.ends_with(' ') {
            out.truncate(out.len() - 1);
            out.push_str("\\x20");
        }
        Self(out)
    }
}

/// A line that a person wrote for systemd, `systemd = {…}`: `Key=value`, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verbatim(String);

impl Verbatim {
    /// Refuses what would break the file as a whole; the rest is between that person and systemd.
    pub(crate) fn new(key: &str, value: &str) -> Result<Self, String> {
        let line = format!("{key}={}", clean(OsStr::new(value))?);
        if line.contains(['\n', '\r']) || ends_in_open_backslash(&line) {
            return Err("can't have a line end or a `\\` at its end".to_owned());
        }
        if line.len() > MAX_LINE {
            return Err(format!("is too long: systemd reads lines of at most {MAX_LINE} bytes"));
        }
        Ok(Self(line))
    }
}

/// The account of `User=`: a name or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account(String);

impl Account {
    /// Letters, digits and `_.@-`, the first a letter, digit or `_`; a `$` may end it (systemd.io, USER_NAMES).
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let plain = name.strip_suffix('$').unwrap_or(name);
        let first = plain.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if first && name.len() <= 255 && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b)) {
            Ok(Self(name.to_owned()))
        } else {
            Err("is not the name of an account: letters, digits, `_`, `.`, `@` and `-` can be in one".to_owned())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn word(text: &str) -> String {
        ExecWord::new(OsStr::new(text)).unwrap().to_string()
    }

    fn path(text: &str) -> AbsPath {
        AbsPath::new(Path::new(text)).unwrap()
    }

    #[test]
    fn words_are_bare_where_that_is_safe() {
        for plain in ["--port=3000", "/usr/bin/env", "a:b,c@d+e", "-"] {
            assert_eq!(word(plain), plain);
        }
        assert_eq!(word(""), "\"\"");
        assert_eq!(word(";"), "\";\"");
        assert_eq!(word("a b"), "\"a b\"");
        assert_eq!(word("$HOME ${X}"), "\"$HOME ${X}\"");
        assert_eq!(word("100%"), "\"100%%\"");
        assert_eq!(word("q\"'\\"), "\"q\\\"'\\\\\"");
        assert_eq!(word("a\r\nb\t\u{1b}\u{7f}\u{85}"), "\"a\\x0d\\nb\\t\\x1b\\x7f\\xc2\\x85\"");
        assert_eq!(word("grün"), "\"grün\"");
    }

    #[test]
    fn what_systemd_does_not_take_is_refused() {
        for (bytes, part) in [
            (&b"a\0b"[..], "NUL"),
            (b"a\xffb", "not UTF-8"),
            ("\u{fffe}".as_bytes(), "U+FFFE"),
            ("\u{fdd0}".as_bytes(), "U+FDD0"),
            ("\u{10ffff}".as_bytes(), "U+10FFFF"),
        ] {
            let error = ExecWord::new(OsStr::from_bytes(bytes)).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(ExecWord::new(OsStr::new(&"x".repeat(MAX_WORD))).is_ok());
        assert!(ExecWord::new(OsStr::new(&"x".repeat(MAX_WORD + 1))).unwrap_err().contains("131072 bytes"));
        let long = || ExecWord::new(OsStr::new(&"x".repeat(MAX_WORD))).unwrap();
        assert!(ExecLine::new((0..7).map(|_| long()).collect()).is_ok());
        assert!(ExecLine::new((0..8).map(|_| long()).collect()).unwrap_err().contains("at most 1048575"));
    }

    #[test]
    fn an_assignment_never_shows_its_value_in_an_error() {
        let name = EnvName::parse("TOKEN").unwrap();
        let value = |text: &str| EnvValue::new(text).unwrap();
        assert_eq!(EnvAssignment::new(&name, &value("a\"$B%"), 252).unwrap().to_string(), "\"TOKEN=a\\\"$B%%\"");
        let error = EnvAssignment::new(&name, &value("hush\u{ffff}"), 252).unwrap_err();
        assert!(!error.contains("hush"), "{error}");
        assert!(EnvAssignment::new(&name, &value("a\u{1b}"), 246).is_err());
        assert!(EnvAssignment::new(&name, &value("a\n\t"), 246).is_ok());
    }

    #[test]
    fn descriptions_can_not_swallow_the_next_line() {
        assert_eq!(PlainText::new(" 50% a\\\\ ").unwrap().to_string(), "50%% a\\\\");
        for bad in ["a\\", "a\\\\\\ ", "a\nb", "a\rb", "a\u{202e}b", "\u{ffff}"] {
            assert!(PlainText::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_comment_stays_one_line_whatever_the_path() {
        let hostile = AbsPath::new(Path::new(OsStr::from_bytes(b"/a\nExecStart=x\r\xff\\ "))).unwrap();
        assert_eq!(Comment::path(&hostile).to_string(), "/a\\x0aExecStart=x\\x0d\\xff\\\\\\x20");
        assert_eq!(Comment::path(&path("/srv/grün/svc.toml")).to_string(), "/srv/grün/svc.toml");
    }

    #[test]
    fn accounts_and_lines_of_a_person() {
        for good in ["www", "_x", "1000", "me@example.com", "host$", "a.b-c"] {
            assert!(Account::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a%u", "$", "a:b", "a\n"] {
            assert!(Account::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Verbatim::new("CPUWeight", "50").unwrap().to_string(), "CPUWeight=50");
        assert!(Verbatim::new("A", "b\nExecStart=x").is_err());
        assert!(Verbatim::new("A", "b\\").is_err());
    }
}
