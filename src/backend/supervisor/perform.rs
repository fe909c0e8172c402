//! A batch of actions: marks first, then one request for all that programs have to do with.

use super::client::{self, Place};
use super::observe::left_behind;
use super::{autostart, marks};
use crate::backend::progress::Ear;
use crate::backend::{Action, Verb, hints};
use crate::error::{Error, ErrorCode, io_reason};
use crate::report::{Failure, Outcome};
use crate::supervisor::protocol::{self, ActionOn, Ended};
use std::collections::HashMap;
use std::path::Path;

/// Carries out all `actions`; outcomes in their order.
pub(super) fn perform(place: Place<'_>, shell: &Path, actions: &[Action], ear: &Ear) -> Result<Vec<Outcome>, Error> {
    let mut results: Vec<Option<Result<(), Failure>>> = vec![None; actions.len()];
    mark(place, shell, actions, &mut results);
    let wanted: Vec<ActionOn> = actions
        .iter()
        .filter(|action| !is_mark(action.verb))
        .map(|action| ActionOn { verb: action.verb, name: action.subject.name.to_string() })
        .collect();
    if !wanted.is_empty() {
        let starts = wanted.iter().any(|one| matches!(one.verb, Verb::Start | Verb::Restart));
        let client = match place.find()? {
            // what runs without a supervisor, since it was killed with its guardian, is to be stopped too
            None if starts || !left_behind(place).is_empty() => Some(place.find_or_start()?.0),
            found => found,
        };
        let outcomes = match client {
            Some(client) => client::perform(place, client, &wanted, ear)?,
            None => Vec::new(),
        };
        let mut ends: HashMap<(Verb, String), Ended> =
            outcomes.into_iter().map(|one| ((one.verb, one.name), one.result)).collect();
        for (action, result) in actions.iter().zip(&mut results).filter(|(action, _)| !is_mark(action.verb)) {
            *result = Some(match ends.remove(&(action.verb, action.subject.name.to_string())) {
                Some(Ended::Ok {}) => Ok(()),
                Some(Ended::Failed(failed)) => Err(explain(failed)),
                None => unanswered(action.verb),
            });
        }
    }
    let all = actions.iter().zip(results);
    Ok(all
        .map(|(action, result)| Outcome {
            name: action.subject.name.clone(),
            verb: action.verb,
            result: result.unwrap_or(Ok(())),
        })
        .collect())
}

fn is_mark(verb: Verb) -> bool {
    matches!(verb, Verb::Enable | Verb::Disable)
}

fn failure(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), hint: None, log: Vec::new(), denied: false }
}

/// No supervisor, or none that said what became of it.
fn unanswered(verb: Verb) -> Result<(), Failure> {
    match verb {
        // what nobody runs is stopped
        Verb::Stop | Verb::Enable | Verb::Disable => Ok(()),
        Verb::Reload => {
            Err(Failure { hint: Some("`svc start` starts it".into()), ..failure("is not running, so it can't reload") })
        }
        Verb::Start | Verb::Restart => Err(Failure {
            hint: Some("`svc doctor` looks closer".into()),
            ..failure("the supervisor did not say what became of it")
        }),
    }
}

/// Marks what is enabled, then has a login start the supervisor while any mark is left.
fn mark(place: Place<'_>, shell: &Path, actions: &[Action], results: &mut [Option<Result<(), Failure>>]) {
    let mine: Vec<usize> = (0..actions.len()).filter(|at| is_mark(actions[*at].verb)).collect();
    if mine.is_empty() {
        return;
    }
    let failed = |at: usize, cause: &std::io::Error| {
        let word = if actions[at].verb == Verb::Enable { "enabled" } else { "disabled" };
        let denied = cause.kind() == std::io::ErrorKind::PermissionDenied;
        Failure { denied, ..failure(format!("can't be {word}: {}", io_reason(cause))) }
    };
    let mut first = None;
    for at in &mine {
        let name = actions[*at].subject.name.as_str();
        let made = if actions[*at].verb == Verb::Enable {
            marks::add(place.paths, name, first.as_deref()).map(|mark| _ = first.get_or_insert(mark))
        } else {
            marks::remove(place.paths, name)
        };
        results[*at] = Some(made.map_err(|cause| failed(*at, &cause)));
    }
    if let Err(cause) = marks::settle(place.paths) {
        for at in &mine {
            results[*at] = Some(Err(failed(*at, &cause)));
        }
    }
    let on = !marks::all(place.paths).is_empty();
    if let Err(error) = autostart::set(place.environment, shell, on) {
        let failed = Failure {
            hint: error.hint,
            denied: error.code == ErrorCode::NotPermitted,
            ..failure(format!("can't have a login start it: {}", error.message))
        };
        for at in mine.into_iter().filter(|at| actions[*at].verb == Verb::Enable) {
            results[at] = Some(Err(failed.clone()));
        }
    }
}

/// Adds advice where the supervisor has none: its last lines know best, then its exit code.
pub(crate) fn explain(failed: protocol::Failed) -> Failure {
    let protocol::Failed { message, hint, log_tail, exit_code, signal: _, denied } = failed;
    let by_code = || exit_code.and_then(hints::by_code);
    let hint = hint.or_else(|| hints::by_log(&log_tail)).or_else(|| by_code().map(|(_, hint)| hint.to_owned()));
    let message = match by_code() {
        Some((meaning, _)) if !message.contains(meaning) => format!("{message}: {meaning}"),
        _ => message,
    };
    Failure { message, hint, log: log_tail, denied }
}
