//! What was asked for and the supervisor does not do: refused by name, each with its reason.

use super::target::Target;
use crate::definition::problem::Problem;
use crate::engine::schedule::Calendar;
use crate::service::{Field, Limits, Ready, Sandbox, Schedule, Service, Start};

/// All that can't be had of a service.
pub(super) fn all_of(service: &Service, target: &Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |field: &str, reason: String, hint: Option<&str>| {
        let problem = Problem::new(reason).of(&service.name).field(field);
        problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    };
    let Service { asked, health, update, sandbox, .. } = service;
    for (field, present) in [(Field::Update, update.is_some()), (Field::Sandbox, *sandbox != Sandbox::None)] {
        if present || (asked.contains(field) && field != Field::Sandbox) {
            add(field.key(), not_yet(field), None);
        }
    }
    if service.start == Start::Boot
        && let Some(reason) = target.no_boot()
    {
        add(Field::Start.key(), format!("can't be `boot` here: {reason}"), Some("`start = \"login\"`"));
    }
    if service.user.is_some() && !target.root {
        add(Field::User.key(), NOT_ROOT.into(), Some("leave it out, or run svc as root"));
    }
    if service.nice.is_some_and(|nice| nice < 0) && !target.root {
        add(Field::Nice.key(), "can't be below 0: only root may raise a priority".into(), Some("0 to 19"));
    }
    for (key, reason) in limits(&service.limits, target) {
        add(&format!("{}.{key}", Field::Limits.key()), reason, None);
    }
    if let Some(Schedule::Calendar(times)) = &service.schedule
        && let Err(reason) = Calendar::parse(times)
    {
        let reason = reason.strip_prefix("`schedule` ").unwrap_or(&reason).to_owned();
        add(Field::Schedule.key(), reason, Some("such as \"*-*-* 03:00\", \"Mon..Fri 12:30\", \"hourly\""));
    }
    if service.schedule.is_some() {
        if health.is_some() {
            let reason = "can't be had for a scheduled service: it runs when its time has come, and ends";
            add(Field::Health.key(), reason.into(), None);
        }
        if service.ready != Ready::Exec {
            let reason = "can only be `exec` for a scheduled service: it has started when its time has come";
            add(Field::Ready.key(), reason.into(), None);
        }
        if asked.contains(Field::StartTimeout) {
            let reason = "does not limit the run of a scheduled service under the supervisor";
            add(Field::StartTimeout.key(), reason.into(), Some("leave it out, or run `timeout 5m CMD`"));
        }
    }
    problems
}

const NOT_ROOT: &str = "can't be had: only root's supervisor can change to another account";

/// Limits that neither a control group nor the process itself can be given here.
fn limits(limits: &Limits, target: &Target) -> Vec<(&'static str, String)> {
    let Limits { memory: _, cpu, tasks, files: _ } = limits;
    let mut refused = Vec::new();
    if target.cgroup {
        return refused;
    }
    let none = "svc may not make a control group with limits here";
    if cpu.is_some() {
        refused.push(("cpu", format!("can't be had: {none}, and nothing else limits a share of the CPU")));
    }
    if tasks.is_some() && target.root {
        refused.push(("tasks", format!("can't be had: {none}, and RLIMIT_NPROC does not bind root")));
    }
    refused
}

/// Why a field is refused; the same words as `render --explain`.
pub(super) fn not_yet(field: Field) -> String {
    let why = if field == Field::Sandbox {
        "the supervisor has no sandbox of its own so far; `none` can be had"
    } else {
        "the supervisor has no such part so far"
    };
    format!("can't be done by this version of svc under its supervisor: {why}")
}

/// What is done in another way than one would expect.
pub(super) fn notes(service: &Service, target: &Target) -> Vec<String> {
    let mut notes: Vec<String> = super::environment::overridden(&service.env).collect();
    let Limits { memory, cpu: _, tasks, files: _ } = service.limits;
    if !target.cgroup && memory.is_some() {
        notes.push("`limits.memory` is the address space of each process (RLIMIT_AS): no control group here".into());
    }
    if !target.cgroup && tasks.is_some() {
        notes.push(
            "`limits.tasks` counts all processes of the account (RLIMIT_NPROC), not only this service's: no control \
             group here"
                .into(),
        );
    }
    notes
}
