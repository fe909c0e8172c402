//! What a person wrote, and the way from there to a valid [`crate::service::Service`].
//!
//! A manifest and the flags of the command line become the same tree of [`value::Value`]s, each
//! with its place; [`build`] reads one table of them, field by field, into a `Service`, and gathers
//! every [`problem::Problem`] on the way. Only this module makes a `Service`.

pub(crate) mod build;
pub(crate) mod effective;
pub(crate) mod expand;
pub(crate) mod flags;
pub(crate) mod manifest;
pub mod problem;
pub(crate) mod program;
pub(crate) mod reader;
pub mod schema;
pub(crate) mod suggest;
pub(crate) mod units;
pub(crate) mod value;
pub mod vanish;

pub use effective::{Secrets, mask, to_toml};
pub use flags::from_flags;
pub use manifest::{read_manifest, read_project, read_text};
pub use schema::schema;

use crate::service::Field;
use crate::service::{AbsPath, Service};
use problem::{Place, Problem};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What a definition is read against.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Folder of the shell.
    pub folder: AbsPath,
    /// Home of the user.
    pub home: AbsPath,
    /// PATH of the shell.
    pub path: OsString,
    /// Services may run as another account: the machine's, and those of root's own supervisor.
    pub other_accounts: bool,
}

/// What a definition holds.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// `project`.
    pub project: Option<String>,
    /// All services, instances each by itself, in the order they were written.
    pub services: Vec<Service>,
    /// What deserves a word.
    pub warnings: Vec<Problem>,
    /// Where each field was written.
    pub places: Places,
}

/// Where fields were written: for problems that are found later, by a backend.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<(String, Field), Place>);

impl Places {
    /// Gives a problem that has no place that of its field.
    pub fn locate(&self, problem: Problem) -> Problem {
        let key = problem.field.as_deref().and_then(|field| Field::from_key(field.split('.').next()?));
        let found = problem.service.clone().zip(key).and_then(|key| self.0.get(&key));
        match found {
            Some(place) if problem.place == Place::Unknown => problem.at(place.clone()),
            _ => problem,
        }
    }
}

/// Where the fields of these services, which come from one table, were written.
fn places(services: &[Service], table: &reader::Table) -> Places {
    let all = services.iter().flat_map(|service| {
        table.iter().map(|(field, value)| ((service.name.to_string(), *field), value.place.clone()))
    });
    Places(all.collect())
}
