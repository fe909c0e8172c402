//! A marked block at the head of a text that is somebody else's: put in, found again, taken out, every
//! other byte as it was. Pure.
//!
//! It stands at the head, so that a `return` or an `exec` further down does not pass it over, and so
//! that a last line without an end stays one.

/// First line of the block.
const BEGIN: &[u8] = b"# >>> svc >>>\n";
/// Last line of the block.
const END: &[u8] = b"# <<< svc <<<\n";

/// Why a text is left alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) String);

/// The text with one block of `body` (whole lines) at its head, in the place of any before.
pub(crate) fn put(text: &[u8], body: &[u8]) -> Result<Vec<u8>, Damaged> {
    let rest = remove(text)?;
    Ok([BEGIN, body, END, &rest].concat())
}

/// The text without any block.
pub(crate) fn remove(text: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut rest = Vec::with_capacity(text.len());
    let mut inside = None;
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match (is(line, BEGIN), is(line, END), inside) {
            (true, _, None) => inside = Some(at + 1),
            (_, true, Some(_)) => inside = None,
            (true, _, Some(_)) | (_, true, None) => return Err(damaged(at + 1)),
            (false, false, Some(_)) => {}
            (false, false, None) => rest.extend_from_slice(line),
        }
    }
    inside.map_or(Ok(rest), |line| Err(damaged(line)))
}

/// Whether a block is in the text.
pub(crate) fn has(text: &[u8]) -> bool {
    text.split_inclusive(|byte| *byte == b'\n').any(|line| is(line, BEGIN))
}

fn damaged(line: usize) -> Damaged {
    Damaged(format!("line {line} is one of svc's two marks without the other; remove it by hand"))
}

/// The mark, also as an editor left it: white space at the end, Windows line ends, no line end.
fn is(line: &[u8], mark: &[u8]) -> bool {
    line.trim_ascii_end() == mark.trim_ascii_end()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &[u8] = b"start\n";

    #[test]
    fn it_is_put_in_once_and_taken_out_without_a_trace() {
        for text in [&b""[..], b"\n", b"export A=1\n", b"no end", b"\xff\xfe\r\n\0", b"#!/bin/sh\r\nexit"] {
            let once = put(text, BODY).unwrap();
            assert!(has(&once) && !has(text));
            assert_eq!(put(&once, BODY).unwrap(), once);
            assert_eq!(put(&once, b"other\n").unwrap(), put(text, b"other\n").unwrap());
            assert_eq!(remove(&once).unwrap(), text);
            assert_eq!(remove(text).unwrap(), text);
        }
        assert_eq!(put(b"", BODY).unwrap(), b"# >>> svc >>>\nstart\n# <<< svc <<<\n");
    }

    #[test]
    fn a_block_is_known_after_an_editor_was_there() {
        let text = b"a\r\n# >>> svc >>>\r\nold\r\n# <<< svc <<<  \r\nb\r\n";
        assert_eq!(remove(text).unwrap(), b"a\r\nb\r\n");
        assert_eq!(remove(b"# >>> svc >>>\nx\n# <<< svc <<<").unwrap(), b"");
        assert_eq!(remove(b"# >>> svc >>>\n# <<< svc <<<\na\n# >>> svc >>>\n# <<< svc <<<\n").unwrap(), b"a\n");
        assert!(!has(b"echo '# >>> svc >>>'\n"));
    }

    #[test]
    fn half_a_block_is_left_alone() {
        for (text, line) in [
            (&b"# >>> svc >>>\nrest of the file\n"[..], 1),
            (b"a\n# <<< svc <<<\n", 2),
            (b"# >>> svc >>>\n# >>> svc >>>\n# <<< svc <<<\n", 2),
        ] {
            assert!(remove(text).unwrap_err().0.contains(&format!("line {line} ")), "{text:?}");
            assert!(put(text, BODY).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(remove(&put(&text, BODY).unwrap()).unwrap(), text);
        }
    }
}
