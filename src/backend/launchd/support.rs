//! How launchd does each field: what `svc render --explain` prints. The `match` has no `_`, so that a new
//! field does not compile until it is answered here.

use super::refuse::{self, not_yet};
use super::shim_need::why;
use crate::backend::{Scope, Support};
use crate::service::Field;

/// How `field` is done in `scope`.
pub(crate) fn support(field: Field, scope: Scope) -> Support {
    let user = scope == Scope::User;
    match field {
        Field::Command => native(
            "ProgramArguments, executed as they are; a shell or interpreter through a launcher, svc under the \
             service's name, which becomes it at once: Login Items then show that name and not `sh`",
        ),
        Field::Script => native("ProgramArguments: the launcher, which becomes `/bin/sh -eu -c TEXT NAME`"),
        Field::Instances => definition("one property list per entry, each complete in itself"),
        Field::Group => definition("names for selectors; launchd sees nothing of them"),
        Field::Description => definition("a comment in the property list, and `svc status`"),
        Field::Env => native(
            "EnvironmentVariables; what a property list can't hold (control characters, bytes that are not UTF-8) \
             goes through the shim's job file, here and in `command`, `script`, `path`, `working_dir`, `logs.file`",
        ),
        Field::EnvFile => shim(field, "read at each start; wins over `env`"),
        Field::Path => native("PATH in EnvironmentVariables; `minimal`: launchd's own, /usr/bin:/bin:/usr/sbin:/sbin"),
        Field::WorkingDir => native("WorkingDirectory"),
        Field::Start if user => native(&format!(
            "RunAtLoad; `manual`: Disabled, so that launchd does not load it at login: a loaded job with KeepAlive \
             would start at once; `boot`: {}",
            refuse::NO_BOOT
        )),
        Field::Start => native("RunAtLoad of a LaunchDaemon: a machine's `login` is its boot; `manual`: Disabled"),
        Field::Restart => native(
            "KeepAlive: `always` true, `on-failure` { SuccessfulExit = false }, `never` absent; a scheduled service \
             with `on-failure` by the shim, since KeepAlive would start it at login",
        ),
        Field::RestartDelay => native(
            "ThrottleInterval, always written, since launchd's own is 10 s: whole seconds, at least 1 (it ignores 0), \
             and from start to start: what ran longer than this is started again at once, and launchd never gives up",
        ),
        Field::RestartMaxDelay => shim(field, "if asked for"),
        Field::RestartLimit => shim(field, "if asked for; else launchd starts it again for ever"),
        Field::RestartReset => shim(field, "if asked for"),
        Field::StopSignal => shim(field, "for any other; an end by it is a success"),
        Field::StopTimeout => native(
            "ExitTimeOut, always written, since launchd's own is 5 s: whole seconds, at least 1 (0 is for ever); then \
             SIGKILL to the main process, and what is left of its process group is ended; under the shim all of its \
             processes",
        ),
        Field::Reload => native("svc has launchd send the signal (`launchctl kill`); a command by the shim"),
        Field::Ready => shim(field, "for all but `exec`"),
        Field::StartTimeout => shim(field, "if asked for; not for a scheduled service"),
        Field::DependsOn => definition(
            "the order in which svc starts and stops; launchd has none and starts all at once at login, so that a \
             program has to wait by itself, or end and be restarted",
        ),
        Field::WaitFor => shim(field, "looks before it starts the program, within `start_timeout`"),
        Field::OnFailure => shim(field, "runs the command with SVC_REASON, and osascript(1) for the desktop"),
        Field::Health => shim(field, "checks in a process of its own; not for a scheduled service"),
        Field::Update | Field::Sandbox => Support::Refused(not_yet(field)),
        Field::Logs => native(
            "StandardOutPath and StandardErrorPath: `file`, else logs/NAME.log in svc's state folder, since launchd \
             keeps no log; `max_size`, `keep`, `keep_days`, `timestamps`, `compress`, `rate_limit` by the shim",
        ),
        Field::PidFile => shim(field, "written when the program was executed, removed when it has ended"),
        Field::Limits => native(&format!(
            "Soft- and HardResourceLimits: `files` NumberOfFiles, `tasks` NumberOfProcesses, which counts all \
             processes of the account{}; `memory` {}; `cpu` {}",
            if user { "" } else { " and does not bind root" },
            refuse::NO_MEMORY,
            refuse::NO_CPU
        )),
        Field::Nice if user => native("Nice; not below 0, which only root may"),
        Field::Nice => native("Nice"),
        Field::Umask => native("Umask, in decimal: a property list has no octal numbers; of its log file as well"),
        Field::User if user => Support::Refused("launchd runs a user's agents as that user".into()),
        Field::User => native("UserName; under the shim, which stays root, by the shim"),
        Field::Every => native(
            "StartInterval: whole seconds, the first run after as long; one that was slept through or whose time came \
             while it ran is left out",
        ),
        Field::Schedule => native(
            "StartCalendarInterval, lists and steps written out, at most 200 entries; no seconds, years, time zones, \
             days from the end of the month, nor day and weekday together; what was slept through runs once on \
             waking, what came while the machine was off does not",
        ),
        Field::Systemd => definition("for systemd only"),
        Field::Launchd => native("as they are, held against the keys and types of launchd.plist(5)"),
        Field::Label => native("Label, and the name of the property list; default `svc.NAME`"),
    }
}

fn native(how: &str) -> Support {
    Support::Native(how.to_owned())
}

fn definition(how: &str) -> Support {
    Support::Definition(how.to_owned())
}

fn shim(field: Field, how: &str) -> Support {
    Support::Shim(format!("{how}: {}", why(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_answered_with_a_reason() {
        for scope in [Scope::User, Scope::System] {
            for field in Field::ALL {
                let (Support::Native(how)
                | Support::Companion(how)
                | Support::Shim(how)
                | Support::Definition(how)
                | Support::Refused(how)) = support(*field, scope);
                assert!(how.len() > 3 && !how.contains("can't hold its value"), "{field:?}: {how}");
            }
        }
    }

    #[test]
    fn the_machine_may_more() {
        assert!(matches!(support(Field::User, Scope::User), Support::Refused(_)));
        assert!(matches!(support(Field::User, Scope::System), Support::Native(_)));
    }
}
