//! What was asked for and this backend does not do: refused by name, each with the way out.

use super::environment;
use super::render::Target;
use crate::backend::Scope;
use crate::backend::refusals::Refusals;
use crate::service::{Field, Logs, Ready, Sandbox, Service};

/// The `:` prefix of command lines, without which `$` could not be written, came with this version.
pub(super) const OLDEST: u32 = 244;

impl Refusals<'_> {
    /// The value, or a problem with the field that the error names.
    pub(super) fn keep_field<T>(&mut self, value: Result<T, (Field, String)>) -> Option<T> {
        value.map_err(|(field, reason)| self.add(field.key(), reason)).ok()
    }

    /// All that this backend does not do of a service.
    pub(super) fn all_of(&mut self, service: &Service, target: &Target) {
        let Service { asked, env, ready, schedule, health, update, pid_file, .. } = service;
        self.manager(target.version);
        if update.is_some() || asked.contains(Field::Update) {
            self.add(Field::Update.key(), not_yet(Field::Update));
        }
        self.ready(service);
        if schedule.is_some() && health.is_some() {
            let reason = "can't be had for a scheduled service: it runs when its time has come, and ends";
            self.add(Field::Health.key(), reason);
        }
        self.logs(&service.logs, target.scope);
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

    /// `ready`: what svc can look for beside systemd.
    fn ready(&mut self, service: &Service) {
        let scheduled = service.schedule.is_some();
        match &service.ready {
            Ready::Exec => {}
            Ready::Notify | Ready::Tcp(_) | Ready::Http(_) | Ready::Log(_) if scheduled => {
                let reason = "can only be `exec` for a scheduled service: it has started when its run has ended";
                self.add(Field::Ready.key(), reason);
            }
            // what looks for it is an account or in a sandbox that may not remember where the file ended
            Ready::Log(_)
                if service.logs.file.is_some() && (service.user.is_some() || service.sandbox == Sandbox::Strict) =>
            {
                let reason = "can't be `log` with `logs.file` beside `user` or `sandbox = \"strict\"` under systemd";
                self.advise(Field::Ready.key(), reason, "leave `logs.file` out, or `ready = { tcp = \"…\" }`");
            }
            Ready::Notify | Ready::Tcp(_) | Ready::Http(_) | Ready::Log(_) => {}
        }
    }

    /// `logs`: what the journal does in its own way, or for all alike.
    fn logs(&mut self, logs: &Logs, scope: Scope) {
        let Logs { file, max_size, keep, keep_days, timestamps: _, compress, rate_limit } = logs;
        if file.is_some() {
            return;
        }
        // the journal has the time of each line already
        let asked = [
            ("max_size", max_size.is_some()),
            ("keep", keep.is_some()),
            ("keep_days", keep_days.is_some()),
            ("compress", compress.is_some()),
        ];
        for (key, _) in asked.into_iter().filter(|(_, asked)| *asked) {
            let reason = "is the journal's business: it keeps its own limits";
            let hint = "name a `logs.file`; or journald.conf(5): SystemMaxUse=, MaxRetentionSec=";
            self.advise(format!("{}.{key}", Field::Logs.key()), reason, hint);
        }
        if rate_limit.is_some() && scope == Scope::User {
            let reason = "can't be had of the journal in user scope: it has one limit for all of a user's services";
            self.advise(format!("{}.rate_limit", Field::Logs.key()), reason, "name a `logs.file`");
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
    format!(
        "can't be done by this version of svc under systemd: systemd has no word for `{}` and svc has no helper for \
         it so far",
        field.key()
    )
}
