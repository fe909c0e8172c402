//! svc's own supervisor, as commands see it: one process a user, reached over a socket.
//!
//! [`render`] makes job files, pure; [`client`] finds the supervisor, or has it started by [`start`],
//! and talks to it; [`observe`] puts together what it says and what /proc says; [`perform`] carries
//! out batches; [`autostart`] and [`cron`] have it started at login and at boot. This file puts them
//! together as a [`Backend`].
//!
//! Only what needs a running supervisor starts one: a start or restart. Without one, everything is
//! stopped, and that needs nobody to say it. Nothing here waits on a runtime: all futures are ready
//! when they are first polled.

pub(crate) mod autostart;
mod block;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod cron;
mod environment;
mod marks;
pub(crate) mod observe;
pub(crate) mod perform;
mod refuse;
pub(crate) mod render;
pub(crate) mod start;
mod support;
mod survives;
pub(crate) mod target;
mod task;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;

use super::progress::Ear;
use super::{Action, Backend, BackendKind, Claim, Rendered, Scope, Subject, Support};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::error::Error;
use crate::files::owner::{Owner, owner};
use crate::files::paths::Paths;
use crate::plan::reach::Reach;
use crate::report::{Finding, Observed, Outcome, Survival};
use crate::service::{Field, Name, Service};
use crate::supervisor::protocol::{Answer, Request};
use crate::task::Store;
use client::Place;
use std::cell::OnceCell;
use std::path::PathBuf;
use target::Target;

/// The supervisor of this user; connects when first asked something.
#[derive(Debug)]
pub(crate) struct Supervisor {
    environment: Environment,
    paths: Paths,
    target: OnceCell<Target>,
    ear: Ear,
}

impl Supervisor {
    /// Without a connection: good for rendering.
    pub(crate) fn new(environment: Environment) -> Self {
        Self { paths: Paths::new(Scope::User, &environment), environment, target: OnceCell::new(), ear: Ear::default() }
    }

    fn target(&self) -> &Target {
        self.target.get_or_init(|| Target::find(&self.paths, &self.environment))
    }

    fn place(&self) -> Place<'_> {
        Place { environment: &self.environment, paths: &self.paths }
    }

    /// Lets a supervisor that runs read what changed behind its back, as when an update is taken back,
    /// and forget what has no job file any more; with the last one it ends.
    fn catch_up(&self) -> Result<(), Error> {
        let Some(mut client) = self.place().find()? else { return Ok(()) };
        let known = client.status(None, false)?;
        let (left, gone): (Vec<_>, Vec<_>) = known.into_iter().partition(|one| self.paths.job(&one.name).exists());
        let no_task = Store::at(self.paths.tasks()).is_idle();
        if left.is_empty() && marks::any_job(&self.paths) == Some(false) && no_task {
            return client.ask_done(&Request::Shutdown {});
        }
        let stale: Vec<String> = left.into_iter().filter(|one| one.needs_load).map(|one| one.name).collect();
        if !stale.is_empty() {
            match client.ask(&Request::Load { names: stale })? {
                Answer::Loaded { .. } => {} // what it does not accept goes on as it was
                other => return Err(client::odd(other)),
            }
        }
        let names: Vec<String> = gone.into_iter().map(|one| one.name).collect();
        if names.is_empty() { Ok(()) } else { client.ask_done(&Request::Forget { names }) }
    }
}

/// Whether a service starts by itself.
pub(crate) fn any_enabled(paths: &Paths) -> bool {
    !marks::all(paths).is_empty()
}

impl Backend for Supervisor {
    fn ear(&self) -> &Ear {
        &self.ear
    }

    fn kind(&self) -> BackendKind {
        BackendKind::Supervisor
    }

    fn makes_logs(&self) -> bool {
        true
    }

    /// It hands the output on itself, and puts the PID file there.
    fn takes_while_running(&self) -> Reach {
        Reach::Output
    }

    async fn forget(&self, subjects: &[Subject]) -> Result<(), Error> {
        let Some(mut client) = self.place().find()? else { return Ok(()) };
        client.ask_done(&Request::Forget { names: subjects.iter().map(|subject| subject.name.to_string()).collect() })
    }

    fn support(&self, field: Field) -> Support {
        support::support(field, self.target())
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        render::render(service, self.target())
    }

    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        let claim = |name: &Name| {
            let file = self.paths.job(name.as_str());
            match std::fs::symlink_metadata(&file) {
                Err(_) => Claim::Free,
                Ok(data) if !data.is_file() => Claim::Foreign(file),
                Ok(_) => match std::fs::read_to_string(&file).map(|text| owner(&text)) {
                    Ok(Owner::Svc { .. }) => Claim::Free,
                    Ok(Owner::Foreign) | Err(_) => Claim::Foreign(file),
                },
            }
        };
        Ok(names.iter().map(claim).collect())
    }

    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        if subjects.is_empty() {
            return self.catch_up().map(|()| Vec::new());
        }
        // one that is started later reads all of them
        let Some(mut client) = self.place().find()? else { return Ok(Vec::new()) };
        let names = subjects.iter().map(|subject| subject.name.to_string()).collect();
        let results = match client.ask(&Request::Load { names })? {
            Answer::Loaded { results } => results,
            other => return Err(client::odd(other)),
        };
        let error_of = |subject: &Subject| {
            let result = results.iter().find(|one| one.name == subject.name.as_str())?;
            Some((
                subject.name.clone(),
                format!("the supervisor does not accept its job file: {}", result.error.clone()?),
            ))
        };
        Ok(subjects.iter().filter_map(error_of).collect())
    }

    /// It has no log of its own that complaints could be in: `load` gives them all.
    async fn complaints(&self, _: &[PathBuf], _: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        Vec::new()
    }

    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        perform::perform(self.place(), &self.target().account.shell, actions, &self.ear)
    }

    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        observe::observe(self.place(), subjects)
    }

    async fn survives(&self, subject: &Subject) -> Result<Vec<Survival>, Error> {
        Ok(survives::survives(self.place(), subject))
    }

    async fn outlive_logout(&self, on: bool) -> Result<Option<String>, Error> {
        let line = if on { Some(autostart::shell_line(&autostart::command(&self.environment)?)) } else { None };
        let changed = cron::set(&self.environment, line.as_deref())?;
        let said = if on {
            "the crontab starts the supervisor at boot (`@reboot`), and with it all that is enabled"
        } else {
            "the crontab starts nothing at boot any more: no service needs it"
        };
        Ok(changed.then(|| said.to_owned()))
    }

    async fn check_machine(&self) -> Vec<Finding> {
        check::machine(self.place(), &self.target().account.shell)
    }
}
