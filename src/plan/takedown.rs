//! Taking services down: stop, unlink, remove what svc wrote for them.

use super::execute::plain;
use super::restore::{remove, sync_folders};
use crate::backend::{Action, Backend, Subject, Verb};
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::report::{Done, Failure};
use crate::service::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Uninstalls: takes down and lets the manager forget.
pub(crate) async fn uninstall(
    backend: &impl Backend,
    paths: &Paths,
    records: &[Record],
    force: bool,
) -> Result<Vec<Done>, Error> {
    let done = take_down(backend, paths, records, force).await?;
    backend.load(&[]).await?;
    Ok(done)
}

/// Removes what svc wrote for these records: stop, unlink, remove; one batch. The manager has to be told to
/// load after that. One that can't be stopped stays as it is.
pub(super) async fn take_down(
    backend: &impl Backend,
    paths: &Paths,
    records: &[Record],
    force: bool,
) -> Result<Vec<Done>, Error> {
    let subjects: Vec<Subject> = records.iter().filter_map(Record::subject).collect();
    let mut failures: BTreeMap<Name, Failure> = BTreeMap::new();
    for verb in [Verb::Stop, Verb::Disable] {
        let left = subjects.iter().filter(|subject| !failures.contains_key(&subject.name));
        let actions: Vec<Action> = left.map(|subject| Action { verb, subject: subject.clone() }).collect();
        if actions.is_empty() {
            continue;
        }
        backend.ear().begun(&actions);
        for outcome in backend.perform(&actions).await? {
            backend.ear().ended(outcome.name.as_str(), outcome.verb, outcome.result.is_ok());
            if let Err(failure) = outcome.result {
                failures.entry(outcome.name).or_insert(failure);
            }
        }
    }
    let mut done = Vec::with_capacity(subjects.len());
    let mut touched = BTreeSet::new();
    for (record, subject) in records.iter().zip(&subjects) {
        let mut notes = Vec::new();
        let result = match failures.remove(&subject.name) {
            Some(failure) => Err(failure),
            None => remove_files(record, paths, force, &mut notes, &mut touched).map_err(|error| plain(error.message)),
        };
        done.push(Done { name: subject.name.clone(), did: "stopped and uninstalled".into(), pid: None, notes, result });
    }
    for subject in subjects.iter().filter(|one| done.iter().any(|done| done.name == one.name && done.result.is_ok())) {
        for path in backend.leaves(subject) {
            remove(&path)?;
        }
    }
    sync_folders(touched.iter().map(PathBuf::as_path));
    Ok(done)
}

/// A service of which only the name is left.
pub(super) fn bare(name: Name) -> Subject {
    Subject { name, scheduled: false, notify: false, log: None, depends_on: Vec::new() }
}

fn remove_files(
    record: &Record,
    paths: &Paths,
    force: bool,
    notes: &mut Vec<String>,
    touched: &mut BTreeSet<PathBuf>,
) -> Result<(), Error> {
    for file in &record.files {
        let ours = match std::fs::read_to_string(&file.path) {
            Ok(text) => matches!(crate::files::owner::owner(&text), crate::files::owner::Owner::Svc { .. }),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            Err(_) => false,
        };
        if !(ours || force) {
            notes.push(format!("`{}` is not svc's any more and stays", file.path.display()));
            continue;
        }
        remove(&file.path)?;
        touched.insert(file.path.clone());
    }
    crate::files::health::remove(paths, &record.name);
    crate::history::file::forget(paths, &record.name);
    let path = Record::path(paths, &record.name);
    remove(&path)?;
    touched.insert(path);
    Ok(())
}
