//! What was asked for and this backend does not do: refused by name, each with the way out.

use super::environment;
use super::render::Target;
use crate::backend::Scope;
use crate::backend::refusals::Refusals;
use crate::service::{Field, Logs, Ready, Schedule, Service};

/// The `:` prefix of command lines, without which `$` could not be written, came with this version.
pub(super) const OLDEST: u32 = 244;

impl Refusals<'_> {
    /// The value, or a problem with the field that the error names.
    pub(super) fn keep_field<T>(&mut self, value: Result<T, (Field, String)>) -> Option<T> {
        value.map_err(|(field, reason)| self.add(field.key(), reason)).ok()
    }

    /// All that this backend does not do of a service.
    pub(super) fn all_of(&mut self, service: &Service, target: &Target) {
        let Service { asked, env, ready, schedule, wait_for, on_failure, health, update, pid_file, .. } = service;
        self.manager(target.version);
        for (field, present) in [
            (Field::RestartReset, false),
            (Field::WaitFor, !wait_for.is_empty()),
            (Field::OnFailure, on_failure.is_some()),
            (Field::Health, health.is_some()),
            (Field::Update, update.is_some()),
        ] {
            if present || asked.contains(field) {
                self.add(field.key(), not_yet(field));
            }
        }
        self.ready(ready, schedule.as_ref());
        self.logs(&service.logs);
        self.scope(target.scope, service.user.as_deref(), service.nice);
        if schedule.is_some() && pid_file.is_some() {
            self.add(
                Field::PidFile.key(),
                "can't be had for a scheduled service: it has started when its run has ended",
            );
        }
        for (key, reason) in environment::breaking(env, ready) {
            self.add(key, reason);
        }
    }

    /// A systemd that can't run what svc renders.
    fn manager(&mut self, version: u32) {
        if version < OLDEST {
            let reason = format!("systemd {version} is too old: svc needs {OLDEST} or newer");
            self.advise_of_all(reason, "leave the field out, or use a newer systemd");
        }
    }

    /// `ready`: only what systemd itself can wait for.
    fn ready(&mut self, ready: &Ready, schedule: Option<&Schedule>) {
        let what = match ready {
            Ready::Exec => return,
            Ready::Notify if schedule.is_some() => {
                let reason = "can't be `notify` for a scheduled service: it has started when its run has ended";
                return self.add(Field::Ready.key(), reason);
            }
            Ready::Notify => return,
            Ready::Tcp(_) => "tcp",
            Ready::Http(_) => "http",
            Ready::Log(_) => "log",
        };
        let reason =
            format!("can't be `{what}` yet: systemd does not wait for that, and svc has no helper for it so far");
        self.advise(
            Field::Ready.key(),
            reason,
            "`ready = \"exec\"`, or \"notify\" with a program that sends READY=1 (`systemd-notify --ready`)",
        );
    }

    /// `logs`: all but the file needs a writer of svc's own.
    fn logs(&mut self, logs: &Logs) {
        let Logs { file, max_size, keep, keep_days, timestamps } = logs;
        let reason = match file {
            Some(_) => "needs svc's own log writer, which this version does not have yet for systemd",
            None => "is the journal's business: it keeps its own limits and times",
        };
        let hint = match file {
            Some(_) => "leave `logs.file` out and the journal rotates, or let logrotate copy and truncate it",
            None => "journald.conf(5): SystemMaxUse=, MaxRetentionSec=",
        };
        let asked = [
            ("max_size", max_size.is_some()),
            ("keep", keep.is_some()),
            ("keep_days", keep_days.is_some()),
            ("timestamps", timestamps.is_some()),
        ];
        for (key, asked) in asked {
            // The journal has the time of each line already.
            if asked && !(key == "timestamps" && file.is_none()) {
                self.advise(format!("{}.{key}", Field::Logs.key()), reason, hint);
            }
        }
    }

    /// What needs a privilege that a user's manager lacks.
    fn scope(&mut self, scope: Scope, user: Option<&str>, nice: Option<i8>) {
        if scope == Scope::System {
            return;
        }
        if user.is_some() {
            let reason = "can be had in system scope only: a user's manager can't change to another account";
            self.advise(Field::User.key(), reason, "`--system`, as root");
        }
        if nice.is_some_and(|nice| nice < 0) {
            let reason = "can't be below 0 in user scope: only root may raise a priority";
            self.advise(Field::Nice.key(), reason, "0 to 19, or `--system`, as root");
        }
    }
}

/// Why a field is refused; the same words as `render --explain`.
pub(super) fn not_yet(field: Field) -> String {
    let why = if field == Field::RestartReset {
        "systemd counts starts within the time of `restart_limit` and its delay never shrinks by itself \
         (systemd issue 43813)"
    } else {
        "systemd has no word for it and svc has no helper for it so far"
    };
    format!("can't be done by this version of svc under systemd: {why}")
}
