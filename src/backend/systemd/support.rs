//! How systemd does each field: what `svc render --explain` prints. The `match` has no `_`, so that a
//! new field does not compile until it is answered here.

use super::refuse::not_yet;
use super::restart::GROWTH_SINCE;
use crate::backend::{Scope, Support};
use crate::service::Field;

/// What is rendered for when no systemd runs: the newest version svc was tried with.
pub(crate) const NEWEST_KNOWN: u32 = 257;

/// How `field` is done by systemd `version` in `scope`.
pub(crate) fn support(field: Field, scope: Scope, version: u32) -> Support {
    let user = scope == Scope::User;
    match field {
        Field::Command => native(
            "ExecStart= with the `:` prefix (since 244), so that systemd replaces no variable; a path with a quote, \
             `\\` or control character, which systemd refuses, goes through `/usr/bin/env` or `/bin/sh`",
        ),
        Field::Script => native("ExecStart= of `/bin/sh -eu -c TEXT NAME`"),
        Field::Instances => Support::Definition("one unit per entry, each complete in itself".into()),
        Field::Group => Support::Definition("names for selectors; systemd sees nothing of them".into()),
        Field::Description => native("Description="),
        Field::Env => native("Environment=, one line each; readable to everybody who may ask the manager"),
        Field::EnvFile => native("EnvironmentFile=, read at each start; wins over `env`"),
        Field::Path => native("a line of Environment=, unless `env` has PATH; `minimal`: the manager's own"),
        Field::WorkingDir => native("WorkingDirectory="),
        Field::Start if user => native("[Install] WantedBy=default.target; `boot` also by lingering (loginctl(1))"),
        Field::Start => native("[Install] WantedBy=multi-user.target; a machine's `login` is its boot"),
        Field::Restart => native("Restart=; a scheduled service can't have `always`"),
        Field::RestartDelay => native("RestartSec=; at least 100ms where the delay grows"),
        Field::RestartMaxDelay if version >= GROWTH_SINCE => {
            native("RestartSteps= and RestartMaxDelaySec= (since 254), so that the delay about doubles")
        }
        Field::RestartMaxDelay => {
            Support::Refused(format!("left out: the delay grows since systemd {GROWTH_SINCE}, this one is {version}"))
        }
        Field::RestartLimit => native(
            "[Unit] StartLimitBurst= and StartLimitIntervalSec=; systemd counts starts by a timer too, so that a \
             scheduled service gets its regular ones on top; none with `restart = \"never\"`",
        ),
        Field::StopSignal => native("KillSignal=; ending by it, or with 128 and its number, is a success"),
        Field::StopTimeout => {
            native("TimeoutStopSec=, then SIGKILL to the whole control group (KillMode=, SendSIGKILL=)")
        }
        Field::Reload => native("ExecReload=; for a signal the shell's `kill` with $MAINPID"),
        Field::Ready => native(
            "`exec`: Type=exec (since 240); `notify`: Type=notify, NotifyAccess=all; `tcp`, `http`, `log`: \
                 ExecStartPost= of svc, which looks until it is so",
        ),
        Field::StartTimeout => native("TimeoutStartSec=; a scheduled service's whole run, and only if asked for"),
        Field::DependsOn => native("[Unit] Requires= and After="),
        Field::RestartReset => companion(
            "NAME:reset.service, if this or `restart_max_delay` is asked for: systemd's own delay never shrinks; it \
             runs `systemctl reset-failed` after a run this long, which also sets the count of restarts to 0",
        ),
        Field::WaitFor if user => native("ExecStartPre= of svc, which looks until all is there"),
        Field::WaitFor => native("After= and Wants=network-online.target; a path by ExecStartPre= of svc"),
        Field::OnFailure => {
            companion("NAME:on-failure.service by OnFailure=, with SVC_REASON, once it has failed for good")
        }
        Field::Health => companion("NAME:health.service, one process of svc bound to each run"),
        Field::Update => Support::Refused(not_yet(field)),
        Field::Logs => companion(
            "the journal, which drops nothing by LogRateLimitBurst= in system scope (or what `rate_limit` says), and \
             what is beyond journald's own limit in user scope; `file` alone by StandardOutput=append: (since 240), which never rotates; with any other key by \
             NAME:log.socket, a pipe that systemd holds open, and NAME:log.service, which writes the file",
        ),
        Field::PidFile => native("ExecStartPost= writes it, ExecStopPost= removes it, after a crash as well"),
        Field::Limits if user => native(
            "MemoryMax=, CPUQuota=, TasksMax=, LimitNOFILE=; the first three where the machine's manager delegates \
             their controllers to the user's, the last up to the user's hard limit",
        ),
        Field::Limits => native("MemoryMax=, CPUQuota=, TasksMax=, LimitNOFILE="),
        Field::Sandbox if user => native(SANDBOX_USER),
        Field::Sandbox => native(SANDBOX_SYSTEM),
        Field::Nice if user => native("Nice=; not below 0, which only root may"),
        Field::Nice => native("Nice="),
        Field::Umask => native("UMask=; of its log file as well"),
        Field::User if user => Support::Refused("a user's manager can't change to another account".into()),
        Field::User => native("User="),
        Field::Every => {
            Support::Companion("NAME.timer: OnActiveSec=, OnUnitActiveSec=; the service is Type=oneshot".into())
        }
        Field::Schedule => {
            Support::Companion("NAME.timer: OnCalendar=, Persistent=yes; the service is Type=oneshot".into())
        }
        Field::Systemd => native("as they are, last in their sections"),
        Field::Launchd => Support::Definition("for launchd only".into()),
        Field::Label => Support::Definition("launchd's name; systemd's is NAME.service".into()),
    }
}

const SANDBOX_USER: &str = "`basic`: NoNewPrivileges= and system call filters; `strict`: also a user namespace \
     (PrivateUsers=; where the system allows none the start fails), read-only folders, own /tmp and devices, \
     @system-service; exposure by systemd-analyze security: 9.8 none, 9.3 basic, 2.1 strict";

const SANDBOX_SYSTEM: &str = "`basic`: NoNewPrivileges=, ProtectSystem=full, PrivateTmp=, the kernel protected; \
     `strict`: also ProtectSystem=strict, ProtectHome=read-only, @system-service, no capability but binding low \
     ports; exposure by systemd-analyze security: 9.6 none, 7.3 basic, 2.1 strict";

fn companion(how: &str) -> Support {
    Support::Companion(how.to_owned())
}

fn native(how: &str) -> Support {
    Support::Native(how.to_owned())
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
                | Support::Refused(how)) = support(*field, scope, NEWEST_KNOWN);
                assert!(how.len() > 4, "{field:?}");
            }
        }
    }

    #[test]
    fn a_manager_that_is_too_old_is_said() {
        assert!(matches!(support(Field::RestartMaxDelay, Scope::User, 252), Support::Refused(_)));
        assert!(matches!(support(Field::RestartMaxDelay, Scope::User, 254), Support::Native(_)));
        assert!(matches!(support(Field::User, Scope::User, 257), Support::Refused(_)));
        assert!(matches!(support(Field::User, Scope::System, 257), Support::Native(_)));
    }
}
