//! A service from the command line gets a manifest: `svc show NAME > svc.toml`, then `svc install`.
//!
//! The definition is the same, only its place is new. The files are written with that place and nothing is
//! restarted; what is installed afterwards is found unchanged.

use super::Context;
use crate::backend::{Backend, Subject};
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::record::Record;
use crate::plan::execute::Prepared;
use crate::service::Name;

/// Whether `record` is the same service from the command line as `prepared` is from a manifest.
pub(crate) fn is_same(prepared: &Prepared, record: &Record) -> bool {
    record.manifest.is_none()
        && prepared.record.manifest.is_some()
        && record.name == prepared.record.name
        && record.backend == prepared.record.backend
        && record.definition == prepared.record.definition
}

/// Writes the new place of the definition into the files of all that are [`is_same`]; their names.
pub(crate) async fn adopt(context: &Context, all: &[Prepared], records: &[Record]) -> Result<Vec<Name>, Error> {
    let mine: Vec<&Prepared> = all
        .iter()
        .filter(|one| records.iter().any(|record| is_same(one, record) && is_untouched(context, one, record)))
        .collect();
    if mine.is_empty() {
        return Ok(Vec::new());
    }
    let new: Vec<_> =
        mine.iter().map(|one| (Record::path(&context.paths, &one.record.name), one.record.to_bytes())).collect();
    let rendered = mine.iter().flat_map(|one| &one.rendered.files);
    let mut files: Vec<NewFile<'_>> = rendered
        .map(|file| NewFile { path: &file.path, contents: file.contents.as_bytes(), mode: file.mode })
        .collect();
    let mode = context.paths.file_mode();
    files.extend(new.iter().map(|(path, contents)| NewFile { path, contents, mode }));
    write_all(&files)?;
    let subjects: Vec<Subject> = mine.iter().map(|one| one.subject.clone()).collect();
    for subject in &subjects {
        if let Some(old) = records.iter().find(|record| record.name == subject.name.as_str()) {
            context.backend.only_place_is_new(subject, old)?;
        }
    }
    match context.backend.load(&subjects).await?.into_iter().next() {
        Some((name, complaint)) => Err(Error::failed(complaint).of(&name)),
        None => Ok(subjects.into_iter().map(|subject| subject.name).collect()),
    }
}

/// Its files lie there as the old place would render them: nothing but the place is new. A file edited by
/// hand, or one of an older svc, is the whole transaction's.
fn is_untouched(context: &Context, prepared: &Prepared, record: &Record) -> bool {
    let mut service = prepared.service.clone();
    service.origin = record.origin(&context.folder);
    context.backend.render(&service).is_ok_and(|old| {
        old.files.len() == record.files.len()
            && old
                .files
                .iter()
                .all(|file| std::fs::read(&file.path).is_ok_and(|contents| contents == file.contents.as_bytes()))
    })
}
