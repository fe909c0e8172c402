//! From rendered services to a changed machine: what differs, the checks before, the transaction.

pub(crate) mod diff;
pub(crate) mod drift;
pub(crate) mod execute;
pub(crate) mod mask;
pub(crate) mod preflight;
pub(crate) mod reach;
pub(crate) mod restore;
pub(crate) mod step;
pub(crate) mod takedown;
pub(crate) mod undo;
pub(crate) mod write;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
