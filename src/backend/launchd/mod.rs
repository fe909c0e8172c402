//! launchd, a user's agents and the machine's daemons. See launchd.plist(5), launchctl(1).
//!
//! [`render`] makes property lists, pure, and where launchd can't do what is asked for, job files for svc's
//! shim ([`shim_need`]); [`read_back`] holds each list against [`keys`]; [`installed`] is what a list says to
//! who finds it. [`drive`] is the part that talks to launchd.

mod agent;
mod calendar;
mod drive;
mod environment;
mod fragment;
pub(crate) mod installed;
mod keys;
pub(crate) mod label;
mod own;
pub(crate) mod read_back;
mod refuse;
pub(crate) mod render;
pub(crate) mod shim_need;
mod support;
mod xml;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;

use super::{Rendered, Scope};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::files::paths::Paths;
use crate::files::record::Record;
use crate::service::{Field, Name, Service};
use render::Target;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// launchd of one scope.
#[derive(Debug)]
pub(crate) struct Launchd {
    scope: Scope,
    environment: Environment,
    target: Target,
    /// Labels of services that were rendered, since a definition may name its own.
    labels: RefCell<BTreeMap<Name, String>>,
}

impl Launchd {
    /// Asks nobody: good for rendering.
    pub(crate) fn new(scope: Scope, environment: Environment) -> Self {
        let folder = match scope {
            Scope::User => environment.home.as_path().join("Library/LaunchAgents"),
            Scope::System => PathBuf::from("/Library/LaunchDaemons"),
        };
        let target = Target { scope, folder, paths: Paths::new(scope, &environment) };
        Self { scope, environment, target, labels: RefCell::default() }
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

    /// The label of a service: as it was just rendered, else as it was installed, else the default.
    fn label(&self, name: &Name) -> String {
        if let Some(label) = self.labels.borrow().get(name) {
            return label.clone();
        }
        let path = Record::path(&self.target.paths, name.as_str());
        let record = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        let label = record.filter(|record| record.backend == "launchd").as_ref().and_then(label::of_record);
        label.unwrap_or_else(|| label::default(name))
    }
}
