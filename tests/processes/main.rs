//! Guardians, supervisors and programs as real processes, with nobody else's children among them.
//!
//! This program plays every part: without arguments it is the test, `guardian DIR WORK` a guardian
//! whose supervisors do that work, `child DIR MILLIS CODE` one of their programs.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "a test; a supervisor's work takes its hand"
)]

mod guardian;
#[path = "../support/mod.rs"]
mod support;
mod tree;

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, IntoRawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use svc::engine::tree::{self as tree_of, Keepers};
use svc::sys::{fds, subreaper};

/// Name and body.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["guardian", _, work] => guardian::guardian(work),
        ["child", _, millis, code] => guardian::child(millis.parse().unwrap(), code),
        // libtest's words are of no concern but `--list`
        other => tests(other.iter().copied().find(|word| !word.starts_with('-'))),
    }
}

/// Runs the tests whose name contains the word, one after the other, and counts as libtest does.
fn tests(word: Option<&str>) -> ExitCode {
    let all = guardian::TESTS.iter().chain(&tree::TESTS);
    let chosen: Vec<&Test> = all.filter(|(name, _)| word.is_none_or(|word| name.contains(word))).collect();
    if std::env::args().any(|word| word == "--list") {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    // what is left over becomes ours, and ends with us
    subreaper::become_subreaper().unwrap();
    // what the test runner left open is no leak of svc
    for fd in (3..1024).filter_map(fds::inherited) {
        fds::set_cloexec(fd.as_fd(), true).unwrap();
        let _ = fd.into_raw_fd();
    }
    let mut failed = 0;
    for (name, test) in &chosen {
        let done = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if done { "ok" } else { "FAILED" });
        failed += usize::from(!done);
        end_all();
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {} passed; {failed} failed; 0 ignored", chosen.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

/// Ends what a test has left: its processes are our children, or become it. None is another's.
fn end_all() {
    let keepers = Keepers { pids: &[std::process::id()], realm: "", known: &BTreeSet::new() };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = tree_of::strays(keepers);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "children that do not end: {left:?}");
        for pid in left {
            subreaper::kill(pid, Signal::SIGKILL).unwrap();
        }
        while let Some((pid, _)) = subreaper::peek_ended().unwrap() {
            subreaper::reap(pid).unwrap();
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
