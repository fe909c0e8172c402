//! What stands in the way of systemd on this machine: `svc doctor`.

use super::bus::sockets;
use super::{Systemd, linger};
use crate::backend::Scope;
use crate::backend::detect::systemd_is_pid_1;
use crate::env::Environment;
use crate::report::{Finding, Level};

fn finding(level: Level, subject: &str, message: impl Into<String>, fix: Option<String>) -> Finding {
    Finding { level, subject: subject.into(), message: message.into(), fix, service: None }
}

/// Looks at systemd, its manager, lingering and the journal.
pub(crate) async fn machine(systemd: &Systemd, scope: Scope, environment: &Environment) -> Vec<Finding> {
    let mut found = Vec::new();
    if systemd_is_pid_1() {
        found.push(finding(Level::Ok, "systemd", "is PID 1 (`/run/systemd/system` is there)", None));
    } else {
        found.push(finding(Level::Error, "systemd", "is not PID 1 here (no `/run/systemd/system`)", None));
        return found;
    }
    let (private, bus) = sockets(scope, environment);
    let manager = format!("{} manager", scope.word());
    match systemd.running_version().await {
        Ok(version) => {
            let way = if private.exists() { private } else { bus };
            found.push(finding(Level::Ok, &manager, format!("systemd {version} answers at `{}`", way.display()), None));
        }
        Err(error) => found.push(finding(Level::Error, &manager, error.message, error.hint)),
    }
    if scope == Scope::User {
        found.push(runtime_dir(environment));
        found.push(if linger::is_on(environment) {
            finding(Level::Ok, "lingering", "is on: services run from boot on and over logouts", None)
        } else {
            let fix = Some(format!("loginctl enable-linger {}", environment.user()));
            finding(
                Level::Warning,
                "lingering",
                "is off: services end at the last logout and start at the next login",
                fix,
            )
        });
    }
    found.push(journal(scope));
    found
}

fn runtime_dir(environment: &Environment) -> Finding {
    match &environment.xdg_runtime_dir {
        Some(folder) if !folder.is_dir() => finding(
            Level::Error,
            "XDG_RUNTIME_DIR",
            format!("is `{}`, which is not there", folder.display()),
            Some(format!("export XDG_RUNTIME_DIR=/run/user/{}", environment.uid)),
        ),
        Some(folder) => finding(Level::Ok, "XDG_RUNTIME_DIR", format!("is `{}`", folder.display()), None),
        None => finding(
            Level::Warning,
            "XDG_RUNTIME_DIR",
            format!("is not set; svc uses `{}`, but systemctl does not", environment.runtime_dir().display()),
            Some(format!("export XDG_RUNTIME_DIR=/run/user/{}", environment.uid)),
        ),
    }
}

fn journal(scope: Scope) -> Finding {
    match super::journal::check(scope) {
        Ok(()) => finding(Level::Ok, "journal", "can be read", None),
        Err(error) => finding(Level::Warning, "journal", error.message, error.hint),
    }
}
