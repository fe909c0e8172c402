//! The `svc` program: parse, run one command, show its report or error, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    svc::run(&std::env::args_os().collect::<Vec<_>>())
}
