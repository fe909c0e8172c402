//! The engine: starts, watches, restarts and stops programs itself, and keeps what they write.
//!
//! Used where no manager does it: by the supervisor (one process for all services of a user) and by
//! the shim (the parent of one program under a manager that lacks something). What is decided lies
//! in pure code that is told the time and what happened; what touches the kernel is thin and beside
//! it.

pub mod cgroup;
pub mod envfile;
pub mod health;
pub mod job;
pub mod log;
pub mod machine;
pub mod notify;
pub mod probe;
pub mod reach;
pub mod schedule;
pub mod spawn;
pub mod tree;

/// Says that a test is skipped, and counts it in the file that SVC_TEST_SKIPS names, as
/// `tests/support` does.
#[cfg(test)]
#[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a test says so")]
fn skip(test: &str, reason: &str) {
    use std::io::Write;
    eprintln!("skipped: {test}: {reason}");
    if let Some(file) = std::env::var_os("SVC_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(file);
        let _ = file.map(|mut file| writeln!(file, "{test}: {reason}"));
    }
}
