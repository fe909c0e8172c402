//! `svc shim`: what a manager starts in place of a program. It ends as its program has ended, so that
//! the manager says the same of it.

use crate::engine::machine::Exit;
use crate::env::Environment;
use crate::error::Error;
use crate::report::Report;
use crate::supervisor::shim;
use crate::sys::signals;
use nix::sys::signal::Signal;
use std::path::Path;

/// Is the shim of a job until that has ended for good.
pub(crate) fn run(environment: &Environment, job: &Path) -> Result<(Report, Vec<String>), Error> {
    let code = match shim::run(environment, job)? {
        Some(Exit::Code(code)) => u8::try_from(code).unwrap_or(1),
        Some(Exit::Signal(number)) => {
            if let Ok(signal) = Signal::try_from(number) {
                signals::die_of(signal);
            }
            u8::try_from(128 + number).unwrap_or(1)
        }
        Some(Exit::Memory) => 137,
        Some(Exit::Unknown) | None => 0,
    };
    Ok((Report::Ended(code), Vec::new()))
}
