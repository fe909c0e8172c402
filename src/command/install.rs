//! `svc install`: from the command line or a manifest to running services.

use super::{Context, selection};
use crate::backend::{Backend, Scope};
use crate::cli::InstallArgs;
use crate::definition::problem::Problem;
use crate::definition::suggest::did_you_mean;
use crate::definition::{Definitions, Places, from_flags};
use crate::error::{Error, ErrorCode};
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::plan::execute::{self, Options, Prepared};
use crate::plan::preflight;
use crate::report::Report;
use crate::service::{Field, Service};
use std::collections::BTreeSet;

/// Runs it; the second part is what to warn of.
pub(crate) async fn run(context: &Context, args: &InstallArgs) -> Result<(Report, Vec<String>), Error> {
    let definitions = defined(context, args)?;
    let mut warnings: Vec<String> = definitions.warnings.iter().map(ToString::to_string).collect();
    let prepared = prepare(&context.backend, context.scope, definitions.services, &definitions.places)?;
    warnings.extend(check(&prepared, &definitions.places)?);
    if args.dry_run {
        return Ok((Report::Files(prepared.into_iter().flat_map(|one| one.rendered.files).collect()), warnings));
    }
    let _lock = Lock::take(&context.paths)?;
    let (records, damaged) = context.records()?;
    warnings.extend(damaged);
    check_records(&prepared, &records, &definitions.places, args.force)?;
    let options = Options { start: !args.no_start, enable: !args.no_enable, force: args.force };
    let moved: BTreeSet<&str> = prepared
        .iter()
        .filter(|one| records.iter().any(|record| is_same(one, record)))
        .map(|one| one.record.name.as_str())
        .collect();
    let mut done = execute::install(&context.backend, &context.paths, &prepared, &records, options).await?;
    for one in done.iter_mut().filter(|one| moved.contains(one.name.as_str())) {
        one.notes.push("it was installed from the command line, and is this manifest's from now on".into());
    }
    Ok((Report::Done(done), warnings))
}

/// Whether `record` is the same service from the command line as `prepared` is from a manifest: `svc show NAME
/// > svc.toml` was its way there, and only the place of its definition is new.
fn is_same(prepared: &Prepared, record: &Record) -> bool {
    record.manifest.is_none()
        && prepared.record.manifest.is_some()
        && record.name == prepared.record.name
        && record.backend == prepared.record.backend
        && record.definition == prepared.record.definition
}

/// The services that were asked for: `NAME … -- CMD`, or those of the manifest.
fn defined(context: &Context, args: &InstallArgs) -> Result<Definitions, Error> {
    if args.is_ad_hoc() {
        let [name] = args.names.as_slice() else {
            return Err(Error::new(ErrorCode::Usage, "a service from the command line has one name")
                .hint("`svc install NAME -- CMD ARG…`"));
        };
        return from_flags(name, &args.fields, &args.command, &context.surroundings()).map_err(Error::invalid);
    }
    if args.fields != crate::cli::fields::FieldFlags::default() {
        return Err(Error::new(
            ErrorCode::Usage,
            "fields on the command line need a command, too: a manifest has its own",
        )
        .hint("`svc install NAME [flags] -- CMD ARG…`, or write the field into `svc.toml`"));
    }
    let Some(mut definitions) = context.manifest()? else {
        let hint = match args.names.first() {
            Some(name) => format!("`svc install {} -- CMD ARG…`, or a folder with a `svc.toml`", name.escape_debug()),
            None => "`svc install NAME -- CMD ARG…`, or a folder with a `svc.toml`".to_owned(),
        };
        return Err(Error::new(
            ErrorCode::Usage,
            "nothing to install: there is no `svc.toml` here and no command was given",
        )
        .hint(hint));
    };
    if !args.names.is_empty() && !args.all {
        let services = std::mem::take(&mut definitions.services);
        definitions.services = selection::pick(&args.names, services, |one| one.name.as_str(), groups_of)?;
    }
    Ok(definitions)
}

pub(crate) fn groups_of(service: &Service) -> Vec<String> {
    service.groups.iter().map(|group| group.as_str().to_owned()).collect()
}

/// Renders all; every problem of every service at once.
pub(crate) fn prepare(
    backend: &impl Backend,
    scope: Scope,
    services: Vec<Service>,
    places: &Places,
) -> Result<Vec<Prepared>, Error> {
    let (mut prepared, mut problems) = (Vec::new(), Vec::new());
    for service in services {
        match Prepared::new(backend, scope, service) {
            Ok(one) => prepared.push(one),
            Err(found) => problems.extend(found.into_iter().map(|problem| places.locate(problem))),
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(Error::invalid(problems)) }
}

/// Tries each; what is wrong, or what to warn of.
pub(crate) fn check(prepared: &[Prepared], places: &Places) -> Result<Vec<String>, Error> {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for one in prepared {
        let found = preflight::check(&one.service);
        problems.extend(found.problems.into_iter().map(|problem| places.locate(problem)));
        warnings.extend(found.warnings);
    }
    if problems.is_empty() { Ok(warnings) } else { Err(Error::invalid(problems)) }
}

/// Names that belong to another definition, and dependencies that are nowhere.
pub(crate) fn check_records(
    prepared: &[Prepared],
    records: &[Record],
    places: &Places,
    force: bool,
) -> Result<(), Error> {
    let known: BTreeSet<&str> = records
        .iter()
        .map(|record| record.name.as_str())
        .chain(prepared.iter().map(|one| one.subject.name.as_str()))
        .collect();
    let mut problems = Vec::new();
    for one in prepared {
        let name = &one.subject.name;
        for dependency in &one.service.depends_on {
            if !known.contains(dependency.as_str()) {
                let problem = Problem::new("is neither among what is to be installed nor installed")
                    .of(name)
                    .field(Field::DependsOn.key())
                    .value(dependency.as_str());
                let others = known.iter().copied().filter(|other| *other != name.as_str());
                problems.push(places.locate(match did_you_mean(dependency.as_str(), others) {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                }));
            }
        }
        let elsewhere =
            records.iter().find(|record| record.name == one.record.name && record.backend != one.record.backend);
        if let Some(elsewhere) = elsewhere {
            let (there, here) = (elsewhere.backend.as_str(), one.record.backend.as_str());
            problems.push(
                Problem::new(format!("is installed under {there} already, and would run twice under {here}"))
                    .of(name)
                    .hint(format!("`svc uninstall {name}` first, or `--backend {there}`")),
            );
            continue;
        }
        let other =
            records.iter().find(|record| record.name == one.record.name && record.manifest != one.record.manifest);
        if let Some(other) = other.filter(|other| !force && !is_same(one, other)) {
            let place = |record: &Record| {
                record.manifest.as_ref().map_or("the command line".to_owned(), |path| format!("`{}`", path.display()))
            };
            problems.push(
                Problem::new(format!(
                    "is installed from {} already, this one is from {}",
                    place(other),
                    place(&one.record)
                ))
                .of(name)
                .hint(match &other.manifest {
                    Some(manifest) if !manifest.exists() && one.record.manifest.is_some() => format!(
                        "`{}` is gone: `svc install --force {name}` takes it over, if the project was moved",
                        manifest.display()
                    ),
                    _ => "another name, or `--force` of `svc install`, which replaces it".to_owned(),
                }),
            );
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems)) }
}

/// Only root changes the machine's services; said before anything is tried.
pub(crate) fn may_change(context: &Context) -> Result<(), Error> {
    if context.scope == Scope::System && context.environment.uid != 0 {
        let what = format!("the machine's services ({}) are root's", context.backend.kind().word());
        return Err(Error::new(ErrorCode::NotPermitted, what)
            .hint("the same command with sudo, or without `--system` for your own services"));
    }
    Ok(())
}
