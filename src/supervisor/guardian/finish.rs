//! The end of a foreground guardian: nothing below it is left.

use crate::sys::process::{all, stat};
use crate::sys::{fds, subreaper};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What does not end by SIGKILL in this time is stuck in the kernel: nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// The children of this process now: of whoever was this process before an exec.
pub(super) fn children() -> Vec<u32> {
    let me = std::process::id();
    all().into_iter().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == me)).collect()
}

/// Kills every process below this one but `others` and what is below them, and reaps what ended.
pub(super) fn end_all(others: &[u32]) {
    let deadline = Instant::now() + PATIENCE;
    let Ok((quiet, _write)) = fds::pipe() else { return };
    loop {
        while let Ok(Some((pid, _))) = subreaper::peek_ended() {
            let _ = subreaper::reap(pid); // it is peeked at again
        }
        let left = below(others);
        if left.is_empty() || Instant::now() >= deadline {
            return;
        }
        // none forks while it is looked for the others
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in &left {
                let _ = subreaper::kill(*pid, signal); // it may have ended
            }
        }
        let _ = fds::wait(&[(quiet.as_fd(), false)], Some(PAUSE)); // at the worst without a pause
    }
}

/// Everything alive below this process that is not below one of `others`.
fn below(others: &[u32]) -> Vec<u32> {
    let stats: BTreeMap<u32, _> = all().into_iter().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut found = vec![std::process::id()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        at += 1;
        let children = stats.iter().filter(|(pid, stat)| stat.parent == parent && !others.contains(pid));
        found.extend(children.map(|(pid, _)| *pid));
    }
    found.remove(0);
    found.retain(|pid| stats.get(pid).is_some_and(|stat| stat.state != b'Z'));
    found
}
