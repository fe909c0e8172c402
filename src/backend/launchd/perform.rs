//! Batches: what depends on something starts after it and stops before it; the rest goes side by side. What
//! that means for services beside the batch: [`together`].

use super::driver::{Driver, side_by_side};
use super::verbs::one;
use super::{Unit, settle, together};
use crate::backend::Verb;
use crate::backend::progress::Ear;
use crate::env::Environment;
use crate::files::paths::Paths;
use crate::report::Failure;
use crate::service::Name;
use std::collections::{BTreeMap, BTreeSet};

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
