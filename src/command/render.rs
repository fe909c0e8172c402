//! `svc render`: the files, nothing installed.

use super::{Context, install, selection};
use crate::backend::{Backend, RenderedFile};
use crate::cli::RenderArgs;
use crate::definition::{Places, from_flags};
use crate::error::{Error, ErrorCode};
use crate::files::atomic::{NewFile, write_all};
use crate::report::{ExplainRow, Report};
use crate::service::{Field, Service};
use std::path::Path;

/// Runs it; synchronous: no manager is asked.
pub(crate) fn run(context: &Context, args: &RenderArgs) -> Result<(Report, Vec<String>), Error> {
    if args.explain {
        return Ok((Report::Explain(rows(context)), Vec::new()));
    }
    let definitions = if args.command.is_empty() && args.fields.script.is_none() {
        context.manifest()?.ok_or_else(|| {
            Error::new(ErrorCode::Usage, "nothing to render: there is no `svc.toml` here and no command was given")
                .hint("`svc render NAME -- CMD ARG…`")
        })?
    } else {
        let [name] = args.names.as_slice() else {
            return Err(Error::new(ErrorCode::Usage, "a service from the command line has one name")
                .hint("`svc render NAME -- CMD ARG…`"));
        };
        from_flags(name, &args.fields, &args.command, &context.surroundings()).map_err(Error::invalid)?
    };
    let ad_hoc = !args.command.is_empty() || args.fields.script.is_some();
    let mut warnings: Vec<String> = definitions.warnings.iter().map(ToString::to_string).collect();
    let mut services = definitions.services;
    if !args.names.is_empty() && !ad_hoc {
        services = selection::pick(&args.names, services, |service| service.name.as_str(), install::groups_of)?;
    }
    let (files, notes) = all(&context.backend, &services, &definitions.places)?;
    warnings.extend(notes);
    match &args.output {
        None => Ok((Report::Files(files), warnings)),
        Some(folder) => write_to(&context.folder.as_path().join(folder), &files).map(|()| (Report::Nothing, warnings)),
    }
}

/// The files of all services and what was left out of them, or all that can't be had.
pub(super) fn all(
    backend: &impl Backend,
    services: &[Service],
    places: &Places,
) -> Result<(Vec<RenderedFile>, Vec<String>), Error> {
    let (mut files, mut notes, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for service in services {
        match backend.render(service) {
            Ok(rendered) => {
                notes.extend(rendered.notes.iter().map(|note| format!("service `{}`: {note}", service.name)));
                files.extend(rendered.files);
            }
            Err(found) => problems.extend(found.into_iter().map(|problem| places.locate(problem))),
        }
    }
    if problems.is_empty() { Ok((files, notes)) } else { Err(Error::invalid(problems)) }
}

fn rows(context: &Context) -> Vec<ExplainRow> {
    let row = |field: &Field| ExplainRow { field: field.key(), support: context.backend.support(*field) };
    Field::ALL.iter().map(row).collect()
}

fn write_to(folder: &Path, files: &[RenderedFile]) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("make the folder", folder, &cause))?;
    let paths: Vec<_> = files.iter().map(|file| folder.join(file.path.file_name().unwrap_or_default())).collect();
    let new: Vec<NewFile<'_>> = files
        .iter()
        .zip(&paths)
        .map(|(file, path)| NewFile { path, contents: file.contents.as_bytes(), mode: file.mode })
        .collect();
    write_all(&new)
}
