//! `svc init`, `svc import`, `svc export`: the text to stdout, what is to be said of it to stderr.

use super::label;
use super::sanitize::sanitize;
use super::words;
use crate::report::{Converted, Note};

/// The text, as it is.
pub(crate) fn out(done: &Converted) -> String {
    match &done.file {
        Some(file) => format!(
            "{} wrote {}\n",
            super::words::paint(words::GOOD, "✓"),
            sanitize(file.as_os_str().as_encoded_bytes())
        ),
        None => done.text.clone(),
    }
}

/// `note: Procfile:3: service `web`: …`, one a line.
pub(crate) fn err(done: &Converted, quiet: bool) -> String {
    if quiet { String::new() } else { done.notes.iter().map(note).collect() }
}

fn note(note: &Note) -> String {
    let mut text = String::new();
    if let Some(file) = &note.file {
        text.push_str(file);
        if let Some(line) = note.line {
            text.push_str(&format!(":{line}"));
        }
        text.push_str(": ");
    }
    if let Some(service) = &note.service {
        text.push_str(&format!("service `{service}`: "));
    }
    format!("{} {}\n", label(words::WARNING, "note"), sanitize(text + &note.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_where_and_of_which_service() {
        let one =
            Note { file: Some("a.service".into()), line: Some(3), service: Some("a".into()), text: "x\ny".into() };
        let done = Converted { text: "t".into(), file: None, notes: vec![one] };
        let plain = anstream::adapter::strip_str(&err(&done, false)).to_string();
        assert_eq!((plain.as_str(), out(&done).as_str()), ("note: a.service:3: service `a`: x\\x0ay\n", "t"));
        assert_eq!(err(&done, true), "");
    }
}
