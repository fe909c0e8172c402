//! `svc status NAME`: one service in detail.

use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::{Detail, LogLine, Process, Status, Survival};
use jiff::Zoned;
use std::fmt::Write;

/// Deepest branch of the process tree that is drawn.
const DEEPEST: usize = 32;

/// The whole view; times are those of the zone of `now`.
pub(crate) fn detail(detail: &Detail, now: &Zoned) -> String {
    let status = &detail.status;
    let (sign, _, style) = words::state(status.state);
    let about = detail.description.as_ref().map(|text| format!(" - {}", sanitize(text))).unwrap_or_default();
    let mut text = format!("{} {}{about}\n", paint(style, sign), paint(words::BOLD, &status.name));
    for (key, value) in rows(detail, now) {
        let _ = writeln!(text, "{key:>9}: {value}");
    }
    tree(&mut text, &detail.processes);
    if !detail.log_lines.is_empty() {
        text.push('\n');
    }
    for line in &detail.log_lines {
        let _ = writeln!(text, "  {}", log_line(line, now));
    }
    text.push('\n');
    if let Some(next) = &detail.next {
        let _ = writeln!(text, "next: {}", sanitize(next));
    }
    let _ = writeln!(text, "survives: {}", survives(&detail.survives));
    text
}

fn rows(detail: &Detail, now: &Zoned) -> Vec<(&'static str, String)> {
    let status = &detail.status;
    let mut rows = vec![("state", state(status, now))];
    let mut row = |key, value: Option<String>| rows.extend(value.map(|value| (key, value)));
    row("says", status.status_text.as_ref().map(sanitize));
    row("health", status.health.as_ref().map(|health| words::health(health, now.timestamp())));
    row(
        "next run",
        status.next_run_at.map(|at| format!("{} ({})", words::local(at, now), words::next_run(at, now.timestamp()))),
    );
    row("enabled", status.enabled.map(|yes| if yes { "yes" } else { "no" }.to_owned()));
    row("command", Some(sanitize(&detail.command)).filter(|command| !command.is_empty()));
    row("restarts", status.restarts.filter(|count| *count > 0).map(|count| count.to_string()));
    row("memory", status.memory_bytes.map(words::size));
    row("CPU", status.cpu_seconds.map(words::cpu));
    row(
        "measured",
        detail
            .metrics_from
            .map(str::to_owned)
            .filter(|_| status.memory_bytes.or(status.cpu_seconds.map(|_| 0)).is_some()),
    );
    row("project", status.project.as_ref().map(sanitize));
    row("manifest", status.manifest.as_ref().map(|path| sanitize(path.as_os_str().as_encoded_bytes())));
    for file in &status.files {
        row("file", Some(sanitize(file.as_os_str().as_encoded_bytes())));
    }
    row(
        "log",
        Some(match &status.log {
            Some(path) => sanitize(path.as_os_str().as_encoded_bytes()),
            None => "the journal".to_owned(),
        }),
    );
    row("writes", status.log_rate.filter(|rate| rate.bytes_per_second > 0).map(words::log_rate));
    for reason in &status.drift {
        row("drifted", Some(paint(words::WARNING, sanitize(reason))));
    }
    rows
}

/// `running since 2026-03-01 10:00:00 (3d 4h), pid 123`; `failed: exit code 127`.
fn state(status: &Status, now: &Zoned) -> String {
    let (_, word, style) = words::state(status.state);
    let mut text = paint(style, word);
    if let Some(reason) = &status.reason {
        let _ = write!(text, ": {}", sanitize(reason));
    }
    if let Some(at) = status.started_at {
        let _ = write!(text, " since {} ({})", words::local(at, now), words::between(at, now.timestamp()));
    }
    if let Some(pid) = status.pid {
        let _ = write!(text, ", pid {pid}");
    }
    text
}

fn log_line(line: &LogLine, now: &Zoned) -> String {
    let time = line.time.map(|at| words::local(at, now).split_off("2026-03-01 ".len()) + " ").unwrap_or_default();
    let text = format!("{time}{}", sanitize(&line.message));
    if line.stream == "manager" { paint(words::DIM, text) } else { text }
}

/// Processes below their parents; one alone is in the line of the state already.
fn tree(text: &mut String, processes: &[Process]) {
    if processes.len() < 2 {
        return;
    }
    let known = |pid: u32| processes.iter().any(|process| process.pid == pid);
    for root in processes.iter().filter(|process| !known(process.parent) || process.parent == process.pid) {
        let _ = writeln!(text, "{:>11}{} {}", "", root.pid, sanitize(&root.command));
        branches(text, root.pid, processes, "");
    }
}

fn branches(text: &mut String, parent: u32, all: &[Process], indent: &str) {
    let children: Vec<&Process> = all.iter().filter(|one| one.parent == parent && one.pid != parent).collect();
    if indent.chars().count() >= 3 * DEEPEST {
        return;
    }
    for (at, child) in children.iter().enumerate() {
        let (turn, below) = if at + 1 == children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let _ = writeln!(text, "{:>11}{indent}{turn}{} {}", "", child.pid, sanitize(&child.command));
        branches(text, child.pid, all, &format!("{indent}{below}"));
    }
}

/// `crash yes, logout no (svc enable --boot NAME), …`: DESIGN §3.
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
    use crate::report::{State, sample};

    fn now() -> Zoned {
        "2026-03-01T10:00:00+01:00[Europe/Berlin]".parse().expect("a time")
    }

    fn plain(one: &Detail) -> String {
        anstream::adapter::strip_str(&detail(one, &now())).to_string()
    }

    fn process(pid: u32, parent: u32, command: &str) -> Process {
        Process { pid, parent, command: command.into() }
    }

    fn line(stream: &'static str, message: &str) -> LogLine {
        let service = crate::service::Name::parse("web").expect("name");
        let time = "2026-03-01T08:59:58.5Z".parse().ok();
        LogLine { service, time, pid: Some(7), stream, message: message.into() }
    }

    fn web() -> Detail {
        let survival =
            |what: &str, yes, note: Option<&str>| Survival { what: what.into(), yes, note: note.map(str::to_owned) };
        Detail {
            status: Status {
                pid: Some(123),
                started_at: "2026-02-26T04:50:00Z".parse().ok(),
                memory_bytes: Some(12_897_485),
                cpu_seconds: Some(4.2),
                restarts: Some(2),
                files: vec!["/home/me/.config/systemd/user/web.service".into()],
                project: Some("shop".into()),
                manifest: Some("/home/me/shop/svc.toml".into()),
                drift: vec!["`web.service` was changed by hand".into()],
                ..sample::status("web", State::Running)
            },
            description: Some("the web server".into()),
            command: "node server.js".into(),
            processes: vec![
                process(123, 1, "node server.js"),
                process(130, 123, "node worker.js"),
                process(131, 123, "sh -c x\u{1b}"),
                process(140, 130, "sleep 1"),
            ],
            metrics_from: Some("sum over its processes"),
            log_lines: vec![line("manager", "Started web."), line("out", "listening\r")],
            survives: vec![
                survival("crash", true, None),
                survival("logout", false, Some("svc enable --boot web")),
                survival("reboot", false, None),
                survival("upgrade of node", false, Some("path lies in a version folder")),
            ],
            next: Some("svc doctor web".into()),
        }
    }

    #[test]
    fn a_running_service() {
        assert_eq!(
            plain(&web()),
            "\
● web - the web server
    state: running since 2026-02-26 05:50:00 (3d 4h), pid 123
  enabled: yes
  command: node server.js
 restarts: 2
   memory: 12.3M
      CPU: 4.2s
 measured: sum over its processes
  project: shop
 manifest: /home/me/shop/svc.toml
     file: /home/me/.config/systemd/user/web.service
      log: the journal
  drifted: `web.service` was changed by hand
           123 node server.js
           ├─ 130 node worker.js
           │  └─ 140 sleep 1
           └─ 131 sh -c x\\x1b

  09:59:58 Started web.
  09:59:58 listening\\x0d

next: svc doctor web
survives: crash yes, logout no (svc enable --boot web), reboot no, upgrade of node no (path lies in a version folder)
"
        );
    }

    #[test]
    fn a_failed_service() {
        let failed = Detail {
            status: Status {
                reason: Some("exit code 127: command not found".into()),
                log: Some("/var/log/web.log".into()),
                ..sample::status("web", State::Failed)
            },
            description: None,
            processes: Vec::new(),
            metrics_from: None,
            log_lines: Vec::new(),
            survives: Vec::new(),
            next: None,
            ..web()
        };
        assert_eq!(
            plain(&failed),
            "\
✗ web
    state: failed: exit code 127: command not found
  enabled: yes
  command: node server.js
      log: /var/log/web.log

survives: \n"
        );
    }

    #[test]
    fn a_tree_of_processes_that_are_their_own_ancestors_ends() {
        let mut text = String::new();
        tree(&mut text, &[process(1, 1, "a"), process(2, 3, "b"), process(3, 2, "c")]);
        assert!(text.lines().count() < 200);
    }
}
