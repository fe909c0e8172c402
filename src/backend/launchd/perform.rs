//! Batches: what depends on something starts after it and stops before it; the rest goes side by side.

use super::Unit;
use super::driver::{Driver, Found, poll, side_by_side};
use super::launchctl::code;
use super::listed::Listed;
use super::loaded::Loaded;
use super::settle::{self, failure};
use super::shimmed::Shimmed;
use crate::backend::Verb;
use crate::backend::supervisor::client::perform_once;
use crate::backend::supervisor::perform::explain;
use crate::env::Environment;
use crate::error::{Error, ErrorCode};
use crate::files::paths::Paths;
use crate::report::Failure;
use crate::service::Name;
use crate::supervisor::protocol::{ActionOn, Ended};
use crate::sys::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A process that is started anew has another pid within this time after the old one's end.
const STARTED_BY: Duration = Duration::from_secs(10);

/// Everything that an action needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hands<'a> {
    pub(super) driver: &'a Driver,
    pub(super) environment: &'a Environment,
    pub(super) paths: &'a Paths,
    /// What was disabled when the batch began.
    pub(super) store: &'a BTreeMap<String, bool>,
}

/// Carries out all; results in their order. Verbs one after the other, as they come.
pub(super) fn perform(hands: Hands<'_>, actions: &[(Verb, Unit)]) -> Vec<Result<(), Failure>> {
    let mut results: Vec<Option<Result<(), Failure>>> = vec![None; actions.len()];
    let mut from = 0;
    while from < actions.len() {
        let verb = actions[from].0;
        let to = actions[from..].iter().position(|(other, _)| *other != verb).map_or(actions.len(), |more| from + more);
        for wave in waves(&actions[from..to], verb) {
            let wave: Vec<usize> = wave.into_iter().map(|at| from + at).collect();
            let done = side_by_side(&wave, |at| one(hands, verb, &actions[*at].1));
            for (at, result) in wave.into_iter().zip(done) {
                results[at] = Some(result);
            }
        }
        from = to;
    }
    results.into_iter().map(|result| result.unwrap_or(Ok(()))).collect()
}

/// Places of actions that may go side by side, in the order of the waves.
fn waves(actions: &[(Verb, Unit)], verb: Verb) -> Vec<Vec<usize>> {
    if !matches!(verb, Verb::Start | Verb::Restart | Verb::Stop) {
        return vec![(0..actions.len()).collect()];
    }
    let mut left: BTreeSet<usize> = (0..actions.len()).collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let waits = |at: &usize| {
            let depends = &actions[*at].1.depends_on;
            left.iter().any(|other| other != at && depends.contains(&actions[*other].1.name))
        };
        let mut wave: Vec<usize> = left.iter().copied().filter(|at| !waits(at)).collect();
        if wave.is_empty() {
            wave = left.iter().copied().collect(); // a circle: a definition can't have one
        }
        for at in &wave {
            left.remove(at);
        }
        waves.push(wave);
    }
    if verb == Verb::Stop {
        waves.reverse();
    }
    waves
}

fn one(hands: Hands<'_>, verb: Verb, unit: &Unit) -> Result<(), Failure> {
    let told = |error: Error| Failure {
        denied: error.code == ErrorCode::NotPermitted,
        hint: error.hint,
        ..failure(error.message)
    };
    match verb {
        Verb::Enable => hands.driver.set_disabled(&unit.label, false).map_err(told),
        Verb::Disable => hands.driver.set_disabled(&unit.label, true).map_err(told),
        Verb::Stop => stop(hands, unit).map_err(told),
        Verb::Reload => reload(hands, unit).map_err(told)?,
        Verb::Start => start(hands, unit).map_err(told)?,
        Verb::Restart => restart(hands, unit).map_err(told)?,
    }
}

fn stop(hands: Hands<'_>, unit: &Unit) -> Result<(), Error> {
    let exit_timeout = unit.listed.as_ref().ok().and_then(|listed| listed.exit_timeout);
    hands.driver.unload(&unit.label, exit_timeout)?;
    Loaded::forget(hands.paths, &unit.label);
    Ok(())
}

/// The list on disk, or why there is nothing to start.
fn listed(unit: &Unit) -> Result<&Listed, Error> {
    unit.listed.as_ref().map_err(|reason| {
        Error::failed(reason.clone()).of(&unit.name).hint(format!("`svc install {}` writes it anew", unit.name))
    })
}

fn is_older(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> bool {
    Loaded::read(hands.paths, &unit.label).is_some_and(|loaded| !loaded.hash.is_empty() && loaded.hash != listed.hash)
}

fn start(hands: Hands<'_>, unit: &Unit) -> Result<Result<(), Failure>, Error> {
    let listed = listed(unit)?;
    let from = settle::log_length(unit);
    match hands.driver.find(&unit.label)? {
        Some(found) if !is_older(hands, unit, listed) => {
            if unit.scheduled || (found.job.pid.is_some() && listed.shim.is_none()) {
                return Ok(Ok(()));
            }
            if found.job.pid.is_none() {
                note(hands, unit, listed, &found, 1)?;
                hands.driver.kickstart(&target(&found, unit), false)?;
            }
            Ok(settle::up(hands, unit, listed, &found, from))
        }
        found => {
            if found.is_some() {
                hands.driver.unload(&unit.label, listed.exit_timeout)?;
            }
            load_and_see(hands, unit, listed, from)
        }
    }
}

/// Loads it; a scheduled one waits for its time then, another one is started.
fn load_and_see(hands: Hands<'_>, unit: &Unit, listed: &Listed, from: u64) -> Result<Result<(), Failure>, Error> {
    let found = hands.driver.load(&unit.label, &unit.file, listed.exit_timeout)?;
    // launchd loads no disabled job; one that is not to start by itself is disabled again
    if Driver::is_disabled(hands.store, &unit.label, listed) {
        hands.driver.set_disabled(&unit.label, true)?;
    }
    Loaded { hash: listed.hash.clone(), runs: 1, at: Some(clock::now()) }.write(hands.paths, &unit.label)?;
    if unit.scheduled {
        return Ok(Ok(()));
    }
    Ok(settle::up(hands, unit, listed, &found, from))
}

/// A person starts it now: `more` starts are his, not launchd's.
fn note(hands: Hands<'_>, unit: &Unit, listed: &Listed, found: &Found, more: u32) -> Result<(), Error> {
    let loaded = Loaded::read(hands.paths, &unit.label);
    let at = loaded.and_then(|loaded| loaded.at).filter(|_| unit.scheduled).or_else(|| Some(clock::now()));
    let runs = found.job.runs.unwrap_or(0).saturating_add(more);
    Loaded { hash: listed.hash.clone(), runs, at }.write(hands.paths, &unit.label)
}

fn target(found: &Found, unit: &Unit) -> String {
    format!("{}/{}", found.domain, unit.label)
}

fn restart(hands: Hands<'_>, unit: &Unit) -> Result<Result<(), Failure>, Error> {
    let listed = listed(unit)?;
    let from = settle::log_length(unit);
    let found = match hands.driver.find(&unit.label)? {
        // the same list: no need to unload it
        Some(found) if !is_older(hands, unit, listed) => found,
        found => {
            if found.is_some() {
                hands.driver.unload(&unit.label, listed.exit_timeout)?;
            }
            let done = load_and_see(hands, unit, listed, from)?;
            match (unit.scheduled, &done) {
                (true, Ok(())) => match hands.driver.find(&unit.label)? {
                    Some(found) => found,
                    None => return Ok(Err(failure("launchd has unloaded it again"))),
                },
                _ => return Ok(done),
            }
        }
    };
    let old = found.job.pid;
    let runs = found.job.runs;
    note(hands, unit, listed, &found, 1)?;
    hands.driver.kickstart(&target(&found, unit), old.is_some())?;
    // launchd answers when the old one was told to end
    let limit = listed.exit_timeout.unwrap_or(STARTED_BY) + STARTED_BY;
    let new = poll(limit, || {
        let found = hands.driver.find(&unit.label)?;
        let is_new = |found: &Found| found.job.runs > runs || (found.job.pid.is_some() && found.job.pid != old);
        Ok(match found {
            None => Some(None),
            Some(found) if is_new(&found) => Some(Some(found)),
            Some(_) => None,
        })
    })?;
    match new {
        Some(Some(found)) => Ok(settle::up(hands, unit, listed, &found, from)),
        Some(None) => Ok(Err(failure("launchd has unloaded it"))),
        None => Ok(Err(failure(format!("launchd has not started it anew after {} s", limit.as_secs())))),
    }
}

fn reload(hands: Hands<'_>, unit: &Unit) -> Result<Result<(), Failure>, Error> {
    let listed = listed(unit)?;
    let hinted = |message: &str, hint: &str| Err(Failure { hint: Some(hint.into()), ..failure(message) });
    let not_running = || Ok(hinted("is not running, so it can't reload", "`svc start` starts it"));
    let Some(found) = hands.driver.find(&unit.label)?.filter(|found| found.job.pid.is_some()) else {
        return not_running();
    };
    let Some(signal) = &listed.reload else {
        return Ok(hinted("has no way to reload", "set `reload`, or use `svc restart`"));
    };
    if listed.shim.is_some() {
        let shimmed = Shimmed::new(hands.environment, hands.paths, unit.name.as_str());
        let Some(client) = shimmed.client()? else { return not_running() };
        return Ok(asked(client, Verb::Reload, &unit.name)?.unwrap_or(Ok(())));
    }
    let target = target(&found, unit);
    let answer = hands.driver.ctl().ask(&["kill", signal, &target])?;
    match answer.code {
        code::OK => Ok(Ok(())),
        code::NO_PROCESS | code::NO_SERVICE => not_running(),
        _ => Err(answer.error(&format!("can't send {signal} to `{target}`"))),
    }
}

/// Asks a shim for something; `None`: it ended meanwhile.
pub(super) fn asked(
    client: crate::backend::supervisor::client::Client<'_>,
    verb: Verb,
    name: &Name,
) -> Result<Option<Result<(), Failure>>, Error> {
    let outcome = perform_once(client, ActionOn { verb, name: name.to_string() })?;
    Ok(outcome.map(|outcome| match outcome.result {
        Ended::Ok {} => Ok(()),
        Ended::Failed(failed) => Err(explain(failed)),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn unit(name: &str, depends_on: &[&str]) -> (Verb, Unit) {
        let parse = |name: &str| Name::parse(name).unwrap();
        let unit = Unit {
            name: parse(name),
            label: format!("svc.{name}"),
            file: "/x".into(),
            listed: Err(String::new()),
            scheduled: false,
            calendar: None,
            log: None,
            depends_on: depends_on.iter().map(|name| parse(name)).collect(),
        };
        (Verb::Start, unit)
    }

    #[test]
    fn what_is_depended_on_goes_first_and_stops_last() {
        let all = [unit("web", &["db", "cache"]), unit("db", &[]), unit("cache", &["db"]), unit("x", &["elsewhere"])];
        assert_eq!(waves(&all, Verb::Start), [vec![1, 3], vec![2], vec![0]]);
        assert_eq!(waves(&all, Verb::Stop), [vec![0], vec![2], vec![1, 3]]);
        assert_eq!(waves(&all, Verb::Enable), [vec![0, 1, 2, 3]]);
    }
}
