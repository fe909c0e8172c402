//! What stands in the way of the supervisor on this machine: `svc doctor`.

use super::client::Place;
use super::{autostart, cron, marks, observe};
use crate::files::runtime::{Runtime, Unusable};
use crate::report::{Finding, Level};
use std::path::Path;

fn finding(level: Level, subject: &str, message: impl Into<String>, fix: Option<&str>) -> Finding {
    Finding { level, subject: subject.into(), message: message.into(), fix: fix.map(str::to_owned), service: None }
}

/// Looks at the folders, the supervisor, and what starts it.
pub(super) fn machine(place: Place<'_>, shell: &Path) -> Vec<Finding> {
    let mut found = vec![state_folder(place), runtime_folder(place)];
    found.push(supervisor(place));
    let left = observe::left_behind(place);
    let running = place.find().ok().flatten().is_some();
    if !(running || left.is_empty()) {
        let verb = if left.len() == 1 { "runs" } else { "run" };
        let message = format!("{} {verb} on without it; it takes over", services(left.len()));
        found.push(finding(Level::Error, "supervisor", message, Some("svc supervisor start")));
    }
    found.extend(login(place, shell));
    found.push(boot(place));
    found
}

/// `1 service`, `2 services`.
fn services(count: usize) -> String {
    format!("{count} service{}", if count == 1 { "" } else { "s" })
}

fn state_folder(place: Place<'_>) -> Finding {
    let folder = &place.paths.state;
    let shown = folder.display();
    // the nearest folder that is there is where the rest would be made
    let there = folder.ancestors().find(|one| one.exists()).unwrap_or(Path::new("/"));
    let writable = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
    match nix::unistd::access(there, writable) {
        Ok(()) if there == folder => finding(Level::Ok, "state", format!("`{shown}` can be written"), None),
        Ok(()) => finding(Level::Ok, "state", format!("`{shown}` can be made"), None),
        Err(cause) => {
            let reason = crate::error::io_reason(&cause.into());
            finding(Level::Error, "state", format!("`{}` can't be written: {reason}", there.display()), None)
        }
    }
}

fn runtime_folder(place: Place<'_>) -> Finding {
    let best = Runtime::candidates(place.environment).swap_remove(0);
    let shown = best.folder.display();
    match best.check(place.environment.uid) {
        Ok(()) => finding(Level::Ok, "runtime folder", format!("`{shown}` is private"), None),
        Err(Unusable::Absent) => {
            finding(Level::Ok, "runtime folder", format!("`{shown}` will be made by the supervisor"), None)
        }
        Err(Unusable::Foreign(reason)) => {
            let error = best.refused(&reason);
            finding(Level::Error, "runtime folder", error.message, error.hint.as_deref())
        }
    }
}

fn supervisor(place: Place<'_>) -> Finding {
    let stale = || {
        let all = Runtime::candidates(place.environment);
        all.into_iter().map(|one| one.socket()).find(|socket| std::fs::symlink_metadata(socket).is_ok())
    };
    match place.find_any() {
        Err(error) => finding(Level::Error, "supervisor", error.message, error.hint.as_deref()),
        Ok(None) => {
            let message = match stale() {
                Some(socket) => format!("does not run; its socket `{}` is left over", socket.display()),
                None => "does not run; the first service that is started starts it".to_owned(),
            };
            let enabled = !marks::all(place.paths).is_empty();
            let level = if enabled { Level::Warning } else { Level::Ok };
            finding(level, "supervisor", message, enabled.then_some("svc supervisor start"))
        }
        Ok(Some(client)) => {
            let (pid, version) = (client.hello.pid, &client.hello.svc);
            let at = client.runtime.socket();
            let message = format!("svc {version} answers at `{}` (pid {pid})", at.display());
            if let Err(reason) = client.hello.speaks_with_this() {
                return finding(Level::Error, "supervisor", reason, Some("svc supervisor reload"));
            }
            if version != env!("CARGO_PKG_VERSION") {
                let message = format!("{message}; this svc is {}", env!("CARGO_PKG_VERSION"));
                return finding(Level::Warning, "supervisor", message, Some("svc supervisor reload"));
            }
            finding(Level::Ok, "supervisor", message, None)
        }
    }
}

fn login(place: Place<'_>, shell: &Path) -> Vec<Finding> {
    let enabled = marks::all(place.paths).len();
    let on = autostart::is_on(place.environment);
    let mut found = vec![match (enabled, on) {
        (0, false) => finding(Level::Ok, "login", "no service starts at login", None),
        (0, true) => {
            finding(Level::Warning, "login", "`~/.profile` starts the supervisor, and nothing is enabled", None)
        }
        (count, true) => {
            finding(Level::Ok, "login", format!("`~/.profile` starts the supervisor for {}", services(count)), None)
        }
        (count, false) => {
            let message = format!("`~/.profile` has no block that starts the supervisor, for {}", services(count));
            finding(Level::Error, "login", message, Some("svc supervisor start"))
        }
    }];
    if let Some(shell) = autostart::unknown_shell(shell).filter(|_| enabled > 0) {
        let message =
            format!("the login shell `{shell}` reads no `~/.profile`; only a desktop starts the supervisor then");
        found.push(finding(
            Level::Warning,
            "login",
            message,
            Some("let the shell's own start file run `svc supervisor start`"),
        ));
    }
    found
}

fn boot(place: Place<'_>) -> Finding {
    if cron::is_on(place.environment) {
        return match cron::missing(&place.environment.path) {
            None => finding(Level::Ok, "boot", "the crontab starts the supervisor (`@reboot`)", None),
            Some(reason) => finding(Level::Error, "boot", format!("the crontab has a line for it, but {reason}"), None),
        };
    }
    match cron::missing(&place.environment.path) {
        None => finding(Level::Ok, "boot", "nothing starts at boot; cron could do it: `svc enable --boot NAME`", None),
        Some(reason) => finding(Level::Ok, "boot", format!("nothing starts at boot: {reason}"), None),
    }
}
