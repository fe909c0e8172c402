//! A service as a job file. Pure: the same service and target give the same bytes on every platform.
//!
//! There is no template: the file is a [`Job`] written by serde, so that no value can become syntax,
//! whatever bytes it has. Only the comment at its head is put together as text, and it holds no
//! character that could end its line.

use super::environment::variables;
use super::refuse;
use super::target::Target;
use crate::backend::{Rendered, RenderedFile};
use crate::definition::problem::Problem;
use crate::engine::job::{self, Bytes, Job, Millis, Policy, StartAt};
use crate::files::owner;
use crate::service::health::{Check, Verdict};
use crate::service::{
    EnvFile, Exec, Field, Health, Limits, Logs, Name, OnFailure, Origin, Ready, Reload, Restart, RestartPolicy,
    Schedule, Service, Start, WaitFor,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

/// A log that would grow beyond this is rotated, unless the definition says otherwise: 10 MiB.
const LOG_SIZE: u64 = 10 << 20;
/// So many rotated logs are kept, unless the definition says otherwise.
const LOGS_KEPT: u32 = 5;
/// The mask of a service that asks for none, as under systemd: the supervisor's own is stricter.
const UMASK: u16 = 0o022;
/// Only its owner reads a job file: it holds the environment, and with it secrets.
pub(crate) const MODE: u32 = 0o600;

/// `NAME.toml`, or all that can't be had.
pub(crate) fn render(service: &Service, target: &Target) -> Result<Rendered, Vec<Problem>> {
    let job = job(service, target)?;
    let contents = text(service, &job).map_err(|error| {
        vec![Problem::new(format!("can't be rendered: {error}")).of(&service.name).field(Field::Command.key())]
    })?;
    let file = RenderedFile { path: target.paths.job(service.name.as_str()), mode: MODE, contents };
    let log = Some(job.log.file.as_path().to_owned());
    Ok(Rendered { files: vec![file], log, notes: refuse::notes(service, target) })
}

/// What the engine needs to run it, or all that can't be had.
pub(crate) fn job(service: &Service, target: &Target) -> Result<Job, Vec<Problem>> {
    let problems = refuse::all_of(service, target);
    if !problems.is_empty() {
        return Err(problems);
    }
    let wrong = |(field, reason): (String, String)| vec![Problem::new(reason).of(&service.name).field(&field)];
    let env = variables(service, target).map_err(wrong)?;
    Ok(reduced(service, env, target.paths.log(service.name.as_str())))
}

/// What the engine needs to run a service with this environment; `log` is the place of its log where the
/// definition names none. The shim of launchd runs such jobs, too.
pub(crate) fn reduced(service: &Service, env: BTreeMap<String, Bytes>, log: PathBuf) -> Job {
    // Every field and who answers for it, without `..`: a new one does not compile until it is here.
    let Service {
        name,
        project: _,     // for people and `svc list` only
        origin: _,      // the head
        asked: _,       // refuse
        exec,           //
        instance: _,    // is in the name already
        groups: _,      // for svc's selectors only
        description: _, // the head
        env: _,         // the caller's
        env_files,
        path: _, // the caller's
        working_dir,
        start,
        restart,
        stop,
        reload,
        ready,
        start_timeout,
        depends_on,
        wait_for,
        on_failure,
        health,
        logs,
        pid_file,
        limits,
        sandbox: _, // refuse
        nice,
        umask,
        user,
        schedule,
        update: _,  // refuse
        systemd: _, // another manager's
        launchd: _, // another manager's
        label: _,   // another manager's
    } = service;
    Job {
        version: 1,
        name: name.to_string(),
        start: match start {
            Start::Login => StartAt::Login,
            Start::Boot => StartAt::Boot,
            Start::Manual => StartAt::Manual,
        },
        argv: argv(exec, name),
        working_dir: bytes(working_dir),
        env,
        env_files: env_files
            .iter()
            .map(|EnvFile { path, optional }| job::EnvFile { path: bytes(path), optional: *optional })
            .collect(),
        umask: Some(umask.unwrap_or(UMASK)),
        nice: *nice,
        user: user.clone(),
        limits: limits_of(*limits),
        restart: restart_of(*restart),
        stop_signal: stop.signal.name().into(),
        stop_timeout: stop.timeout.into(),
        reload: reload.as_ref().map(|reload| match reload {
            Reload::Signal(signal) => job::Reload::Signal(signal.name().into()),
            Reload::Command(exec) => job::Reload::Command(argv(exec, name)),
        }),
        ready: match ready {
            Ready::Exec => job::Ready::Exec,
            Ready::Notify => job::Ready::Notify,
            Ready::Tcp(address) => job::Ready::Tcp(address.clone()),
            Ready::Http(url) => job::Ready::Http(url.clone()),
            Ready::Log(regex) => job::Ready::Log(regex.clone()),
        },
        // of a scheduled one it would limit the whole run
        start_timeout: if schedule.is_some() { job::Millis(0) } else { (*start_timeout).into() },
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        wait_for: wait_for
            .iter()
            .map(|one| match one {
                WaitFor::Network => job::WaitFor::Network,
                WaitFor::Path(path) => job::WaitFor::Path(bytes(path)),
            })
            .collect(),
        on_failure: on_failure.as_ref().map(|OnFailure { command, desktop }| job::OnFailure {
            command: command.as_ref().map(|exec| argv(exec, name)),
            desktop: *desktop,
        }),
        health: health.as_ref().map(|health| health_of(health, name)),
        schedule: schedule.as_ref().map(|schedule| match schedule {
            Schedule::Every(every) => job::Schedule::Every((*every).into()),
            Schedule::Calendar(times) => job::Schedule::Calendar(times.clone()),
        }),
        log: log_of(logs, log),
        pid_file: pid_file.as_ref().map(bytes),
    }
}

fn bytes(path: &impl AsRef<std::path::Path>) -> Bytes {
    path.as_ref().as_os_str().into()
}

/// Program and arguments; for a script those of the shell that runs it, `name` being its `$0`.
pub(crate) fn argv(exec: &Exec, name: &Name) -> Vec<Bytes> {
    match exec {
        Exec::Command { program, written: _, args } => {
            std::iter::once(bytes(program)).chain(args.iter().map(|arg| arg.as_os_str().into())).collect()
        }
        Exec::Script(text) => {
            let mut words: Vec<&OsStr> = ["/bin/sh", "-eu", "-c"].map(OsStr::new).into();
            if text.starts_with(['-', '+']) {
                words.push(OsStr::new("--"));
            }
            words.extend([OsStr::new(text), OsStr::new(name.as_str())]);
            words.into_iter().map(Bytes::from).collect()
        }
    }
}

fn limits_of(Limits { memory, cpu, tasks, files }: Limits) -> job::Limits {
    job::Limits { memory, cpu: cpu.map(|cpu| cpu.percent), tasks, files }
}

fn restart_of(Restart { policy, delay, max_delay, limit, reset }: Restart) -> job::Restart {
    job::Restart {
        policy: match policy {
            RestartPolicy::OnFailure => Policy::OnFailure,
            RestartPolicy::Always => Policy::Always,
            RestartPolicy::Never => Policy::Never,
        },
        delay: delay.into(),
        max_delay: max_delay.into(),
        limit: limit.count,
        within: Millis::from(limit.within),
        reset: reset.into(),
    }
}

/// `health` as the engine has it.
pub(crate) fn health_of(health: &Health, name: &Name) -> job::Health {
    let Health { check, interval, timeout, retries, grace, on_failure } = health;
    job::Health {
        check: match check {
            Check::Tcp(address) => job::Check::Tcp(address.clone()),
            Check::Http { url, status, body } => {
                job::Check::Http { url: url.clone(), status: *status, body: body.clone() }
            }
            Check::Command(exec) => job::Check::Command(argv(exec, name)),
        },
        interval: (*interval).into(),
        timeout: (*timeout).into(),
        retries: *retries,
        grace: (*grace).into(),
        on_failure: verdict_of(*on_failure),
    }
}

/// `health.on_failure` as the engine has it.
pub(crate) fn verdict_of(verdict: Verdict) -> job::Verdict {
    match verdict {
        Verdict::Restart => job::Verdict::Restart,
        Verdict::Report => job::Verdict::Report,
        Verdict::Stop => job::Verdict::Stop,
    }
}

/// `logs` as the engine has it, with every default filled in; `default`: the file where none is named.
pub(crate) fn log_of(logs: &Logs, default: PathBuf) -> job::Log {
    let Logs { file, max_size, keep, keep_days, timestamps, compress, rate_limit } = logs;
    job::Log {
        file: file.as_ref().map_or_else(|| default.into_os_string().into(), bytes),
        max_size: max_size.unwrap_or(LOG_SIZE),
        keep: keep.unwrap_or(LOGS_KEPT),
        keep_days: *keep_days,
        timestamps: timestamps.unwrap_or(false),
        compress: compress.unwrap_or(false),
        rate_limit: *rate_limit,
    }
}

/// The job file of a service: a comment, the job, and the mark of svc.
pub(crate) fn text(service: &Service, job: &Job) -> Result<String, toml::ser::Error> {
    let definition = comment(&match &service.origin {
        Origin::Manifest { file } => file.to_string(),
        Origin::CommandLine { folder } => format!("the command line in {folder}"),
    });
    let about = service.description.as_ref().map(|text| format!("# {}\n", comment(text.as_str()))).unwrap_or_default();
    let head = format!(
        "# Made by svc from {definition}\n\
         # Change the definition and run `svc install`: what is changed in this file is lost then.\n{about}\n"
    );
    let body = head + &toml::to_string(job)? + "\n";
    owner::seal_toml(body, service.name.as_str(), &definition)
}

/// What one line can hold: no line end and no other control character (TOML 1.0, "Comment").
fn comment(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
