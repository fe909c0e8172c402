//! Batches: what depends on something starts after it and stops before it; the rest goes side by side. What
//! that means for services beside the batch: [`together`].

use super::Unit;
use super::driver::{Driver, Found, poll, side_by_side};
use super::launchctl::code;
use super::listed::Listed;
use super::loaded::Loaded;
use super::settle::{self, failure};
use super::shimmed::Shimmed;
use super::together;
use crate::backend::Verb;
use crate::backend::progress::Ear;
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
    /// Who hears of each end.
    pub(super) ear: &'a Ear,
}

/// Carries out all; results in their order. Verbs one after the other, as they come. `others`: all that is
/// installed beside them; what depends on something of the batch, or is needed by it, goes along.
pub(super) fn perform(hands: Hands<'_>, actions: &[(Verb, Unit)], others: &[Unit]) -> Vec<Result<(), Failure>> {
    let mut results = Vec::with_capacity(actions.len());
    while let Some((verb, _)) = actions.get(results.len()) {
        let rest = &actions[results.len()..];
        let same = rest.iter().position(|(other, _)| other != verb).unwrap_or(rest.len());
        let batch: Vec<&Unit> = rest[..same].iter().map(|(_, unit)| unit).collect();
        let names: BTreeSet<&Name> = batch.iter().map(|unit| &unit.name).collect();
        let others: Vec<&Unit> = others.iter().filter(|unit| !names.contains(&unit.name)).collect();
        results.extend(match verb {
            Verb::Start => start_all(hands, &batch, &others),
            Verb::Stop => stop_all(hands, &batch, &others),
            Verb::Restart => restart_all(hands, &batch, &others),
            Verb::Enable | Verb::Disable | Verb::Reload => side_by_side(&batch, |unit| one(hands, *verb, unit)),
        });
    }
    results
}

fn names_of<'a>(units: &[&'a Unit]) -> BTreeSet<&'a Name> {
    units.iter().map(|unit| &unit.name).collect()
}

/// Whether it has a process; what can't be asked has none.
fn is_up(hands: Hands<'_>, unit: &Unit) -> bool {
    matches!(hands.driver.find(&unit.label), Ok(Some(found)) if found.job.pid.is_some())
}

/// Starts them, and before them what they need and is down.
fn start_all(hands: Hands<'_>, batch: &[&Unit], others: &[&Unit]) -> Vec<Result<(), Failure>> {
    let needed = together::needed_by(&names_of(batch), &[batch, others].concat());
    let down = others.iter().filter(|unit| needed.contains(&unit.name) && !is_up(hands, unit));
    let all: Vec<(Verb, &Unit)> = batch.iter().chain(down).map(|unit| (Verb::Start, *unit)).collect();
    let mut results = in_order(hands, &all);
    results.truncate(batch.len());
    results
}

/// Each after what it depends on; not at all if that failed.
fn in_order(hands: Hands<'_>, all: &[(Verb, &Unit)]) -> Vec<Result<(), Failure>> {
    let units: Vec<&Unit> = all.iter().map(|(_, unit)| *unit).collect();
    let mut results: Vec<Option<Result<(), Failure>>> = vec![None; all.len()];
    for wave in together::waves(&units, Verb::Start) {
        let failed = |of: &Unit| {
            let place = |name: &Name| units.iter().position(|unit| unit.name == *name);
            of.depends_on.iter().find_map(|name| {
                let failure = results[place(name)?].as_ref()?.as_ref().err()?;
                let message = format!("`{name}`, which it depends on, failed: {}", failure.message);
                Some(Failure { hint: Some(format!("`svc start {name}` says more")), ..settle::failure(message) })
            })
        };
        let wave: Vec<(usize, Option<Failure>)> = wave.into_iter().map(|at| (at, failed(units[at]))).collect();
        let done = side_by_side(&wave, |(at, failure)| match failure {
            Some(failure) => Err(failure.clone()),
            None => one(hands, all[*at].0, all[*at].1),
        });
        for ((at, _), result) in wave.into_iter().zip(done) {
            results[at] = Some(result);
        }
    }
    results.into_iter().map(|result| result.unwrap_or(Ok(()))).collect()
}

/// Stops them, and before them what needs them and is up.
fn stop_all(hands: Hands<'_>, batch: &[&Unit], others: &[&Unit]) -> Vec<Result<(), Failure>> {
    let in_need = together::in_need_of(&names_of(batch), &[batch, others].concat());
    let up = others.iter().filter(|unit| in_need.contains(&unit.name) && is_up(hands, unit));
    let units: Vec<&Unit> = batch.iter().chain(up).copied().collect();
    let mut results = vec![Ok(()); units.len()];
    for wave in together::waves(&units, Verb::Stop) {
        let done = side_by_side(&wave, |at| one(hands, Verb::Stop, units[*at]));
        for (at, result) in wave.into_iter().zip(done) {
            results[at] = result;
        }
    }
    results.truncate(batch.len());
    results
}

/// Restarts them; what needs one of them is stopped before and started again after it.
fn restart_all(hands: Hands<'_>, batch: &[&Unit], others: &[&Unit]) -> Vec<Result<(), Failure>> {
    let in_need = together::in_need_of(&names_of(batch), &[batch, others].concat());
    let again: Vec<&Unit> =
        others.iter().filter(|unit| in_need.contains(&unit.name) && is_up(hands, unit)).copied().collect();
    let held: Vec<&Unit> = batch.iter().filter(|unit| in_need.contains(&unit.name)).chain(&again).copied().collect();
    if !held.is_empty() {
        stop_all(hands, &held, &[]);
    }
    let needed = together::needed_by(&names_of(batch), &[batch, others].concat());
    let down = others.iter().filter(|unit| needed.contains(&unit.name) && !in_need.contains(&unit.name));
    let down: Vec<&Unit> = down.filter(|unit| !is_up(hands, unit)).copied().collect();
    let all: Vec<(Verb, &Unit)> = batch
        .iter()
        .map(|unit| (Verb::Restart, *unit))
        .chain(again.iter().chain(&down).map(|unit| (Verb::Start, *unit)))
        .collect();
    let mut results = in_order(hands, &all);
    results.truncate(batch.len());
    results
}

fn one(hands: Hands<'_>, verb: Verb, unit: &Unit) -> Result<(), Failure> {
    let result = carried_out(hands, verb, unit);
    hands.ear.ended(unit.name.as_str(), verb, result.is_ok());
    result
}

fn carried_out(hands: Hands<'_>, verb: Verb, unit: &Unit) -> Result<(), Failure> {
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
    Loaded::read(hands.paths, &unit.label).is_some_and(|loaded| loaded.is_older(listed))
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
