//! Whole property lists: what they say, and that no value means anything else.

mod golden;
mod model;
mod property;
mod units;

use super::render::{Target, render};
use crate::backend::Scope;
use crate::engine::job::Job;
use crate::files::paths::Paths;
use crate::service::Service;
use model::{Node, read};

/// The Mac of somebody called `me`.
fn target(scope: Scope) -> Target {
    let (folder, library) = match scope {
        Scope::User => ("/Users/me/Library/LaunchAgents", "/Users/me"),
        Scope::System => ("/Library/LaunchDaemons", "/"),
    };
    Target { scope, folder: folder.into(), paths: Paths { state: Paths::in_library(library.as_ref()), scope } }
}

/// The text of a service's property list in user scope.
pub(super) fn plist(service: &Service) -> String {
    plist_for(service, Scope::User)
}

fn plist_for(service: &Service, scope: Scope) -> String {
    let rendered = render(service, &target(scope)).unwrap_or_else(|problems| panic!("refused: {problems:?}"));
    rendered.files.into_iter().next().unwrap().contents
}

/// The property list as another reader sees it.
fn keys(service: &Service) -> Node {
    read(&plist(service))
}

/// What the shim runs.
fn job(service: &Service) -> Option<Job> {
    let rendered = render(service, &target(Scope::User)).unwrap_or_else(|problems| panic!("refused: {problems:?}"));
    rendered.files.get(1).map(|file| toml::from_str(&file.contents).unwrap())
}

/// What is refused: the keys, sorted.
fn refused(service: &Service, scope: Scope) -> Vec<String> {
    let problems = render(service, &target(scope)).expect_err("it is refused");
    let mut keys: Vec<String> = problems.into_iter().map(|problem| problem.field.unwrap_or_default()).collect();
    keys.sort();
    keys
}
