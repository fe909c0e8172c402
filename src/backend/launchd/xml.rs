//! What may stand in a hole of the template: only types that refused what XML can't carry, and whose
//! `Display` escapes the rest.
//!
//! XML 1.0 has no way to write 0x00 to 0x08, 0x0b, 0x0c, 0x0e to 0x1f, U+FFFE, U+FFFF or a byte that is
//! not UTF-8, neither raw nor as `&#1;`; the `plist` crate and Apple's reader take some of them, others
//! refuse the file. A raw carriage return would be read as a line feed, so it is written `&#13;`.
//! Sources: XML 1.0, sections 2.2, 2.4, 2.5 and 2.11; quoting-facts §11.

use std::ffi::OsStr;
use std::fmt::{self, Write};

/// Text that is right for its place in a property list as it is.
pub(super) trait XmlText: fmt::Display {}

impl<T: XmlText + ?Sized> XmlText for &T {}
impl XmlText for u32 {}
impl XmlText for u64 {}
impl XmlText for i8 {}
impl XmlText for u16 {}
impl XmlText for Str {}
impl XmlText for Comment {}
impl XmlText for Word {}
impl XmlText for Flag {}

/// A word of svc's own source, of letters only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) &'static str);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// `<true/>` or `<false/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "<true/>" } else { "<false/>" })
    }
}

/// The inside of a `<string>` or `<key>`: holds the text itself, shows it escaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Str(String);

impl Str {
    /// Refuses what XML can't carry; the error is the reason.
    pub(super) fn new(value: &(impl AsRef<OsStr> + ?Sized)) -> Result<Self, String> {
        let value = value.as_ref();
        let Some(text) = value.to_str() else {
            return Err("is not UTF-8, which a property list can't hold".to_owned());
        };
        // by bytes, which is quicker: 0xEF begins U+FFFE, and few others
        let doubtful = |byte: &u8| matches!(byte, 0..=0x8 | 0xb | 0xc | 0xe..=0x1f | 0xef);
        if text.as_bytes().iter().any(doubtful)
            && let Some(c) = text.chars().find(|c| !is_xml(*c))
        {
            return Err(format!("contains the character U+{:04X}, which a property list can't hold", c as u32));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text itself.
    pub(super) fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_str();
        while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\r')) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                _ => "&#13;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// XML 1.0, section 2.2: `Char`.
fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// A line for people in a comment: what would end the line or the comment is written `\xNN`, a `\` twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comment(String);

impl Comment {
    /// Any bytes.
    pub(super) fn new(text: &(impl AsRef<OsStr> + ?Sized)) -> Self {
        let mut out = String::new();
        for chunk in text.as_ref().as_encoded_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    // no `--` inside a comment: section 2.5
                    '-' if out.ends_with('-') => out.push_str("\\x2d"),
                    c if is_invisible(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hex(&mut out, byte)),
                    c => out.push(c),
                }
            }
            chunk.invalid().iter().for_each(|byte| hex(&mut out, *byte));
        }
        if out.ends_with(' ') {
            out.truncate(out.len() - 1);
            out.push_str("\\x20");
        }
        Self(out)
    }

    /// With words of svc's own before it.
    pub(super) fn after(words: &'static str, text: &(impl AsRef<OsStr> + ?Sized)) -> Self {
        Self(format!("{words}{}", Self::new(text)))
    }
}

fn hex(out: &mut String, byte: u8) {
    let _ = write!(out, "\\x{byte:02x}");
}

/// Characters that a terminal or an editor would obey, or that are none.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        || !is_xml(c)
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn text_is_escaped_and_its_carriage_returns_survive() {
        let shown = |text: &str| Str::new(text).unwrap().to_string();
        assert_eq!(shown("a<b>&\"'c]]>\r\n\t"), "a&lt;b&gt;&amp;\"'c]]&gt;&#13;\n\t");
        assert_eq!(shown(""), "");
        assert_eq!(shown("ü\u{7f}\u{85}\u{fdd0}🦀"), "ü\u{7f}\u{85}\u{fdd0}🦀");
    }

    #[test]
    fn what_xml_cannot_carry_is_refused() {
        for bad in ["\0", "\u{1}", "a\u{1b}[m", "\u{b}", "\u{c}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
            assert!(Str::new(bad).unwrap_err().contains("can't hold"), "{bad:?}");
        }
        assert!(Str::new(OsStr::from_bytes(b"a\xff")).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_comment_is_one_line_and_does_not_end_early() {
        let shown = |text: &[u8]| Comment::new(OsStr::from_bytes(text)).to_string();
        assert_eq!(shown(b"/a--b--->"), "/a-\\x2db-\\x2d->");
        assert_eq!(shown(b"/m\n\xff\\ "), "/m\\x0a\\xff\\\\\\x20");
        for text in ["-", "--", "---", "-----", "a-", "-->", "<!--"] {
            assert!(!shown(text.as_bytes()).contains("--"), "{text}");
        }
    }
}
