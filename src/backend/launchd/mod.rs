//! launchd, a user's agents and the machine's daemons. See launchd.plist(5), launchctl(1).
//!
//! [`render`] makes property lists, pure, and where launchd can't do what is asked for, job files for svc's
//! shim ([`shim_need`]); [`read_back`] holds each list against [`keys`]. [`drive`] is the part that talks to
//! launchd, through launchctl(1): [`driver`] is one conversation, [`perform`] carries out batches, by [`verbs`] of one
//! service, [`settle`] sees whether what was started stays up, [`observe`] puts together what there is to be known.

mod agent;
mod calendar;
mod check;
mod drive;
mod driver;
mod environment;
mod fragment;
mod keys;
pub(crate) mod label;
mod last_words;
mod launchctl;
mod launchers;
mod listed;
mod loaded;
mod observe;
mod own;
mod perform;
mod print;
pub(crate) mod read_back;
mod refuse;
pub(crate) mod render;
mod settle;
pub(crate) mod shim_need;
mod shimmed;
mod support;
mod survives;
pub(crate) mod task;
mod together;
mod verbs;
mod xml;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;

use super::progress::Ear;
use super::{Rendered, Scope};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::service::{Field, Name, Service};
use render::Target;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Whether a key may stand in `launchd = {…}`: launchd knows it, and no field of svc says it.
pub(crate) fn passes_through(key: &str) -> bool {
    keys::of(key).is_some() && !own::is_of_a_field(key)
}

/// launchd of one scope.
#[derive(Debug)]
pub(crate) struct Launchd {
    scope: Scope,
    environment: Environment,
    target: Target,
    /// Labels of services that were rendered, since a definition may name its own.
    labels: RefCell<BTreeMap<Name, String>>,
    /// The conversation with it.
    driver: OnceCell<driver::Driver>,
    /// Labels that were disabled, to be cleaned up when their files are removed.
    switched_off: RefCell<BTreeSet<String>>,
    ear: Ear,
}

/// A service and what lies on disk for it.
#[derive(Debug, Clone)]
struct Unit {
    name: Name,
    label: String,
    /// Its property list.
    file: PathBuf,
    /// What that says, or why it can't be read.
    listed: Result<listed::Listed, String>,
    scheduled: bool,
    /// Its calendar expression.
    calendar: Option<String>,
    log: Option<PathBuf>,
    depends_on: Vec<Name>,
}

impl Launchd {
    /// Asks nobody: good for rendering.
    pub(crate) fn new(scope: Scope, environment: Environment) -> Self {
        let folder = match scope {
            Scope::User => environment.home.as_path().join("Library/LaunchAgents"),
            Scope::System => PathBuf::from("/Library/LaunchDaemons"),
        };
        let target = Target { scope, folder, paths: Paths::new(scope, &environment) };
        Self {
            scope,
            environment,
            target,
            labels: RefCell::default(),
            driver: OnceCell::new(),
            switched_off: RefCell::default(),
            ear: Ear::default(),
        }
    }

    /// Renders a service, and remembers its label. Two labels that differ only in case are one file on a
    /// disk of macOS.
    fn rendered(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        let rendered = render::render(service, &self.target)?;
        let Some(label) = rendered.files.first().and_then(|file| label::of_file(&file.path)) else {
            return Ok(rendered);
        };
        let mut labels = self.labels.borrow_mut();
        let same = |(name, other): &(&Name, &String)| **name != service.name && other.eq_ignore_ascii_case(label);
        if let Some((name, other)) = labels.iter().find(same) {
            let reason = format!("is `{label}`, and that of `{name}` is `{other}`: one file on a disk of macOS");
            let hint = "another name, or another `label` for one of them";
            return Err(vec![Problem::new(reason).of(&service.name).field(Field::Label.key()).hint(hint)]);
        }
        labels.insert(service.name.clone(), label.to_owned());
        Ok(rendered)
    }

    /// The label of a service: as it is installed, else as it was just rendered, else the default. While one is
    /// given another label that is the old one, until its new record is written.
    fn label(&self, name: &Name) -> String {
        let record = Record::read(&self.target.paths, name.as_str());
        let label = record.filter(|record| record.backend == "launchd").as_ref().and_then(label::of_record);
        label.unwrap_or_else(|| self.wanted_label(name))
    }

    /// The label that it is to have.
    fn wanted_label(&self, name: &Name) -> String {
        self.labels.borrow().get(name).cloned().unwrap_or_else(|| label::default(name))
    }
}
