//! Makes text of others harmless on a terminal: control characters (but TAB) as `\x1b`,
//! bidirectional controls as `\u{202e}`, bytes that are no UTF-8 as `\xff` (safety: a description,
//! a log line or a unit's name must not move the cursor or fake a line).

use std::fmt::Write;

/// Text.
pub(crate) fn sanitize(text: &str) -> String {
    sanitize_bytes(text.as_bytes())
}

/// Bytes that may not be text.
pub(crate) fn sanitize_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push('\t'),
                '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}' => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c if c.is_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_shown_not_obeyed() {
        assert_eq!(sanitize("a\u{1b}[2Jb\r\n\tc\u{202e}d\u{9b}"), "a\\x1b[2Jb\\x0d\\x0a\tc\\u{202e}d\\x9b");
        assert_eq!(sanitize_bytes(b"\xff\x00ok"), "\\xff\\x00ok");
    }

    proptest! {
        #[test]
        fn nothing_that_moves_a_cursor_comes_through(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(sanitize_bytes(&bytes).chars().all(|c| c == '\t' || !c.is_control()));
        }
    }
}
