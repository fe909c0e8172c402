//! Which backend this machine has, each verdict with its proof, and why a manager is not there.

use super::systemd::bus::NoManager;
use super::systemd::linger;
use super::{BackendKind, Scope};
use crate::env::Environment;
use crate::error::{Error, ErrorCode};
use std::path::Path;

/// What `--backend`, `SVC_BACKEND` asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Wanted {
    /// What the machine has.
    #[default]
    Auto,
    /// systemd.
    Systemd,
    /// launchd.
    Launchd,
    /// svc's own supervisor.
    Supervisor,
}

/// Whether systemd is PID 1: sd_booted(3).
pub fn systemd_is_pid_1() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The backend to use. An asked-for one is never replaced by another.
pub fn choose(wanted: Wanted) -> Result<BackendKind, Error> {
    let not_here = |kind: BackendKind| {
        Error::new(ErrorCode::Unreachable, format!("the {} backend is not in this version of svc", kind.word()))
            .hint("`--backend systemd` renders units on any machine and drives systemd where it runs")
    };
    match wanted {
        Wanted::Systemd => Ok(BackendKind::Systemd),
        Wanted::Launchd => Err(not_here(BackendKind::Launchd)),
        Wanted::Supervisor => Err(not_here(BackendKind::Supervisor)),
        Wanted::Auto => Ok(BackendKind::Systemd),
    }
}

/// The scope to use, or why it is refused: root means the machine; sudo must say what it means.
pub fn scope(system: bool, user: bool, environment: &Environment) -> Result<Scope, Error> {
    if let Some(name) = environment.sudo_user.as_ref().filter(|_| !system && !user) {
        return Err(Error::new(
            ErrorCode::NotPermitted,
            "svc runs as root by sudo, so it is not clear whose service is meant",
        )
        .hint(format!("for the machine: `sudo svc --system …`; for `{name}`: the same command without sudo")));
    }
    Ok(match (system, user) {
        (true, _) => Scope::System,
        (_, true) => Scope::User,
        _ if environment.uid == 0 => Scope::System,
        _ => Scope::User,
    })
}

/// Why there is no manager, in a sentence, and the command that mends it.
pub(crate) fn explain(failure: &NoManager, scope: Scope, environment: &Environment) -> Error {
    let unreachable = |message: String| Error::new(ErrorCode::Unreachable, message);
    if !systemd_is_pid_1() {
        return unreachable(
            "there is no systemd here: it is not PID 1 of this machine (no `/run/systemd/system`)".into(),
        )
        .hint("`svc render` works without one; svc's own supervisor for machines like this is not in this version");
    }
    if failure.silent {
        return unreachable(format!("systemd accepted a connection and said nothing ({})", tried(failure)))
            .hint("`svc doctor` looks closer");
    }
    match scope {
        Scope::System if failure.denied => {
            Error::new(ErrorCode::NotPermitted, "the machine's services are root's").hint("the same command with sudo")
        }
        Scope::System => unreachable(format!("systemd can't be reached ({})", tried(failure))),
        Scope::User if environment.uid == 0 && environment.xdg_runtime_dir.is_none() => {
            unreachable("root has no user manager here".into()).hint("`svc --system …` for services of the machine")
        }
        Scope::User if failure.denied => Error::new(
            ErrorCode::NotPermitted,
            format!(
                "the user manager belongs to somebody else (XDG_RUNTIME_DIR is `{}`)",
                environment.runtime_dir().display()
            ),
        )
        .hint(format!("`export XDG_RUNTIME_DIR=/run/user/{}`, then the same command", environment.uid)),
        Scope::User => no_user_manager(failure, environment),
    }
}

fn no_user_manager(failure: &NoManager, environment: &Environment) -> Error {
    let (uid, user) = (environment.uid, environment.user());
    let logged_out = !Path::new(&format!("/run/user/{uid}")).exists();
    let message = if logged_out {
        format!(
            "the user manager of `{user}` is not running: there is no session of `{user}` (su, sudo and cron make none)"
        )
    } else {
        format!("the user manager of `{user}` is not running ({})", tried(failure))
    };
    let hint = if linger::is_on(environment) || !logged_out {
        format!("`sudo systemctl start user@{uid}` starts it")
    } else {
        format!("`sudo loginctl enable-linger {user}` starts it now and at boot")
    };
    Error::new(ErrorCode::Unreachable, message).hint(hint)
}

fn tried(failure: &NoManager) -> String {
    failure.tried.iter().map(|(path, reason)| format!("`{}`: {reason}", path.display())).collect::<Vec<_>>().join("; ")
}
