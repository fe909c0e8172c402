//! The one transaction: compare, claim, take down, write, load, link, start, see, or put back.
//!
//! What fails is put back service by service: the others of a batch stay installed. What is to be done is decided in
//! [`super::step`], before anything is changed.

use super::step::Step;
use super::takedown;
use super::undo::{hold_up, undo};
use super::write::{outlive_logout, write};
use crate::backend::{Action, Adopted, Backend, Claim, Subject, Verb};
use crate::definition::problem::Problem;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::report::{Done, Failure, Observed};
use crate::service::{Name, Start};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(crate) use super::step::Prepared;

/// How to install.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) start: bool,
    pub(crate) enable: bool,
    pub(crate) force: bool,
}

/// All that is to be done in one transaction.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    /// Records of what is to be uninstalled.
    pub(crate) gone: Vec<Record>,
    /// Installed services beside them that need one of them, as they are before.
    pub(super) beside: Vec<(Subject, Observed)>,
    pub(super) options: Options,
}

impl<'a> Plan<'a> {
    /// Compares `services` with what is installed (`records`: all of it) and does nothing.
    pub(crate) async fn make(
        backend: &impl Backend,
        paths: &Paths,
        services: &'a [Prepared],
        records: &[Record],
        options: Options,
    ) -> Result<Self, Error> {
        let subjects: Vec<Subject> = services.iter().map(|one| one.subject.clone()).collect();
        let names: Vec<Name> = subjects.iter().map(|subject| subject.name.clone()).collect();
        let (claims, seen) = tokio::join!(backend.claims(&names), backend.observe(&subjects));
        check_claims(&names, &claims?, options.force)?;
        let mut steps = Vec::with_capacity(services.len());
        for (prepared, was) in services.iter().zip(seen?) {
            steps.push(Step::new(backend, prepared, was, paths, options).await?);
        }
        let beside = beside(backend, &steps, records).await?;
        Ok(Self { steps, gone: Vec::new(), beside, options })
    }

    /// Uninstalls these, too. What is told to stay and is taken down with one of them is started again.
    pub(crate) fn without(mut self, gone: Vec<Record>) -> Self {
        let mut down: BTreeSet<String> = gone.iter().map(|record| record.name.clone()).collect();
        loop {
            let needs = |step: &Step<'_>| {
                let old = step.old.as_ref();
                old.is_some_and(|old| {
                    !down.contains(&old.name) && old.depends_on.iter().any(|name| down.contains(name))
                })
            };
            let Some(step) = self.steps.iter_mut().find(|step| needs(step)) else { break };
            down.insert(step.prepared.record.name.clone());
            if step.is_up() && self.options.start {
                step.run = Some(if step.prepared.subject.scheduled { Verb::Start } else { Verb::Restart });
            }
        }
        self.gone = gone;
        self
    }

    /// There is nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.gone.is_empty() && self.steps.iter().all(Step::is_idle)
    }

    /// Carries it out; one [`Done`] each: the steps, then what is gone.
    pub(crate) async fn carry_out(mut self, backend: &impl Backend, paths: &Paths) -> Result<Vec<Done>, Error> {
        if self.is_idle() {
            return report(backend, self.steps).await;
        }
        let boot = self.steps.iter().any(|step| step.prepared.service.start == Start::Boot);
        if boot {
            outlive_logout(backend, paths).await?;
        }
        let began = crate::sys::clock::now();
        let down = takedown::take_down(backend, paths, &self.gone, false).await?;
        let activated = self.put_in_place(backend, paths, &down, began).await;
        if let Err(error) = &activated {
            for step in &mut self.steps {
                step.failure.get_or_insert_with(|| plain(error.message.clone()));
            }
        }
        undo(backend, &mut self.steps).await;
        let held = hold_up(backend, &mut self).await;
        crate::history::by::defined(
            paths,
            self.steps.iter().filter(|step| step.changed && step.failure.is_none()),
            began,
        );
        activated?;
        forget_other_kind(backend, &self.steps)?;
        let mut done = report(backend, self.steps).await?;
        done.extend(down);
        done.extend(held);
        Ok(done)
    }

    async fn put_in_place(
        &mut self,
        backend: &impl Backend,
        paths: &Paths,
        down: &[Done],
        began: jiff::Timestamp,
    ) -> Result<(), Error> {
        retire(backend, &mut self.steps).await?;
        write(backend, &mut self.steps, paths, self.options)?;
        tracing::debug!(services = self.steps.len(), "files written");
        activate(backend, &mut self.steps, down, began).await
    }
}

/// Installs all of `services` that can be; one [`Done`] each, in their order.
pub(crate) async fn install(
    backend: &impl Backend,
    paths: &Paths,
    services: &[Prepared],
    records: &[Record],
    options: Options,
) -> Result<Vec<Done>, Error> {
    Plan::make(backend, paths, services, records, options).await?.carry_out(backend, paths).await
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

/// What else is up and needs one of the steps, directly or through others: it may fall with that.
async fn beside(
    backend: &impl Backend,
    steps: &[Step<'_>],
    records: &[Record],
) -> Result<Vec<(Subject, Observed)>, Error> {
    let own: BTreeSet<&str> = steps.iter().map(|step| step.prepared.record.name.as_str()).collect();
    let mut reached: BTreeSet<&str> =
        steps.iter().filter(|step| !step.is_idle()).map(|step| step.prepared.record.name.as_str()).collect();
    let mut subjects = Vec::new();
    loop {
        let next = records.iter().find(|record| {
            let needs = record.depends_on.iter().any(|name| reached.contains(name.as_str()));
            needs && !reached.contains(record.name.as_str()) && record.backend == backend.kind().word()
        });
        let Some(record) = next else { break };
        reached.insert(&record.name);
        subjects.extend(record.subject().filter(|_| !own.contains(record.name.as_str())));
    }
    let seen = backend.observe(&subjects).await?;
    Ok(subjects.into_iter().zip(seen).collect())
}

pub(super) fn plain(message: impl Into<String>) -> Failure {
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
                "another name, or `--force` of `svc install`, which keeps a copy",
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

/// Stops and unlinks what runs under units that the new definition has no more.
async fn retire(backend: &impl Backend, steps: &mut [Step<'_>]) -> Result<(), Error> {
    let old: Vec<Subject> = steps.iter().filter_map(|step| step.other_kind.clone()).collect();
    if old.is_empty() {
        return Ok(());
    }
    let action = |verb| old.iter().map(move |subject| Action { verb, subject: subject.clone() });
    let outcomes = backend.perform(&action(Verb::Stop).chain(action(Verb::Disable)).collect::<Vec<_>>()).await?;
    for step in steps.iter_mut().filter(|step| step.other_kind.is_some()) {
        step.begun = true;
    }
    match outcomes.into_iter().find_map(|outcome| Some((outcome.name, outcome.result.err()?))) {
        Some((name, failure)) => Err(Error::failed(failure.message).of(&name)),
        None => Ok(()),
    }
}

/// Links, loads and starts what needs it; failures stay in the steps. `down`: what was taken down before.
async fn activate(
    backend: &impl Backend,
    steps: &mut [Step<'_>],
    down: &[Done],
    began: jiff::Timestamp,
) -> Result<(), Error> {
    let links = steps.iter().enumerate().filter_map(|(at, step)| Some((at, step.action(step.link?))));
    let links = links.collect();
    carry_out(backend, steps, links).await?;
    let loads: Vec<Subject> =
        steps.iter().filter(|step| step.loads()).map(|step| step.prepared.subject.clone()).collect();
    if !loads.is_empty() || !down.is_empty() {
        let complaints: BTreeMap<Name, String> = backend.load(&loads).await?.into_iter().collect();
        for step in steps.iter_mut() {
            if let Some(complaint) = complaints.get(&step.prepared.subject.name) {
                step.failure.get_or_insert_with(|| plain(complaint.clone()));
            }
        }
    }
    if !loads.is_empty() && !down.is_empty() {
        let gone = down.iter().filter(|done| done.result.is_ok()).map(|done| takedown::bare(done.name.clone()));
        backend.forget(&gone.collect::<Vec<_>>()).await?;
    }
    tracing::debug!(services = loads.len(), "definitions loaded");
    let (starts, stay): (Vec<usize>, Vec<usize>) =
        (0..steps.len()).filter(|at| steps[*at].failure.is_none()).partition(|at| steps[*at].run.is_some());
    let stay: Vec<Adopted> = stay
        .into_iter()
        .filter(|at| steps[*at].rewritten && !steps[*at].stale && steps[*at].is_up())
        .map(|at| Adopted { subject: steps[at].prepared.subject.clone(), files: steps[at].differing() })
        .collect();
    backend.adopt(&stay).await?;
    let starts: Vec<(usize, Action)> =
        starts.into_iter().filter_map(|at| Some((at, steps[at].action(steps[at].run?)))).collect();
    for (at, _) in &starts {
        steps[*at].begun = true;
    }
    carry_out(backend, steps, starts).await?;
    complain(backend, steps, began).await;
    tracing::debug!("complaints read");
    Ok(())
}

async fn carry_out(backend: &impl Backend, steps: &mut [Step<'_>], batch: Vec<(usize, Action)>) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let actions: Vec<Action> = batch.iter().map(|(_, action)| action.clone()).collect();
    backend.ear().begun(&actions);
    let outcomes = backend.perform(&actions).await?;
    for outcome in &outcomes {
        backend.ear().ended(outcome.name.as_str(), outcome.verb, outcome.result.is_ok());
    }
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
            did: step.did(),
            pid: pids.get(&step.prepared.subject.name).copied().flatten(),
            notes: step.notes,
            result: step.failure.map_or(Ok(()), Err),
        })
        .collect())
}

/// From so many services on their pids are not asked for: nobody reads a hundred.
const MANY: usize = 20;
