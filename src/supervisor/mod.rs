//! The supervisor: one small process that runs all services of a user where no manager does.
//!
//! [`protocol`] is what commands say to it and it to them. What it runs are the job files of
//! [`crate::engine::job`], which `backend::supervisor` renders.

pub mod protocol;

use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use std::fs::File;

/// What a supervisor that was started detached writes to `told` when it listens: the command that
/// started it goes on then. Anything else is a reason why it can't, up to a line end.
pub const READY: &str = "ready\n";

/// Is the supervisor until it is told to end.
///
/// `told`: see [`READY`]; to be closed after that. An error that is returned is told by the caller.
/// When another one runs already, this is no error: it says that it is ready, and ends.
pub fn run(environment: &Environment, paths: &Paths, told: Option<File>) -> Result<(), Error> {
    let _ = (environment, paths, told);
    Err(Error::failed("the supervisor's own process is not in this build"))
}
