//! How the supervisor does each field: what `svc render --explain` prints. The `match` has no `_`, so
//! that a new field does not compile until it is answered here.

use super::refuse::not_yet;
use super::target::Target;
use crate::backend::Support;
use crate::service::Field;

/// How `field` is done for `target`.
pub(crate) fn support(field: Field, target: &Target) -> Support {
    match field {
        Field::Command => native("`argv` of the job file; executed as it is, no shell in between"),
        Field::Script => native("`/bin/sh -eu -c TEXT NAME`"),
        Field::Instances => definition("one job file per entry, each complete in itself"),
        Field::Group => definition("names for selectors; the supervisor sees nothing of them"),
        Field::Description => definition("a comment in the job file, and `svc status`"),
        Field::Env => native("its environment; in the job file, which only its owner reads"),
        Field::EnvFile => native("read at each start; wins over `env`"),
        Field::Path => native("PATH in its environment; `minimal`: the folders of the system"),
        Field::WorkingDir => native("chdir(2) before the program is executed"),
        Field::Start => start(target),
        Field::Restart => native("the engine sees every exit status; after a failure, always or never"),
        Field::RestartDelay => native("time before the first restart"),
        Field::RestartMaxDelay => native("the delay doubles up to this"),
        Field::RestartLimit => native("so many starts within this time, then it has failed"),
        Field::RestartReset => native("after a run this long, delay and count begin afresh"),
        Field::StopSignal => native("to the main process; ending by it is a success"),
        Field::StopTimeout => native(if target.cgroup {
            "then SIGKILL to its control group"
        } else {
            "then SIGKILL to all of its processes, found by parent, session and a mark in their environment"
        }),
        Field::Reload => native("a signal to the main process, or a command with the same environment and folder"),
        Field::Ready => native(
            "`exec`: the program was executed and stays up; `notify`: READY=1 at NOTIFY_SOCKET; `tcp`, `http`: tried \
             until something answers; `log`: each line of its output is looked at",
        ),
        Field::StartTimeout => native("time until it is ready; a scheduled service has none"),
        Field::DependsOn => native("started when they are ready, stopped before them"),
        Field::WaitFor => native("looked for before the program is started, within `start_timeout`"),
        Field::OnFailure => native("the command is run with SVC_REASON; notify-send(1) shows it on the desktop"),
        Field::Health => native("a small process of its own for each service checks; not for a scheduled one"),
        Field::Update => Support::Refused(not_yet(field)),
        Field::Logs => native(
            "the engine's own writer: `$XDG_STATE_HOME/svc/logs/NAME.log` or `file`, rotated at `max_size` (10M), \
             `keep` (5) old ones, `keep_days`, `timestamps` in UTC, `compress` by gzip, `rate_limit`",
        ),
        Field::PidFile => native("written when the program was executed, removed when it has ended"),
        Field::Limits if target.cgroup => {
            native("`memory`, `cpu`, `tasks` by a control group of its own; `files`: RLIMIT_NOFILE")
        }
        Field::Limits => native(
            "no control group can be made here: `memory`: RLIMIT_AS of each process; `tasks`: RLIMIT_NPROC, which \
             counts all processes of the account and does not bind root; `files`: RLIMIT_NOFILE; no `cpu`",
        ),
        Field::Sandbox => Support::Refused(not_yet(field)),
        Field::Nice if target.root => native("setpriority(2)"),
        Field::Nice => native("setpriority(2); not below 0, which only root may"),
        Field::Umask => native("umask(2); of its log file not"),
        Field::User if target.root => {
            native("setgroups(2), setgid(2), setuid(2); HOME, USER and SHELL are the account's")
        }
        Field::User => Support::Refused("only root's supervisor can change to another account".into()),
        Field::Every => native("the engine starts it so long after its last start"),
        Field::Schedule => native("the engine starts it at these times: systemd.time(7), section CALENDAR EVENTS"),
        Field::Systemd => definition("for systemd only"),
        Field::Launchd => definition("for launchd only"),
        Field::Label => definition("launchd's name for it"),
    }
}

fn start(target: &Target) -> Support {
    let login = "a mark beside the job file; at login a block in ~/.profile and an XDG autostart entry start the \
                 supervisor, which starts what is marked";
    native(&match target.no_boot() {
        None => format!("{login}; `boot`: a line `@reboot` in the crontab"),
        Some(reason) => format!("{login}; no `boot`: {reason}"),
    })
}

fn native(how: &str) -> Support {
    Support::Native(how.to_owned())
}

fn definition(how: &str) -> Support {
    Support::Definition(how.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::*;

    #[test]
    fn every_field_is_answered_with_a_reason() {
        for cgroup in [true, false] {
            let target = Target { cgroup, ..target() };
            for field in Field::ALL {
                let (Support::Native(how)
                | Support::Companion(how)
                | Support::Shim(how)
                | Support::Definition(how)
                | Support::Refused(how)) = support(*field, &target);
                assert!(how.len() > 10, "{field:?}");
            }
        }
    }

    #[test]
    fn root_may_more() {
        let of = |root| support(Field::User, &Target { root, ..target() });
        assert!(matches!(of(true), Support::Native(_)));
        assert!(matches!(of(false), Support::Refused(_)));
    }
}
