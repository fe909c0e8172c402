//! Whole tables at the widths of a split, an old and a wide terminal, and piped.
#![allow(clippy::unwrap_used, reason = "a panic is the failure of a test")]

use super::*;
use crate::report::sample;

fn now() -> Zoned {
    "2026-03-01T10:00:00+00:00[UTC]".parse().unwrap()
}

/// `svc status` without its colours.
fn plain(all: &[Status], width: Option<usize>) -> String {
    anstream::adapter::strip_str(&status(all, &now(), width)).to_string()
}

fn all() -> Vec<Status> {
    let at = |text: &str| Some(text.parse().unwrap());
    vec![
        Status {
            pid: Some(123),
            started_at: at("2026-02-26T05:50:00Z"),
            memory_bytes: Some(12_897_485),
            cpu_seconds: Some(200.0),
            project: Some("shop".into()),
            manifest: Some("/home/me/shop/svc.toml".into()),
            status_text: Some("serving 12 clients".into()),
            ..sample::status("web", State::Running)
        },
        Status {
            enabled: Some(false),
            restarts: Some(5),
            reason: Some("exit code 127".into()),
            exit_code: Some(127),
            drifted: true,
            drift: vec!["`worker.service` was changed by hand".into()],
            ..sample::status("worker", State::Failed)
        },
        Status {
            next_run_at: at("2026-03-01T10:05:03Z"),
            armed: true,
            restarts: None,
            ..sample::status("nightly-backup", State::Stopped)
        },
    ]
}

#[test]
fn status_when_piped() {
    assert_eq!(
        plain(&all(), None),
        "\
NAME            STATE    ENABLED  PID  UPTIME  RESTARTS  MEM    CPU  NOTE
web             running  yes      123  3d4h    0         12.3M  3m   serving 12 clients
worker          failed   no       -    -       5         -      -    exit code 127; drifted: `worker.service` was changed by hand
nightly-backup  stopped  yes      -    -       -         -      -    runs in 5m
"
    );
}

#[test]
fn status_at_120() {
    assert_eq!(
        plain(&all(), Some(120)),
        "\
NAME            STATE      ENABLED  PID  UPTIME  RESTARTS  MEM    CPU  NOTE
web             ● running  yes      123  3d 4h   0         12.3M  3m   serving 12 clients
worker          ✗ failed   no       -    -       5         -      -    exit code 127; drifted: `worker.service` was…
nightly-backup  ○ stopped  yes      -    -       -         -      -    runs in 5m
"
    );
}

#[test]
fn status_at_80() {
    assert_eq!(
        plain(&all(), Some(80)),
        "\
NAME            STATE      ENABLED  PID  UPTIME  RESTARTS  NOTE
web             ● running  yes      123  3d 4h   0         serving 12 clients
worker          ✗ failed   no       -    -       5         exit code 127;…
nightly-backup  ○ stopped  yes      -    -       -         runs in 5m
"
    );
}

#[test]
fn status_at_60() {
    assert_eq!(
        plain(&all(), Some(60)),
        "\
NAME            STATE      PID  UPTIME  NOTE
web             ● running  123  3d 4h   serving 12 clients
worker          ✗ failed   -    -       exit code 127;…
nightly-backup  ○ stopped  -    -       runs in 5m
"
    );
}

#[test]
fn list_at_120_and_60() {
    let list = |width| anstream::adapter::strip_str(&list(&all()[..1], &now(), Some(width))).to_string();
    assert_eq!(
        list(120),
        "\
NAME  STATE      ENABLED  PID  UPTIME  SCOPE  BACKEND  PROJECT  MANIFEST                NOTE
web   ● running  yes      123  3d 4h   user   systemd  shop     /home/me/shop/svc.toml  serving 12 clients
"
    );
    assert_eq!(
        list(60),
        "\
NAME  STATE      PROJECT  NOTE
web   ● running  shop     serving 12 clients
"
    );
}

#[test]
fn a_terminal_sees_no_empty_note_column_but_a_script_does() {
    let quiet = [sample::status("db", State::Running)];
    assert_eq!(
        plain(&quiet, Some(100)).lines().next().unwrap(),
        "NAME  STATE      ENABLED  PID  UPTIME  RESTARTS  MEM  CPU"
    );
    assert!(plain(&quiet, None).lines().next().unwrap().ends_with("CPU  NOTE"));
}

#[test]
fn states_are_painted_and_names_are_not() {
    let odd = [sample::status("running", State::Failed)];
    let table = status(&odd, &now(), Some(80));
    let line = table.lines().nth(1).unwrap();
    assert!(line.starts_with("running  \u{1b}[31m✗ failed\u{1b}[0m"), "{line:?}");
}

#[test]
fn foreign_text_is_shown_not_obeyed() {
    let evil =
        [Status { status_text: Some("\u{1b}]0;owned\u{7}\nroot".into()), ..sample::status("x", State::Running) }];
    let table = plain(&evil, None);
    assert!(table.ends_with("\\x1b]0;owned\\x07\\x0aroot\n"), "{table}");
    assert_eq!(table.lines().count(), 2);
}
