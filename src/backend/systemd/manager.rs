//! Jobs: start, stop, restart, reload of units, and links for enable and disable.
//!
//! Every job of a batch is enqueued at once over the one connection; its end is the `JobRemoved`
//! signal (org.freedesktop.systemd1(5)). A job can end before the answer to `StartUnit` is read,
//! so ends are gathered from before the first call on and compared by the job's path afterwards.

use super::bus::{Bus, CallError};
use crate::backend::{Action, Verb};
use futures_util::StreamExt;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::time::Duration;
use zbus::MessageStream;
use zbus::OwnedObjectPath;

/// How a job ended: the words of org.freedesktop.systemd1(5), `JobRemoved`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// `done`.
    Done,
    /// `skipped`: it was what it should be already.
    Skipped,
    /// `failed`, `timeout`, `dependency`, `canceled`, …
    Other(String),
    /// Still running after the time it may take.
    Late,
}

/// What to ask of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Start,
    Stop,
    Restart,
    Reload,
}

impl Job {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Stop => "StopUnit",
            Self::Restart => "RestartUnit",
            Self::Reload => "ReloadUnit",
        }
    }
}

/// A job's path, and how it ended.
type Ended = (OwnedObjectPath, String);

/// Enqueues all jobs at once and waits until each has ended; results in the order of `jobs`. `heard`: is told the unit
/// and the end of every job, of others too, when it ends.
pub(crate) async fn run(
    bus: &Bus,
    jobs: &[(Job, String)],
    limit: Duration,
    heard: &dyn Fn(&str, &str),
) -> Result<Vec<Result<JobEnd, CallError>>, CallError> {
    let mut stream = bus.subscribe().await?;
    let mut ends: HashMap<OwnedObjectPath, String> = HashMap::new();
    let calls = join_all(jobs.iter().map(|(job, unit)| async move {
        bus.ask::<_, OwnedObjectPath>(job.method(), &(unit.as_str(), "replace")).await
    }));
    tokio::pin!(calls);
    let paths = loop {
        tokio::select! {
            biased;
            paths = &mut calls => break paths,
            Some((path, end)) = next_end(&mut stream, heard) => { ends.insert(path, end); }
        }
    };
    let waiting = |ends: &HashMap<OwnedObjectPath, String>| paths.iter().flatten().any(|path| !ends.contains_key(path));
    let deadline = tokio::time::Instant::now() + limit;
    while waiting(&ends) {
        match tokio::time::timeout_at(deadline, next_end(&mut stream, heard)).await {
            Ok(Some((path, end))) => {
                ends.insert(path, end);
            }
            Ok(None) => return Err(CallError::Lost("systemd closed the connection".into())),
            Err(_) => break,
        }
    }
    Ok(paths.into_iter().map(|path| path.map(|path| end_of(ends.get(&path)))).collect())
}

fn end_of(word: Option<&String>) -> JobEnd {
    match word.map(String::as_str) {
        Some("done") => JobEnd::Done,
        Some("skipped") => JobEnd::Skipped,
        Some(other) => JobEnd::Other(other.to_owned()),
        None => JobEnd::Late,
    }
}

async fn next_end(stream: &mut MessageStream, heard: &dyn Fn(&str, &str)) -> Option<Ended> {
    loop {
        let message = stream.next().await?.ok()?;
        if let Ok((_, path, unit, end)) = message.body().deserialize::<(u32, OwnedObjectPath, String, String)>() {
            heard(&unit, &end);
            return Some((path, end));
        }
    }
}

/// Forgets that units have failed, and how often they were started (the start limit counts a
/// person's own starts too). Errors do not matter: a unit that is not loaded has nothing to forget.
pub(crate) async fn reset_failed(bus: &Bus, units: &[String]) {
    join_all(units.iter().map(|unit| async move { bus.call("ResetFailedUnit", &(unit.as_str(),)).await })).await;
}

/// Makes or removes the links of `[Install]`; all units in one call, no reload.
pub(crate) async fn link(bus: &Bus, units: &[String], enable: bool) -> Result<(), CallError> {
    if units.is_empty() {
        return Ok(());
    }
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    if enable {
        bus.call("EnableUnitFiles", &(units, false, true)).await?;
    } else {
        bus.call("DisableUnitFiles", &(units, false)).await?;
    }
    Ok(())
}

/// Lets the manager read all unit files again, once for a whole batch.
pub(crate) async fn reload(bus: &Bus) -> Result<(), CallError> {
    bus.call("Reload", &()).await.map(drop)
}

/// The units that an action means and what it asks of each.
///
/// A scheduled service is its timer and the service behind it: start arms the timer, stop disarms
/// it and stops a running one, restart arms it and runs the service once now.
pub(crate) fn jobs_of(action: &Action) -> Vec<(Job, String)> {
    let service = service_unit(action.subject.name.as_str());
    let timer = timer_unit(action.subject.name.as_str());
    match (action.verb, action.subject.scheduled) {
        (Verb::Start, false) => vec![(Job::Start, service)],
        // restarted, so that a changed schedule counts from now
        (Verb::Start, true) => vec![(Job::Restart, timer)],
        (Verb::Stop, false) => vec![(Job::Stop, service)],
        (Verb::Stop, true) => vec![(Job::Stop, timer), (Job::Stop, service)],
        (Verb::Restart, false) => vec![(Job::Restart, service)],
        (Verb::Restart, true) => vec![(Job::Restart, timer), (Job::Restart, service)],
        (Verb::Reload, _) => vec![(Job::Reload, service)],
        (Verb::Enable | Verb::Disable, _) => Vec::new(),
    }
}

/// `NAME.service`; the suffix always, never guessed (quoting-facts §9).
pub(crate) fn service_unit(name: &str) -> String {
    format!("{name}.service")
}

/// `NAME.timer`.
pub(crate) fn timer_unit(name: &str) -> String {
    format!("{name}.timer")
}
