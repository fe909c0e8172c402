//! `svc import`: what other tools run, as a manifest.
//!
//! Each format is a pure function over text; nothing is looked up on this machine. Any bytes give a draft or
//! problems, never a panic (tests/import.rs).

mod compose;
mod launchd;
mod pm2;
mod procfile;
mod supervisord;
mod systemd;
mod times;
mod unit;
mod words;
pub(super) mod yaml;

use super::draft::Draft;
use crate::definition::problem::{Place, Problem};
use crate::report::{Converted, Note};
use std::path::{Path, PathBuf};

/// A file that is to be read.
#[derive(Debug, Clone)]
pub struct Source {
    /// As it was named.
    pub file: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Systemd,
    Launchd,
    Procfile,
    Compose,
    Pm2,
    Supervisord,
}

/// What svc puts in the place of in a manifest, and another tool does not.
const REPLACED: [&str; 5] = ["{name}", "{instance}", "{project}", "{project_dir}", "{home}"];

/// The manifest of all these files, and what could not be carried over.
pub fn import(sources: &[Source]) -> Result<Converted, Vec<Problem>> {
    let draft = draft(sources)?;
    if draft.services.is_empty() {
        let mut problem = Problem::new("there is no service in what was given");
        problem.hint = draft.notes.first().map(|note| note.text.clone());
        return Err(vec![problem]);
    }
    Ok(Converted { text: draft.text(), file: None, notes: draft.notes })
}

pub(super) fn draft(sources: &[Source]) -> Result<Draft, Vec<Problem>> {
    let (mut draft, mut problems, mut units) = (Draft::default(), Vec::new(), Vec::new());
    let names: Vec<String> = sources.iter().map(|source| name(&source.file)).collect();
    draft.head = vec![
        format!("Made by `svc import` from {}.", names.join(", ")),
        "What it could not carry over was said on stderr. `svc render` shows what becomes of it.".into(),
    ];
    for source in sources {
        let file = source.file.display().to_string();
        let place = |line| Place::File { file: source.file.clone(), line, column: 1 };
        let Some(format) = format(source) else {
            let hint = "systemd units (.service, .timer), property lists, Procfiles, compose files, pm2 ecosystem files \
                        (JSON), supervisord.conf";
            problems.push(Problem::new("is of no format that svc reads").value(&file).hint(hint));
            continue;
        };
        if format == Format::Launchd {
            match launchd::read(&file, &source.bytes, &mut draft) {
                Ok(()) => {}
                Err(reason) => problems.push(Problem::new(reason).at(place(1))),
            }
            continue;
        }
        let text = match std::str::from_utf8(&source.bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = source.bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                problems.push(Problem::new("is not UTF-8").at(place(line)));
                continue;
            }
        };
        // in a unit a NUL ends a line; nowhere else can one be
        if let Some(nul) = text.find('\0').filter(|_| format != Format::Systemd) {
            let line = text[..nul].matches('\n').count() + 1;
            problems.push(Problem::new("contains a NUL byte, which no program can be given").at(place(line)));
            continue;
        }
        braces(&file, text, &mut draft.notes);
        let read = match format {
            Format::Systemd => {
                units.push(systemd::Unit::read(&source.file, text));
                Ok(())
            }
            Format::Procfile => {
                procfile::read(&file, text, &mut draft);
                Ok(())
            }
            Format::Supervisord => {
                supervisord::read(&file, text, &mut draft);
                Ok(())
            }
            Format::Compose => compose::read(&file, text, &mut draft),
            Format::Pm2 => pm2::read(&file, text, &mut draft),
            Format::Launchd => Ok(()),
        };
        if let Err((line, reason)) = read {
            problems.push(Problem::new(reason).at(place(line)));
        }
    }
    systemd::services(&units, &mut draft);
    if problems.is_empty() { Ok(draft) } else { Err(problems) }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// By the name of the file, else by what is in it.
fn format(source: &Source) -> Option<Format> {
    let name = name(&source.file).to_ascii_lowercase();
    let by_name = [
        (".service", Format::Systemd),
        (".timer", Format::Systemd),
        (".plist", Format::Launchd),
        (".yml", Format::Compose),
        (".yaml", Format::Compose),
        (".json", Format::Pm2),
    ];
    if let Some((_, format)) = by_name.iter().find(|(end, _)| name.ends_with(end)) {
        return Some(*format);
    }
    if name.starts_with("procfile") || name.ends_with(".procfile") {
        return Some(Format::Procfile);
    }
    let text = String::from_utf8_lossy(&source.bytes);
    let has = |start: &str| text.lines().any(|line| line.trim_start().starts_with(start));
    if source.bytes.starts_with(b"bplist") || text.contains("<plist") {
        Some(Format::Launchd)
    } else if has("[program:") {
        Some(Format::Supervisord)
    } else if has("[Service]") || has("[Timer]") {
        Some(Format::Systemd)
    } else {
        None
    }
}

/// Words that svc would replace and the other tool leaves alone.
fn braces(file: &str, text: &str, notes: &mut Vec<Note>) {
    for (at, line) in text.lines().enumerate() {
        for word in REPLACED.iter().filter(|word| line.contains(**word)) {
            notes.push(super::at(file, at + 1, None, format!("svc replaces `{word}`, which stands here as it is")));
        }
    }
}
