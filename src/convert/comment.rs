//! Comments of supervisord.conf, as Python's ConfigParser is told to read them: `;` and `#` behind white space,
//! wherever they stand (supervisor/options.py, `inline_comment_prefixes`).

/// Where a comment begins in a line, if one does; not at its first character.
pub(super) fn begin(line: &str) -> Option<usize> {
    let behind = line
        .char_indices()
        .zip(line.chars().skip(1))
        .find(|((_, before), sign)| before.is_whitespace() && is_sign(*sign));
    behind.map(|((at, before), _)| at + before.len_utf8())
}

/// The signs that begin a comment.
pub(super) fn is_sign(sign: char) -> bool {
    matches!(sign, ';' | '#')
}

#[cfg(test)]
mod tests {
    use super::begin;

    #[test]
    fn a_comment_begins_behind_white_space() {
        assert_eq!(begin("a=b ; c # d"), Some(4));
        assert_eq!(begin("a=b\t# c"), Some(4));
        assert_eq!(begin("a=\u{3000}#c"), Some(5));
        assert_eq!(begin("a;b#c;"), None);
        assert_eq!(begin(";"), None);
        assert_eq!(begin(""), None);
    }
}
