//! A batch of actions: links first, then all jobs side by side, then what became of each.

use super::bus::{Bus, CallError};
use super::forgotten::Forgotten;
use super::manager::{Job, JobEnd, jobs_of, link, reset_failed, run, service_unit, timer_unit};
use super::observe::{Ended, ended};
use super::{companion, hints, journal, log, settle};
use crate::backend::progress::Ear;
use crate::backend::{Action, Verb};
use crate::error::Error;
use crate::report::{Failure, Outcome};
use crate::service::Name;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// Longest a job may take: units have time-outs of their own, this one only ends a wait for ever.
pub(super) const JOB_LIMIT: Duration = Duration::from_hours(1);
/// Lines of log shown with a failed start.
const LAST_LINES: usize = 10;

/// Why a job was not even begun, until [`name_needs`] has found out more.
const NEEDS: &str = "a service that it depends on did not start";

/// Carries out all `actions`; outcomes in their order.
pub(crate) async fn perform(
    bus: &Bus,
    unit_dir: &Path,
    forgotten: &Forgotten,
    pipes: &Path,
    actions: &[Action],
    ear: &Ear,
) -> Result<Vec<Outcome>, Error> {
    let began = crate::sys::clock::now();
    let mut failures: Vec<Option<Failure>> = vec![None; actions.len()];
    link_all(bus, unit_dir, actions, &mut failures).await;
    tracing::debug!(actions = actions.len(), "links made");
    let jobs: Vec<(usize, Job, String)> = actions
        .iter()
        .enumerate()
        .flat_map(|(at, action)| jobs_of(action).into_iter().map(move |(job, unit)| (at, job, unit)))
        .collect();
    if !jobs.is_empty() {
        // a start by a person begins all counts anew
        forgotten.clear(jobs.iter().filter(|(_, job, _)| *job != Job::Reload).map(|(.., unit)| unit.as_str()));
        run_all(bus, unit_dir, actions, &jobs, &mut failures, ear).await?;
        tracing::debug!(jobs = jobs.len(), "jobs ended");
        let ended = jobs.iter().filter(|(_, job, _)| *job != Job::Start);
        let ended: Vec<_> = ended.map(|(at, job, _)| (*job, &actions[*at].subject.name)).collect();
        log::let_go(bus, unit_dir, pipes, &ended).await;
        check_starts(bus, actions, &mut failures).await;
        tracing::debug!("starts watched");
        explain_all(bus, pipes, actions, &mut failures, began).await;
        name_needs(bus, actions, &mut failures).await;
    }
    Ok(actions
        .iter()
        .zip(failures)
        .map(|(action, failure)| Outcome {
            name: action.subject.name.clone(),
            verb: action.verb,
            result: failure.map_or(Ok(()), Err),
        })
        .collect())
}

fn failure(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), hint: None, log: Vec::new(), denied: false }
}

async fn link_all(bus: &Bus, unit_dir: &Path, actions: &[Action], failures: &mut [Option<Failure>]) {
    for (verb, enable) in [(Verb::Disable, false), (Verb::Enable, true)] {
        let unit = |at: &usize| {
            let subject = &actions[*at].subject;
            if subject.scheduled { timer_unit(subject.name.as_str()) } else { service_unit(subject.name.as_str()) }
        };
        let mine: Vec<usize> = (0..actions.len()).filter(|at| actions[*at].verb == verb).collect();
        let units: Vec<String> = mine.iter().map(unit).collect();
        let left = super::links::apply(unit_dir, &units, enable);
        if let Err(error) = link(bus, &left, enable).await {
            for at in mine.into_iter().filter(|at| left.contains(&unit(at))) {
                let word = if enable { "enabled" } else { "disabled" };
                failures[at] =
                    Some(Failure { denied: error.denied(), ..failure(format!("can't be {word}: {}", error.text())) });
            }
        }
    }
}

async fn run_all(
    bus: &Bus,
    unit_dir: &Path,
    actions: &[Action],
    jobs: &[(usize, Job, String)],
    failures: &mut [Option<Failure>],
    ear: &Ear,
) -> Result<(), Error> {
    let starts = |job: Job| matches!(job, Job::Start | Job::Restart);
    let again: Vec<String> = jobs.iter().filter(|(_, job, _)| starts(*job)).map(|(_, _, unit)| unit.clone()).collect();
    reset_failed(bus, &again).await;
    let wanted: Vec<(Job, String)> = jobs.iter().map(|(_, job, unit)| (*job, unit.clone())).collect();
    let heard = |unit: &str, end: &str| {
        if let Some((at, ..)) = jobs.iter().find(|(.., of)| of == unit) {
            let action = &actions[*at];
            ear.ended(action.subject.name.as_str(), action.verb, matches!(end, "done" | "skipped"));
        }
    };
    let ends = run(bus, &wanted, JOB_LIMIT, &heard).await.map_err(|error| error.into_error("talk to systemd"))?;
    for ((at, job, unit), end) in jobs.iter().zip(ends) {
        if failures[*at].is_none() {
            failures[*at] = job_failure(*job, unit, end, actions[*at].verb);
        }
    }
    let stopped = jobs.iter().filter(|(_, job, _)| *job == Job::Stop);
    let companions = stopped.clone().flat_map(|(at, ..)| companion::units(&actions[*at].subject.name));
    let companions: Vec<String> = companions.filter(|unit| unit_dir.join(unit).exists()).collect();
    let stopped: Vec<String> = stopped.map(|(_, _, unit)| unit.clone()).chain(companions).collect();
    reset_failed(bus, &stopped).await;
    Ok(())
}

/// Why a job failed; an empty message is filled in by [`explain_all`].
fn job_failure(job: Job, unit: &str, end: Result<JobEnd, CallError>, verb: Verb) -> Option<Failure> {
    match end {
        Ok(JobEnd::Done | JobEnd::Skipped) => None,
        Ok(JobEnd::Late) => Some(failure(format!("`{unit}` is still busy after an hour"))),
        Ok(JobEnd::Other(word)) => Some(match (word.as_str(), job) {
            ("dependency", _) => failure(NEEDS),
            ("canceled", _) => failure("another command came in between"),
            ("timeout", Job::Stop) => failure("did not stop in time"),
            (_, Job::Reload) => failure("its reload failed"),
            (_, Job::Start | Job::Restart) => failure(""),
            (word, Job::Stop) => failure(format!("can't be stopped ({word})")),
        }),
        Err(error) if job == Job::Stop && error.is("NoSuchUnit") => None,
        Err(error) if verb == Verb::Reload && error.is("JobTypeNotApplicable") => {
            Some(Failure { hint: Some("set `reload`, or use `svc restart`".into()), ..failure("has no way to reload") })
        }
        Err(error) if verb == Verb::Reload && error.text().contains("not active") => Some(Failure {
            hint: Some("`svc start` starts it".into()),
            ..failure("is not running, so it can't reload")
        }),
        Err(error) => Some(Failure { denied: error.denied(), ..failure(error.text()) }),
    }
}

/// A start is only true when the program is still there after its first moments.
async fn check_starts(bus: &Bus, actions: &[Action], failures: &mut [Option<Failure>]) {
    let started: Vec<usize> = (0..actions.len())
        .filter(|at| {
            failures[*at].is_none()
                && matches!(actions[*at].verb, Verb::Start | Verb::Restart)
                && !actions[*at].subject.scheduled
        })
        .collect();
    let units: Vec<String> = started.iter().map(|at| service_unit(actions[*at].subject.name.as_str())).collect();
    let up = settle::stays_up(bus, &units).await;
    let ends = join_all(
        units.iter().zip(&up).map(|(unit, up)| async move { if *up { None } else { Some(ended(bus, unit).await) } }),
    )
    .await;
    for (at, end) in started.into_iter().zip(ends) {
        // a program that has done its work and ended well is no failure
        if end.is_some_and(|end| !(end.ran && end.exit_code == Some(0))) {
            failures[at] = Some(failure(""));
        }
    }
}

/// Says which dependency did not start, and why: of this batch or not, and through others.
async fn name_needs(bus: &Bus, actions: &[Action], failures: &mut [Option<Failure>]) {
    let is_silent = |failure: &Option<Failure>| failure.as_ref().is_some_and(|failure| failure.message == NEEDS);
    loop {
        let mut found = None;
        'all: for at in (0..actions.len()).filter(|at| is_silent(&failures[*at])) {
            for name in &actions[at].subject.depends_on {
                let here = actions.iter().position(|action| action.subject.name == *name);
                let reason = match here.and_then(|here| failures[here].as_ref()) {
                    Some(failure) => Some(failure.message.clone()).filter(|message| message != NEEDS),
                    None => {
                        let end = ended(bus, &service_unit(name.as_str())).await;
                        (!matches!(end.result.as_str(), "" | "success")).then(|| why(&end, &[]).0)
                    }
                };
                if let Some(reason) = reason {
                    found = Some((at, format!("`{name}`, which it depends on, failed: {reason}")));
                    break 'all;
                }
            }
        }
        let Some((at, message)) = found else { return };
        failures[at] = Some(failure(message));
    }
}

/// Why a start failed, and what to do about it.
fn why(end: &Ended, log: &[String]) -> (String, Option<String>) {
    if end.result == "timeout" {
        let hint = "raise `start_timeout`, or look why it is not ready";
        return ("did not become ready in time".into(), Some(hint.into()));
    }
    hints::explain(end, log)
}

/// Fills in why starts failed: how the process ended, its last lines, a hint.
async fn explain_all(
    bus: &Bus,
    pipes: &Path,
    actions: &[Action],
    failures: &mut [Option<Failure>],
    began: jiff::Timestamp,
) {
    let silent: Vec<usize> =
        (0..actions.len()).filter(|at| failures[*at].as_ref().is_some_and(|f| f.message.is_empty())).collect();
    if silent.is_empty() {
        return;
    }
    let names: Vec<Name> = silent.iter().map(|at| actions[*at].subject.name.clone()).collect();
    let units: Vec<String> = names.iter().map(|name| service_unit(name.as_str())).collect();
    log::written(pipes, &names).await;
    let (ends, mut logs): (Vec<Ended>, HashMap<Name, Vec<crate::report::LogLine>>) = tokio::join!(
        join_all(units.iter().map(|unit| ended(bus, unit))),
        journal::last_lines(bus.scope, &names, LAST_LINES, Some(began)),
    );
    for ((at, name), end) in silent.into_iter().zip(names).zip(ends) {
        let subject = &actions[at].subject;
        let lines = match &subject.log {
            Some(file) => crate::logs::last(&name, file, LAST_LINES),
            None => logs.remove(&name).unwrap_or_default(),
        };
        let log: Vec<String> = lines
            .iter()
            .filter(|line| line.stream == "out")
            .map(|line| String::from_utf8_lossy(&line.message).into_owned())
            .collect();
        let (reason, hint) = why(&end, &log);
        let when = match (subject.scheduled, end.ran) {
            (true, _) => "failed",
            // one that never got ready has not stopped by itself
            (false, true) if end.result != "timeout" => "stopped right after its start",
            (false, _) => "could not be started",
        };
        failures[at] = Some(Failure { message: format!("{when}: {reason}"), hint, log, denied: false });
    }
}
