//! `{name} {instance} {project} {project_dir} {home}`: replaced once, before anything else looks at
//! the text; never inside what was put in. Any other brace stays as it is.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the words stand for.
#[derive(Debug, Clone)]
pub(crate) struct Expand {
    pub(crate) name: String,
    pub(crate) instance: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) project_dir: String,
    pub(crate) home: String,
}

impl Expand {
    /// Replaces in text.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let known = rest.find('}').and_then(|close| Some((close, self.value(&rest[1..close])?)));
            match known {
                Some((close, value)) => {
                    out.push_str(value);
                    rest = &rest[close + 1..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }

    /// Replaces in bytes that may not be UTF-8.
    pub(crate) fn os(&self, text: &OsString) -> OsString {
        match text.to_str() {
            Some(text) => self.text(text).into(),
            None => OsString::from_vec(text.as_bytes().utf8_chunks().fold(Vec::new(), |mut out, chunk| {
                out.extend(self.text(chunk.valid()).into_bytes());
                out.extend(chunk.invalid());
                out
            })),
        }
    }

    fn value(&self, word: &str) -> Option<&str> {
        match word {
            "name" => Some(&self.name),
            "instance" => self.instance.as_deref(),
            "project" => self.project.as_deref(),
            "project_dir" => Some(&self.project_dir),
            "home" => Some(&self.home),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand() -> Expand {
        Expand {
            name: "a{home}".into(),
            instance: Some("i".into()),
            project: None,
            project_dir: "/p".into(),
            home: "/h".into(),
        }
    }

    #[test]
    fn known_words_are_replaced_once_and_other_braces_stay() {
        let text = expand().text("{name} {instance} {project} {project_dir}/{x} {{home}} {} {");
        assert_eq!(text, "a{home} i {project} /p/{x} {/h} {} {");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        assert_eq!(expand().os(&OsString::from_vec(b"\xff{instance}\xfe".to_vec())).into_vec(), b"\xffi\xfe");
    }
}
