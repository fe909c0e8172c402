//! One service on its way from what lies there to what its definition says: what differs, and what is to be done.
//! Nothing is changed here.

use super::drift::told_by_manager;
use super::execute::Options;
use super::reach::{self, needs_restart};
use super::restore::{Before, remember};
use crate::backend::{Action, Backend, Rendered, Scope, Subject, Verb};
use crate::definition::problem::Problem;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::record::{self, Record};
use crate::report::{Change, Failure, Observed, State};
use crate::service::{Field, FieldSet, Service, Start};
use std::path::PathBuf;

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

    fn by_itself(&self) -> bool {
        self.service.start != Start::Manual
    }
}

/// One service on its way.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) prepared: &'a Prepared,
    /// What lies at each path that is written: rendered files, then the record; then what goes.
    pub(crate) before: Vec<(PathBuf, Before)>,
    /// A file or the record differs.
    pub(crate) changed: bool,
    /// A file differs, or goes.
    pub(crate) rewritten: bool,
    /// What runs was started by something that its new files do not say.
    pub(crate) stale: bool,
    /// The record of what is installed under its name.
    pub(crate) old: Option<Record>,
    /// Fields that differ from that.
    pub(crate) fields: FieldSet,
    /// What differs without anybody having asked svc for it.
    pub(crate) drift: Vec<String>,
    pub(crate) was: Observed,
    /// The installed one, when it has other units than the new one: a timer more or less, another label.
    pub(crate) other_kind: Option<Subject>,
    /// What its links need: none, made, removed.
    pub(crate) link: Option<Verb>,
    /// What its process needs.
    pub(crate) run: Option<Verb>,
    /// That was begun.
    pub(crate) begun: bool,
    pub(crate) notes: Vec<String>,
    pub(crate) failure: Option<Failure>,
}

impl<'a> Step<'a> {
    /// Compares; `seen`: what the manager says of it.
    pub(crate) async fn new(
        backend: &impl Backend,
        prepared: &'a Prepared,
        seen: Observed,
        paths: &Paths,
        options: Options,
    ) -> Result<Self, Error> {
        let (mut before, changed) = lying(prepared, paths)?;
        let old = match before.last() {
            Some((_, Before::File { contents, .. })) => serde_json::from_slice::<Record>(contents).ok(),
            _ => None,
        };
        let files = prepared.rendered.files.len();
        let mut rewritten = before[..files].iter().zip(&prepared.rendered.files).any(|((_, before), file)| {
            !matches!(before, Before::File { contents, .. } if contents == file.contents.as_bytes())
        });
        // a unit that left the definition: the timer of a service that is scheduled no more
        for file in old.iter().flat_map(|old| &old.files) {
            if !before.iter().any(|(path, _)| *path == file.path) {
                before.push((file.path.clone(), remember(&file.path)?));
                rewritten = true;
            }
        }
        // what comes to be by the start goes again with a start that failed
        let made = prepared.rendered.log.iter().cloned().chain(backend.leaves(&prepared.subject));
        let made = made.chain([paths.history_of(&prepared.record.name)]);
        before.extend(
            made.filter(|path| changed && std::fs::symlink_metadata(path).is_err()).map(|path| (path, Before::Absent)),
        );
        let mut step = Self {
            fields: old.as_ref().map(|old| reach::changed(old, &prepared.record)).unwrap_or_default(),
            drift: Vec::new(),
            other_kind: old
                .as_ref()
                .filter(|old| old.scheduled != prepared.subject.scheduled || is_elsewhere(old, &prepared.record))
                .and_then(Record::subject),
            prepared,
            before,
            changed,
            rewritten,
            stale: false,
            old,
            was: seen,
            link: None,
            run: None,
            begun: false,
            notes: prepared.rendered.notes.clone(),
            failure: None,
        };
        if let Some(other) = &step.other_kind {
            step.was = backend.observe(std::slice::from_ref(other)).await?.remove(0);
        }
        if let Some(old) = &step.old {
            // what is as its record says, and that as it is to be, has not been touched
            let files = if changed { record::drift(&old.files) } else { Vec::new() };
            step.drift = told_by_manager(old, &step.was, files);
        }
        step.stale = rewritten && step.is_stale(backend);
        step.link = step.link(options, backend.starts_unless_told());
        step.run = step.run(options, backend);
        Ok(step)
    }

    /// Nothing of its name was installed.
    pub(crate) fn fresh(&self) -> bool {
        self.old.is_none()
    }

    /// The manager has to read its files.
    pub(crate) fn loads(&self) -> bool {
        self.rewritten || self.was.needs_load || !self.was.known
    }

    /// The files that are written anew or go.
    pub(crate) fn differing(&self) -> Vec<PathBuf> {
        let wanted = |path: &PathBuf| self.prepared.rendered.files.iter().find(|file| file.path == *path);
        let kept = self.prepared.rendered.files.len();
        // behind the rendered files lies the record, then what goes
        let files = self.before.iter().enumerate().filter(|(at, _)| *at != kept).map(|(_, one)| one);
        let differs = files.filter(|(path, before)| match (before, wanted(path)) {
            (Before::File { contents, .. }, Some(file)) => *contents != file.contents.as_bytes(),
            (Before::Absent, None) => false,
            _ => true,
        });
        differs.map(|(path, _)| path.clone()).collect()
    }

    /// Its process goes by its first file; others are of what runs beside it.
    fn first_differs(&self) -> bool {
        let first = self.prepared.rendered.files.first().map(|file| &file.path);
        self.differing().iter().any(|path| Some(path) == first)
    }

    /// There is nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        !self.changed && !self.loads() && self.link.is_none() && self.run.is_none()
    }

    /// It is up, under the units that its definition has now.
    pub(crate) fn is_up(&self) -> bool {
        is_up(&self.was) && self.other_kind.is_none()
    }

    /// What is to be done with its process, or with its links.
    pub(crate) fn action(&self, verb: Verb) -> Action {
        Action { verb, subject: self.prepared.subject.clone() }
    }

    /// Whether what runs was started by something that its new files do not say.
    fn is_stale(&self, backend: &impl Backend) -> bool {
        let Some(old) = &self.old else { return true };
        let edited = |path: &PathBuf| {
            let wrote = old.files.iter().find(|file| file.path == *path);
            let lies = self.before.iter().find(|(at, _)| at == path);
            match (wrote, lies) {
                (Some(wrote), Some((_, Before::File { contents, .. }))) => {
                    crate::files::owner::hash_bytes(contents) != wrote.sha256
                }
                (None, None) => false,
                _ => true,
            }
        };
        // what ran by an edited file can't be known
        if old.files.iter().any(|file| edited(&file.path)) {
            return true;
        }
        if self.fields == FieldSet::default() {
            // the same definition in another place changes only what the file says of itself; else this svc
            // renders otherwise than the one that wrote it
            return old.manifest == self.prepared.record.manifest
                && old.folder == self.prepared.record.folder
                && (backend.takes_while_running() == reach::Reach::Svc || self.first_differs());
        }
        needs_restart(backend, self.fields)
    }

    fn link(&self, options: Options, starts_unless_told: bool) -> Option<Verb> {
        let enabled = self.was.enabled.filter(|_| self.other_kind.is_none());
        let wanted = options.enable && self.prepared.by_itself();
        // one that a person enabled by hand stays so
        let was_to_start = self.old.as_ref().is_some_and(|old| old.start != Start::Manual.word());
        match enabled {
            enabled if wanted && enabled != Some(true) => Some(Verb::Enable),
            // the link may be another one now
            Some(true) if wanted && self.changed => Some(Verb::Enable),
            Some(true) if options.enable && !self.prepared.by_itself() && was_to_start => Some(Verb::Disable),
            _ if !wanted && self.fresh() && starts_unless_told => Some(Verb::Disable),
            _ => None,
        }
    }

    fn run(&self, options: Options, backend: &impl Backend) -> Option<Verb> {
        if !options.start {
            return None;
        }
        // it can't take the new one while the old one is loaded
        let held = self.was.needs_load && backend.takes_while_running() == reach::Reach::Svc;
        let scheduled = self.prepared.subject.scheduled;
        if self.is_up() {
            let again = self.stale || held || (scheduled && self.times_changed());
            return again.then_some(if scheduled { Verb::Start } else { Verb::Restart });
        }
        // its work is done, and it is still the same work
        let settled = self.was.state == State::Completed && !self.stale && self.other_kind.is_none();
        let was_up = is_up(&self.was);
        ((self.prepared.by_itself() && !settled) || was_up).then_some(Verb::Start)
    }

    fn times_changed(&self) -> bool {
        self.fields.contains(Field::Every) || self.fields.contains(Field::Schedule)
    }

    /// How its definition and what is installed go together.
    pub(crate) fn change(&self) -> Change {
        let same = self.old.as_ref().is_some_and(|old| old.definition == self.prepared.record.definition);
        match (self.fresh(), same) {
            (true, _) => Change::New,
            (false, true) if !self.drift.is_empty() => Change::Drifted,
            (false, true) if !self.changed => Change::Unchanged,
            (false, _) => Change::Changed,
        }
    }

    /// What was done, in the past tense, e.g. `updated and restarted`.
    pub(crate) fn did(&self) -> String {
        let words: Vec<&str> = self.words().into_iter().map(|(_, did)| did).collect();
        if words.is_empty() { "unchanged".into() } else { joined(&words) }
    }

    /// What is to be done, e.g. `update and restart`, if anything.
    pub(crate) fn does(&self) -> Option<String> {
        let words: Vec<&str> = self.words().into_iter().map(|(does, _)| does).collect();
        (!words.is_empty()).then(|| joined(&words))
    }

    fn words(&self) -> Vec<(&'static str, &'static str)> {
        let mut words = Vec::new();
        match (self.changed, self.fresh()) {
            (true, true) => words.push(("install", "installed")),
            (true, false) => words.push(("update", "updated")),
            (false, _) => {}
        }
        match self.link {
            Some(Verb::Enable) if self.was.enabled != Some(true) || self.other_kind.is_some() => {
                words.push(("enable", "enabled"));
            }
            Some(Verb::Disable) if !self.fresh() => words.push(("disable", "disabled")),
            _ => {}
        }
        match self.run {
            Some(Verb::Start) if self.prepared.subject.scheduled && !self.is_up() => words.push(("arm", "armed")),
            Some(Verb::Start) if !self.is_up() => words.push(("start", "started")),
            Some(Verb::Restart) => words.push(("restart", "restarted")),
            _ => {}
        }
        if words.is_empty() && !self.is_idle() {
            words.push(("load", "loaded"));
        }
        words
    }
}

/// `a, b and c`.
fn joined(words: &[&str]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Whether the manager knows them by different files: another label, another folder of units.
fn is_elsewhere(old: &Record, new: &Record) -> bool {
    let unit = |record: &Record| record.files.first().map(|file| file.path.clone());
    unit(old) != unit(new)
}

/// What lies at each path that is written, rendered files and then the record, and whether any of it differs.
fn lying(prepared: &Prepared, paths: &Paths) -> Result<(Vec<(PathBuf, Before)>, bool), Error> {
    let record_path = Record::path(paths, &prepared.record.name);
    let record = prepared.record.to_bytes();
    let wanted = prepared.rendered.files.iter().map(|file| (&file.path, file.contents.as_bytes()));
    let mut before = Vec::with_capacity(prepared.rendered.files.len() + 1);
    let mut changed = false;
    for (path, contents) in wanted.chain([(&record_path, record.as_slice())]) {
        let old = remember(path)?;
        changed |= !matches!(&old, Before::File { contents: there, .. } if there == contents);
        before.push((path.clone(), old));
    }
    Ok((before, changed))
}

/// Running, or armed and waiting for its time.
pub(crate) fn is_up(seen: &Observed) -> bool {
    matches!(seen.state, State::Running | State::Starting | State::Restarting) || seen.next_run_at.is_some()
}
