//! `svc status` and `svc list`: one service a line.

use super::columns::{self, Column};
use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::{State, Status};
use jiff::Zoned;

/// `svc status`: what they are doing. `width`: of the terminal; `None` when it goes elsewhere.
pub(crate) fn status(all: &[Status], now: &Zoned, width: Option<usize>) -> String {
    let terminal = width.is_some();
    let mut columns = common_columns(all, now, terminal);
    columns.extend([
        Column::new("RESTARTS", 30, cells(all, |one| one.restarts.map(|count| count.to_string()))),
        Column::new("MEM", 20, cells(all, |one| one.memory_bytes.map(words::size))),
        Column::new("CPU", 10, cells(all, |one| one.cpu_seconds.map(words::cpu).map(|text| one_word(text, terminal)))),
    ]);
    text(columns, all, now, width, note)
}

/// `svc list`: whose they are and where they come from.
pub(crate) fn list(all: &[Status], now: &Zoned, width: Option<usize>) -> String {
    let mut columns = common_columns(all, now, width.is_some());
    let manifest = |one: &Status| one.manifest.as_ref().map(|path| sanitize(path.as_os_str().as_encoded_bytes()));
    columns.extend([
        Column::new("SCOPE", 20, cells(all, |one| Some(one.scope.word().to_owned()))),
        Column::new("BACKEND", 10, cells(all, |one| Some(one.backend.word().to_owned()))),
        Column::new("PROJECT", 75, cells(all, |one| one.project.as_ref().map(sanitize))),
        Column::new("MANIFEST", 70, cells(all, manifest)),
    ]);
    text(columns, all, now, width, |one, now| {
        let gone = one.manifest_missing.then(|| "its manifest is gone".to_owned());
        let parts: Vec<String> = gone.into_iter().chain(note(one, now)).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    })
}

fn common_columns(all: &[Status], now: &Zoned, terminal: bool) -> Vec<Column> {
    let uptime = |one: &Status| uptime(one, now).map(|text| one_word(text, terminal));
    vec![
        Column::new("NAME", Column::KEPT, cells(all, |one| Some(one.name.as_str().to_owned()))),
        Column::new("STATE", Column::KEPT, cells(all, |one| Some(state(one.state, terminal)))),
        Column::new("ENABLED", 40, cells(all, |one| one.enabled.map(|yes| if yes { "yes" } else { "no" }.to_owned()))),
        Column::new("PID", 50, cells(all, |one| one.pid.map(|pid| pid.to_string()))),
        Column::new("UPTIME", 60, cells(all, uptime)),
    ]
}

/// The columns and a last one of notes, painted.
fn text(
    mut columns: Vec<Column>,
    all: &[Status],
    now: &Zoned,
    width: Option<usize>,
    note: impl Fn(&Status, &Zoned) -> Option<String>,
) -> String {
    let terminal = width.is_some();
    let notes = cells(all, |one| note(one, now));
    if !terminal || notes.iter().any(|note| note != "-") {
        let blank = |note: String| if terminal && note == "-" { String::new() } else { note };
        let notes = notes.into_iter().map(blank).collect();
        columns.push(Column { cut: terminal, ..Column::new("NOTE", 80, notes) });
    }
    let names = all.iter().map(|one| one.name.as_str().len());
    let states = names.max().unwrap_or(0).max("NAME".len()) + columns::GAP;
    let lines = columns::lines(columns, width);
    let (head, rows) = lines.split_first().map_or(("", &[][..]), |(head, rows)| (head.as_str(), rows));
    let mut text = paint(words::BOLD, head) + "\n";
    for (row, one) in rows.iter().zip(all) {
        text.push_str(&paint_state(row, states, one.state, terminal));
        text.push('\n');
    }
    text
}

fn cells(all: &[Status], cell: impl Fn(&Status) -> Option<String>) -> Vec<String> {
    all.iter().map(|one| cell(one).unwrap_or_else(|| "-".to_owned())).collect()
}

/// Away from a terminal a cell is one word, so that `awk` counts columns right.
fn one_word(text: String, terminal: bool) -> String {
    if terminal { text } else { text.replace(' ', "") }
}

fn state(state: State, terminal: bool) -> String {
    let (sign, word, _) = words::state(state);
    if terminal { format!("{sign} {word}") } else { word.to_owned() }
}

fn uptime(one: &Status, now: &Zoned) -> Option<String> {
    let up = matches!(one.state, State::Running | State::Starting | State::Stopping);
    one.started_at.filter(|_| up).map(|since| words::between(since, now.timestamp()))
}

/// What a person should know beside the state.
fn note(one: &Status, now: &Zoned) -> Option<String> {
    let drift = one.drifted.then(|| match one.drift.first() {
        Some(reason) => format!("drifted: {}", sanitize(reason)),
        None => "drifted".to_owned(),
    });
    let reason = one.reason.as_ref().filter(|_| matches!(one.state, State::Failed | State::Restarting)).map(sanitize);
    let next = one.next_run_at.map(|at| words::next_run(at, now.timestamp()));
    let said = one.status_text.as_ref().map(sanitize);
    let parts: Vec<String> = [reason, drift, next, said].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Colours the state's cell, which begins at byte `from` (names are ASCII): only now, because the
/// layout would count escape sequences as text.
fn paint_state(row: &str, from: usize, of: State, terminal: bool) -> String {
    let cell = state(of, terminal);
    match (row.get(..from), row.get(from..).and_then(|rest| rest.strip_prefix(cell.as_str()))) {
        (Some(name), Some(rest)) => format!("{name}{}{rest}", paint(words::state(of).2, &cell)),
        _ => row.to_owned(),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
