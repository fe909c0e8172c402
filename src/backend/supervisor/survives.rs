//! What a service survives under the supervisor, found out from its job file, logind and cron, not
//! assumed. DESIGN §3.

use super::client::Place;
use super::{autostart, cron, marks};
use crate::backend::Subject;
use crate::engine::job::{Job, Policy};
use crate::report::Survival;
use std::path::Path;
use std::process::{Command, Stdio};

/// Crash, crash of the supervisor, logout and reboot.
pub(super) fn survives(place: Place<'_>, subject: &Subject) -> Vec<Survival> {
    let name = subject.name.as_str();
    let text = std::fs::read_to_string(place.paths.job(name)).unwrap_or_default();
    let policy = toml::from_str::<Job>(&text).ok().map(|job| job.restart.policy);
    let survival = |what: &str, yes, note: Option<String>| Survival { what: what.into(), yes, note };
    let crash = match (policy, subject.scheduled) {
        (Some(Policy::Never) | None, true) => survival("crash", true, Some("runs again at its next time".into())),
        (Some(Policy::Never), false) => survival("crash", false, Some("restart is never".into())),
        (None, false) => survival("crash", false, Some("its job file can't be read".into())),
        (Some(Policy::OnFailure | Policy::Always), _) => survival("crash", true, None),
    };
    let enabled = marks::all(place.paths).contains(name);
    let boot = cron::is_on(place.environment);
    let logout = logout(kills_at_logout());
    let reboot = match (enabled, boot) {
        (false, _) => survival("reboot", false, Some(format!("svc enable {name}"))),
        (true, true) => survival("reboot", true, None),
        (true, false) => survival("reboot", false, Some(at_login(place, name))),
    };
    vec![crash, survival("crash of the supervisor", true, None), logout, reboot]
}

fn at_login(place: Place<'_>, name: &str) -> String {
    let when = if autostart::is_on(place.environment) { "starts at the next login" } else { "nothing starts it" };
    match cron::missing(&place.environment.path) {
        None => format!("{when}; svc enable --boot {name}"),
        Some(_) => when.to_owned(),
    }
}

fn logout(kills: Result<bool, String>) -> Survival {
    let (yes, note) = match kills {
        Ok(false) => (true, None),
        Ok(true) => (false, Some("logind ends all processes at logout: KillUserProcesses= in logind.conf(5)".into())),
        Err(reason) => (false, Some(reason)),
    };
    Survival { what: "logout".into(), yes, note }
}

/// Whether logind (or elogind), where one runs, ends this user's processes with their last session.
/// Asked of itself: its default is one of its build.
fn kills_at_logout() -> Result<bool, String> {
    // its folder may be left over; without the bus nobody answers, and nobody ends sessions
    let there = ["/run/systemd/sessions", "/run/dbus/system_bus_socket"].iter().all(|path| Path::new(path).exists());
    if !there {
        return Ok(false);
    }
    let unknown = || "logind does not say whether it ends processes at logout".to_owned();
    let program = ["/usr/bin/loginctl", "/bin/loginctl"].into_iter().find(|program| Path::new(program).exists());
    let output = Command::new(program.ok_or_else(unknown)?)
        .args(["show-session", "--no-pager", "--property=KillUserProcesses"])
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    kills(&said).ok_or_else(unknown)
}

/// Reads the answer of loginctl(1).
fn kills(said: &str) -> Option<bool> {
    let value = said.lines().find_map(|line| line.strip_prefix("KillUserProcesses="))?;
    match value.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logind_is_believed_and_silence_is_not() {
        assert_eq!(kills("KillUserProcesses=no\n"), Some(false));
        assert_eq!(kills("EnableWallMessages=no\nKillUserProcesses=yes\n"), Some(true));
        assert_eq!(kills(""), None);
        assert!(logout(Ok(false)).yes);
        let killed = logout(Ok(true));
        assert!(!killed.yes && killed.note.is_some_and(|note| note.contains("KillUserProcesses")));
        assert!(!logout(Err("unknown".into())).yes);
    }
}
