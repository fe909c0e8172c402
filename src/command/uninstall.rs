//! `svc uninstall`: stop, disable, remove every file svc wrote.

use super::Context;
use super::selection::{Fallback, installed};
use crate::backend::Backend;
use crate::cli::UninstallArgs;
use crate::engine;
use crate::error::Error;
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::plan::{restore, takedown};
use crate::report::{Done, Report};
use std::collections::BTreeMap;

/// Runs it.
pub(crate) async fn run(context: &Context, args: &UninstallArgs) -> Result<(Report, Vec<String>), Error> {
    let _lock = Lock::take(&context.paths)?;
    let (records, mut warnings) = installed(context, &args.selector, args.all, Fallback::Manifest)?;
    let (all, _) = context.records()?;
    let done = carry_out(context, &records, &all, How { purge: args.purge, force: args.force }, &mut warnings).await?;
    Ok((Report::Done(done), warnings))
}

/// How to uninstall.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) purge: bool,
    pub(crate) force: bool,
}

/// Uninstalls `records` of `all` that are installed; one [`Done`] each.
pub(crate) async fn carry_out(
    context: &Context,
    records: &[Record],
    all: &[Record],
    how: How,
    warnings: &mut Vec<String>,
) -> Result<Vec<Done>, Error> {
    warnings.extend(left_alone(records, all));
    let mut ends = BTreeMap::new();
    for (backend, group) in context.by_backend(records) {
        let group: Vec<Record> = group.into_iter().cloned().collect();
        let done = takedown::uninstall(backend, &context.paths, &group, how.force).await?;
        ends.extend(done.into_iter().map(|one| (one.name.to_string(), one)));
    }
    let mut done: Vec<Done> = records.iter().filter_map(|record| ends.remove(&record.name)).collect();
    tidy(context, records, all, &mut done, how.purge, warnings).await?;
    Ok(done)
}

/// What is left to do when `records` are gone: their logs, and what only they needed.
pub(crate) async fn tidy(
    context: &Context,
    records: &[Record],
    all: &[Record],
    done: &mut [Done],
    logs: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    if logs {
        purge(records, done);
    } else {
        remove_empty_logs(context, records);
    }
    let gone = |name: &str| done.iter().any(|one| one.result.is_ok() && one.name.as_str() == name);
    let boot_left = all.iter().any(|record| record.boot() && !gone(&record.name));
    let of_boot = records.iter().find(|record| record.boot());
    if let Some(record) = of_boot.filter(|_| !boot_left && context.paths.linger_mark().exists()) {
        match context.backend_of(record).outlive_logout(false).await {
            Ok(said) => {
                restore::remove(&context.paths.linger_mark())?;
                warnings.extend(said);
            }
            Err(error) => warnings.push(error.message),
        }
    }
    Ok(())
}

/// Services that depend on one that goes.
pub(crate) fn left_alone(going: &[Record], all: &[Record]) -> Vec<String> {
    let goes = |name: &String| going.iter().any(|record| record.name == *name);
    let stays = all.iter().filter(|record| !goes(&record.name));
    stays
        .flat_map(|record| {
            record
                .depends_on
                .iter()
                .filter(|name| goes(name))
                .map(move |name| format!("`{}` depends on `{name}` and won't start without it", record.name))
        })
        .collect()
}

/// Removes log files, those that were rotated too; never through a link, and only regular files of
/// the service.
fn purge(records: &[Record], done: &mut [Done]) {
    for (record, one) in records.iter().zip(done).filter(|(_, one)| one.result.is_ok()) {
        let Some(log) = &record.log else { continue };
        for file in engine::log::files(log).unwrap_or_default().into_iter().rev() {
            if !std::fs::symlink_metadata(&file).is_ok_and(|data| data.is_file()) {
                continue;
            }
            match restore::remove(&file) {
                Ok(()) => one.notes.push(format!("`{}` is removed", file.display())),
                Err(error) => one.notes.push(error.message),
            }
        }
        if let Err(cause) = engine::log::forget_times(log) {
            one.notes.push(Error::file("remove the times of", log, &cause).message);
        }
    }
}

/// A log that svc chose the place of and that nothing was ever written to is no log.
fn remove_empty_logs(context: &Context, records: &[Record]) {
    for log in records.iter().filter_map(|record| record.log.as_ref()) {
        let empty = std::fs::symlink_metadata(log).is_ok_and(|data| data.is_file() && data.len() == 0);
        if empty && log.parent() == Some(context.paths.logs().as_path()) {
            let _ = std::fs::remove_file(log); // it is empty: nothing is lost if it stays
        }
    }
}
