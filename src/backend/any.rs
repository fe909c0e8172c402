//! The backend in use: one of a closed set, forwarding to it.

use super::launchd::Launchd;
use super::progress::Ear;
use super::supervisor::Supervisor;
use super::systemd::Systemd;
use super::{Action, Adopted, Backend, BackendKind, Claim, Rendered, Scope, Subject, Support};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::error::Error;
use crate::plan::reach::Reach;
use crate::report::{Observed, Outcome, Survival};
use crate::service::{Field, Name, Service};
use std::path::PathBuf;

/// One of the backends.
#[derive(Debug)]
pub(crate) enum AnyBackend {
    /// systemd.
    Systemd(Box<Systemd>),
    /// launchd.
    Launchd(Box<Launchd>),
    /// svc's own.
    Supervisor(Box<Supervisor>),
}

impl AnyBackend {
    /// The one of this kind.
    pub(crate) fn new(kind: BackendKind, scope: Scope, environment: &Environment) -> Self {
        match kind {
            BackendKind::Systemd => Self::Systemd(Box::new(Systemd::new(scope, environment.clone()))),
            BackendKind::Launchd => Self::Launchd(Box::new(Launchd::new(scope, environment.clone()))),
            BackendKind::Supervisor => Self::Supervisor(Box::new(Supervisor::new(environment.clone()))),
        }
    }
}

macro_rules! forward {
    ($self:ident, $backend:ident => $call:expr) => {
        match $self {
            Self::Systemd($backend) => $call,
            Self::Launchd($backend) => $call,
            Self::Supervisor($backend) => $call,
        }
    };
}

impl Backend for AnyBackend {
    fn kind(&self) -> BackendKind {
        forward!(self, backend => backend.kind())
    }

    fn begin(&self) {
        forward!(self, backend => backend.begin());
    }

    fn ear(&self) -> &Ear {
        forward!(self, backend => backend.ear())
    }

    fn starts_unless_told(&self) -> bool {
        forward!(self, backend => backend.starts_unless_told())
    }

    fn takes_while_running(&self) -> Reach {
        forward!(self, backend => backend.takes_while_running())
    }

    async fn adopt(&self, all: &[Adopted]) -> Result<(), Error> {
        forward!(self, backend => backend.adopt(all).await)
    }

    async fn forget(&self, subjects: &[Subject]) -> Result<(), Error> {
        forward!(self, backend => backend.forget(subjects).await)
    }

    fn leaves(&self, subject: &Subject) -> Vec<PathBuf> {
        forward!(self, backend => backend.leaves(subject))
    }

    fn makes_logs(&self) -> bool {
        forward!(self, backend => backend.makes_logs())
    }

    fn support(&self, field: Field) -> Support {
        forward!(self, backend => backend.support(field))
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        forward!(self, backend => backend.render(service))
    }

    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        forward!(self, backend => backend.claims(names).await)
    }

    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        forward!(self, backend => backend.load(subjects).await)
    }

    async fn complaints(&self, files: &[PathBuf], since: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        forward!(self, backend => backend.complaints(files, since).await)
    }

    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        forward!(self, backend => backend.perform(actions).await)
    }

    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        forward!(self, backend => backend.observe(subjects).await)
    }

    async fn survives(&self, subject: &Subject) -> Result<Vec<Survival>, Error> {
        forward!(self, backend => backend.survives(subject).await)
    }

    async fn outlive_logout(&self, on: bool) -> Result<Option<String>, Error> {
        forward!(self, backend => backend.outlive_logout(on).await)
    }

    async fn check_machine(&self) -> Vec<crate::report::Finding> {
        forward!(self, backend => backend.check_machine().await)
    }
}
