//! `svc doctor`: what stands in the way, each finding with its proof and the command that mends it.

use super::{Context, install, status};
use crate::backend::{Backend, BackendKind, Scope, Subject};
use crate::cli::DoctorArgs;
use crate::definition::{Places, read_text, vanish};
use crate::error::Error;
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::plan::execute::{self, Options};
use crate::plan::preflight;
use crate::report::{Finding, Level, Mend, Observed, Report, State, Status};
use crate::service::{Exec, Name, Service};
use std::path::Path;

/// Runs it.
pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Result<(Report, Vec<String>), Error> {
    if args.fix {
        let mut notes = mend(context, args).await?;
        let (report, warnings) = look(context, args).await?;
        notes.extend(warnings);
        return Ok((report, notes));
    }
    look(context, args).await
}

async fn look(context: &Context, args: &DoctorArgs) -> Result<(Report, Vec<String>), Error> {
    let (records, damaged) = context.records()?;
    let records = if args.names.is_empty() {
        records
    } else {
        super::selection::pick(&args.names, records, |record| &record.name, |record| record.groups.clone())?
    };
    let mut findings = if args.names.is_empty() { context.backend.check_machine().await } else { Vec::new() };
    findings.extend(damaged.into_iter().map(|message| Finding {
        level: Level::Error,
        subject: "state".into(),
        message,
        fix: Some("svc doctor --fix".into()),
        service: None,
    }));
    let reachable = !findings.iter().any(|finding| finding.level == Level::Error);
    let statuses = if reachable {
        status::all(context, &records).await?.into_iter().map(Some).collect()
    } else {
        vec![None; records.len()]
    };
    for (record, status) in records.iter().zip(statuses) {
        findings.extend(of_service(context, record, status.as_ref()));
    }
    Ok((Report::Findings(findings), Vec::new()))
}

fn of_service(context: &Context, record: &Record, status: Option<&(Status, Observed)>) -> Vec<Finding> {
    let Ok(name) = Name::parse(&record.name) else { return Vec::new() };
    let system = if context.scope == Scope::System { "--system " } else { "" };
    let finding = |level, message: String, fix: Option<String>| Finding {
        level,
        subject: name.to_string(),
        message,
        fix,
        service: Some(name.clone()),
    };
    let mut found = Vec::new();
    if let Some(manifest) = record.manifest.as_ref().filter(|path| !path.exists()) {
        let fix = Some(format!("svc {system}uninstall {name}"));
        found.push(finding(Level::Warning, format!("its manifest `{}` is gone", manifest.display()), fix));
    }
    match definition_of(context, record) {
        Ok(service) => {
            let checked = preflight::check(&service);
            found.extend(checked.problems.iter().map(|problem| finding(Level::Error, problem.to_string(), None)));
            found.extend(checked.warnings.into_iter().map(|warning| finding(Level::Warning, warning, None)));
            if let Exec::Command { program, .. } = &service.exec
                && let Some(reason) = vanish::vanishes(program.as_path(), context.environment.home.as_path())
            {
                found.push(finding(Level::Warning, format!("`{program}`: {reason}"), None));
            }
        }
        Err(problem) => found.push(finding(Level::Error, problem, None)),
    }
    if let Some((status, seen)) = status {
        let mend = |drift: &String| match seen.differs.iter().find(|differs| differs.what == *drift) {
            Some(differs) => differs.mend.clone(),
            // it goes on as it was loaded until it is loaded again
            None if status.backend == BackendKind::Launchd && drift == crate::plan::drift::OLDER => {
                Mend::Svc("restart")
            }
            None => Mend::Svc("doctor --fix"),
        };
        let mend = |drift: &String| match mend(drift) {
            Mend::Svc(verb) => format!("svc {system}{verb} {name}"),
            Mend::Tool(command) => command,
        };
        let drift = status.drift.iter();
        found.extend(drift.map(|drift| finding(Level::Error, drift.clone(), Some(mend(drift)))));
        let restarts = status.restarts.unwrap_or(0);
        let message = match (status.state, &status.reason) {
            (State::Restarting, Some(reason)) => {
                Some(format!("ends and is started again (restarts: {restarts}): {reason}"))
            }
            (State::Restarting, None) => Some(format!("ends and is started again (restarts: {restarts})")),
            (State::Running | State::Starting, _) if restarts > 0 => {
                Some(format!("was restarted after it ended (restarts: {restarts})"))
            }
            _ => None,
        };
        let logs = || Some(format!("svc {system}logs {name}"));
        found.extend(message.map(|message| finding(Level::Warning, message, logs())));
        if status.state == State::Failed {
            let reason = status.reason.clone().unwrap_or_else(|| "no reason known".into());
            found.push(finding(
                Level::Error,
                format!("has failed: {reason}"),
                Some(format!("svc {system}logs {name}")),
            ));
        }
    }
    if found.is_empty() {
        found.push(finding(Level::Ok, "as it should be".into(), None));
    }
    found
}

/// The service that a record describes, as it would be read today.
fn definition_of(context: &Context, record: &Record) -> Result<Service, String> {
    let folder = record.folder.clone().unwrap_or_else(|| context.folder.as_path().to_owned());
    let file = record.manifest.clone().unwrap_or_else(|| folder.join(super::MANIFEST));
    let definitions = read_text(&record.definition, Path::new(&file), &context.surroundings()).map_err(|problems| {
        problems.first().map(crate::definition::problem::Problem::reason_with_field).unwrap_or_default()
    })?;
    let mut service = definitions.services.into_iter().next().ok_or("its record has no definition")?;
    service.asked = record.asked();
    service.origin = record.origin(&context.folder);
    Ok(service)
}

/// Sets damaged records aside, and writes again what was edited or removed, from the records.
async fn mend(context: &Context, args: &DoctorArgs) -> Result<Vec<String>, Error> {
    install::may_change(context)?;
    let _lock = Lock::take(&context.paths)?;
    let mut notes = set_aside(context)?;
    let (records, _) = context.records()?;
    let wanted: Vec<Record> =
        records.into_iter().filter(|record| args.names.is_empty() || args.names.contains(&record.name)).collect();
    let statuses = status::all(context, &wanted).await?;
    // what somebody did with the manager is not mended by writing files
    let of_files = |(status, seen): &(Status, Observed)| {
        let of_load = seen.needs_load && status.backend == BackendKind::Launchd;
        status.drift.len() > seen.differs.len() + usize::from(of_load)
    };
    let drifted: Vec<&Record> =
        wanted.iter().zip(&statuses).filter(|(_, seen)| of_files(seen)).map(|(record, _)| record).collect();
    let mut services = Vec::new();
    for record in drifted {
        match definition_of(context, record) {
            Ok(service) => services.push(service),
            Err(reason) => notes.push(format!("`{}` can't be mended: {reason}", record.name)),
        }
    }
    if services.is_empty() {
        return Ok(notes);
    }
    for (backend, group) in context.by_backend(&wanted) {
        let of_group = |service: &Service| group.iter().any(|record| record.name == service.name.as_str());
        let services: Vec<Service> = services.iter().filter(|one| of_group(one)).cloned().collect();
        if services.is_empty() {
            continue;
        }
        let prepared = install::prepare(backend, context.scope, services, &Places::default())?;
        let stale: Vec<Subject> = prepared.iter().map(|one| one.subject.clone()).collect();
        backend.load(&stale).await.ok();
        let options = Options { start: false, enable: false, force: true };
        let done = execute::install(backend, &context.paths, &prepared, &wanted, options).await?;
        notes.extend(done.into_iter().map(|one| match one.result {
            Ok(()) => format!("`{}` is as its definition says again", one.name),
            Err(failure) => format!("`{}` can't be mended: {}", one.name, failure.message),
        }));
    }
    Ok(notes)
}

/// Renames records that can't be read, so that they stand in nobody's way and are not lost.
fn set_aside(context: &Context) -> Result<Vec<String>, Error> {
    let mut notes = Vec::new();
    for path in crate::files::record::damaged(&context.paths)? {
        let aside = path.with_extension("json.damaged");
        std::fs::rename(&path, &aside).map_err(|cause| Error::file("rename", &path, &cause))?;
        notes.push(format!("the damaged record is now `{}`", aside.display()));
    }
    Ok(notes)
}
