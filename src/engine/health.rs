//! Checks the health of one service, again and again: at its port, its address, or by a command.
//!
//! A process of its own does it, so that nobody waits for a look-up of a name or a connection that
//! hangs; between two checks it sleeps. Under the supervisor it is forked for the service and ends when
//! there is something to be done; under systemd it is the companion unit of the service.

use super::job::{Bytes, Check, Job};
use super::machine::{Exit, span};
use super::reach::{self, Expect};
use super::spawn::{Extra, prepare_command};
use crate::error::io_reason;
use crate::files::health::{self, Health, HealthState};
use crate::files::paths::Paths;
use crate::sys::subreaper::{self, Side};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use regex::bytes::Regex;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The first check comes so soon after the start, if the interval is longer.
const FIRST: Duration = Duration::from_secs(1);
/// Between two looks at a command that is under way: from the first to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LONGEST_LOOK: Duration = Duration::from_millis(50);

/// Exit codes of the process of [`fork`].
pub const BAD: u8 = 1;
/// It was bad and is good again.
pub const GOOD: u8 = 2;

/// A change of health that somebody must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Bad for good, with the reason of the last check.
    Bad(String),
    /// Good again.
    Good,
}

/// Counts what checks find. Pure.
#[derive(Debug)]
struct Count {
    retries: u32,
    /// Failures in a row.
    failures: u32,
    state: HealthState,
}

impl Count {
    /// What one check means; `counts`: the time of grace is over.
    fn take(&mut self, result: &Result<(), String>, counts: bool) -> Option<Change> {
        match result {
            Ok(()) => {
                let was = std::mem::replace(&mut self.state, HealthState::Healthy);
                self.failures = 0;
                (was == HealthState::Unhealthy).then_some(Change::Good)
            }
            // one that has been well once has used up its grace
            Err(_) if !counts && self.state == HealthState::Starting => None,
            Err(reason) => {
                self.failures = self.failures.saturating_add(1);
                let turns = self.failures >= self.retries && self.state != HealthState::Unhealthy;
                if turns {
                    self.state = HealthState::Unhealthy;
                }
                turns.then(|| Change::Bad(reason.clone()))
            }
        }
    }
}

/// Checks until the health changes in a way that somebody must be told, or `go_on` says no. What is
/// found lies in the file of the service, also between.
pub fn watch(job: &Job, paths: &Paths, was: HealthState, go_on: impl Fn() -> bool) -> Option<Change> {
    let rule = job.health.as_ref()?;
    let expect = match &rule.check {
        Check::Http { status, body, .. } => {
            Expect { status: *status, body: body.as_ref().and_then(|body| Regex::new(body).ok()) }
        }
        Check::Tcp(_) | Check::Command(_) => Expect::default(),
    };
    let (began, grace, interval) = (Instant::now(), Duration::from(rule.grace), Duration::from(rule.interval));
    let mut count = Count { retries: rule.retries.max(1), failures: 0, state: was };
    let mut found = Health { state: was, message: None, checked_at: None };
    if was == HealthState::Starting {
        let _ = health::write(paths, &job.name, &found); // a full disk does not make it ill
    }
    let mut pause = if was == HealthState::Starting { interval.min(FIRST) } else { interval };
    loop {
        #[expect(clippy::disallowed_methods, reason = "between two checks; this process has nothing else to do")]
        std::thread::sleep(pause);
        pause = interval;
        if !go_on() {
            return None;
        }
        let result = once(job, &rule.check, rule.timeout.into(), &expect);
        let change = count.take(&result, began.elapsed() >= grace);
        found = Health { state: count.state, message: result.err(), checked_at: Some(crate::sys::clock::now()) };
        let _ = health::write(paths, &job.name, &found); // as above
        if change.is_some() {
            return change;
        }
    }
}

/// One check; the reason in words.
fn once(job: &Job, check: &Check, limit: Duration, expect: &Expect) -> Result<(), String> {
    match check {
        Check::Tcp(target) => reach::connect(target, limit).map(drop),
        Check::Http { url, .. } => reach::http(url, limit, expect),
        Check::Command(argv) => command(job, argv, limit),
    }
}

/// A command in the surroundings of the job, its output thrown away.
fn command(job: &Job, argv: &[Bytes], limit: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("can't run its check: {}", io_reason(&error));
    let prepared = prepare_command(job, argv, &Extra::default()).map_err(|error| error.message)?;
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null").map_err(failed)?;
    let spawned = prepared.spawn(null.as_fd()).map_err(failed)?;
    spawned.release();
    let pid = Pid::from_raw(i32::try_from(spawned.pid).unwrap_or(i32::MAX));
    let until = Instant::now() + limit;
    let mut pause = FIRST_LOOK;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
            Ok(WaitStatus::Exited(_, code)) => return Err(Exit::Code(code).words()),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Err(Exit::Signal(signal as i32).words()),
            Err(error) => return Err(failed(error.into())),
            Ok(_) if Instant::now() >= until => {
                // it leads a session of its own
                let _ = nix::sys::signal::killpg(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None); // it was killed
                return Err(format!("did not end within {}", span(limit)));
            }
            Ok(_) => {}
        }
        #[expect(clippy::disallowed_methods, reason = "between two looks, with a deadline")]
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_LOOK);
    }
}

/// A process that checks the health of a job until it changes, and ends with [`BAD`] or [`GOOD`], or
/// with its parent; its id.
pub fn fork(job: &Job, paths: &Paths, was: HealthState) -> Result<u32, String> {
    match subreaper::fork() {
        Ok(Side::Parent(pid)) => Ok(pid),
        Ok(Side::Child) => {
            subreaper::die_with_parent();
            crate::sys::fds::close_all();
            subreaper::set_name(c"svc-health");
            let code = match watch(job, paths, was, || !subreaper::is_left_alone()) {
                Some(Change::Bad(_)) => BAD,
                Some(Change::Good) => GOOD,
                None => 0,
            };
            subreaper::exit_now(code)
        }
        Err(error) => Err(format!("can't check its health: {}", io_reason(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(state: HealthState) -> Count {
        Count { retries: 2, failures: 0, state }
    }

    fn bad() -> Result<(), String> {
        Err("no".into())
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut one = count(HealthState::Starting);
        assert_eq!(one.take(&Ok(()), true), None);
        assert_eq!(one.take(&bad(), true), None);
        assert_eq!(one.take(&Ok(()), true), None);
        assert_eq!(one.take(&bad(), true), None);
        assert_eq!(one.state, HealthState::Healthy, "one is not enough");
        assert_eq!(one.take(&bad(), true), Some(Change::Bad("no".into())));
        assert_eq!(one.take(&bad(), true), None, "said once");
        assert_eq!(one.take(&Ok(()), true), Some(Change::Good));
    }

    #[test]
    fn a_start_has_its_grace_until_it_was_well_once() {
        let mut one = count(HealthState::Starting);
        for _ in 0..9 {
            assert_eq!(one.take(&bad(), false), None);
        }
        assert_eq!(one.take(&Ok(()), false), None);
        assert_eq!(one.take(&bad(), false), None);
        assert_eq!(one.take(&bad(), false), Some(Change::Bad("no".into())));
    }

    #[test]
    fn a_command_is_well_when_it_exits_0_in_time() {
        let mut job = crate::engine::job::tests::sample("web");
        job.env.insert("PATH".into(), "/usr/bin:/bin".into());
        let run = |text: &str, limit: u64| {
            command(&job, &["/bin/sh".into(), "-c".into(), text.into()], Duration::from_millis(limit))
        };
        assert_eq!(run("exit 0", 20_000), Ok(()));
        assert_eq!(run("exit 3", 20_000), Err("exit code 3".into()));
        assert_eq!(run("kill -9 $$", 20_000), Err("killed by SIGKILL".into()));
        assert_eq!(run("sleep 100", 100), Err("did not end within 100ms".into()));
        assert!(command(&job, &["/no/such".into()], Duration::from_secs(9)).is_err());
    }
}
