//! When something failed: what was there comes back, what ran runs again, and what fell with it is held up.

use super::execute::Plan;
use super::restore::{Before, put_back, sync_folders};
use super::step::{Step, is_up};
use crate::backend::{Action, Backend, Subject, Verb};
use crate::error::Error;
use crate::report::{Done, Observed, State};
use crate::service::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Puts back what was there for every step that failed, and runs again what ran.
pub(super) async fn undo(backend: &impl Backend, steps: &mut [Step<'_>]) {
    let failed: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].failure.is_some() && steps[*at].changed).collect();
    if failed.is_empty() {
        return;
    }
    let mut trouble = backend.perform(&taken_back(steps, &failed)).await.err();
    let lain: Vec<(PathBuf, Before)> = failed.iter().flat_map(|at| steps[*at].before.clone()).collect();
    trouble = trouble.or(put_back(lain.iter().map(|(path, before)| (path.as_path(), before))).err());
    sync_folders(lain.iter().map(|(path, _)| path.as_path()));
    trouble = trouble.or(backend.load(&[]).await.err());
    let again = brought_back(steps, &failed);
    let mut down: BTreeMap<Name, String> = BTreeMap::new();
    if !again.is_empty() {
        match backend.perform(&again).await {
            Ok(outcomes) => {
                for outcome in outcomes {
                    if let Err(failure) = outcome.result {
                        down.entry(outcome.name).or_insert(failure.message);
                    }
                }
            }
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    for at in failed {
        let down = down.remove(&steps[at].prepared.subject.name);
        let note = said(&steps[at], trouble.as_ref(), down);
        steps[at].notes.push(note);
    }
}

/// Stops what was begun, and takes back its links.
fn taken_back(steps: &[Step<'_>], failed: &[usize]) -> Vec<Action> {
    // one that runs on as it did has nothing to be stopped for
    let stops = failed.iter().filter(|at| steps[**at].begun || !is_up(&steps[**at].was));
    let links = failed.iter().filter(|at| {
        let step = &steps[**at];
        step.link == Some(Verb::Enable) && (step.was.enabled != Some(true) || step.other_kind.is_some())
    });
    let stops = stops.map(|at| steps[*at].action(Verb::Stop));
    stops.chain(links.map(|at| steps[*at].action(Verb::Disable))).collect()
}

/// Starts what ran, and makes its links.
fn brought_back(steps: &[Step<'_>], failed: &[usize]) -> Vec<Action> {
    let old = |step: &Step<'_>| step.other_kind.clone().unwrap_or_else(|| step.prepared.subject.clone());
    let all = || failed.iter().map(|at| &steps[*at]);
    let up = all().filter(|step| is_up(&step.was) && step.begun);
    let linked = all().filter(|step| {
        step.was.enabled == Some(true) && (step.other_kind.is_some() || step.link == Some(Verb::Disable))
    });
    let start = up.map(|step| Action { verb: Verb::Start, subject: old(step) });
    start.chain(linked.map(|step| Action { verb: Verb::Enable, subject: old(step) })).collect()
}

fn said(step: &Step<'_>, trouble: Option<&Error>, down: Option<String>) -> String {
    let files = step.prepared.rendered.files.len();
    let existed = !step.fresh() || step.before[..files].iter().any(|(_, before)| *before != Before::Absent);
    match (trouble, down, existed) {
        (Some(error), ..) => format!("what was there could not be put back: {}", error.message),
        (None, Some(reason), _) => format!("what was there before is back, but does not run: {reason}"),
        (None, None, true) => "what was there before is back".to_owned(),
        (None, None, false) => "nothing of it is left behind".to_owned(),
    }
}

/// A manager takes down with a service what depends on it. What was up before and should still be, and is not, is
/// started again; one [`Done`] for each that no step tells of.
pub(super) async fn hold_up(backend: &impl Backend, plan: &mut Plan<'_>) -> Vec<Done> {
    let moved = plan.steps.iter().any(|step| step.begun && is_up(&step.was)) || !plan.gone.is_empty();
    let needs = |step: &Step<'_>| !step.begun && is_up(&step.was) && !step.prepared.subject.depends_on.is_empty();
    let mut watched: Vec<(Subject, Observed)> = plan.beside.iter().filter(|(_, was)| is_up(was)).cloned().collect();
    watched.extend(
        plan.steps.iter().filter(|step| needs(step)).map(|step| (step.prepared.subject.clone(), step.was.clone())),
    );
    if !moved || watched.is_empty() {
        return Vec::new();
    }
    let subjects: Vec<Subject> = watched.into_iter().map(|(subject, _)| subject).collect();
    let Ok(seen) = backend.observe(&subjects).await else { return Vec::new() };
    let fallen: BTreeSet<Name> =
        seen.into_iter().filter(|seen| !is_up(seen) && seen.state != State::Completed).map(|seen| seen.name).collect();
    let start = subjects.into_iter().filter(|subject| fallen.contains(&subject.name));
    let start: Vec<Action> = start.map(|subject| Action { verb: Verb::Start, subject }).collect();
    if start.is_empty() {
        return Vec::new();
    }
    let outcomes = backend.perform(&start).await.unwrap_or_default();
    let mut done = Vec::new();
    for outcome in outcomes {
        let step = plan.steps.iter_mut().find(|step| step.prepared.subject.name == outcome.name);
        match (step, outcome.result) {
            (Some(step), Ok(())) => step.notes.push("fell with what it depends on, and runs again".into()),
            (Some(step), Err(failure)) => step.failure = step.failure.take().or(Some(failure)),
            (None, result) => done.push(Done {
                name: outcome.name,
                did: "started again: it fell with what it depends on".into(),
                pid: None,
                notes: Vec::new(),
                result,
            }),
        }
    }
    done
}
