//! The launchd double keeps its own promises: its tests (`tests/launchd/checks`), on real processes.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;
use std::process::Command;
use support::{root, skip};

#[test]
fn the_launchd_double_behaves() {
    let test = "the_launchd_double_behaves";
    let python = Command::new("python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        return skip(test, "python3 (3.9 or newer) is missing");
    }
    let output = Command::new("python3").arg(root().join("tests/launchd/test_double.py")).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<&str> = out.lines().collect();
    let count = lines.pop().unwrap_or_default();
    for line in lines {
        let reason = line.strip_prefix("skipped ").unwrap_or(line);
        eprintln!("{reason}");
    }
    eprintln!("the launchd double: {count}");
}
