//! Tasks: the table, one in detail, what was submitted and cancelled.

use super::columns::{Column, lines};
use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::{LogLine, State, Task, TaskDone, Tasks};
use jiff::Zoned;

/// Cells of a bar.
const BAR: u8 = 10;

/// `svc tasks`.
pub(crate) fn tasks(tasks: &Tasks, now: &Zoned, width: Option<usize>) -> String {
    let all = &tasks.all;
    let terminal = width.is_some();
    let cells = |cell: &dyn Fn(&Task) -> Option<String>| -> Vec<String> {
        all.iter().map(|task| cell(task).unwrap_or_else(|| "-".into())).collect()
    };
    let one_word = |text: String| if terminal { text } else { text.replace(' ', "") };
    let state = |task: &Task| {
        let (sign, word, _) = words::state(task.state);
        Some(if terminal { format!("{sign} {word}") } else { word.to_owned() })
    };
    let started = |task: &Task| {
        let at = task.started_at.or(task.submitted_at)?;
        Some(one_word(format!("{} ago", words::between(at, now.timestamp()))))
    };
    let eta = |task: &Task| task.eta_seconds.map(|eta| one_word(seconds(eta)));
    let mut columns = vec![
        Column::new("ID", Column::KEPT, cells(&|task| Some(task.id.to_string()))),
        Column::new("NAME", Column::KEPT, cells(&|task| Some(sanitize(&task.name)))),
        Column::new("PROJECT", 40, cells(&|task| task.project.as_ref().map(|text| one_word(sanitize(text))))),
        Column::new("STATE", Column::KEPT, cells(&state)),
        Column::new("STAGE", 60, cells(&|task| task.stage.as_ref().map(|text| one_word(sanitize(text))))),
        Column::new("PROGRESS", 70, cells(&|task| task.progress.map(|part| progress(part, terminal)))),
        Column::new("ETA", 65, cells(&eta)),
        Column::new("STARTED", 50, cells(&started)),
    ];
    let notes = cells(&|task| note(task, now));
    if !terminal || notes.iter().any(|note| note != "-") {
        let blank = |note: String| if terminal && note == "-" { String::new() } else { note };
        let notes = notes.into_iter().map(blank).collect();
        columns.push(Column { cut: terminal, ..Column::new("NOTE", 80, notes) });
    }
    let rows = lines(columns, width);
    let (head, rows) = rows.split_first().map_or(("", &[][..]), |(head, rows)| (head.as_str(), rows));
    let mut text = paint(words::BOLD, head) + "\n";
    for row in rows {
        text.push_str(row);
        text.push('\n');
    }
    text
}

/// Said beside the table: what is not in it.
pub(crate) fn more(tasks: &Tasks) -> String {
    if tasks.more == 0 { String::new() } else { format!("{} more: `svc tasks --all`\n", tasks.more) }
}

fn progress(part: f64, terminal: bool) -> String {
    let percent = format!("{part:.0}%");
    if !terminal {
        return percent;
    }
    let full = (1..=BAR).filter(|cell| part >= f64::from(*cell) * 100.0 / f64::from(BAR)).count();
    format!("{}{} {percent:>4}", "█".repeat(full), "░".repeat(usize::from(BAR) - full))
}

#[expect(clippy::cast_possible_truncation, reason = "seconds that a person waits for")]
pub(super) fn seconds(span: f64) -> String {
    words::age(span.round() as i64)
}

/// What a person should know beside the state.
fn note(task: &Task, now: &Zoned) -> Option<String> {
    let place = task.position.filter(|_| task.reason.is_none() && task.next_run_at.is_none());
    let place = place.map(|place| if place == 0 { "next in line".into() } else { format!("{place} before it") });
    let next = task.next_run_at.map(|at| words::next_run(at, now.timestamp()));
    let said = task.status_text.as_ref().map(sanitize);
    let reason = task.reason.as_ref().map(sanitize);
    let parts: Vec<String> = [reason, place, next, said].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `svc run -b`: number, process, log, and the two commands that come next.
pub(crate) fn submitted(task: &Task) -> String {
    let Task { id, name, .. } = task;
    let name = sanitize(name);
    let doing = match (task.state, task.pid) {
        (_, Some(pid)) => format!("pid {pid}"),
        (State::Queued, None) => match (&task.reason, task.position) {
            (Some(reason), _) => sanitize(reason),
            (None, Some(before)) if before > 0 => format!("queued, {before} before it"),
            _ => "queued".into(),
        },
        (state, None) => match &task.reason {
            Some(reason) => format!("{}: {}", words::state(state).1, sanitize(reason)),
            None => words::state(state).1.into(),
        },
    };
    let log = task.log.as_ref().map(|log| sanitize(log.as_os_str().as_encoded_bytes())).unwrap_or_default();
    format!("task {id} ({name}): {doing}\n  log     {log}\n  follow  svc logs {id} -f\n  cancel  svc cancel {id}\n")
}

/// `svc status ID`.
pub(crate) fn detail(task: &Task, log: &[LogLine], now: &Zoned) -> String {
    let (sign, word, style) = words::state(task.state);
    let mut text = format!(
        "{} {}\n",
        paint(style, sign),
        paint(words::BOLD, format_args!("task {} ({})", task.id, sanitize(&task.name)))
    );
    let mut row = |head: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {head:<10} {value}\n"));
        }
    };
    let ago = |at: jiff::Timestamp| format!("{} ({} ago)", words::local(at, now), words::between(at, now.timestamp()));
    let why = task.reason.as_ref().map(|reason| format!("{word}: {}", sanitize(reason)));
    row("state", Some(why.unwrap_or_else(|| word.into())));
    row("project", task.project.as_ref().map(sanitize));
    row("command", Some(sanitize(&task.command)));
    row("folder", task.folder.as_ref().map(|path| sanitize(path.as_os_str().as_encoded_bytes())));
    row("pid", task.pid.map(|pid| pid.to_string()));
    row("stage", task.stage.as_ref().map(sanitize));
    row("progress", task.progress.map(|part| progress(part, true)));
    row("eta", task.eta_seconds.map(seconds));
    row("status", task.status_text.as_ref().map(sanitize));
    row("submitted", task.submitted_at.map(ago));
    row("started", task.started_at.map(ago));
    row("ended", task.ended_at.map(ago));
    row("exit", task.signal.clone().or_else(|| task.exit_code.map(|code| format!("exit code {code}"))));
    row("memory", task.memory_bytes.map(words::size));
    row("cpu", task.cpu_seconds.map(words::cpu));
    row("log", task.log.as_ref().map(|log| sanitize(log.as_os_str().as_encoded_bytes())));
    for line in log {
        text.push_str(&format!("  {} {}\n", paint(words::DIM, "|"), sanitize(&line.message)));
    }
    let id = task.id;
    let next = match task.state {
        State::Failed => Some(format!("svc logs {id}, then svc retry {id}")),
        State::Cancelled => Some(format!("svc retry {id}")),
        State::Running | State::Queued | State::Starting => Some(format!("svc logs {id} -f; svc cancel {id}")),
        State::Stopping | State::Restarting | State::Stopped | State::Completed => None,
    };
    text.extend(next.map(|next| format!("  next: {next}\n")));
    text
}

/// One task in a list to choose from.
pub(crate) fn one_line(task: &Task) -> String {
    let project = task.project.as_ref().map(|project| format!(" of {}", sanitize(project))).unwrap_or_default();
    let command: String = sanitize(&task.command).chars().take(50).collect();
    format!("{} {}{project}: {} ({command})", task.id, sanitize(&task.name), words::state(task.state).1)
}

/// What was done with each.
pub(crate) fn done(all: &[TaskDone]) -> String {
    all.iter().map(|one| format!("task {} ({}): {}\n", one.id, sanitize(&one.name), one.did)).collect()
}
