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

/// The backend to use: systemd where it is PID 1, launchd on a Mac, else svc's own supervisor. An
/// asked-for one is never replaced by another.
pub fn choose(wanted: Wanted) -> BackendKind {
    match wanted {
        Wanted::Systemd => BackendKind::Systemd,
        Wanted::Launchd => BackendKind::Launchd,
        Wanted::Supervisor => BackendKind::Supervisor,
        Wanted::Auto if systemd_is_pid_1() => BackendKind::Systemd,
        Wanted::Auto if cfg!(target_os = "macos") => BackendKind::Launchd,
        Wanted::Auto => BackendKind::Supervisor,
    }
}

/// The scope to use, or why it is refused: root means the machine, where a manager has one; sudo must
/// say what it means.
pub fn scope(system: bool, user: bool, kind: BackendKind, environment: &Environment) -> Result<Scope, Error> {
    by_sudo(system || user, kind, environment)?;
    if kind == BackendKind::Supervisor {
        if system {
            let hint = if systemd_is_pid_1() {
                "`--backend systemd --system` for services of the machine"
            } else {
                "without `--system`, as root, for root's own services; the machine has no other manager"
            };
            let message = "svc's own supervisor runs the services of one user, not of the machine";
            return Err(Error::new(ErrorCode::Unreachable, message).hint(hint));
        }
        return Ok(Scope::User);
    }
    Ok(match (system, user) {
        (true, _) => Scope::System,
        (_, true) => Scope::User,
        _ if environment.uid == 0 => Scope::System,
        _ => Scope::User,
    })
}

/// Refuses root by sudo that does not say whose services it means.
pub fn by_sudo(said: bool, kind: BackendKind, environment: &Environment) -> Result<(), Error> {
    let Some(name) = environment.sudo_user.as_ref().filter(|_| !said) else { return Ok(()) };
    let root = match kind {
        BackendKind::Systemd | BackendKind::Launchd => "for the machine: `sudo svc --system …`",
        BackendKind::Supervisor => "for root: `sudo svc --user …`",
    };
    Err(Error::new(ErrorCode::NotPermitted, "svc runs as root by sudo, so it is not clear whose service is meant")
        .hint(format!("{root}; for `{name}`: the same command without sudo")))
}

/// Why there is no manager, in a sentence, and the command that mends it.
pub(crate) fn explain(failure: &NoManager, scope: Scope, environment: &Environment) -> Error {
    let unreachable = |message: String| Error::new(ErrorCode::Unreachable, message);
    if !systemd_is_pid_1() {
        return unreachable(
            "there is no systemd here: it is not PID 1 of this machine (no `/run/systemd/system`)".into(),
        )
        .hint("`--backend supervisor` runs services without it; `svc render` works without one");
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
