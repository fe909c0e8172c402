//! From one stand of a task to the next. Each is one change of the records under the lock, told the time; no
//! process is touched and no manager asked.
//!
//! ```text
//!  submit ──> Queued ──fill──> Starting ──began──> Running ──ended──> Completed | Failed | Cancelled
//!               ^  └─cancel──> Cancelled                     │
//!               └──────────────── ended, with retries left ──┘        (Starting too may end)
//! ```
//!
//! A program runs only after [`began`] said yes, and that says yes once for each [`fill`]: whatever a starter
//! that died, or one that was late, left to be started twice, runs once.

use super::slot::{Slot, Stand};
use super::spec::{Spec, pause};
use super::store::Table;
use crate::backend::BackendKind;
use crate::error::{Error, ErrorCode};
use crate::files::owner::hash_of;
use crate::service::Signal;
use crate::sys::{clock, process};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// Exit code of the main process.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<u8>,
    /// Why that is a failure, where it is one.
    pub reason: Option<String>,
}

impl End {
    /// By what the system says of the main process; `None` and `None`: nobody saw it.
    pub fn of(exit_code: Option<i32>, signal: Option<u8>) -> Self {
        let reason = match (exit_code, signal) {
            (Some(0), _) => None,
            (Some(code), _) => Some(format!("exit code {code}")),
            (None, Some(signal)) => Some(format!("killed by {}", signal_name(signal))),
            (None, None) => Some("nobody saw how it ended".into()),
        };
        Self { exit_code, signal, reason }
    }

    /// It did not run, or its end is unknown.
    pub fn lost(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }
}

/// `SIGKILL`.
pub fn signal_name(signal: u8) -> String {
    crate::sys::signals::name(signal.into())
}

/// Number of a name such as `SIGKILL` or `KILL`.
pub fn signal_number(name: &str) -> Option<u8> {
    Signal::parse(name).ok().and_then(|signal| u8::try_from(signal.number()).ok())
}

/// One process, for ever, and its boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// See [`process::Stat`].
    pub ticks: u64,
    /// See [`Slot::boot`].
    pub boot: u64,
}

impl Process {
    /// The one of this id, now.
    pub fn of(pid: u32) -> Self {
        let ticks = process::stat(pid).map_or(0, |stat| stat.start_ticks);
        Self { pid, ticks, boot: this_boot() }
    }

    /// This one.
    pub fn own() -> Self {
        Self::of(std::process::id())
    }
}

/// The process of a slot runs: the same one, in this boot.
pub fn lives(slot: &Slot, boot: u64) -> bool {
    slot.boot == boot
        && process::stat(slot.pid).is_some_and(|stat| stat.start_ticks == slot.ticks && stat.state != b'Z')
}

/// A number for this boot.
pub fn this_boot() -> u64 {
    key(&clock::boot_id())
}

/// A number for a name; never 0.
pub fn key(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash_of(text.as_bytes())[..8]);
    u64::from_le_bytes(first).max(1)
}

/// Puts a task at the end of the line.
pub fn submit(table: &mut Table, spec: &Spec, backend: BackendKind, now: i64) -> Result<Slot, Error> {
    if let Some(after) = spec.after
        && table.get(after).is_none()
    {
        return Err(
            Error::new(ErrorCode::NotFound, format!("there is no task {after}")).hint("`svc tasks --all` lists them")
        );
    }
    let delay = i64::try_from(spec.delay.0).unwrap_or(i64::MAX);
    let slot = Slot {
        id: 0,
        stand: Stand::Queued,
        backend,
        cancel: false,
        text: (0, 0),
        reason: (0, 0),
        submitted: now,
        started: 0,
        ended: 0,
        not_before: if delay == 0 { 0 } else { now.saturating_add(delay) },
        after: spec.after.unwrap_or(0),
        project: spec.project.as_deref().map_or(0, key),
        pid: 0,
        ticks: 0,
        boot: 0,
        attempts: 0,
        retries: spec.retries,
        exit_code: None,
        signal: 0,
        priority: spec.priority,
        grace: spec.grace,
        project_limit: spec.project_limit,
    };
    table.add(slot, spec)
}

/// What a look at the line gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// They have a place now, and are to be started.
    pub start: Vec<Slot>,
    /// They are over: what they were to follow failed.
    pub over: Vec<Slot>,
    /// When one that waits may start, milliseconds since 1970.
    pub wake: Option<i64>,
}

/// Gives free places to those that wait: the highest priority first, then the order of arrival.
pub fn fill(table: &mut Table, limit: usize, now: i64, starter: Process) -> Result<Filled, Error> {
    let mut filled = Filled::default();
    let mut live = table.live()?;
    loop {
        let over = fail_followers(table, &live, now)?;
        if over.is_empty() {
            break;
        }
        live.retain(|slot| !over.iter().any(|one| one.id == slot.id));
        filled.over.extend(over);
    }
    let mut taken = live.iter().filter(|slot| slot.stand.has_place()).count();
    let waiting = |slot: &&Slot| slot.stand == Stand::Queued;
    filled.wake = live.iter().filter(waiting).map(|slot| slot.not_before).filter(|at| *at > now).min();
    let mut line: Vec<Slot> = live.iter().filter(waiting).filter(|slot| slot.not_before <= now).copied().collect();
    line.sort_by_key(|slot| (std::cmp::Reverse(slot.priority), slot.id));
    for slot in line {
        if taken >= limit {
            break;
        }
        let of_project = |one: &&Slot| one.project == slot.project && one.stand.has_place();
        let in_project = || live.iter().chain(&filled.start).filter(of_project).count();
        if slot.project_limit > 0 && in_project() >= usize::from(slot.project_limit) {
            continue;
        }
        if slot.after != 0 && table.get(slot.after).is_some_and(|after| after.stand != Stand::Completed) {
            continue;
        }
        let Process { pid, ticks, boot } = starter;
        let slot = Slot { stand: Stand::Starting, pid, ticks, boot, ..slot };
        table.put(&slot)?;
        taken += 1;
        filled.start.push(slot);
    }
    Ok(filled)
}

/// Those that were to follow one that is over and has not completed.
fn fail_followers(table: &mut Table, live: &[Slot], now: i64) -> Result<Vec<Slot>, Error> {
    let mut failed = Vec::new();
    for slot in live.iter().filter(|slot| slot.stand == Stand::Queued && slot.after != 0) {
        let Some(after) = table.get(slot.after) else { continue };
        let word = match after.stand {
            Stand::Failed => "failed",
            Stand::Cancelled => "was cancelled",
            Stand::Queued | Stand::Starting | Stand::Running | Stand::Completed => continue,
        };
        let over = Slot { stand: Stand::Failed, ended: now, ..*slot };
        table.put_with(&over, &format!("task {}, which it was to follow, {word}", slot.after))?;
        failed.push(over);
    }
    Ok(failed)
}

/// Takes a place that was given back: nothing was started in it.
pub fn give_back(table: &mut Table, id: u64) -> Result<(), Error> {
    match table.get(id).filter(|slot| slot.stand == Stand::Starting) {
        Some(slot) if slot.cancel => over(table, slot, &End::default(), clock::now().as_millisecond()).map(drop),
        Some(slot) => table.put(&Slot { stand: Stand::Queued, pid: 0, ticks: 0, boot: 0, ..slot }),
        None => Ok(()),
    }
}

/// Its program is about to be executed by this process; `None`: it is not to run (any more).
pub fn began(table: &mut Table, id: u64, by: Process, now: i64) -> Result<Option<Slot>, Error> {
    let Some(slot) = table.get(id).filter(|slot| slot.stand == Stand::Starting && !slot.cancel) else {
        return Ok(None);
    };
    let Process { pid, ticks, boot } = by;
    let (attempts, reason) = (slot.attempts.saturating_add(1), (0, 0));
    let slot = Slot {
        stand: Stand::Running,
        pid,
        ticks,
        boot,
        attempts,
        reason,
        started: now,
        exit_code: None,
        signal: 0,
        ..slot
    };
    table.put(&slot)?;
    Ok(Some(slot))
}

/// Its run is over, and nothing is left of it; how it stands then. `None`: it did not run.
pub fn ended(table: &mut Table, id: u64, end: &End, now: i64) -> Result<Option<Slot>, Error> {
    match table.get(id).filter(|slot| slot.stand.has_place()) {
        Some(slot) => over(table, slot, end, now).map(Some),
        None => Ok(None),
    }
}

fn over(table: &mut Table, slot: Slot, end: &End, now: i64) -> Result<Slot, Error> {
    let End { exit_code, signal, reason } = end;
    let slot = Slot { exit_code: *exit_code, signal: signal.unwrap_or(0), pid: 0, ticks: 0, ..slot };
    let slot = if slot.cancel {
        Slot { stand: Stand::Cancelled, ended: now, ..slot }
    } else if reason.is_none() {
        Slot { stand: Stand::Completed, ended: now, ..slot }
    } else if slot.attempts <= u32::from(slot.retries) {
        Slot { stand: Stand::Queued, not_before: now.saturating_add(pause(slot.attempts.max(1))), ..slot }
    } else {
        Slot { stand: Stand::Failed, ended: now, ..slot }
    };
    match reason.as_deref().filter(|_| !slot.cancel) {
        Some(reason) => table.put_with(&slot, reason)?,
        None => table.put(&slot)?,
    }
    if slot.stand.is_over() {
        let _ = std::fs::remove_file(table.store().said(slot.id)); // it may never have said anything
    }
    Ok(slot)
}

/// What is to be done for somebody who wants a task to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Nothing: it waited, and is over.
    WasWaiting,
    /// Its manager is to stop it.
    Stop(Slot),
    /// It was over before.
    Over(Slot),
}

/// Somebody wants it to end; `grace`: milliseconds between SIGTERM and SIGKILL, if they say so.
pub fn cancel(table: &mut Table, id: u64, grace: Option<u32>, now: i64) -> Result<Cancel, Error> {
    let Some(slot) = table.get(id) else { return Err(no_task(id)) };
    match slot.stand {
        Stand::Queued => {
            over(table, Slot { cancel: true, ..slot }, &End::default(), now)?;
            Ok(Cancel::WasWaiting)
        }
        Stand::Starting | Stand::Running => {
            let slot = Slot { cancel: true, grace: grace.unwrap_or(slot.grace), ..slot };
            table.put(&slot)?;
            Ok(Cancel::Stop(slot))
        }
        Stand::Completed | Stand::Failed | Stand::Cancelled => Ok(Cancel::Over(slot)),
    }
}

/// An error for a number that nobody has.
pub fn no_task(id: u64) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no task {id}")).hint("`svc tasks --all` lists them")
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
