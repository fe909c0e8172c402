//! launchd as a [`Backend`]: what commands ask of it.

use super::driver::{Driver, side_by_side};
use super::launchctl::Launchctl;
use super::listed::Listed;
use super::loaded::Loaded;
use super::{Launchd, Unit, check, label, launchers, observe, perform, support, survives};
use crate::backend::progress::Ear;
use crate::backend::{Action, Adopted, Backend, BackendKind, Claim, Rendered, Scope, Subject, Support, Verb};
use crate::definition::problem::Problem;
use crate::error::{Error, ErrorCode};
use crate::files::owner::{Owner, owner};
use crate::files::record::{self, Record};
use crate::plan::reach::Reach;
use crate::report::{Finding, Observed, Outcome, Survival};
use crate::service::{Field, Name, Service};
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Launchd {
    /// The conversation, begun when it is first needed.
    pub(super) fn driver(&self) -> Result<&Driver, Error> {
        if let Some(driver) = self.driver.get() {
            return Ok(driver);
        }
        let ctl = Launchctl::find(&self.environment)?;
        Ok(self.driver.get_or_init(|| Driver::new(ctl, self.scope, self.environment.uid)))
    }

    /// A service with what lies on disk for it.
    pub(super) fn unit(&self, subject: &Subject) -> Unit {
        let name = &subject.name;
        let label = self.label(name);
        let file = label::file(&self.target, &label);
        let calendar = || {
            let record = Record::read(&self.target.paths, name.as_str())?;
            let table: toml::Table = record.definition.parse().ok()?;
            Some(table.get("service")?.get(name.as_str())?.get("schedule")?.as_str()?.to_owned())
        };
        Unit {
            name: name.clone(),
            listed: Listed::read(&file, &self.target.paths.launchers()),
            label,
            file,
            scheduled: subject.scheduled,
            calendar: if subject.scheduled { calendar() } else { None },
            log: subject.log.clone(),
            depends_on: subject.depends_on.clone(),
        }
    }

    /// Services beside those of a batch, if any of all of them depends on another.
    fn related(&self, actions: &[Action]) -> Vec<Subject> {
        if !actions.iter().any(|action| matches!(action.verb, Verb::Start | Verb::Stop | Verb::Restart)) {
            return Vec::new();
        }
        let records = record::read_all(&self.target.paths).map(|(records, _)| records).unwrap_or_default();
        let of_mine = |record: &&Record| record.backend == BackendKind::Launchd.word();
        let all: Vec<Subject> = records.iter().filter(of_mine).filter_map(Record::subject).collect();
        let depends = |subject: &Subject| !subject.depends_on.is_empty();
        if !all.iter().any(depends) && !actions.iter().any(|action| depends(&action.subject)) {
            return Vec::new();
        }
        let in_batch = |subject: &Subject| actions.iter().any(|action| action.subject.name == subject.name);
        all.into_iter().filter(|subject| !in_batch(subject)).collect()
    }

    /// Whose the label and its file are.
    fn claim(&self, driver: &Driver, name: &Name, label: &str) -> Result<Claim, Error> {
        let file = label::file(&self.target, label);
        // two services of one label: the second would replace the first
        let listed = Listed::read(&file, &self.target.paths.launchers());
        if listed.is_ok_and(|listed| listed.name.is_some_and(|of| of != name.as_str())) {
            return Ok(Claim::Foreign(file));
        }
        match std::fs::symlink_metadata(&file) {
            Ok(data) if !data.is_file() => return Ok(Claim::Foreign(file)),
            Ok(_) => {
                return Ok(match std::fs::read_to_string(&file).map(|text| owner(&text)) {
                    Ok(Owner::Svc { .. }) => Claim::Free,
                    Ok(Owner::Foreign) | Err(_) => Claim::Foreign(file),
                });
            }
            Err(_) => {}
        }
        // loaded from elsewhere: another tool's, or the machine's
        let loaded = driver.find(label)?.and_then(|found| found.job.path);
        Ok(match loaded {
            Some(path) if path != file => Claim::Foreign(path),
            _ => Claim::Free,
        })
    }

    /// Makes what a property list needs beside it; a complaint, if launchd would not load it.
    fn prepare(&self, driver: &Driver, store: &BTreeMap<String, bool>, unit: &Unit) -> Result<Option<String>, Error> {
        let listed = match &unit.listed {
            Ok(listed) => listed,
            Err(reason) => return Ok(Some(format!("launchd can't load it: {reason}"))),
        };
        if listed.label.as_deref() != Some(unit.label.as_str()) {
            return Ok(Some(format!("the label in `{}` is not `{}`", unit.file.display(), unit.label)));
        }
        if let Some(launcher) = &listed.launcher {
            launchers::make(&self.target.paths, launcher)?;
        }
        if listed.shim.is_some() {
            let folder = self.target.paths.shim();
            self.target
                .paths
                .make(&folder)
                .map_err(|cause| crate::files::lock::denied("make the folder", &folder, &cause))?;
        }
        // the store outlives what was installed before under this label
        if listed.disabled && store.get(&unit.label) == Some(&false) {
            driver.set_disabled(&unit.label, true)?;
        }
        Ok(None)
    }

    /// After files were removed: nothing of those services is left with launchd or on disk.
    fn clean(&self) -> Result<(), Error> {
        let gone = |label: &String| !label::file(&self.target, label).exists();
        let switched_off = std::mem::take(&mut *self.switched_off.borrow_mut());
        for label in switched_off.iter().filter(|label| gone(label)) {
            // no verb forgets a label: what is installed under it later is to start
            self.driver()?.set_disabled(label, false)?;
        }
        let paths = &self.target.paths;
        Loaded::labels(paths).iter().filter(|label| gone(label)).for_each(|label| Loaded::forget(paths, label));
        launchers::clean(paths);
        Ok(())
    }
}

impl Backend for Launchd {
    fn ear(&self) -> &Ear {
        &self.ear
    }

    fn kind(&self) -> BackendKind {
        BackendKind::Launchd
    }

    /// A login loads whatever lies in the folder.
    fn starts_unless_told(&self) -> bool {
        true
    }

    /// A property list is read once, when it is loaded.
    fn takes_while_running(&self) -> Reach {
        Reach::Svc
    }

    async fn adopt(&self, all: &[Adopted]) -> Result<(), Error> {
        for unit in all.iter().map(|one| self.unit(&one.subject)) {
            if let (Ok(listed), Some(loaded)) = (&unit.listed, Loaded::read(&self.target.paths, &unit.label)) {
                Loaded { hash: listed.hash.clone(), ..loaded }.write(&self.target.paths, &unit.label)?;
            }
        }
        Ok(())
    }

    async fn forget(&self, _: &[Subject]) -> Result<(), Error> {
        self.clean()
    }

    fn support(&self, field: Field) -> Support {
        support::support(field, self.scope)
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        self.rendered(service)
    }

    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        let driver = self.driver()?;
        names.iter().map(|name| self.claim(driver, name, &self.wanted_label(name))).collect()
    }

    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        if subjects.is_empty() {
            return self.clean().map(|()| Vec::new());
        }
        let driver = self.driver()?;
        let store = driver.store()?;
        let mut complaints = Vec::new();
        for subject in subjects {
            let unit = self.unit(subject);
            if let Some(complaint) = self.prepare(driver, &store, &unit)? {
                complaints.push((subject.name.clone(), complaint));
            }
        }
        Ok(complaints)
    }

    /// What launchd ignores it says in the unified log only; svc writes no key that it does not know.
    async fn complaints(&self, _: &[PathBuf], _: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        Vec::new()
    }

    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        let driver = self.driver()?;
        let store = driver.store()?;
        let wanted: Vec<(Verb, Unit)> =
            actions.iter().map(|action| (action.verb, self.unit(&action.subject))).collect();
        for (verb, unit) in &wanted {
            let mut switched_off = self.switched_off.borrow_mut();
            switched_off.retain(|label| *label != unit.label);
            if *verb == Verb::Disable {
                switched_off.insert(unit.label.clone());
            }
        }
        let others: Vec<Unit> = self.related(actions).iter().map(|subject| self.unit(subject)).collect();
        let hands = perform::Hands {
            driver,
            environment: &self.environment,
            paths: &self.target.paths,
            store: &store,
            ear: &self.ear,
        };
        let results = perform::perform(hands, &wanted, &others);
        let all = actions.iter().zip(results);
        Ok(all
            .map(|(action, result)| Outcome { name: action.subject.name.clone(), verb: action.verb, result })
            .collect())
    }

    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let driver = self.driver()?;
        let units: Vec<Unit> = subjects.iter().map(|subject| self.unit(subject)).collect();
        let single = units.len() == 1;
        let store = driver.store()?;
        let (environment, paths) = (&self.environment, &self.target.paths);
        let seen = side_by_side(&units, |unit| observe::observe(driver, environment, paths, unit, &store, single));
        // of many the others are worth showing
        let or_unknown = |(unit, seen): (&Unit, Result<Observed, Error>)| match seen {
            Err(error) if !single && error.code == ErrorCode::Failed => {
                Ok(Observed::unknown(unit.name.clone(), &error.message))
            }
            seen => seen,
        };
        units.iter().zip(seen).map(or_unknown).collect()
    }

    async fn survives(&self, subject: &Subject) -> Result<Vec<Survival>, Error> {
        let unit = self.unit(subject);
        let store = self.driver()?.store()?;
        Ok(survives::survives(self.scope, &unit, &store))
    }

    /// Agents end with the session of their user, whatever svc does; daemons never had one.
    async fn outlive_logout(&self, _: bool) -> Result<Option<String>, Error> {
        Ok(None)
    }

    async fn check_machine(&self) -> Vec<Finding> {
        check::machine(self)
    }
}

/// Only the scope decides whether a service starts without a login.
pub(super) fn starts_at_boot(scope: Scope) -> bool {
    scope == Scope::System
}
