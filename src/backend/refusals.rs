//! What is wrong with one service for a backend, gathered so that all of it is said at once.

use crate::definition::problem::Problem;
use crate::service::Name;

/// Gathers what is wrong with one service.
pub(crate) struct Refusals<'a> {
    name: &'a Name,
    problems: Vec<Problem>,
}

impl<'a> Refusals<'a> {
    pub(crate) fn new(name: &'a Name) -> Self {
        Self { name, problems: Vec::new() }
    }

    /// Notes a problem with the field of this key.
    pub(crate) fn add(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Problem::new(reason).of(self.name).field(key));
    }

    /// The same with advice.
    pub(crate) fn advise(&mut self, key: impl Into<String>, reason: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(reason).of(self.name).field(key).hint(hint));
    }

    /// Notes a problem with none of its fields.
    pub(crate) fn advise_of_all(&mut self, reason: impl Into<String>, hint: &str) {
        self.problems.push(Problem::new(reason).of(self.name).hint(hint));
    }

    /// The value, or a problem with the field of this key.
    pub(crate) fn keep<T>(&mut self, key: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|reason| self.add(key, reason)).ok()
    }

    /// The value, or all of its problems.
    pub(crate) fn keep_all<T>(&mut self, value: Result<T, Vec<(String, String)>>) -> Option<T> {
        value.map_err(|all| all.into_iter().for_each(|(key, reason)| self.add(key, reason))).ok()
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// All that is wrong.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
