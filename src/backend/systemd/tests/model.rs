//! A reader of unit files written from systemd's rules, independent of the renderer: lines, sections,
//! words, escapes, specifiers (systemd.syntax(7), systemd.service(5) "COMMAND LINES",
//! systemd's `extract-word.c` and `load-fragment.c` as observed on 252).

/// One assignment: section, key, raw value.
pub(super) type Assignment = (String, String, String);

/// All assignments of a unit in order. Panics where systemd would refuse the file.
pub(super) fn assignments(text: &str) -> Vec<Assignment> {
    let mut out = Vec::new();
    let mut section = String::new();
    let mut joined = String::new();
    for line in text.split(['\n', '\r', '\0']) {
        let start = line.trim_start_matches([' ', '\t']);
        if start.starts_with(['#', ';']) {
            continue;
        }
        joined.push_str(if joined.is_empty() { start } else { line });
        if joined.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
            joined.pop();
            joined.push(' ');
            continue;
        }
        let logical = std::mem::take(&mut joined);
        assert!(logical.len() <= 1_048_575, "a line that systemd can't read");
        let logical = logical.trim_matches([' ', '\t']);
        if logical.is_empty() {
            continue;
        }
        if let Some(name) = logical.strip_prefix('[') {
            section = name.strip_suffix(']').expect("a section ends in `]`").to_owned();
        } else {
            let (key, value) = logical.split_once('=').expect("a line has `=`");
            out.push((section.clone(), key.trim_end().to_owned(), value.trim_start_matches([' ', '\t']).to_owned()));
        }
    }
    out
}

/// Values of one key, in order.
pub(super) fn values<'a>(all: &'a [Assignment], section: &str, key: &str) -> Vec<&'a str> {
    all.iter().filter(|(s, k, _)| s == section && k == key).map(|(_, _, value)| value.as_str()).collect()
}

/// The argv of a command line with the `:` prefix.
pub(super) fn argv(line: &str) -> Vec<Vec<u8>> {
    let mut words = words(line, true);
    assert!(!words.is_empty(), "a command has a program");
    let first = words.remove(0);
    assert_eq!(first.first(), Some(&b':'), "svc renders no line that systemd replaces variables in");
    let program = specifiers(&first[1..]);
    assert_eq!(program.first(), Some(&b'/'), "a prefix would be read as part of the program");
    let refused = |b: &u8| matches!(b, b'"' | b'\'' | b'\\' | 0x01..=0x1f | 0x7f);
    assert!(!program.iter().any(refused), "systemd refuses such a path");
    std::iter::once(program).chain(words.iter().map(|word| specifiers(word))).collect()
}

/// Words after unquoting; `escapes`: C escapes are decoded, else `\` makes the next byte plain.
pub(super) fn words(line: &str, escapes: bool) -> Vec<Vec<u8>> {
    let bytes = line.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        while at < bytes.len() && is_space(bytes[at]) {
            at += 1;
        }
        if at == bytes.len() {
            return out;
        }
        let bare_semicolon = bytes[at] == b';' && bytes.get(at + 1).is_none_or(|b| is_space(*b));
        assert!(!bare_semicolon, "a `;` by itself begins another command");
        let mut word = Vec::new();
        let mut quote = None;
        while at < bytes.len() {
            let byte = bytes[at];
            at += 1;
            match (quote, byte) {
                (_, b'\\') => at = escape(bytes, at, escapes, &mut word),
                (Some(open), _) if byte == open => quote = None,
                (Some(_), _) => word.push(byte),
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, _) if is_space(byte) => break,
                (None, _) => word.push(byte),
            }
        }
        assert!(quote.is_none(), "unbalanced quotes");
        out.push(word);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Decodes what follows a `\` at `at`; where reading goes on.
fn escape(bytes: &[u8], at: usize, escapes: bool, word: &mut Vec<u8>) -> usize {
    let Some(next) = bytes.get(at) else { panic!("a `\\` at the end of a line") };
    if !escapes {
        word.push(*next);
        return at + 1;
    }
    let plain = match next {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b's' => b' ',
        b'\\' | b'"' | b'\'' => *next,
        b'x' => {
            let digits = std::str::from_utf8(&bytes[at + 1..at + 3]).expect("two hexadecimal digits");
            let byte = u8::from_str_radix(digits, 16).expect("two hexadecimal digits");
            assert_ne!(byte, 0, "systemd does not decode a NUL");
            word.push(byte);
            return at + 3;
        }
        other => panic!("unknown escape \\{}", *other as char),
    };
    word.push(plain);
    at + 1
}

/// `%%` is `%`; any other specifier means that a value was not escaped.
pub(super) fn specifiers(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = word.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        assert!(*byte != b'%' || bytes.next() == Some(&b'%'), "a specifier got through");
    }
    out
}

/// A path that fills the rest of its line; a `/` at the end is cut.
pub(super) fn line_path(value: &str) -> Vec<u8> {
    let value = value.trim_matches([' ', '\t']);
    assert!(!value.contains("/../") && value.starts_with('/'), "{value}");
    let path = specifiers(value.as_bytes());
    if path.len() > 1 { path.strip_suffix(b"/").unwrap_or(&path).to_vec() } else { path }
}

/// The one name that a glob pattern matches; panics on a pattern that matches more.
pub(super) fn only_match(value: &str) -> Vec<u8> {
    let pattern = specifiers(value.trim_matches([' ', '\t']).as_bytes());
    let mut out = Vec::new();
    let mut rest = pattern.as_slice();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'[', [b'\\', b'\\', b']', tail @ ..]) => {
                out.push(b'\\');
                tail
            }
            (b'[', [one, b']', tail @ ..]) if *one != b'\\' => {
                out.push(*one);
                tail
            }
            (b'*' | b'?' | b'[' | b'\\', _) => panic!("matches more than one name: {value}"),
            (plain, tail) => {
                out.push(*plain);
                tail
            }
        };
    }
    out
}
