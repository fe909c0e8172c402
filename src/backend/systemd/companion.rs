//! What systemd has no word for, done by the smallest thing beside it: a line of the unit that calls svc
//! (`wait_for`, `ready`), or a second unit that lives as long as the service (`health`) or runs when it has failed
//! (`on_failure`). What is done after a crash (`restart_reset`) is one unit for all services: [`super::afresh`].
//!
//! A companion is `NAME:WHAT.service`: `:` may stand in the name of a unit and in none of a service, so that
//! no other service can have it. Tried with 247, 252 and 257: `BindsTo=` ends a companion with each run of its
//! service, `Wants=` starts it with each, automatic restarts included. `OnFailure=` is triggered by each crash
//! since 254 (systemd.service(5), `RestartMode=`), only by the last one before: so what it runs first asks
//! whether the service has failed for good.

use super::escape::{ExecLine, ExecWord, PlainText};
use super::render::{Target, head};
use super::text::{Keyword, UnitName};
use super::unit::{Companion, CompanionRun};
use super::{afresh, environment, log};
use crate::backend::Scope;
use crate::backend::refusals::Refusals;
use crate::definition::units::show_duration;
use crate::service::health::Check;
use crate::service::{Exec, Field, Health, Name, OnFailure, Ready, RestartPolicy, Service, WaitFor};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// All that is done beside the unit itself.
#[derive(Debug, Default)]
pub(super) struct Companions {
    /// `ExecStartPre=`
    pub(super) before_start: Vec<ExecLine>,
    /// `ExecStartPost=`
    pub(super) after_start: Vec<ExecLine>,
    /// `Wants=`
    pub(super) wants: Vec<UnitName>,
    /// `Wants=` and `After=`
    pub(super) after: Vec<Keyword>,
    /// `OnFailure=`
    pub(super) on_failure: Vec<UnitName>,
    /// `OnSuccess=`
    pub(super) on_success: Option<UnitName>,
    /// Units of their own.
    pub(super) units: Vec<(UnitName, Companion)>,
}

/// Every unit that a service may have beside its own.
pub(super) fn units(name: &Name) -> impl Iterator<Item = String> + use<> {
    let services = [HEALTH, RESET, FAILED, log::WORD].map(|what| UnitName::companion(name, what).to_string());
    services.into_iter().chain([UnitName::socket(name, log::WORD).to_string()])
}

/// Those that run beside a service, as long as it does.
pub(super) fn beside(name: &Name) -> impl Iterator<Item = String> + use<> {
    [HEALTH, RESET].map(|what| UnitName::companion(name, what).to_string()).into_iter()
}

/// The words of companions, as in `NAME:WORD.service`.
const HEALTH: &str = "health";
const RESET: &str = "reset";
const FAILED: &str = "on-failure";

/// Everything that a service needs beside its unit.
pub(super) fn of(service: &Service, target: &Target, bad: &mut Refusals<'_>) -> Companions {
    let Service { wait_for, ready, health, on_failure, restart, schedule, asked, .. } = service;
    let mut all = Companions::default();
    let helper = Helper { service, target };
    if let Some(line) = bad.keep(Field::WaitFor.key(), helper.wait(wait_for, &mut all.after)) {
        all.before_start.extend(line);
    }
    if let Some(line) = bad.keep(Field::Ready.key(), helper.mark(ready)) {
        all.before_start.extend(line);
    }
    if let Some(line) = bad.keep(Field::Ready.key(), helper.ready(ready)) {
        all.after_start.extend(line);
    }
    if let Some(health) = health
        && let Some(unit) = bad.keep(Field::Health.key(), helper.health(health))
    {
        all.wants.push(UnitName::companion(&service.name, HEALTH));
        all.units.push((UnitName::companion(&service.name, HEALTH), unit));
    }
    let counts = restart.policy != RestartPolicy::Never && schedule.is_none();
    if counts && target.version >= afresh::SINCE {
        all.on_failure.push(afresh::unit());
        all.on_success = (restart.policy == RestartPolicy::Always).then(afresh::unit);
    } else if counts
        && asked.contains(Field::RestartReset)
        && let Some(unit) = bad.keep(Field::RestartReset.key(), helper.reset(restart.reset))
    {
        all.wants.push(UnitName::companion(&service.name, RESET));
        all.units.push((UnitName::companion(&service.name, RESET), unit));
    }
    if let Some(wanted) = on_failure
        && let Some(unit) = bad.keep(Field::OnFailure.key(), helper.on_failure(wanted))
    {
        all.on_failure.push(UnitName::companion(&service.name, FAILED));
        all.units.push((UnitName::companion(&service.name, FAILED), unit));
    }
    all
}

/// `svc helper WORDS…`
pub(super) fn line(target: &Target, words: &[&OsStr]) -> Result<ExecLine, String> {
    let svc = target.svc.as_ref().ok_or("needs svc in the unit, and where svc lies can't be found out")?;
    if ExecWord::is_refused_as_program(&svc.as_path().to_string_lossy()) {
        return Err(format!("needs svc in the unit, and systemd runs no program of the path `{svc}`"));
    }
    let scope = (target.scope == Scope::System).then_some(OsStr::new("--system"));
    let all = [svc.as_path().as_os_str()].into_iter().chain(scope).chain([OsStr::new("helper")]);
    ExecLine::new(all.chain(words.iter().copied()).map(ExecWord::new).collect::<Result<_, _>>()?)
}

/// Makes the command lines.
pub(super) struct Helper<'a> {
    pub(super) service: &'a Service,
    pub(super) target: &'a Target,
}

impl Helper<'_> {
    /// `svc helper WORDS…`
    pub(super) fn line(&self, words: &[&OsStr]) -> Result<ExecLine, String> {
        line(self.target, words)
    }

    /// What must be there. The machine's manager knows itself when the network is up, a user's does not.
    fn wait(&self, all: &[WaitFor], after: &mut Vec<Keyword>) -> Result<Option<ExecLine>, String> {
        let mut words = vec![OsStr::new("wait-for")];
        for one in all {
            match one {
                WaitFor::Network if self.target.scope == Scope::System => {
                    after.push(Keyword("network-online.target"));
                }
                WaitFor::Network => words.push(OsStr::new("--network")),
                WaitFor::Path(path) => words.extend([OsStr::new("--path"), path.as_path().as_os_str()]),
            }
        }
        if words.len() == 1 { Ok(None) } else { self.line(&words).map(Some) }
    }

    /// Where its log file ends before the start, for a line to be looked for behind that.
    fn mark(&self, ready: &Ready) -> Result<Option<ExecLine>, String> {
        let (Ready::Log(_), Some(file)) = (ready, self.log_file()) else { return Ok(None) };
        let name = OsStr::new(self.service.name.as_str());
        self.line(&[OsStr::new("log-mark"), name, &file]).map(Some)
    }

    /// `--file=PATH`, if it writes to a file.
    fn log_file(&self) -> Option<OsString> {
        let file = self.service.logs.file.as_ref()?;
        let mut word = OsString::from("--file=");
        word.push(file.as_path());
        Some(word)
    }

    fn ready(&self, ready: &Ready) -> Result<Option<ExecLine>, String> {
        let (how, what) = match ready {
            Ready::Exec | Ready::Notify => return Ok(None),
            Ready::Tcp(address) => ("--tcp", address),
            Ready::Http(url) => ("--http", url),
            Ready::Log(regex) => ("--log", regex),
        };
        let name = self.service.name.as_str();
        // the value never reads as another flag
        let what = OsString::from(format!("{how}={what}"));
        let file = self.log_file().filter(|_| matches!(ready, Ready::Log(_)));
        let words = [OsStr::new("ready"), OsStr::new(name), &what];
        self.line(&words.into_iter().chain(file.as_deref()).collect::<Vec<_>>()).map(Some)
    }

    fn health(&self, health: &Health) -> Result<Companion, String> {
        let Health { check, interval, timeout, retries, grace, on_failure } = health;
        let time = |flag: &str, time: Duration| format!("--{flag}={}", show_duration(time));
        let mut words: Vec<OsString> = vec!["health".into(), self.service.name.as_str().into()];
        words.extend([
            time("interval", *interval).into(),
            time("timeout", *timeout).into(),
            format!("--retries={retries}").into(),
            time("grace", *grace).into(),
            format!("--then={}", on_failure.word()).into(),
        ]);
        let mut command = None;
        match check {
            Check::Tcp(address) => words.push(format!("--tcp={address}").into()),
            Check::Http { url, status, body } => {
                words.push(format!("--http={url}").into());
                words.extend(status.map(|status| format!("--status={status}").into()));
                words.extend(body.as_ref().map(|body| format!("--body={body}").into()));
            }
            Check::Command(exec) => {
                words.extend(self.service.user.iter().map(|user| format!("--as={user}").into()));
                command = Some(exec);
            }
        }
        self.command(&mut words, command);
        let line = self.line(&words.iter().map(OsString::as_os_str).collect::<Vec<_>>())?;
        let run = CompanionRun {
            kind: Keyword("exec"),
            condition: None,
            surroundings: command.map(|_| self.surroundings()).transpose()?,
            user: None,
            start: line,
            restarts: true,
        };
        self.unit(&format!("checks the health of {}", self.service.name), true, run)
    }

    /// A good run, where no crash starts anything, so that it has to be there all the time: systemd forgets restarts
    /// and limit of a unit when it is told to. How many were forgotten is written down where [`super::forgotten`]
    /// reads it.
    fn reset(&self, after: Duration) -> Result<Companion, String> {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let (systemctl, mask) = match self.target.scope {
            Scope::User => ("systemctl --user", "077"),
            Scope::System => ("systemctl", "022"),
        };
        let text = format!(
            "sleep {seconds}; umask {mask}; d=${{XDG_RUNTIME_DIR:-/run}}/{}; mkdir -p \"$d\"; \
             {systemctl} show --property=NRestarts --value \"$0\" >>\"$d/$0\"; exec {systemctl} reset-failed \"$0\"",
            super::forgotten::FOLDER
        );
        let unit = UnitName::service(&self.service.name).to_string();
        let words = ["/bin/sh", "-c", &text, &unit].map(|word| ExecWord::new(OsStr::new(word)));
        let start = ExecLine::new(words.into_iter().collect::<Result<_, _>>()?)?;
        let run = CompanionRun {
            kind: Keyword("exec"),
            condition: None,
            surroundings: None,
            user: None,
            start,
            restarts: false,
        };
        self.unit(&format!("counts restarts of {} afresh after a good run", self.service.name), true, run)
    }

    fn on_failure(&self, wanted: &OnFailure) -> Result<Companion, String> {
        let OnFailure { command, desktop } = wanted;
        let mut words: Vec<OsString> = vec!["failed".into(), self.service.name.as_str().into()];
        words.extend(desktop.then(|| "--desktop".into()));
        self.command(&mut words, command.as_ref());
        let unit = UnitName::service(&self.service.name).to_string();
        let scope = (self.target.scope == Scope::User).then_some("--user");
        let ask = ["/usr/bin/env", "systemctl"].into_iter().chain(scope).chain(["--quiet", "is-failed", &unit]);
        let condition = ExecLine::new(ask.map(|word| ExecWord::new(OsStr::new(word))).collect::<Result<_, _>>()?)?;
        let run = CompanionRun {
            kind: Keyword("oneshot"),
            condition: Some(condition),
            surroundings: Some(self.surroundings()?),
            user: self.service.user.as_deref().map(super::escape::Account::new).transpose()?,
            start: self.line(&words.iter().map(OsString::as_os_str).collect::<Vec<_>>())?,
            restarts: false,
        };
        self.unit(&format!("what follows a failure of {}", self.service.name), false, run)
    }

    fn command(&self, words: &mut Vec<OsString>, exec: Option<&Exec>) {
        let Some(exec) = exec else { return };
        words.push("--".into());
        let argv = crate::backend::supervisor::render::argv(exec, &self.service.name);
        words.extend(argv.iter().map(|word| word.as_os().to_owned()));
    }

    /// A command runs as the service does.
    fn surroundings(&self) -> Result<super::unit::Surroundings, String> {
        let Service { env, path, working_dir, env_files, .. } = self.service;
        let first = |all: Vec<(String, String)>| {
            all.into_iter().next().map_or_else(String::new, |(field, reason)| format!("`{field}` {reason}"))
        };
        Ok(super::unit::Surroundings {
            working_dir: super::path::UnitPath::new(working_dir)?,
            environment: environment::assignments(env, path, self.target.version).map_err(first)?,
            environment_files: environment::files(env_files).map_err(first)?,
        })
    }

    fn unit(&self, description: &str, bound: bool, run: CompanionRun) -> Result<Companion, String> {
        Ok(Companion {
            head: head(self.service, PlainText::new(description)?),
            service: UnitName::service(&self.service.name),
            bound,
            run,
        })
    }
}
