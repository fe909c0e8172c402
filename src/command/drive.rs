//! `svc start`, `stop`, `restart`, `reload`, `enable`, `disable`: through the manager, in one batch.

use super::Context;
use super::selection::{Fallback, installed};
use crate::backend::any::AnyBackend;
use crate::backend::{Action, Backend, Verb};
use crate::cli::SelectArgs;
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::history::by;
use crate::plan::step::is_up;
use crate::report::{Done, Failure, Report, State};
use crate::service::Name;
use std::collections::BTreeMap;

/// Runs `verb` on what is selected; `boot`: `svc enable --boot`.
pub(crate) async fn run(
    context: &Context,
    verb: Verb,
    args: &SelectArgs,
    boot: bool,
) -> Result<(Report, Vec<String>), Error> {
    let (records, mut warnings) = installed(context, &args.selector, args.all, Fallback::Manifest)?;
    let mut done = BTreeMap::new();
    for (backend, group) in context.by_backend(&records) {
        let of_group = carry_out(context, backend, verb, &group, boot, &mut warnings).await?;
        done.extend(of_group.into_iter().map(|one| (one.name.clone(), one)));
    }
    let names = records.iter().filter_map(|record| Name::parse(&record.name).ok());
    Ok((Report::Done(names.filter_map(|name| done.remove(&name)).collect()), warnings))
}

/// The same for the services of one backend.
async fn carry_out(
    context: &Context,
    backend: &AnyBackend,
    verb: Verb,
    records: &[&Record],
    boot: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<Done>, Error> {
    let subjects: Vec<_> = records.iter().filter_map(|record| record.subject()).collect();
    let before: BTreeMap<_, _> =
        backend.observe(&subjects).await?.into_iter().map(|seen| (seen.name.clone(), seen)).collect();
    let needed = |name: &Name| {
        before.get(name).is_none_or(|seen| match verb {
            Verb::Start => {
                let is_up = matches!(seen.state, State::Running | State::Starting) && !seen.is_alone;
                !(is_up || seen.next_run_at.is_some())
            }
            // what nobody can tell of may run
            Verb::Stop => is_up(seen) || seen.pid.is_some() || (!seen.known && seen.reason.is_some()),
            Verb::Enable => seen.enabled != Some(true),
            Verb::Disable => seen.enabled != Some(false),
            Verb::Restart | Verb::Reload => true,
        })
    };
    if boot {
        warnings.extend(keep_through_boot(context, backend, records).await?);
    }
    // these change files, of svc's and of the user's
    let _lock = if matches!(verb, Verb::Enable | Verb::Disable) { Some(Lock::take(&context.paths)?) } else { None };
    let actions: Vec<Action> = subjects
        .iter()
        .filter(|subject| needed(&subject.name))
        .map(|subject| Action { verb, subject: subject.clone() })
        .collect();
    let (actions, idle): (Vec<Action>, Vec<Action>) = actions.into_iter().partition(|action| {
        verb != Verb::Reload || before.get(&action.subject.name).is_none_or(|seen| seen.pid.is_some())
    });
    let asked = crate::sys::clock::now();
    let acted: Vec<Name> = actions.iter().map(|action| action.subject.name.clone()).collect();
    let outcomes = if actions.is_empty() { Vec::new() } else { backend.perform(&actions).await? };
    if matches!(verb, Verb::Enable | Verb::Disable) && !actions.is_empty() {
        backend.load(&[]).await?;
    }
    let mut results: BTreeMap<_, _> = outcomes.into_iter().map(|outcome| (outcome.name, outcome.result)).collect();
    results.extend(idle.into_iter().map(|action| {
        let hint = Some(format!("`svc start {}`", action.subject.name));
        let message = "is not running, so it can't reload".to_owned();
        (action.subject.name, Err(Failure { message, hint, log: Vec::new(), denied: false }))
    }));
    let pids: BTreeMap<_, _> = if matches!(verb, Verb::Start | Verb::Restart) && subjects.len() <= 20 {
        backend.observe(&subjects).await?.into_iter().map(|seen| (seen.name, seen.pid)).collect()
    } else {
        BTreeMap::new()
    };
    let done = subjects.into_iter().map(|subject| {
        let did = if boot {
            "enabled at boot"
        } else if needed(&subject.name) {
            past(verb, subject.scheduled)
        } else {
            already(verb)
        };
        Done {
            did: did.into(),
            pid: pids.get(&subject.name).copied().flatten(),
            notes: Vec::new(),
            result: results.remove(&subject.name).unwrap_or(Ok(())),
            name: subject.name,
        }
    });
    let done: Vec<Done> = done.collect();
    let (acted, _): (Vec<Done>, _) = done.iter().cloned().partition(|one| acted.contains(&one.name));
    if !acted.is_empty() {
        by::acted(&context.paths, &by::caller(), verb, &acted, asked);
    }
    Ok(done)
}

/// `svc enable --boot`: the manager runs without a login, and the records remember why.
async fn keep_through_boot(context: &Context, backend: &AnyBackend, records: &[&Record]) -> Result<Vec<String>, Error> {
    let _lock = Lock::take(&context.paths)?;
    let mut notes = Vec::new();
    if let Some(said) = backend.outlive_logout(true).await? {
        write_all(&[NewFile {
            path: &context.paths.linger_mark(),
            contents: b"switched on by svc\n",
            mode: context.paths.file_mode(),
        }])?;
        notes.push(said);
    }
    let changed: Vec<(std::path::PathBuf, Vec<u8>)> = records
        .iter()
        .filter(|record| !record.boot())
        .map(|record| {
            let definition = record.definition.replace("\nstart = \"login\"\n", "\nstart = \"boot\"\n");
            let record = Record { start: "boot".into(), definition, ..(*record).clone() };
            (Record::path(&context.paths, &record.name), record.to_bytes())
        })
        .collect();
    let files: Vec<NewFile<'_>> =
        changed.iter().map(|(path, contents)| NewFile { path, contents, mode: context.paths.file_mode() }).collect();
    write_all(&files)?;
    Ok(notes)
}

fn past(verb: Verb, scheduled: bool) -> &'static str {
    match verb {
        Verb::Start if scheduled => "armed",
        Verb::Start => "started",
        Verb::Stop => "stopped",
        Verb::Restart => "restarted",
        Verb::Reload => "reloaded",
        Verb::Enable => "enabled",
        Verb::Disable => "disabled",
    }
}

fn already(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "running already",
        Verb::Stop => "stopped already",
        Verb::Enable => "enabled already",
        Verb::Disable => "disabled already",
        Verb::Restart | Verb::Reload => "done",
    }
}
