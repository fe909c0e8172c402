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
pub(crate) mod suggest;
pub(crate) mod units;
pub(crate) mod value;
pub mod vanish;

pub use effective::{Secrets, mask, to_toml};
pub use flags::from_flags;
pub use manifest::{read_manifest, read_text};

use crate::backend::Scope;
use crate::service::{AbsPath, Service};
use problem::Problem;
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
    /// Scope that the services will have.
    pub scope: Scope,
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
}
