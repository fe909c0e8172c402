//! `svc export --to FORMAT`: the services of the manifest for other tools.

use super::{Context, install, render, selection};
use crate::backend::BackendKind;
use crate::backend::any::AnyBackend;
use crate::cli::{ExportArgs, ExportFormat};
use crate::convert::export::{Format, export};
use crate::definition::Definitions;
use crate::error::{Error, ErrorCode};
use crate::report::Report;

/// Runs it; no manager is asked.
pub(crate) fn run(context: &Context, args: &ExportArgs) -> Result<(Report, Vec<String>), Error> {
    let Some(mut definitions) = context.manifest()? else {
        return Err(Error::new(ErrorCode::Usage, "nothing to export: there is no `svc.toml` here")
            .hint("`svc init` makes one, `svc show NAME > svc.toml` of an installed service"));
    };
    if !args.select.selector.is_empty() && !args.select.all {
        let services = std::mem::take(&mut definitions.services);
        definitions.services =
            selection::pick(&args.select.selector, services, |one| one.name.as_str(), install::groups_of)?;
    }
    let warnings: Vec<String> = definitions.warnings.iter().map(ToString::to_string).collect();
    let format = match args.to {
        ExportFormat::Systemd => return rendered(context, BackendKind::Systemd, &definitions, warnings),
        ExportFormat::Launchd => return rendered(context, BackendKind::Launchd, &definitions, warnings),
        ExportFormat::Procfile => Format::Procfile,
        ExportFormat::Compose => Format::Compose,
        ExportFormat::Supervisord => Format::Supervisord,
        ExportFormat::Kubernetes => Format::Kubernetes,
        ExportFormat::Nomad => Format::Nomad,
    };
    Ok((Report::Converted(export(format, &definitions.services)), warnings))
}

/// The files that the backend renders.
fn rendered(
    context: &Context,
    kind: BackendKind,
    definitions: &Definitions,
    mut warnings: Vec<String>,
) -> Result<(Report, Vec<String>), Error> {
    let backend = AnyBackend::new(kind, context.scope, &context.environment);
    let (files, notes) = render::all(&backend, &definitions.services, &definitions.places)?;
    warnings.extend(notes);
    Ok((Report::Files(files), warnings))
}
