//! From rendered services to a changed machine: what differs, the checks before, the transaction.

pub(crate) mod execute;
pub(crate) mod preflight;
pub(crate) mod restore;
