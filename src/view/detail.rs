//! `svc status NAME`: one service in detail.

use super::sanitize::{sanitize, sanitize_bytes};
use super::words;
use crate::report::{Detail, Process, Survival};
use std::fmt::Write;

/// The whole view.
pub(crate) fn detail(detail: &Detail) -> String {
    let status = &detail.status;
    let (sign, word, style) = words::state(status.state);
    let bold = words::BOLD;
    let mut out = String::new();
    let about = detail.description.as_ref().map(|text| format!(" - {}", sanitize(text))).unwrap_or_default();
    let _ = writeln!(out, "{style}{sign}{style:#} {bold}{}{bold:#}{about}", status.name);
    let mut row = |key: &str, value: String| {
        let _ = writeln!(out, "{key:>10}: {value}");
    };
    let since = status
        .started_at
        .map(|at| format!(" for {} (since {})", words::since(at), at.strftime("%Y-%m-%d %H:%M:%S UTC")))
        .unwrap_or_default();
    let reason = status.reason.as_ref().map(|reason| format!(", {}", sanitize(reason))).unwrap_or_default();
    row("state", format!("{style}{word}{style:#}{reason}{since}"));
    if let Some(enabled) = status.enabled {
        row("enabled", if enabled { "yes".into() } else { "no".into() });
    }
    if let Some(next) = status.next_run_at {
        row("next run", format!("in {} ({})", words::until(next), next.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    if let Some(text) = &status.status_text {
        row("says", sanitize(text));
    }
    if let Some(pid) = status.pid {
        row("pid", pid.to_string());
    }
    row("command", sanitize(&detail.command));
    if let Some(restarts) = status.restarts {
        row("restarts", restarts.to_string());
    }
    if let Some(memory) = status.memory_bytes {
        let cpu = status.cpu_seconds.map(|cpu| format!(", CPU {}", words::cpu(cpu))).unwrap_or_default();
        let from = detail.metrics_from.map(|from| format!(" ({from})")).unwrap_or_default();
        row("memory", format!("{}{cpu}{from}", words::size(memory)));
    }
    row("log", status.log.as_ref().map_or("the journal".into(), |path| sanitize(&path.display().to_string())));
    for file in &status.files {
        row("file", sanitize(&file.display().to_string()));
    }
    for drift in &status.drift {
        let warning = words::WARNING;
        row("drifted", format!("{warning}{}{warning:#}", sanitize(drift)));
    }
    tree(&mut out, &detail.processes);
    if !detail.log_lines.is_empty() {
        out.push('\n');
    }
    for line in &detail.log_lines {
        let time = line
            .time
            .map(|time| time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S ").to_string())
            .unwrap_or_default();
        let style = if line.stream == "manager" { words::DIM } else { anstyle::Style::new() };
        let _ = writeln!(out, "{style}  {time}{}{style:#}", sanitize_bytes(&line.message));
    }
    out.push('\n');
    if let Some(next) = &detail.next {
        let _ = writeln!(out, "next: {}", sanitize(next));
    }
    let _ = writeln!(out, "survives: {}", survives(&detail.survives));
    out
}

/// Processes below their parents.
fn tree(out: &mut String, processes: &[Process]) {
    if processes.len() < 2 {
        return;
    }
    let known = |pid: u32| processes.iter().any(|process| process.pid == pid);
    for root in processes.iter().filter(|process| !known(process.parent)) {
        branch(out, root, processes, 0);
    }
}

fn branch(out: &mut String, process: &Process, all: &[Process], depth: usize) {
    let _ = writeln!(out, "{:>10}  {}└─ {} {}", "", "   ".repeat(depth), process.pid, sanitize(&process.command));
    if depth < 32 {
        all.iter()
            .filter(|child| child.parent == process.pid && child.pid != process.pid)
            .for_each(|child| branch(out, child, all, depth + 1));
    }
}

/// `crash yes, logout no (svc enable --boot NAME), …`
fn survives(all: &[Survival]) -> String {
    let words = all.iter().map(|one| {
        let note = one.note.as_ref().map(|note| format!(" ({})", sanitize(note))).unwrap_or_default();
        format!("{} {}{note}", sanitize(&one.what), if one.yes { "yes" } else { "no" })
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_survives_line_has_the_shape_of_the_contract() {
        let one =
            |what: &str, yes, note: Option<&str>| Survival { what: what.into(), yes, note: note.map(str::to_owned) };
        let all =
            [one("crash", true, None), one("logout", false, Some("svc enable --boot web")), one("reboot", false, None)];
        assert_eq!(survives(&all), "crash yes, logout no (svc enable --boot web), reboot no");
    }
}
