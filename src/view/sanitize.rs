//! Text from elsewhere made safe for a terminal: descriptions, log lines, names in foreign files,
//! arguments echoed in errors. safety §3.9.
//!
//! A control character could move the cursor, overwrite a prefix, change the title or answer for
//! the person; a bidirectional control makes a line read otherwise than it is.

use std::fmt::Write as _;

/// `text` in one line: control characters but TAB as `\x1b` (above U+007F: `\u{85}`),
/// bidirectional controls as `\u{202e}`, invalid UTF-8 as `\xff`. Line ends are shown too.
pub(crate) fn sanitize(text: impl AsRef<[u8]>) -> String {
    let mut safe = String::with_capacity(text.as_ref().len());
    for chunk in text.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            push(&mut safe, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(safe, "\\x{byte:02x}");
        }
    }
    safe
}

/// The same with its line ends kept: for text of several lines that svc itself made.
pub(crate) fn sanitize_lines(text: &str) -> String {
    text.split('\n').map(sanitize).collect::<Vec<_>>().join("\n")
}

fn push(safe: &mut String, c: char) {
    match c {
        '\t' => safe.push(c),
        '\0'..='\x1f' | '\x7f' => drop(write!(safe, "\\x{:02x}", c as u32)),
        // C1 controls; line and paragraph separators; marks, embeddings, overrides and isolates
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => drop(write!(safe, "\\u{{{:x}}}", c as u32)),
        c => safe.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let table: [(&[u8], &str); 8] = [
            (b"plain \xc3\xa4 \xe2\x82\xac", "plain ä €"),
            (b"a\tb", "a\tb"),
            (b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
            (b"web | fake\rdb  | real\n", "web | fake\\x0ddb  | real\\x0a"),
            (b"del \x7f nul \0", "del \\x7f nul \\x00"),
            (b"\xff\xfe bad \xc3", "\\xff\\xfe bad \\xc3"),
            ("c1 \u{9b}31m".as_bytes(), "c1 \\u{9b}31m"),
            ("\u{202e}txt.exe \u{2066}".as_bytes(), "\\u{202e}txt.exe \\u{2066}"),
        ];
        for (raw, safe) in table {
            assert_eq!(sanitize(raw), safe);
        }
    }

    #[test]
    fn lines_of_svc_stay_lines() {
        assert_eq!(sanitize_lines("a\nb\x1b\n"), "a\nb\\x1b\n");
    }

    proptest! {
        #[test]
        fn no_control_but_tab_gets_through(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let safe = sanitize(&raw);
            prop_assert!(safe.chars().all(|c| c == '\t' || !c.is_control()), "{safe:?}");
            let turned = safe.contains(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
            prop_assert!(!turned, "{safe:?}");
        }

        #[test]
        fn printable_text_is_left_alone(text in "[ -~äöüß€日本]*") {
            prop_assert_eq!(sanitize(&text), text);
        }
    }
}
