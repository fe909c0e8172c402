//! Tables: on a terminal columns drop by importance until the rest fits; piped, all columns stay.

use super::sanitize::sanitize;
use super::words;
use crate::backend::Support;
use crate::report::{ExplainRow, State, Status};
use anstyle::Style;
use comfy_table::{Table, presets::NOTHING};

/// A column: head, cells, and how soon it drops (0: never).
struct Column {
    head: &'static str,
    cells: Vec<(String, Option<Style>)>,
    drop: u8,
}

impl Column {
    fn new(head: &'static str, drop: u8, cells: impl Iterator<Item = (String, Option<Style>)>) -> Self {
        Self { head, cells: cells.collect(), drop }
    }

    fn plain(head: &'static str, drop: u8, cells: impl Iterator<Item = String>) -> Self {
        Self::new(head, drop, cells.map(|cell| (cell, None)))
    }

    fn width(&self) -> usize {
        self.cells.iter().map(|(cell, _)| cell.chars().count()).chain([self.head.len()]).max().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(|(cell, _)| cell.is_empty() || cell == "-")
    }
}

const GAP: usize = 2;

fn render(mut columns: Vec<Column>, width: Option<usize>) -> String {
    if let Some(width) = width {
        columns.retain(|column| column.drop == 0 || !column.is_empty());
        while columns.iter().map(|column| column.width() + GAP).sum::<usize>() > width + GAP {
            let Some(at) = (0..columns.len()).filter(|at| columns[*at].drop > 0).max_by_key(|at| columns[*at].drop)
            else {
                break;
            };
            columns.remove(at);
        }
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|column| column.head));
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        table.add_row(columns.iter().map(|column| column.cells[row].0.clone()));
    }
    for at in 0..columns.len() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, 2));
        }
    }
    // colours are put in afterwards, so that they do not count as width
    let mut out = String::new();
    for (at, line) in table.to_string().lines().map(str::trim_end).enumerate() {
        let mut line = line.to_owned();
        if at > 0 {
            for column in &columns {
                if let (text, Some(style)) = &column.cells[at - 1]
                    && !text.is_empty()
                {
                    line = line.replacen(text.as_str(), &format!("{style}{text}{style:#}"), 1);
                }
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// What is worth a word beside the state.
fn note(status: &Status) -> String {
    let mut notes = Vec::new();
    if status.drifted {
        notes.push("drifted".to_owned());
    }
    if let Some(reason) = status.reason.as_ref().filter(|_| matches!(status.state, State::Failed | State::Restarting)) {
        notes.push(sanitize(reason));
    }
    if let Some(next) = status.next_run_at {
        notes.push(format!("next in {}", words::until(next)));
    }
    if let Some(text) = &status.status_text {
        notes.push(sanitize(text));
    }
    notes.join("; ")
}

fn state_cell(status: &Status) -> (String, Option<Style>) {
    let (sign, word, style) = words::state(status.state);
    (format!("{sign} {word}"), Some(style))
}

fn enabled(status: &Status) -> String {
    match status.enabled {
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => "-".into(),
    }
}

/// `svc status`.
pub(crate) fn status(all: &[Status], width: Option<usize>) -> String {
    let columns = vec![
        Column::plain("NAME", 0, all.iter().map(|one| one.name.to_string())),
        Column::new("STATE", 0, all.iter().map(state_cell)),
        Column::plain("ENABLED", 4, all.iter().map(enabled)),
        Column::plain("PID", 5, all.iter().map(|one| or_dash(one.pid.map(|pid| pid.to_string())))),
        Column::plain("UPTIME", 2, all.iter().map(|one| or_dash(one.started_at.map(words::since)))),
        Column::plain("RESTARTS", 3, all.iter().map(|one| or_dash(one.restarts.map(|count| count.to_string())))),
        Column::plain("MEM", 6, all.iter().map(|one| or_dash(one.memory_bytes.map(words::size)))),
        Column::plain("CPU", 7, all.iter().map(|one| or_dash(one.cpu_seconds.map(words::cpu)))),
        Column::plain("NOTE", 1, all.iter().map(note)),
    ];
    render(columns, width)
}

/// `svc list`.
pub(crate) fn list(all: &[Status], width: Option<usize>) -> String {
    let origin = |one: &Status| or_dash(one.manifest.as_ref().map(|path| sanitize(&path.display().to_string())));
    let columns = vec![
        Column::plain("NAME", 0, all.iter().map(|one| one.name.to_string())),
        Column::new("STATE", 0, all.iter().map(state_cell)),
        Column::plain("ENABLED", 3, all.iter().map(enabled)),
        Column::plain("SCOPE", 5, all.iter().map(|one| one.scope.word().to_owned())),
        Column::plain("BACKEND", 4, all.iter().map(|one| one.backend.word().to_owned())),
        Column::plain("PROJECT", 2, all.iter().map(|one| or_dash(one.project.as_deref().map(sanitize)))),
        Column::plain("MANIFEST", 6, all.iter().map(origin)),
    ];
    render(columns, width)
}

/// `svc render --explain`.
pub(crate) fn explain(rows: &[ExplainRow], _width: Option<usize>) -> String {
    let mut out = String::new();
    let field_width = rows.iter().map(|row| row.field.len()).max().unwrap_or(0);
    for row in rows {
        let (kind, how, style) = support(&row.support);
        out.push_str(&format!("{:field_width$}  {style}{kind:10}{style:#}  {}\n", row.field, sanitize(how)));
    }
    out
}

/// Word, text and colour.
pub(crate) fn support(support: &Support) -> (&'static str, &str, Style) {
    match support {
        Support::Native(how) => ("native", how, words::GOOD),
        Support::Companion(how) => ("companion", how, words::WARNING),
        Support::Shim(how) => ("shim", how, words::WARNING),
        Support::Definition(how) => ("definition", how, words::DIM),
        Support::Refused(how) => ("refused", how, words::ERROR),
    }
}
