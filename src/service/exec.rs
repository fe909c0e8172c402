//! What runs: a program with arguments, or a script for `/bin/sh -eu`.

use super::AbsPath;
use super::Signal;
use std::ffi::OsString;

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exec {
    /// `command`: no shell in between.
    Command {
        /// The program, found in PATH when the definition was read.
        program: AbsPath,
        /// The word that the person wrote for it, e.g. `node`.
        written: String,
        /// Arguments after the program. No NUL in any.
        args: Vec<OsString>,
    },
    /// `script`: text for `/bin/sh -eu`. No NUL.
    Script(String),
}

/// What `svc reload` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// Sends this signal to the main process.
    Signal(Signal),
    /// Runs this.
    Command(Exec),
}
