//! What each verb does with one service: what is loaded, what lies on disk, and what a shim has left decide.

use super::driver::{Driver, Found, poll};
use super::launchctl::code;
use super::listed::Listed;
use super::loaded::Loaded;
use super::perform::Hands;
use super::settle::{self, failure, told};
use super::shimmed::Shimmed;
use super::{Unit, last_words};
use crate::backend::Verb;
use crate::backend::supervisor::client::{Client, perform_once};
use crate::backend::supervisor::perform::explain;
use crate::error::Error;
use crate::report::Failure;
use crate::service::Name;
use crate::supervisor::protocol::{ActionOn, Ended};
use crate::sys::clock;
use std::time::Duration;

/// A process that is started anew has another pid within this time after the old one's end.
const STARTED_BY: Duration = Duration::from_secs(10);

/// Does it; returns when it is true.
pub(super) fn one(hands: Hands<'_>, verb: Verb, unit: &Unit) -> Result<(), Failure> {
    let result = carried_out(hands, verb, unit);
    hands.ear.ended(unit.name.as_str(), verb, result.is_ok());
    result
}

fn carried_out(hands: Hands<'_>, verb: Verb, unit: &Unit) -> Result<(), Failure> {
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
    match &unit.listed {
        Ok(listed) => unload(hands, unit, listed)?,
        Err(_) => hands.driver.unload(&unit.label, None)?,
    }
    Loaded::forget(hands.paths, &unit.label);
    Ok(())
}

/// Ends it: what is loaded, with its process; and a program that a killed shim has left.
fn unload(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> Result<(), Error> {
    regain(hands, unit, listed)?;
    hands.driver.unload(&unit.label, listed.exit_timeout)
}

/// A program that a killed shim has left running gets another shim: launchd starts one after its
/// `ThrottleInterval`, or, for `restart = "never"`, none.
fn regain(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> Result<(), Error> {
    let shimmed = Shimmed::new(hands.environment, hands.paths, unit.name.as_str());
    let left = || shimmed.left_running(unit.name.as_str()).is_some();
    if listed.shim.is_none() || !left() {
        return Ok(());
    }
    let found = hands.driver.find(&unit.label)?;
    if found.as_ref().is_some_and(|found| found.job.pid.is_some()) {
        return Ok(());
    }
    let found = match found {
        Some(found) => found,
        None => load(hands, unit, listed)?,
    };
    hands.driver.kickstart(&target(&found, unit), false)?;
    poll(STARTED_BY, || Ok((shimmed.client()?.is_some() || !left()).then_some(()))).map(drop)
}

/// The list on disk, or why there is nothing to start.
fn listed(unit: &Unit) -> Result<&Listed, Error> {
    unit.listed.as_ref().map_err(|reason| {
        Error::failed(reason.clone()).of(&unit.name).hint(format!("`svc install {}` writes it anew", unit.name))
    })
}

/// The loaded job; of two of them the better one, the other is ended.
fn find_one(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> Result<Option<Found>, Error> {
    let found = hands.driver.find(&unit.label)?;
    let noted = Loaded::read(hands.paths, &unit.label);
    if let (Some(found), Some(noted)) = (&found, noted)
        && noted.is_elsewhere(&found.domain)
    {
        hands.driver.unload_twin(&unit.label, found, listed.exit_timeout)?;
        // what this one was doing in the meantime
        return hands.driver.find(&unit.label);
    }
    Ok(found)
}

fn is_older(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> bool {
    Loaded::read(hands.paths, &unit.label).is_some_and(|loaded| loaded.is_older(listed))
}

fn start(hands: Hands<'_>, unit: &Unit) -> Result<Result<(), Failure>, Error> {
    let listed = listed(unit)?;
    let from = last_words::log_length(unit);
    match find_one(hands, unit, listed)? {
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
                unload(hands, unit, listed)?;
            }
            load_and_see(hands, unit, listed, from)
        }
    }
}

/// launchd loads no disabled job: one that is not to start by itself is enabled for that only.
fn load(hands: Hands<'_>, unit: &Unit, listed: &Listed) -> Result<Found, Error> {
    let found = hands.driver.load(&unit.label, &unit.file, listed.exit_timeout)?;
    if Driver::is_disabled(hands.store, &unit.label, listed) {
        hands.driver.set_disabled(&unit.label, true)?;
    }
    Ok(found)
}

/// Loads it; a scheduled one waits for its time then, another one is started.
fn load_and_see(hands: Hands<'_>, unit: &Unit, listed: &Listed, from: u64) -> Result<Result<(), Failure>, Error> {
    let found = load(hands, unit, listed)?;
    let domain = found.domain.clone();
    let noted = Loaded { hash: listed.hash.clone(), domain, runs: 1, at: Some(clock::now()) };
    noted.write(hands.paths, &unit.label)?;
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
    let domain = found.domain.clone();
    Loaded { hash: listed.hash.clone(), domain, runs, at }.write(hands.paths, &unit.label)
}

fn target(found: &Found, unit: &Unit) -> String {
    format!("{}/{}", found.domain, unit.label)
}

fn restart(hands: Hands<'_>, unit: &Unit) -> Result<Result<(), Failure>, Error> {
    let listed = listed(unit)?;
    let from = last_words::log_length(unit);
    regain(hands, unit, listed)?;
    let found = match find_one(hands, unit, listed)? {
        // the same list: no need to unload it
        Some(found) if !is_older(hands, unit, listed) => found,
        found => {
            if found.is_some() {
                unload(hands, unit, listed)?;
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
pub(super) fn asked(client: Client<'_>, verb: Verb, name: &Name) -> Result<Option<Result<(), Failure>>, Error> {
    let outcome = perform_once(client, ActionOn { verb, name: name.to_string() })?;
    Ok(outcome.map(|outcome| match outcome.result {
        Ended::Ok {} => Ok(()),
        Ended::Failed(failed) => Err(explain(failed)),
    }))
}
