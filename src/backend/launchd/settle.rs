//! Whether what was started stays up: launchd answers before the program is executed, and starts what fails
//! again and again without a word.

use super::Unit;
use super::driver::{Found, is_going, rest};
use super::last_words::written_since;
use super::listed::Listed;
use super::perform::Hands;
use super::print::Job;
use super::shimmed::Shimmed;
use super::verbs::asked;
use crate::backend::{Verb, hints};
use crate::engine::machine::Exit;
use crate::error::{Error, ErrorCode};
use crate::report::Failure;
use crate::sys::{clock, process};
use std::time::{Duration, Instant};

/// A program that lives so long after it was first seen is up.
const QUIET: Duration = Duration::from_millis(120);
/// One that was first seen so long after its start is too: launchctl may take its time to say so.
const OLD: Duration = Duration::from_millis(400);
/// launchd starts a job within this time, or not before its ThrottleInterval is over.
const STARTED_BY: Duration = Duration::from_secs(12);
/// A shim listens within this time.
const LISTENS_BY: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_millis(15);
/// `EX_CONFIG`: launchd's spawn helper could not execute it. sysexits.h
const EX_CONFIG: i32 = 78;

/// A failure without more.
pub(super) fn failure(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), hint: None, log: Vec::new(), denied: false }
}

/// What launchctl says no to. Nobody to ask, or not to be asked by this user: another exit code.
pub(super) fn told(error: Error) -> Failure {
    let denied = matches!(error.code, ErrorCode::NotPermitted | ErrorCode::Unreachable);
    Failure { denied, hint: error.hint, ..failure(error.message) }
}

/// Waits until it is up, or known not to be. `from`: where in its log this start begins.
pub(super) fn up(hands: Hands<'_>, unit: &Unit, listed: &Listed, found: &Found, from: u64) -> Result<(), Failure> {
    if listed.shim.is_some() {
        return by_shim(hands, unit, found, from).map_err(told)?;
    }
    let began = Instant::now();
    let before = found.job.runs.unwrap_or(0);
    let mut first: Option<(u32, Instant)> = None;
    let mut kicked = false;
    loop {
        let Some(found) = hands.driver.find(&unit.label).map_err(told)? else {
            return Err(failure("launchd has unloaded it again: is it switched off in Login Items?"));
        };
        let job = &found.job;
        let running = job.pid.filter(|_| job.state.as_deref() == Some("running"));
        match (running, first) {
            (Some(pid), Some((same, since))) if pid == same => {
                if since.elapsed() >= QUIET {
                    return Ok(());
                }
            }
            // another one already: the first one died
            (Some(_), Some(_)) => return ended(hands, unit, job, before, from),
            (Some(pid), None) => {
                let seen = Instant::now();
                if stays(pid) {
                    return Ok(());
                }
                first = Some((pid, seen));
            }
            (None, Some(_)) if job.pid.is_none() => return ended(hands, unit, job, before, from),
            // it came and went between two looks
            (None, None) if job.pid.is_none() && has_ended(job) && job.runs.unwrap_or(0) > before.max(1) - 1 => {
                return ended(hands, unit, job, before, from);
            }
            (None, _) => {
                if began.elapsed() > STARTED_BY {
                    let state = job.state.as_deref().unwrap_or("unknown");
                    return Err(Failure {
                        hint: Some(format!(
                            "`launchctl print {}/{}` shows what launchd knows",
                            found.domain, unit.label
                        )),
                        ..failure(format!(
                            "launchd has not started it after {} s (state: {state})",
                            STARTED_BY.as_secs()
                        ))
                    });
                }
                // loaded and never spawned happens: a kick helps
                if !kicked && !is_going(job) && began.elapsed() > STARTED_BY / 6 && job.pid.is_none() {
                    kicked = true;
                    hands.driver.kickstart(&format!("{}/{}", found.domain, unit.label), false).map_err(told)?;
                }
            }
        }
        rest(STEP);
    }
}

/// Whether a process is seen to be up for long enough, without asking launchctl, which may take its time;
/// false also where processes can't be looked at.
fn stays(pid: u32) -> bool {
    let began = Instant::now();
    let lives = || process::stat(pid).filter(|stat| stat.state != b'Z').map(|stat| stat.start_ticks);
    let Some(start) = lives() else { return false };
    while began.elapsed() < QUIET && clock::age(start) < OLD {
        rest(STEP);
        if lives() != Some(start) {
            return false;
        }
    }
    true
}

fn has_ended(job: &Job) -> bool {
    job.ended.is_some() || job.why.is_some()
}

/// It is down again: a program that has done its work and ended well is no failure.
fn ended(hands: Hands<'_>, unit: &Unit, job: &Job, before: u32, from: u64) -> Result<(), Failure> {
    match (&job.why, job.ended) {
        (None, Some(Exit::Code(0))) => Ok(()),
        _ => Err(died(hands, unit, job, before, from)),
    }
}

/// What macOS has against a program that it ended, and what to do. `OS_REASON_…` of xnu, bsd/sys/reason.h
pub(super) fn by_reason(why: &str) -> (String, Option<String>) {
    match why {
        "OS_REASON_CODESIGNING" => (
            format!("macOS does not accept the signature of its program ({why})"),
            Some(
                "one that is overwritten in place loses it: write a new file and rename it; `codesign -v` checks it, \
                 `codesign -f -s -` signs it"
                    .into(),
            ),
        ),
        _ => (format!("macOS ended it ({why})"), None),
    }
}

fn died(hands: Hands<'_>, unit: &Unit, job: &Job, before: u32, from: u64) -> Failure {
    // launchd starts it again meanwhile, also between a look at it and one at its log
    let starts = || {
        let found = hands.driver.find(&unit.label).ok().flatten();
        let runs = found.and_then(|found| found.job.runs).max(job.runs).unwrap_or(1);
        runs.saturating_sub(before.saturating_sub(1))
    };
    let log = written_since(unit, from, starts);
    let mut message = "stopped right after its start".to_owned();
    let mut hint = hints::by_log(&log);
    if let Some(why) = &job.why {
        let (reason, advice) = by_reason(why);
        return Failure { hint: advice.or(hint), log, ..failure(format!("{message}: {reason}")) };
    }
    if let Some(how) = job.ended {
        message += &format!(": {}", how.words());
        match how {
            Exit::Code(EX_CONFIG) if log.is_empty() => {
                message += ": launchd could not execute it";
                hint = Some(
                    "its program, folder or log file is missing or not permitted (~/Documents, ~/Desktop and \
                     ~/Downloads are to agents); `log show --last 5m --predicate 'process == \"xpcproxy\"'` shows which"
                        .into(),
                );
            }
            Exit::Code(code) => {
                hint = hint.or_else(|| hints::by_code(code).map(|(_, advice)| advice.to_owned()));
            }
            Exit::Signal(_) | Exit::Memory | Exit::Unknown => {}
        }
    }
    Failure { hint, log, ..failure(message) }
}

/// The shim starts its program by itself, and says when that is up.
fn by_shim(hands: Hands<'_>, unit: &Unit, found: &Found, from: u64) -> Result<Result<(), Failure>, Error> {
    let name = unit.name.as_str();
    let shimmed = Shimmed::new(hands.environment, hands.paths, name);
    let began = Instant::now();
    let mut gone_since: Option<Instant> = None;
    loop {
        if let Some(client) = shimmed.client()?
            && let Some(result) = asked(client, Verb::Start, &unit.name)?
        {
            return Ok(result);
        }
        let now = hands.driver.find(&unit.label)?;
        let runs = now.as_ref().is_some_and(|found| found.job.pid.is_some());
        let started = now.as_ref().is_some_and(|now| now.job.runs.unwrap_or(0) >= found.job.runs.unwrap_or(0).max(1));
        if runs || !started {
            gone_since = None;
        } else if gone_since.get_or_insert_with(Instant::now).elapsed() > QUIET {
            // it is down for good already
            let saved = shimmed.left(name);
            return Ok(match saved.as_ref().and_then(crate::engine::machine::Saved::failure) {
                Some(reason) => {
                    let log = written_since(unit, from, || 1);
                    Err(Failure {
                        hint: hints::by_log(&log),
                        log,
                        ..failure(crate::supervisor::waits::not_up(&reason))
                    })
                }
                None if saved.is_some_and(|saved| saved.is_completed()) => Ok(()),
                None => {
                    let message = "its shim, the parent of its program, ended at once";
                    let why = now.and_then(|now| now.job.why).map(|why| by_reason(&why));
                    let (message, hint) = match why {
                        Some((reason, hint)) => (format!("{message}: {reason}"), hint),
                        None => (message.to_owned(), None),
                    };
                    Err(Failure { log: said_by_shim(hands, name), hint, ..failure(message) })
                }
            });
        }
        if began.elapsed() > LISTENS_BY {
            return Ok(Err(Failure {
                log: said_by_shim(hands, name),
                hint: Some(format!("`launchctl print {}/{}` shows what launchd knows", found.domain, unit.label)),
                ..failure(format!("its shim does not answer after {} s", LISTENS_BY.as_secs()))
            }));
        }
        rest(STEP);
    }
}

fn said_by_shim(hands: Hands<'_>, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(hands.paths.shim_log(name)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(3)..].iter().map(|line| (*line).to_owned()).collect()
}
