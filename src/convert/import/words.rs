//! Words of a command line or of `Environment=` as systemd splits and unquotes them: the inverse of
//! `backend/systemd/escape.rs`. systemd.service(5), "COMMAND LINES"; systemd.syntax(7), "QUOTING".

/// The words; the error is the reason.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut chars = text.chars().peekable();
    let mut words = Vec::new();
    loop {
        while chars.next_if(char::is_ascii_whitespace).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        let mut word: Vec<u8> = Vec::new();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                ('\\', _) => unescape(&mut chars, &mut word),
                (c, None) if c.is_ascii_whitespace() => break,
                (c, _) => word.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if quote.is_some() {
            return Err("has a quote that is not closed".into());
        }
        words.push(String::from_utf8(word).map_err(|_| "has a word that is not UTF-8".to_owned())?);
    }
}

/// What follows a `\`; what systemd does not know stays as it is.
fn unescape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Vec<u8>) {
    let Some(c) = chars.next() else {
        word.push(b'\\');
        return;
    };
    let plain = match c {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        's' => Some(b' '),
        '\\' | '"' | '\'' | ';' => Some(c as u8),
        _ => None,
    };
    if let Some(byte) = plain {
        word.push(byte);
        return;
    }
    let (length, radix, first) = match c {
        'x' => (2, 16, None),
        'u' => (4, 16, None),
        'U' => (8, 16, None),
        '0'..='7' => (2, 8, Some(c)),
        _ => (0, 10, None),
    };
    let ahead: String = chars.clone().take(length).collect();
    let digits: String = first.into_iter().chain(ahead.chars()).collect();
    let whole = length > 0 && ahead.chars().count() == length && digits.chars().all(|c| c.is_digit(radix));
    let number = u32::from_str_radix(&digits, radix).ok().filter(|number| whole && *number != 0);
    let bytes = match (c, number) {
        ('u' | 'U', Some(number)) => char::from_u32(number).map(|c| c.to_string().into_bytes()),
        (_, Some(number)) => u8::try_from(number).ok().map(|byte| vec![byte]),
        (_, None) => None,
    };
    match bytes {
        Some(bytes) => {
            word.extend(bytes);
            for _ in 0..length {
                chars.next();
            }
        }
        None => {
            word.push(b'\\');
            word.extend(c.encode_utf8(&mut [0; 4]).bytes());
        }
    }
}

/// What the specifiers of a unit stand for.
#[derive(Debug, Clone)]
pub(super) struct Specifiers {
    /// `web@.service`
    pub(super) unit: String,
    /// `web`
    pub(super) prefix: String,
    /// `%i`: what stands between `@` and the suffix, `{instance}` for a template.
    pub(super) instance: String,
    /// Of a user's manager.
    pub(super) user: bool,
}

impl Specifiers {
    /// `%` replaced; then those that only the running system knows, which stay.
    pub(super) fn resolve(&self, text: &str) -> (String, Vec<char>) {
        let (mut out, mut unknown) = (String::new(), Vec::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                None => out.push('%'),
                Some(letter) => match self.one(letter) {
                    Some(text) => out.push_str(text),
                    None => {
                        unknown.push(letter);
                        out.extend(['%', letter]);
                    }
                },
            }
        }
        (out, unknown)
    }

    /// systemd.unit(5), "SPECIFIERS".
    fn one(&self, letter: char) -> Option<&str> {
        let bare = || self.unit.rsplit_once('.').map_or(self.unit.as_str(), |(bare, _)| bare);
        let of_machine = |folder| (!self.user).then_some(folder);
        match letter {
            '%' => Some("%"),
            'n' => Some(&self.unit),
            'N' => Some(bare()),
            'p' | 'P' => Some(&self.prefix),
            'i' | 'I' => Some(&self.instance),
            'h' => Some("{home}"),
            'T' => Some("/tmp"),
            'V' => Some("/var/tmp"),
            't' => of_machine("/run"),
            'S' => of_machine("/var/lib"),
            'C' => of_machine("/var/cache"),
            'L' => of_machine("/var/log"),
            'E' => of_machine("/etc"),
            _ => None,
        }
    }
}

/// A word of the shell that means `text` and nothing else.
pub(super) fn quoted(text: &str) -> String {
    shell_words::quote(text).into_owned()
}

/// A word in which systemd would replace variables, for the shell; none: it has no variable, and this is the
/// text of it (`$$` is a dollar).
pub(super) fn variables(word: &str) -> Result<String, String> {
    let is_name = |name: &str| crate::service::EnvName::parse(name).is_ok();
    if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
        return Err(format!("${{{name}-}}"));
    }
    let (mut plain, mut shell, mut found) = (String::new(), String::new(), false);
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let braced = rest.strip_prefix("${").and_then(|inner| inner.split_once('}')).filter(|(name, _)| is_name(name));
        if let Some((name, after)) = braced {
            shell.push_str(&if plain.is_empty() { String::new() } else { quoted(&plain) });
            shell.push_str(&format!("\"${{{name}-}}\""));
            plain.clear();
            found = true;
            rest = after;
        } else {
            plain.push('$');
            rest = rest.strip_prefix("$$").unwrap_or(&rest[1..]);
        }
    }
    plain.push_str(rest);
    if !found {
        return Ok(plain);
    }
    if !plain.is_empty() {
        shell.push_str(&quoted(&plain));
    }
    Err(shell)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::backend::systemd::quoted_word;
    use proptest::prelude::*;

    #[test]
    fn words_are_unquoted_as_systemd_does() {
        assert_eq!(split("/bin/a  b\"c d\"e 'f\"g' \"\"").unwrap(), ["/bin/a", "bc de", "f\"g", ""]);
        assert_eq!(split(r"\x41\101\n\s\u00e4\q \; a\x00").unwrap(), ["AA\n ä\\q", ";", "a\\x00"]);
        assert!(split("a 'b").is_err() && split(r"\xff").is_err());
    }

    #[test]
    fn specifiers_that_are_known_are_replaced() {
        let one = |unit: &str, instance: &str, user| Specifiers {
            unit: unit.into(),
            prefix: "web".into(),
            instance: instance.into(),
            user,
        };
        let (text, unknown) = one("web@.service", "{instance}", false).resolve("%n %N %p %i 100%% %h %t %H %");
        assert_eq!(text, "web@.service web@ web {instance} 100% {home} /run %H %");
        assert_eq!(unknown, ['H']);
        assert_eq!(one("web.service", "", true).resolve("%t%i").0, "%t");
    }

    #[test]
    fn variables_become_the_shells() {
        assert_eq!(variables("$A"), Err("${A-}".into()));
        assert_eq!(variables("x${A}y z"), Err("x\"${A-}\"'y z'".into()));
        assert_eq!(variables("cost$$5 $1 x$A"), Ok("cost$5 $1 x$A".into()));
    }

    proptest! {
        #[test]
        fn what_svc_writes_is_read_back(words in prop::collection::vec("[^\\x00\u{fdd0}-\u{fdef}\u{fffe}\u{ffff}]{0,12}", 1..6)) {
            let line: Option<Vec<String>> = words.iter().map(|word| quoted_word(word)).collect();
            prop_assume!(line.is_some());
            let read = split(&line.unwrap().join(" ")).unwrap();
            let specifiers = Specifiers { unit: "a.service".into(), prefix: "a".into(), instance: String::new(), user: false };
            let read: Vec<String> = read.iter().map(|word| specifiers.resolve(word).0).collect();
            prop_assert_eq!(read, words);
        }

        #[test]
        fn any_text_is_split_or_refused(text in any::<String>()) {
            let _ = split(&text).map(|words| words.iter().for_each(|word| drop(variables(word))));
        }
    }
}
