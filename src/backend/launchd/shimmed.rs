//! Talking to the shim of a service: it knows what launchd can't. While it runs it is asked as the
//! supervisor is; when it has ended, what it left tells what became of the program.

use crate::backend::supervisor::client::{Client, Place};
use crate::engine::machine::Saved;
use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::runtime::Runtime;
use crate::supervisor::shim;
use crate::supervisor::store::Store;

/// The folder that the shim of a service works in.
#[derive(Debug)]
pub(super) struct Shimmed<'a> {
    environment: &'a Environment,
    /// Whose state lies in that folder.
    paths: Paths,
}

impl<'a> Shimmed<'a> {
    pub(super) fn new(environment: &'a Environment, paths: &Paths, name: &str) -> Self {
        let folder = shim::folder(paths, name, environment.uid);
        Self { environment, paths: Paths { state: folder, ..paths.clone() } }
    }

    fn runtime(&self) -> Runtime {
        Runtime { folder: self.paths.state.clone() }
    }

    /// The shim, if it runs.
    pub(super) fn client(&self) -> Result<Option<Client<'_>>, Error> {
        Place { environment: self.environment, paths: &self.paths }.find_at(self.runtime())
    }

    /// What it last wrote down.
    pub(super) fn left(&self, name: &str) -> Option<Saved> {
        let entries = Store::read(&self.runtime().state()).ok()?;
        entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.saved)
    }
}
