//! What `svc up` and `svc diff` share: the services that a manifest wants, compared with what is installed.

use super::{Context, install, selection};
use crate::backend::Backend;
use crate::definition::{Definitions, Places};
use crate::error::{Error, ErrorCode};
use crate::files::record::Record;
use crate::plan::execute::{Options, Plan, Prepared};
use crate::plan::{diff, takedown};
use crate::report::{Change, Done, PlanItem, Planned};
use crate::service::{Field, Name, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Everything is installed, enabled and started; nothing of others is touched.
const OPTIONS: Options = Options { start: true, enable: true, force: false };

/// What a manifest wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    prepared: Vec<Prepared>,
    /// All of the manifest, selected or not.
    names: BTreeSet<String>,
    manifest: PathBuf,
    selectors: Vec<String>,
    /// Where its fields were written.
    places: Places,
    pub(crate) warnings: Vec<String>,
}

impl Wanted {
    /// Reads the manifest and renders what is selected and what that depends on; `command`: for messages.
    pub(crate) fn read(context: &Context, selectors: &[String], command: &str) -> Result<Self, Error> {
        let (Some(manifest), Some(definitions)) = (context.manifest_path(), context.manifest()?) else {
            return Err(Error::new(ErrorCode::Usage, "there is no `svc.toml` here").hint(format!(
                "`svc {command} -f FILE`, or a folder with a `svc.toml`; `svc install NAME -- CMD` needs none"
            )));
        };
        let Definitions { services, places, warnings, .. } = definitions;
        let names: BTreeSet<String> = services.iter().map(|service| service.name.to_string()).collect();
        let (installed, _) = context.records()?;
        let services = if selectors.is_empty() {
            services
        } else {
            let gone = installed.iter().filter(|record| {
                Context::is_of(record, &manifest) && !services.iter().any(|one| one.name.as_str() == record.name)
            });
            selected(selectors, &services, &gone.collect::<Vec<_>>())?
        };
        let prepared = install::prepare(&context.backend, context.scope, services, &places)?;
        let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        if names.is_empty() {
            warnings.push(format!("`{}` has no service", manifest.display()));
        }
        Ok(Self { prepared, names, manifest, selectors: selectors.to_vec(), places, warnings })
    }

    /// Tries each before anything is touched; what to warn of.
    pub(crate) fn check(&self) -> Result<Vec<String>, Error> {
        let mut warnings = self.warnings.clone();
        warnings.extend(install::check(&self.prepared, &self.places)?);
        Ok(warnings)
    }

    /// Compares with `installed`, which is all of it; `prune`: what is gone from the manifest is to go.
    pub(crate) async fn compare(
        &self,
        context: &Context,
        installed: &[Record],
        prune: bool,
    ) -> Result<Compared<'_>, Error> {
        install::check_records(&self.prepared, installed, &self.places, false)?;
        let plan = Plan::make(&context.backend, &context.paths, &self.prepared, installed, OPTIONS).await?;
        let gone: Vec<Record> = installed
            .iter()
            .filter(|record| Context::is_of(record, &self.manifest) && !self.names.contains(&record.name))
            .cloned()
            .collect();
        let gone = if self.selectors.is_empty() {
            gone
        } else {
            let fits = |record: &Record| selection::fits(&self.selectors, &record.name, &record.groups);
            gone.into_iter().filter(fits).collect()
        };
        if !prune {
            return Ok(Compared { plan, elsewhere: Vec::new(), gone, prune });
        }
        let here = context.backend.kind();
        let (mine, elsewhere) = gone.iter().cloned().partition(|record| record.backend == here.word());
        Ok(Compared { plan: plan.without(mine), elsewhere, gone, prune })
    }
}

/// Those of a manifest that fit, and what they depend on in it. A selector may fit only what is `gone` from it.
fn selected(selectors: &[String], services: &[Service], gone: &[&Record]) -> Result<Vec<Service>, Error> {
    let own = services.iter().map(|service| (service.name.as_str(), install::groups_of(service)));
    let all: Vec<(&str, Vec<String>)> =
        own.chain(gone.iter().map(|record| (record.name.as_str(), record.groups.clone()))).collect();
    let picked = selection::pick(selectors, all, |one| one.0, |one| one.1.clone())?;
    let mut todo: Vec<&str> = picked.into_iter().map(|(name, _)| name).collect();
    let mut names: BTreeSet<&str> = todo.iter().copied().collect();
    while let Some(name) = todo.pop() {
        let service = services.iter().find(|service| service.name.as_str() == name);
        for dependency in service.iter().flat_map(|service| &service.depends_on) {
            if names.insert(dependency.as_str()) {
                todo.push(dependency.as_str());
            }
        }
    }
    Ok(services.iter().filter(|service| names.contains(service.name.as_str())).cloned().collect())
}

/// What is wanted beside what is there.
#[derive(Debug)]
pub(crate) struct Compared<'a> {
    plan: Plan<'a>,
    /// What is to go and is another manager's.
    elsewhere: Vec<Record>,
    /// What left the manifest.
    gone: Vec<Record>,
    prune: bool,
}

impl Compared<'_> {
    /// What is to be uninstalled.
    pub(crate) fn gone(&self) -> &[Record] {
        if self.prune { &self.gone } else { &[] }
    }

    /// The plan as it is shown.
    pub(crate) fn report(&self) -> Planned {
        let steps = self.plan.steps.iter().map(|step| PlanItem {
            name: step.prepared.subject.name.clone(),
            change: step.change(),
            fields: step.fields.iter().map(Field::key).collect(),
            drift: step.drift.clone(),
            action: step.does(),
            files: diff::of_step(step),
        });
        let gone = self.gone.iter().filter_map(|record| {
            Some(PlanItem {
                name: Name::parse(&record.name).ok()?,
                change: Change::Gone,
                fields: Vec::new(),
                drift: Vec::new(),
                action: self.prune.then(|| "stop and uninstall".to_owned()),
                files: diff::of_record(record),
            })
        });
        Planned(steps.chain(gone).collect())
    }

    /// Carries it out; one [`Done`] for each service that there was something to do for.
    pub(crate) async fn carry_out(self, context: &Context) -> Result<Vec<Done>, Error> {
        let idle: BTreeMap<Name, usize> = self
            .plan
            .steps
            .iter()
            .filter(|step| step.is_idle())
            .map(|step| (step.prepared.subject.name.clone(), step.notes.len()))
            .collect();
        let mut down = Vec::new();
        for (backend, group) in context.by_backend(&self.elsewhere) {
            let group: Vec<Record> = group.into_iter().cloned().collect();
            down.extend(takedown::uninstall(backend, &context.paths, &group, false).await?);
        }
        let mut done = self.plan.carry_out(&context.backend, &context.paths).await?;
        // unless something became of it all the same
        done.retain(|one| one.result.is_err() || idle.get(&one.name).is_none_or(|notes| one.notes.len() > *notes));
        done.extend(down);
        Ok(done)
    }
}
