//! Definitions from and to other formats: `svc import`, `svc export`, `svc init`.
//!
//! What is read becomes a [`draft::Draft`], a manifest in the making, whose text the reader of manifests
//! judges like any other; what can't be carried over is a [`Note`] with file and line. One file per format.

mod comment;
pub(crate) mod draft;
pub(crate) mod export;
pub(crate) mod guess;
pub mod import;

use crate::report::Note;

/// A note on a line of a file.
fn at(file: &str, line: usize, service: Option<&str>, text: impl Into<String>) -> Note {
    let line = Some(line).filter(|line| *line > 0);
    Note { file: Some(file.to_owned()), line, service: service.map(str::to_owned), text: text.into() }
}
