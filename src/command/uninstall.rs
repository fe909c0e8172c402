//! `svc uninstall`: stop, disable, remove every file svc wrote.

use super::Context;
use super::selection::{Fallback, installed};
use crate::backend::Backend;
use crate::cli::UninstallArgs;
use crate::error::Error;
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::plan::{execute, restore};
use crate::report::{Done, Report};

/// Runs it.
pub(crate) async fn run(context: &Context, args: &UninstallArgs) -> Result<(Report, Vec<String>), Error> {
    let _lock = Lock::take(&context.paths)?;
    let (records, mut warnings) = installed(context, &args.selector, args.all, Fallback::Manifest)?;
    let (all, _) = context.records()?;
    warnings.extend(left_alone(&records, &all));
    let mut done = execute::uninstall(&context.backend, &context.paths, &records, args.force).await?;
    if args.purge {
        purge(&records, &mut done);
    }
    let gone = |name: &str| done.iter().any(|one| one.result.is_ok() && one.name.as_str() == name);
    let boot_left = all.iter().any(|record| record.boot() && !gone(&record.name));
    if records.iter().any(Record::boot) && !boot_left && context.paths.linger_mark().exists() {
        match context.backend.outlive_logout(false).await {
            Ok(_) => {
                restore::remove(&context.paths.linger_mark())?;
                warnings
                    .push("lingering is off again: svc had switched it on, and no service needs it any more".into());
            }
            Err(error) => warnings.push(error.message),
        }
    }
    Ok((Report::Done(done), warnings))
}

/// Services that depend on one that goes.
fn left_alone(going: &[Record], all: &[Record]) -> Vec<String> {
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

/// Removes log files; never through a link, and only regular files of the service.
fn purge(records: &[Record], done: &mut [Done]) {
    for (record, one) in records.iter().zip(done.iter_mut().filter(|one| one.result.is_ok())) {
        let Some(log) = &record.log else { continue };
        let plain = std::fs::symlink_metadata(log).is_ok_and(|data| data.is_file());
        if plain {
            match restore::remove(log) {
                Ok(()) => one.notes.push(format!("`{}` is removed", log.display())),
                Err(error) => one.notes.push(error.message),
            }
        }
    }
}
