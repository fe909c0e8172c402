//! `svc exec -- PROGRAM ARG…`: becomes the program. svc is executed under a service's own name, so that macOS
//! shows that name in Login Items, and makes room at once: same process, same environment, nothing of svc left.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Only comes back with the reason why not. Signals are as launchd gave them: Rust has SIGPIPE ignored, and
/// lets go of that again here.
pub(crate) fn become_program(program: &OsStr, arguments: &[OsString]) -> io::Error {
    Command::new(program).args(arguments).exec()
}
