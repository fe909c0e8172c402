//! Talking to launchd: not in this version.

use super::{Launchd, support};
use crate::backend::{Action, Backend, BackendKind, Claim, Rendered, Subject, Support};
use crate::definition::problem::Problem;
use crate::error::{Error, ErrorCode};
use crate::report::{Finding, LogLine, LogQuery, Observed, Outcome, Survival};
use crate::service::{Field, Name, Service};
use std::ops::ControlFlow;
use std::path::PathBuf;

fn not_yet() -> Error {
    Error::new(ErrorCode::Unreachable, "launchd can't be driven by this version yet")
        .hint("`svc render --backend launchd` shows the property lists; `--backend supervisor` runs services")
}

impl Backend for Launchd {
    fn kind(&self) -> BackendKind {
        BackendKind::Launchd
    }

    fn support(&self, field: Field) -> Support {
        support::support(field, self.scope)
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        self.rendered(service)
    }

    async fn claims(&self, _: &[Name]) -> Result<Vec<Claim>, Error> {
        Err(not_yet())
    }

    async fn load(&self, _: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        Err(not_yet())
    }

    async fn complaints(&self, _: &[PathBuf], _: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        Vec::new()
    }

    async fn perform(&self, _: &[Action]) -> Result<Vec<Outcome>, Error> {
        Err(not_yet())
    }

    async fn observe(&self, _: &[Subject]) -> Result<Vec<Observed>, Error> {
        Err(not_yet())
    }

    async fn survives(&self, _: &Subject) -> Result<Vec<Survival>, Error> {
        Err(not_yet())
    }

    async fn outlive_logout(&self, _: bool) -> Result<Option<String>, Error> {
        Err(not_yet())
    }

    async fn check_machine(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn logs(&self, _: &LogQuery, _: &mut dyn FnMut(LogLine) -> ControlFlow<()>) -> Result<(), Error> {
        Err(not_yet())
    }
}
