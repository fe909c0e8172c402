//! `svc supervisor`: who runs.

use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::SupervisorStatus;
use jiff::Zoned;
use std::fmt::Write;

/// What was done, or all that is known; times are those of the zone of `now`.
pub(crate) fn supervisor(status: &SupervisorStatus, now: &Zoned) -> String {
    let name = paint(words::BOLD, "supervisor");
    let pid = status.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
    if let Some(did) = status.did {
        return format!("{} {name}: {did}{pid}\n", paint(words::GOOD, "✓"));
    }
    let sign = if status.running { paint(words::GOOD, "●") } else { paint(words::DIM, "○") };
    let mut text = format!("{sign} {name}\n");
    for (key, value) in rows(status, now) {
        let _ = writeln!(text, "{key:>9}: {value}");
    }
    text
}

fn rows(status: &SupervisorStatus, now: &Zoned) -> Vec<(&'static str, String)> {
    let mut state = if status.running { "running" } else { "not running" }.to_owned();
    if let Some(at) = status.started_at {
        let _ = write!(state, " since {} ({})", words::local(at, now), words::between(at, now.timestamp()));
    }
    if let Some(pid) = status.pid {
        let _ = write!(state, ", pid {pid}");
    }
    if let Some(pid) = status.guardian_pid {
        let _ = write!(state, ", its guardian {pid}");
    }
    let mut rows = vec![("state", state)];
    let mut row = |key, value: Option<String>| rows.extend(value.map(|value| (key, value)));
    row("version", status.version.as_ref().map(sanitize));
    row(
        "services",
        status.services.map(|all| match status.services_running {
            Some(running) => format!("{all}, {running} running"),
            None => all.to_string(),
        }),
    );
    row("memory", status.memory_bytes.map(words::size));
    row("takeovers", status.takeovers.filter(|count| *count > 0).map(|count| count.to_string()));
    row("socket", status.socket.as_ref().map(|path| sanitize(path.as_os_str().as_encoded_bytes())));
    let starts = match (status.starts_at_login, status.starts_at_boot) {
        (true, true) => "at login and at boot",
        (true, false) => "at login",
        (false, true) => "at boot",
        (false, false) => "with the first service that is started",
    };
    row("starts", Some(starts.to_owned()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-03-01T10:00:00+01:00[Europe/Berlin]".parse().expect("a time")
    }

    fn plain(status: &SupervisorStatus) -> String {
        anstream::adapter::strip_str(&supervisor(status, &now())).to_string()
    }

    fn running() -> SupervisorStatus {
        SupervisorStatus {
            running: true,
            did: None,
            pid: Some(12),
            guardian_pid: Some(11),
            version: Some("0.1.0".into()),
            started_at: "2026-03-01T08:50:00Z".parse().ok(),
            takeovers: Some(1),
            services: Some(3),
            services_running: Some(2),
            memory_bytes: Some(1_500_000),
            socket: Some("/run/user/1000/svc/supervisor.sock".into()),
            starts_at_login: true,
            starts_at_boot: false,
        }
    }

    #[test]
    fn all_that_is_known_or_what_was_done() {
        assert_eq!(
            plain(&running()),
            "\
● supervisor
    state: running since 2026-03-01 09:50:00 (10m), pid 12, its guardian 11
  version: 0.1.0
 services: 3, 2 running
   memory: 1.4M
takeovers: 1
   socket: /run/user/1000/svc/supervisor.sock
   starts: at login
"
        );
        assert_eq!(
            plain(&SupervisorStatus { did: Some("reloaded"), ..running() }),
            "✓ supervisor: reloaded (pid 12)\n"
        );
    }
}
