//! Talking to the shim of a service: it knows what launchd can't. While it runs it is asked as the
//! supervisor is; when it has ended, what it left tells what became of the program.

use crate::backend::supervisor::client::{Client, Place};
use crate::engine::machine::{Process, Saved};
use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::runtime::Runtime;
use crate::supervisor::shim;
use crate::supervisor::store::{Entry, Store};
use crate::sys::{clock, process};

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
        self.entry(name).map(|entry| entry.saved)
    }

    /// The program that a shim has left running: it was killed, and no other one has taken over yet.
    pub(super) fn left_running(&self, name: &str) -> Option<Process> {
        let entry = self.entry(name).filter(|entry| entry.boot == clock::boot_id())?;
        let lives = |main: &Process| {
            process::stat(main.pid).is_some_and(|stat| stat.start_ticks == main.start_ticks && stat.state != b'Z')
        };
        entry.saved.main().filter(lives)
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        Store::read(&self.runtime().state()).ok()?.into_iter().find(|entry| entry.name == name)
    }
}
