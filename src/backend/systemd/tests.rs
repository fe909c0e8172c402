//! Whole units: what they say, what systemd makes of them, and that no value means anything else.

mod golden;
mod hostile;
mod judge;
mod model;
mod property;
mod units;

use super::render::{NEWEST_KNOWN, Target, render};
use crate::backend::Scope;
use crate::service::{AbsPath, Service};

/// A target of this scope and version.
fn target(scope: Scope, version: u32) -> Target {
    Target { scope, version, unit_dir: "/units".into(), svc: AbsPath::new("/usr/local/bin/svc".as_ref()).ok() }
}

/// The text of `NAME.service` for the newest user manager.
fn unit(service: &Service) -> String {
    unit_for(service, &target(Scope::User, NEWEST_KNOWN))
}

fn unit_for(service: &Service, target: &Target) -> String {
    let rendered = render(service, target).unwrap_or_else(|problems| panic!("refused: {problems:?}"));
    rendered.files.into_iter().next().expect("the service comes first").contents
}

/// What is refused: the keys, sorted.
fn refused(service: &Service, scope: Scope, version: u32) -> Vec<String> {
    let problems = render(service, &target(scope, version)).expect_err("it is refused");
    let mut keys: Vec<String> = problems.into_iter().map(|problem| problem.field.unwrap_or_default()).collect();
    keys.sort();
    keys
}
