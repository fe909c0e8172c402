//! `svc status` and `svc list`: what the manager says, beside what svc wrote.

use super::Context;
use super::selection::{Fallback, installed};
use crate::backend::{Backend, BackendKind, Scope, Subject};
use crate::cli::SelectArgs;
use crate::definition::vanish;
use crate::error::Error;
use crate::files;
use crate::files::health::{Health, HealthState};
use crate::files::paths::Paths;
use crate::files::record::{self, Record};
use crate::plan::drift::told_by_manager;
use crate::report::{Detail, LogLine, Observed, Report, State, Status, Survival};
use crate::service::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Log lines in the detailed view.
const LAST_LINES: usize = 10;
/// From so many services on a second thread is worth its start.
const MANY: usize = 64;

/// Runs it.
pub(crate) async fn run(context: &Context, args: &SelectArgs, json: bool) -> Result<(Report, Vec<String>), Error> {
    let (records, warnings) = installed(context, &args.selector, args.all, Fallback::ManifestOrAll)?;
    let single =
        args.selector.len() == 1 && records.len() == 1 && !args.selector[0].contains(['*', '?', '[', '{', '@']);
    if single && !json {
        // the log is read and the rest asked for while the manager answers
        let (record, subject) = (&records[0], subject(&records[0])?);
        let (statuses, survives, log_lines) =
            tokio::join!(all(context, &records), context.backend_of(record).survives(&subject), async {
                super::logs::last(context, record, LAST_LINES)
            });
        let (status, seen) = statuses?.into_iter().next().ok_or_else(|| Error::failed("the record is gone"))?;
        let detail = detail(context, record, status, seen, log_lines, survives?);
        return Ok((Report::Detail(Box::new(detail)), warnings));
    }
    let statuses = all(context, &records).await?;
    Ok((Report::Status(statuses.into_iter().map(|(status, _)| status).collect()), warnings))
}

/// What every record's service is doing, in their order.
pub(crate) async fn all(context: &Context, records: &[Record]) -> Result<Vec<(Status, Observed)>, Error> {
    let observe = observe(context, records);
    let gone = gone_manifests(records);
    if records.iter().all(|record| record.backend == BackendKind::Supervisor.word()) {
        let seen = observe.await?;
        let all = records.iter().zip(seen);
        return Ok(all
            .map(|(record, seen)| (status(record, &seen, drift(record, &seen, context), &gone, context), seen))
            .collect());
    }
    // the files are compared while the manager answers; many on a thread of their own
    let (seen, drifts) = if records.len() < MANY {
        tokio::join!(observe, async { records.iter().map(|record| record::drift(&record.files)).collect() })
    } else {
        let compared = drifts(records);
        (observe.await, compared.join().unwrap_or_default())
    };
    let seen = seen?;
    let all = records.iter().zip(seen).zip(drifts);
    Ok(all.map(|((record, seen), drift)| (status(record, &seen, drift, &gone, context), seen)).collect())
}

/// Manifests of these records that are not there any more; each is looked for once.
fn gone_manifests(records: &[Record]) -> BTreeSet<&Path> {
    let all: BTreeSet<&Path> = records.iter().filter_map(|record| record.manifest.as_deref()).collect();
    all.into_iter().filter(|path| !path.exists()).collect()
}

fn subject(record: &Record) -> Result<Subject, Error> {
    record.subject().ok_or_else(|| Error::failed("its record is damaged"))
}

/// What the manager of each says, in the order of the records. One that can't be reached is an error,
/// unless there are others, which are worth showing.
async fn observe(context: &Context, records: &[Record]) -> Result<Vec<Observed>, Error> {
    let groups = context.by_backend(records);
    let single = groups.len() == 1;
    let mut all: BTreeMap<Name, Observed> = BTreeMap::new();
    for (backend, group) in groups {
        let subjects: Vec<_> = group.iter().filter_map(|record| record.subject()).collect();
        match backend.observe(&subjects).await {
            Ok(seen) => all.extend(seen.into_iter().map(|one| (one.name.clone(), one))),
            Err(error) if single => return Err(error),
            Err(error) => all.extend(
                subjects
                    .into_iter()
                    .map(|subject| (subject.name.clone(), Observed::unknown(subject.name, &error.message))),
            ),
        }
    }
    Ok(records.iter().filter_map(|record| all.remove(&Name::parse(&record.name).ok()?)).collect())
}

/// How the files of a record differ from what svc wrote; read only where the manager does not know.
fn drift(record: &Record, seen: &Observed, context: &Context) -> Vec<String> {
    match (&record.files[..], &seen.loaded) {
        ([file], Some(hash)) if *hash == file.sha256 && file.path == context.paths.job(&record.name) => Vec::new(),
        _ => record::drift(&record.files),
    }
}

/// How the files of each record differ from what svc wrote, on a thread of its own.
fn drifts(records: &[Record]) -> std::thread::JoinHandle<Vec<Vec<String>>> {
    let files: Vec<_> = records.iter().map(|record| record.files.clone()).collect();
    std::thread::spawn(move || files.iter().map(|files| record::drift(files)).collect())
}

fn status(record: &Record, seen: &Observed, drift: Vec<String>, gone: &BTreeSet<&Path>, context: &Context) -> Status {
    let drift = told_by_manager(record, seen, drift);
    Status {
        name: seen.name.clone(),
        kind: "service",
        backend: context.backend_of(record).kind(),
        scope: context.scope,
        state: seen.state,
        enabled: seen.enabled,
        pid: seen.pid,
        started_at: seen.started_at,
        restarts: seen.restarts,
        exit_code: seen.exit_code,
        signal: seen.signal.clone(),
        memory_bytes: seen.memory_bytes,
        cpu_seconds: seen.cpu_seconds,
        status_text: seen.status_text.clone(),
        stage: None,
        progress: None,
        eta_seconds: None,
        health: health(record, seen, context),
        project: record.project.clone(),
        manifest: record.manifest.clone(),
        manifest_missing: record.manifest.as_ref().is_some_and(|path| gone.contains(path.as_path())),
        drifted: !drift.is_empty(),
        files: record.files.iter().map(|file| file.path.clone()).collect(),
        log: record.log.clone(),
        next_run_at: seen.next_run_at,
        reason: unhealthy(record, seen, context).or_else(|| seen.reason.clone()),
        log_rate: seen.log_rate,
        drift,
        groups: record.groups.clone(),
        armed: seen.next_run_at.is_some() && seen.state != State::Failed,
    }
}

/// Why it was stopped and restarted until its limit, where its manager only saw that it was stopped.
fn unhealthy(record: &Record, seen: &Observed, context: &Context) -> Option<String> {
    let by_systemd = record.health && record.backend == BackendKind::Systemd.word() && seen.state == State::Failed;
    let found = by_systemd.then(|| files::health::read(&context.paths, &record.name)).flatten()?;
    let why = found.message.filter(|_| found.state == HealthState::Unhealthy)?;
    Some(format!("unhealthy: {why}; {}", seen.reason.as_deref().unwrap_or_default()))
}

/// What the checks found: of this run, not of one before.
fn health(record: &Record, seen: &Observed, context: &Context) -> Option<Health> {
    if !record.health || seen.pid.is_none() {
        return None;
    }
    if record.backend == BackendKind::Launchd.word() {
        let own = crate::supervisor::shim::folder(&context.paths, &record.name, context.environment.uid);
        return files::health::read(&Paths { state: own, ..context.paths.clone() }, &record.name);
    }
    files::health::read(&context.paths, &record.name)
}

fn detail(
    context: &Context,
    record: &Record,
    status: Status,
    seen: Observed,
    log_lines: Vec<LogLine>,
    mut survives: Vec<Survival>,
) -> Detail {
    let definition = Definition::read(record);
    survives.extend(upgrade(definition.program.as_deref(), context));
    Detail {
        next: next(&status),
        description: definition.description,
        command: definition.command,
        processes: seen.processes,
        metrics_from: seen.metrics_from,
        log_lines,
        survives,
        status,
    }
}

/// What the detailed view shows of the recorded definition.
struct Definition {
    description: Option<String>,
    command: String,
    program: Option<String>,
}

impl Definition {
    fn read(record: &Record) -> Self {
        let table: toml::Table = record.definition.parse().unwrap_or_default();
        let service = table.get("service").and_then(|all| all.get(record.name.as_str()));
        let text = |key: &str| Some(service?.get(key)?.as_str()?.to_owned());
        let words: Option<Vec<String>> = service
            .and_then(|service| service.get("command"))
            .and_then(|command| command.as_array())
            .map(|words| words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect());
        let command = match (&words, text("script")) {
            (Some(words), _) => shell_words::join(words),
            (None, Some(script)) => format!("/bin/sh -eu -c {}", shell_words::quote(&script)),
            (None, None) => String::new(),
        };
        Self { description: text("description"), command, program: words.and_then(|words| words.into_iter().next()) }
    }
}

/// Whether an upgrade of its program breaks it.
fn upgrade(program: Option<&str>, context: &Context) -> Option<Survival> {
    let program = Path::new(program?);
    let name = program.file_name()?.to_string_lossy().into_owned();
    let reason = vanish::vanishes(program, context.environment.home.as_path())?;
    Some(Survival { what: format!("upgrade of {name}"), yes: false, note: Some(reason) })
}

fn next(status: &Status) -> Option<String> {
    let name = &status.name;
    let system = if status.scope == Scope::System { "--system " } else { "" };
    if status.drifted {
        return Some(format!("svc {system}doctor {name}"));
    }
    match status.state {
        State::Failed | State::Restarting => Some(format!("svc {system}logs {name}, then svc {system}restart {name}")),
        State::Stopped | State::Completed if !status.armed => Some(format!("svc {system}start {name}")),
        State::Starting | State::Running | State::Stopping | State::Stopped | State::Completed => None,
        State::Queued | State::Cancelled => None,
    }
}
