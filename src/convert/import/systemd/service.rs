//! `[Service]`, directive by directive: systemd.service(5), systemd.exec(5), systemd.kill(5),
//! systemd.resource-control(5).

use super::super::times;
use super::super::unit::Line;
use super::super::words::split;
use super::{Reading, exec, is_true};
use crate::service::{Field, Signal};
use std::time::Duration;

impl Reading<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm per directive")]
    pub(super) fn service_line(&mut self, line: &Line) {
        let value = line.value.as_str();
        let taken = match line.key.as_str() {
            // the command line is put together when all prefixes are known
            "ExecStart" => true,
            "Type" => match value {
                "simple" | "exec" => true,
                "notify" => {
                    self.entry.set(Field::Ready, "notify");
                    true
                }
                "oneshot" if self.scheduled => true,
                _ => false,
            },
            "Restart" => match value {
                "no" => true,
                "always" | "on-failure" => {
                    self.entry.set(Field::Restart, value);
                    true
                }
                _ => {
                    self.entry.set(Field::Restart, "on-failure");
                    false
                }
            },
            "RestartSec" => match times::span(value) {
                Some(delay) if self.restarts() => {
                    self.entry.set(Field::RestartDelay, times::shown(delay));
                    self.entry.set(Field::RestartMaxDelay, times::shown(delay));
                    true
                }
                Some(_) => true,
                None => false,
            },
            "StartLimitBurst" | "StartLimitInterval" | "StartLimitIntervalSec" => {
                self.start_limit(line);
                true
            }
            "TimeoutStartSec" => self.time(Field::StartTimeout, value),
            "TimeoutStopSec" => self.time(Field::StopTimeout, value),
            "TimeoutSec" => self.time(Field::StartTimeout, value) && self.time(Field::StopTimeout, value),
            "KillSignal" => match Signal::parse(value) {
                Ok(signal) => {
                    self.entry.set(Field::StopSignal, signal.name());
                    true
                }
                Err(_) => false,
            },
            "KillMode" => value == "control-group",
            "Environment" => return self.environment(line),
            "EnvironmentFile" => {
                let path = self.resolved(line, value);
                if path.trim_start_matches('-').contains(['*', '?', '[']) {
                    self.note(line.number, "is a pattern, and `env_file` names files: write them out");
                }
                self.entry.push(Field::EnvFile, path);
                true
            }
            "WorkingDirectory" => {
                if value.starts_with('-') {
                    self.note(line.number, "`-`: a missing folder is an error for svc");
                }
                let path = self.resolved(line, value.trim_start_matches('-'));
                self.entry.set(Field::WorkingDir, if path == "~" { "{home}".to_owned() } else { path });
                true
            }
            "User" if !self.unit.user => {
                let user = self.resolved(line, value);
                let number = user.bytes().all(|byte| byte.is_ascii_digit());
                let dynamic = self.unit.last("Service", "DynamicUser").is_some_and(is_true);
                if number || dynamic || user.contains(['%', '{']) {
                    false
                } else {
                    self.entry.set(Field::User, user);
                    true
                }
            }
            "UMask" => {
                let digits = value.trim_start_matches('0');
                let fits = digits.len() <= 3 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
                if fits {
                    self.entry.set(Field::Umask, format!("{digits:0>3}"));
                }
                fits
            }
            "Nice" => self.integer(Field::Nice, None, value, -20..=19),
            "LimitNOFILE" => self.integer(Field::Limits, Some("files"), value, 1..=1_073_741_816),
            "TasksMax" => self.integer(Field::Limits, Some("tasks"), value, 1..=4_194_304),
            "MemoryMax" | "MemoryLimit" => match times::size(value).filter(|_| !value.ends_with('%')) {
                Some(_) => {
                    self.entry.set_key(Field::Limits, "memory", value.trim());
                    true
                }
                None => false,
            },
            "CPUQuota" => match crate::definition::units::cpu(value) {
                Ok(_) => {
                    self.entry.set_key(Field::Limits, "cpu", value);
                    true
                }
                Err(_) => false,
            },
            "StandardOutput" | "StandardError" => match value.strip_prefix("append:") {
                Some(path) if line.key == "StandardOutput" => {
                    let path = self.resolved(line, path);
                    self.entry.set_key(Field::Logs, "file", path);
                    true
                }
                _ => value == "journal" || value == "inherit",
            },
            "StandardInput" => value == "null",
            "CPUAccounting" | "MemoryAccounting" | "TasksAccounting" => is_true(value),
            "SendSIGKILL" => is_true(value),
            "ExecReload" => exec::reload(self, line),
            _ => false,
        };
        if !taken {
            self.through(line);
        }
    }

    fn restarts(&self) -> bool {
        self.entry.get(Field::Restart).is_none_or(|value| value.as_str() != Some("never"))
    }

    fn time(&mut self, field: Field, value: &str) -> bool {
        match times::span(value).filter(|time| *time > Duration::ZERO) {
            Some(time) => {
                self.entry.set(field, times::shown(time));
                true
            }
            None => {
                self.entry.remove(field);
                false
            }
        }
    }

    fn integer(&mut self, field: Field, key: Option<&str>, value: &str, within: std::ops::RangeInclusive<i64>) -> bool {
        let Some(number) = value.parse().ok().filter(|number| within.contains(number)) else { return false };
        match key {
            Some(key) => self.entry.set_key(field, key, number),
            None => self.entry.set(field, number),
        }
        true
    }

    fn environment(&mut self, line: &Line) {
        let words = match split(&line.value) {
            Ok(words) => words,
            Err(reason) => return self.note(line.number, format!("`Environment=` {reason}")),
        };
        for word in words {
            let word = self.resolved(line, &word);
            match word.split_once('=') {
                Some((name, value)) if crate::service::EnvName::parse(name).is_ok() => {
                    self.entry.set_key(Field::Env, name, value);
                }
                _ => self.note(line.number, "`Environment=` has a word that is no NAME=VALUE"),
            }
        }
    }
}
