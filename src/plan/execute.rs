//! The one transaction that installs: compare, claim, write, load, link, start, see, or put back.
//!
//! What fails is put back service by service: the others of a batch stay installed.

use super::restore::{Before, put_back, remember, sync_folders};
use crate::backend::{Action, Backend, Claim, Rendered, Scope, Subject, Verb};
use crate::definition::problem::Problem;
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::report::{Done, Failure, Observed, State};
use crate::service::{Name, Service, Start};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How to install.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) start: bool,
    pub(crate) enable: bool,
    pub(crate) force: bool,
}

/// A service with everything that its installation needs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) service: Service,
    pub(crate) rendered: Rendered,
    pub(crate) record: Record,
    pub(crate) subject: Subject,
}

impl Prepared {
    /// Renders a service; what the backend refuses comes back as problems.
    pub(crate) fn new(backend: &impl Backend, scope: Scope, service: Service) -> Result<Self, Vec<Problem>> {
        let rendered = backend.render(&service)?;
        let record = Record::new(&service, &rendered, backend.kind(), scope);
        let subject = record.subject().ok_or_else(|| vec![Problem::new("its name is not valid")])?;
        Ok(Self { service, rendered, record, subject })
    }
}

/// One service on its way.
struct Step<'a> {
    prepared: &'a Prepared,
    /// What lies at each path that is written: rendered files, then the record.
    before: Vec<(PathBuf, Before)>,
    changed: bool,
    /// Nothing of its name was installed.
    fresh: bool,
    was: Observed,
    /// The installed one, when it has other units than the new one: a timer more or less.
    other_kind: Option<Subject>,
    wants_start: bool,
    wants_link: bool,
    notes: Vec<String>,
    failure: Option<Failure>,
}

/// Installs all of `services` that can be; one [`Done`] each, in their order.
pub(crate) async fn install(
    backend: &impl Backend,
    paths: &Paths,
    services: &[Prepared],
    options: Options,
) -> Result<Vec<Done>, Error> {
    let subjects: Vec<Subject> = services.iter().map(|one| one.subject.clone()).collect();
    let names: Vec<Name> = subjects.iter().map(|subject| subject.name.clone()).collect();
    let (claims, seen) = tokio::join!(backend.claims(&names), backend.observe(&subjects));
    check_claims(&names, &claims?, options.force)?;
    let mut steps = Vec::with_capacity(services.len());
    for (prepared, was) in services.iter().zip(seen?) {
        let mut step = plan(backend, prepared, was, paths, options)?;
        if let Some(old) = &step.other_kind {
            step.was = backend.observe(std::slice::from_ref(old)).await?.remove(0);
        }
        steps.push(step);
    }
    let boot = services.iter().any(|one| one.service.start == Start::Boot);
    if boot {
        outlive_logout(backend, paths).await?;
    }
    let began = crate::sys::clock::now();
    retire(backend, &steps).await?;
    if let Err(error) = write(backend, &mut steps, paths, options) {
        put_back(steps.iter().flat_map(|step| step.before.iter().map(|(path, before)| (path.as_path(), before))))?;
        return Err(error);
    }
    tracing::debug!(services = steps.len(), "files written");
    match activate(backend, &mut steps, began).await {
        Ok(()) => {}
        Err(error) => {
            for step in &mut steps {
                step.failure.get_or_insert_with(|| plain(error.message.clone()));
            }
            undo(backend, &mut steps).await;
            return Err(error);
        }
    }
    undo(backend, &mut steps).await;
    forget_other_kind(backend, &steps)?;
    report(backend, steps).await
}

/// Removes what the manager keeps of units that the new definition has no more.
fn forget_other_kind(backend: &impl Backend, steps: &[Step<'_>]) -> Result<(), Error> {
    for step in steps.iter().filter(|step| step.failure.is_none()) {
        let kept = backend.leaves(&step.prepared.subject);
        let left = step.other_kind.iter().flat_map(|old| backend.leaves(old)).filter(|path| !kept.contains(path));
        for path in left {
            super::restore::remove(&path)?;
        }
    }
    Ok(())
}

fn plain(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), hint: None, log: Vec::new(), denied: false }
}

fn check_claims(names: &[Name], claims: &[Claim], force: bool) -> Result<(), Error> {
    let mut problems = Vec::new();
    for (name, claim) in names.iter().zip(claims) {
        let (reason, hint) = match claim {
            Claim::Free => continue,
            Claim::Foreign(_) | Claim::Masked if force => continue,
            Claim::Foreign(path) => (
                format!("`{}` is not svc's, and this name would replace or shadow it", path.display()),
                "another name, or `--force`, which keeps a copy",
            ),
            Claim::Masked => ("a unit of this name is masked".to_owned(), "another name, or unmask it first"),
        };
        problems.push(Problem::new(reason).of(name).hint(hint));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error { code: crate::error::ErrorCode::Failed, ..Error::invalid(problems) })
    }
}

fn plan<'a>(
    backend: &impl Backend,
    prepared: &'a Prepared,
    was: Observed,
    paths: &Paths,
    options: Options,
) -> Result<Step<'a>, Error> {
    let record_path = Record::path(paths, &prepared.record.name);
    let wanted = prepared.rendered.files.iter().map(|file| (file.path.clone(), file.contents.as_bytes().to_vec()));
    let wanted: Vec<(PathBuf, Vec<u8>)> = wanted.chain([(record_path, prepared.record.to_bytes())]).collect();
    let mut before = Vec::with_capacity(wanted.len());
    let mut changed = false;
    for (path, contents) in &wanted {
        let old = remember(path)?;
        changed |= !matches!(&old, Before::File { contents: there, .. } if there == contents);
        before.push((path.clone(), old));
    }
    let old = match before.last() {
        Some((_, Before::File { contents, .. })) => serde_json::from_slice::<Record>(contents).ok(),
        _ => None,
    };
    // a unit that left the definition: the timer of a service that is scheduled no more
    for file in old.iter().flat_map(|old| &old.files) {
        if !before.iter().any(|(path, _)| *path == file.path) {
            before.push((file.path.clone(), remember(&file.path)?));
        }
    }
    // what comes to be by the start goes again with a start that failed
    let made = prepared.rendered.log.iter().cloned().chain(backend.leaves(&prepared.subject));
    before.extend(
        made.filter(|path| changed && std::fs::symlink_metadata(path).is_err()).map(|path| (path, Before::Absent)),
    );
    let fresh = old.is_none();
    let other_kind = old.filter(|old| old.scheduled != prepared.subject.scheduled).and_then(|old| old.subject());
    let by_itself = prepared.service.start != Start::Manual;
    Ok(Step {
        prepared,
        before,
        changed,
        fresh,
        wants_start: options.start && by_itself,
        wants_link: options.enable && by_itself,
        was,
        other_kind,
        notes: prepared.rendered.notes.clone(),
        failure: None,
    })
}

/// Switches on what `start = "boot"` needs, before anything is written, and remembers who did.
async fn outlive_logout(backend: &impl Backend, paths: &Paths) -> Result<(), Error> {
    if backend.outlive_logout(true).await?.is_some() {
        paths.make(&paths.state).map_err(|cause| Error::file("make the folder", &paths.state, &cause))?;
        write_all(&[NewFile {
            path: &paths.linger_mark(),
            contents: b"switched on by svc\n",
            mode: paths.file_mode(),
        }])?;
    }
    Ok(())
}

/// Stops and unlinks what runs under units that the new definition has no more.
async fn retire(backend: &impl Backend, steps: &[Step<'_>]) -> Result<(), Error> {
    let old: Vec<&Subject> = steps.iter().filter_map(|step| step.other_kind.as_ref()).collect();
    if old.is_empty() {
        return Ok(());
    }
    let action = |verb| old.iter().map(move |subject| Action { verb, subject: (*subject).clone() });
    let outcomes = backend.perform(&action(Verb::Stop).chain(action(Verb::Disable)).collect::<Vec<_>>()).await?;
    match outcomes.into_iter().find_map(|outcome| Some((outcome.name, outcome.result.err()?))) {
        Some((name, failure)) => Err(Error::failed(failure.message).of(&name)),
        None => Ok(()),
    }
}

fn write(backend: &impl Backend, steps: &mut [Step<'_>], paths: &Paths, options: Options) -> Result<(), Error> {
    let mut contents: Vec<(PathBuf, Vec<u8>, u32)> = Vec::new();
    paths
        .make(&paths.services())
        .map_err(|cause| crate::files::lock::denied("make the folder", &paths.services(), &cause))?;
    for step in steps.iter_mut().filter(|step| step.changed) {
        let prepared = step.prepared;
        for (file, (_, before)) in prepared.rendered.files.iter().zip(&step.before) {
            if let Some(folder) = file.path.parent() {
                // a folder of svc's own is as private as the rest of it, whatever the umask is
                let made =
                    if folder.starts_with(&paths.state) { paths.make(folder) } else { std::fs::create_dir_all(folder) };
                made.map_err(|cause| crate::files::lock::denied("make the folder", folder, &cause))?;
            }
            if options.force
                && let Some(copy) = keep_copy(&file.path, before)?
            {
                step.notes.push(format!("what was there is kept as `{}`", copy.display()));
            }
            contents.push((file.path.clone(), file.contents.as_bytes().to_vec(), file.mode));
        }
        contents.push((Record::path(paths, &prepared.record.name), prepared.record.to_bytes(), paths.file_mode()));
        if let Some(log) = &prepared.rendered.log {
            make_log(log, &prepared.service, backend.makes_logs())?;
        }
        let kept = prepared.rendered.files.len() + 1;
        for (path, before) in &step.before[kept..] {
            if matches!(before, Before::File { .. }) {
                super::restore::remove(path)?;
            }
        }
    }
    // a link at the target would survive as a file of its own elsewhere: rename replaces the link
    let files: Vec<NewFile<'_>> =
        contents.iter().map(|(path, contents, mode)| NewFile { path, contents, mode: *mode }).collect();
    write_all(&files)
}

/// Keeps a copy of a file that is not svc's beside it.
fn keep_copy(path: &Path, before: &Before) -> Result<Option<PathBuf>, Error> {
    let Before::File { contents, mode } = before else { return Ok(None) };
    let ours = std::str::from_utf8(contents)
        .is_ok_and(|text| matches!(crate::files::owner::owner(text), crate::files::owner::Owner::Svc { .. }));
    if ours {
        return Ok(None);
    }
    let name = |n: u32| PathBuf::from(format!("{}.before-svc-{n}", path.display()));
    let copy = (1..10_000).map(name).find(|copy| std::fs::symlink_metadata(copy).is_err()).unwrap_or_else(|| name(0));
    write_all(&[NewFile { path: &copy, contents, mode: *mode }])?;
    Ok(Some(copy))
}

/// Makes a log file of the service's own, private, before the manager opens it: systemd would make
/// it readable for all, and makes no folder (quoting-facts §7). `later`: who writes it makes it just
/// so with the first line; whether that can be done is seen now.
fn make_log(path: &Path, service: &Service, later: bool) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let failed = |cause: std::io::Error| crate::files::lock::denied("make the log file", path, &cause);
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)
            .map_err(|cause| crate::files::lock::denied("make the folder", folder, &cause))?;
        if later && service.user.is_none() {
            use nix::unistd::AccessFlags;
            return nix::unistd::access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
                .map_err(|cause| failed(cause.into()));
        }
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create_new(true).mode(0o640);
    match options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path) {
        Ok(_) => {
            if let Some(user) =
                service.user.as_deref().and_then(|user| nix::unistd::User::from_name(user).ok().flatten())
            {
                let _ = std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())); // root's log is still a log
            }
            Ok(())
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(failed(cause)),
    }
}

/// Links, loads and starts what needs it; failures stay in the steps.
async fn activate(backend: &impl Backend, steps: &mut [Step<'_>], began: jiff::Timestamp) -> Result<(), Error> {
    let mut links = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let enabled = step.was.enabled.filter(|_| step.other_kind.is_none());
        let verb = match (step.wants_link, enabled) {
            (true, enabled) if enabled != Some(true) => Verb::Enable,
            (true, _) if step.changed => Verb::Enable, // the timer's link may replace the service's
            (false, _) if step.fresh && backend.starts_unless_told() => Verb::Disable,
            _ => continue,
        };
        links.push((at, Action { verb, subject: step.prepared.subject.clone() }));
    }
    carry_out(backend, steps, links).await?;
    let changed: Vec<Subject> = steps
        .iter()
        .filter(|step| step.changed || step.was.needs_load)
        .map(|step| step.prepared.subject.clone())
        .collect();
    if !changed.is_empty() {
        let complaints: BTreeMap<Name, String> = backend.load(&changed).await?.into_iter().collect();
        for step in steps.iter_mut() {
            if let Some(complaint) = complaints.get(&step.prepared.subject.name) {
                step.failure.get_or_insert_with(|| plain(complaint.clone()));
            }
        }
    }
    tracing::debug!(services = changed.len(), "definitions loaded");
    let starts = steps.iter().enumerate().filter(|(_, step)| step.failure.is_none()).filter_map(|(at, step)| {
        let up = is_up(&step.was) && step.other_kind.is_none();
        let verb = match (step.wants_start, step.changed, up) {
            (true, _, false) => Verb::Start,
            (true, true, true) if step.prepared.subject.scheduled => Verb::Start,
            (true, true, true) => Verb::Restart,
            _ => return None,
        };
        Some((at, Action { verb, subject: step.prepared.subject.clone() }))
    });
    let starts: Vec<_> = starts.collect();
    carry_out(backend, steps, starts).await?;
    complain(backend, steps, began).await;
    tracing::debug!("complaints read");
    Ok(())
}

/// Running, or armed and waiting for its time.
pub(crate) fn is_up(seen: &Observed) -> bool {
    matches!(seen.state, State::Running | State::Starting | State::Restarting) || seen.next_run_at.is_some()
}

async fn carry_out(backend: &impl Backend, steps: &mut [Step<'_>], batch: Vec<(usize, Action)>) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let actions: Vec<Action> = batch.iter().map(|(_, action)| action.clone()).collect();
    let outcomes = backend.perform(&actions).await?;
    for ((at, _), outcome) in batch.into_iter().zip(outcomes) {
        if let Err(failure) = outcome.result {
            steps[at].failure.get_or_insert(failure);
        }
    }
    Ok(())
}

/// A line that the manager ignores is a failure: the service would run without it.
async fn complain(backend: &impl Backend, steps: &mut [Step<'_>], began: jiff::Timestamp) {
    let files: Vec<PathBuf> = steps
        .iter()
        .filter(|step| step.changed)
        .flat_map(|step| step.prepared.rendered.files.iter().map(|file| file.path.clone()))
        .collect();
    if files.is_empty() {
        return;
    }
    for (file, text) in backend.complaints(&files, began).await {
        let owner = steps.iter_mut().find(|step| step.prepared.rendered.files.iter().any(|one| one.path == file));
        let Some(step) = owner else { continue };
        match &mut step.failure {
            // the manager's own words say more than that it does not load
            Some(failure) if failure.log.is_empty() => failure.log.push(text),
            Some(_) => {}
            None => step.failure = Some(plain(format!("the manager does not accept the unit: {text}"))),
        }
    }
}

/// Puts back what was there for every step that failed, and runs again what ran.
async fn undo(backend: &impl Backend, steps: &mut [Step<'_>]) {
    let failed: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].failure.is_some() && steps[*at].changed).collect();
    if failed.is_empty() {
        return;
    }
    let subjects: Vec<Subject> = failed.iter().map(|at| steps[*at].prepared.subject.clone()).collect();
    let mut actions: Vec<Action> =
        subjects.iter().map(|subject| Action { verb: Verb::Stop, subject: subject.clone() }).collect();
    actions.extend(
        failed
            .iter()
            .filter(|at| steps[**at].was.enabled != Some(true) || steps[**at].other_kind.is_some())
            .map(|at| Action { verb: Verb::Disable, subject: steps[*at].prepared.subject.clone() }),
    );
    let old = |at: &usize| steps[*at].other_kind.clone().unwrap_or_else(|| steps[*at].prepared.subject.clone());
    let mut trouble = backend.perform(&actions).await.err();
    let lain: Vec<(PathBuf, Before)> = failed.iter().flat_map(|at| steps[*at].before.clone()).collect();
    trouble = trouble.or(put_back(lain.iter().map(|(path, before)| (path.as_path(), before))).err());
    sync_folders(lain.iter().map(|(path, _)| path.as_path()));
    trouble = trouble.or(backend.load(&[]).await.err());
    let again: Vec<Action> = failed
        .iter()
        .filter(|at| is_up(&steps[**at].was))
        .map(|at| Action { verb: Verb::Start, subject: old(at) })
        .chain(
            failed
                .iter()
                .filter(|at| steps[**at].other_kind.is_some() && steps[**at].was.enabled == Some(true))
                .map(|at| Action { verb: Verb::Enable, subject: old(at) }),
        )
        .collect();
    if !again.is_empty() {
        trouble = trouble.or(backend.perform(&again).await.err());
    }
    for at in failed {
        let step = &mut steps[at];
        let files = step.prepared.rendered.files.len();
        let existed = step.before[..files].iter().any(|(_, before)| *before != Before::Absent);
        step.notes.push(match (&trouble, existed) {
            (Some(error), _) => format!("what was there could not be put back: {}", error.message),
            (None, true) => "what was there before is back".to_owned(),
            (None, false) => "nothing of it is left behind".to_owned(),
        });
    }
}

async fn report(backend: &impl Backend, steps: Vec<Step<'_>>) -> Result<Vec<Done>, Error> {
    let fine: Vec<Subject> =
        steps.iter().filter(|step| step.failure.is_none()).map(|step| step.prepared.subject.clone()).collect();
    let pids: BTreeMap<Name, Option<u32>> = if fine.len() > MANY {
        BTreeMap::new()
    } else {
        backend.observe(&fine).await?.into_iter().map(|seen| (seen.name, seen.pid)).collect()
    };
    Ok(steps
        .into_iter()
        .map(|step| Done {
            name: step.prepared.subject.name.clone(),
            did: did(&step),
            pid: pids.get(&step.prepared.subject.name).copied().flatten(),
            notes: step.notes,
            result: step.failure.map_or(Ok(()), Err),
        })
        .collect())
}

/// From so many services on their pids are not asked for: nobody reads a hundred.
const MANY: usize = 20;

fn did(step: &Step<'_>) -> String {
    let up = is_up(&step.was) && step.other_kind.is_none();
    let mut words = Vec::new();
    match (step.changed, step.was.known) {
        (true, false) => words.push("installed"),
        (true, true) => words.push("updated"),
        (false, _) => {}
    }
    if step.wants_link && (step.was.enabled != Some(true) || step.other_kind.is_some()) {
        words.push("enabled");
    }
    match (step.wants_start, step.changed, up) {
        (true, _, false) if step.prepared.subject.scheduled => words.push("armed"),
        (true, _, false) => words.push("started"),
        (true, true, true) if !step.prepared.subject.scheduled => words.push("restarted"),
        _ => {}
    }
    match words.split_last() {
        None => "unchanged".into(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Removes what svc wrote for these records: stop, unlink, remove, load; one batch.
pub(crate) async fn uninstall(
    backend: &impl Backend,
    paths: &Paths,
    records: &[Record],
    force: bool,
) -> Result<Vec<Done>, Error> {
    let subjects: Vec<Subject> = records.iter().filter_map(Record::subject).collect();
    let stop = subjects.iter().map(|subject| Action { verb: Verb::Stop, subject: subject.clone() });
    let unlink = subjects.iter().map(|subject| Action { verb: Verb::Disable, subject: subject.clone() });
    let actions: Vec<Action> = stop.chain(unlink).collect();
    let outcomes = backend.perform(&actions).await?;
    let mut failures: BTreeMap<Name, Failure> = BTreeMap::new();
    for outcome in outcomes {
        if let Err(failure) = outcome.result {
            failures.entry(outcome.name).or_insert(failure);
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
            super::restore::remove(&path)?;
        }
    }
    sync_folders(touched.iter().map(PathBuf::as_path));
    backend.load(&[]).await?;
    Ok(done)
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
        super::restore::remove(&file.path)?;
        touched.insert(file.path.clone());
    }
    crate::files::health::remove(paths, &record.name);
    let path = Record::path(paths, &record.name);
    super::restore::remove(&path)?;
    touched.insert(path);
    Ok(())
}
