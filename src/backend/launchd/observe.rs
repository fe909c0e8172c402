//! What services are doing: what launchd prints of a job, what its shim says where it has one, and what the
//! property list on disk says of the times it is to run.

use super::Unit;
use super::driver::{Driver, is_going};
use super::loaded::Loaded;
use super::settle::by_reason;
use super::shimmed::Shimmed;
use crate::backend::figures;
use crate::backend::supervisor::observe::fill;
use crate::engine::machine::Exit;
use crate::engine::schedule::Calendar;
use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::report::{Differs, Mend, Observed, State};
use crate::sys::{clock, process};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Its program goes on, the shim does not.
const ALONE: &str = "its shim was killed, and until there is another one nobody writes its log or restarts it";

/// Everything of one service; `single`: with its processes.
pub(super) fn observe(
    driver: &Driver,
    environment: &Environment,
    paths: &Paths,
    unit: &Unit,
    store: &BTreeMap<String, bool>,
    single: bool,
) -> Result<Observed, Error> {
    let mut seen = Observed::stopped(unit.name.clone());
    let found = driver.find(&unit.label)?;
    let listed = unit.listed.as_ref().ok();
    seen.known = listed.is_some() || found.is_some();
    seen.restarts = seen.known.then_some(0);
    seen.enabled = listed.map(|listed| !Driver::is_disabled(store, &unit.label, listed));
    let shim = listed.and_then(|listed| listed.shim.as_ref());
    let shimmed = shim.map(|_| Shimmed::new(environment, paths, unit.name.as_str()));
    let loaded = Loaded::read(paths, &unit.label);
    if let Some(found) = &found {
        if loaded.as_ref().is_some_and(|loaded| loaded.is_elsewhere(&found.domain)) {
            let twin = driver.twin(&unit.label, found)?.map(|twin| Differs {
                what: format!("it is loaded in {} too, so it may run twice", twin.domain),
                mend: Mend::Svc("restart"),
            });
            seen.differs = twin.into_iter().collect();
        }
        let job = &found.job;
        seen.needs_load = loaded.as_ref().zip(listed).is_some_and(|(loaded, listed)| loaded.is_older(listed));
        by_launchd(&mut seen, job, unit, loaded.as_ref());
    }
    // svc forgets what it unloads; a login loads all that is enabled
    if found.is_none() && loaded.is_some() && seen.enabled == Some(true) && driver.has_best_domain()? {
        let what = "it was unloaded without svc: by `launchctl bootout`, or in Login Items".into();
        seen.differs = vec![Differs { what, mend: Mend::Svc("start") }];
    }
    if let Some(shimmed) = &shimmed {
        by_shim(&mut seen, shimmed, found.is_some(), single)?;
    }
    if let Some((pid, main)) = seen.pid.and_then(|pid| Some((pid, process::stat(pid)?))) {
        seen.started_at = seen.started_at.or_else(|| clock::wall_of_ticks(main.start_ticks));
        figures::of_processes(&mut seen, pid, &process::family(pid, main), true, single);
    }
    if found.is_some() && unit.scheduled {
        seen.next_run_at = next_run(unit, loaded.as_ref());
    }
    Ok(seen)
}

fn by_launchd(seen: &mut Observed, job: &super::print::Job, unit: &Unit, loaded: Option<&Loaded>) {
    let failed = job.ended.filter(|ended| *ended != Exit::Code(0));
    seen.exit_code = job.ended.and_then(Exit::code);
    seen.signal = job.ended.and_then(Exit::signal);
    seen.pid = job.pid;
    seen.state = match job.state.as_deref() {
        _ if is_going(job) => State::Stopping,
        Some("running") => State::Running,
        Some("xpcproxy" | "spawned" | "spawning") => State::Starting,
        // it waits for ThrottleInterval to pass
        Some("spawn scheduled") if job.ended.is_some() || job.why.is_some() => State::Restarting,
        Some("spawn scheduled") => State::Starting,
        _ if job.pid.is_some() => State::Running,
        _ if failed.is_some() || job.why.is_some() => State::Failed,
        _ if job.ended.is_some() => State::Completed,
        _ => State::Stopped,
    };
    if matches!(seen.state, State::Failed | State::Restarting) {
        let by_macos = job.why.as_ref().map(|why| by_reason(why).0);
        seen.reason = by_macos.or_else(|| Some(job.ended?.words()));
    }
    if seen.state == State::Running {
        (seen.exit_code, seen.signal) = (None, None);
    }
    // launchd counts starts since the job was loaded, at a login perhaps
    let base = loaded.map_or(1, |loaded| loaded.runs.max(1));
    seen.restarts = Some(match job.runs {
        _ if unit.scheduled => 0,
        Some(runs) if runs >= base => runs - base,
        Some(runs) => runs.saturating_sub(1),
        None => 0,
    });
}

/// What launchd says is of the shim; this is of the program.
fn by_shim(seen: &mut Observed, shimmed: &Shimmed<'_>, is_loaded: bool, single: bool) -> Result<(), Error> {
    let name = seen.name.to_string();
    let client = if seen.pid.is_some() { shimmed.client()? } else { None };
    if let Some(mut client) = client {
        let services = client.status(Some(vec![name.clone()]), single)?;
        if let Some(status) = services.into_iter().find(|one| one.name == name) {
            let needs_load = seen.needs_load;
            fill(seen, &status);
            seen.needs_load = needs_load;
            return Ok(());
        }
    }
    if seen.pid.is_some() {
        // it has not begun to listen
        seen.pid = None;
        if seen.state == State::Running {
            seen.state = State::Starting;
        }
        return Ok(());
    }
    if let Some(main) = shimmed.left_running(&name) {
        (seen.pid, seen.exit_code, seen.signal) = (Some(main.pid), None, None);
        seen.state = State::Running;
        (seen.is_alone, seen.reason) = (true, Some(ALONE.into()));
        return Ok(());
    }
    let Some(saved) = shimmed.left(&name).filter(|_| is_loaded) else { return Ok(()) };
    seen.restarts = Some(saved.restarts());
    if let Some(reason) = saved.failure() {
        seen.state = State::Failed;
        seen.reason = Some(reason);
    } else if saved.is_completed() {
        seen.state = State::Completed;
    }
    seen.exit_code = saved.exit().and_then(Exit::code);
    seen.signal = saved.exit().and_then(Exit::signal);
    Ok(())
}

/// When launchd runs a scheduled job next: an interval counts from its loading.
fn next_run(unit: &Unit, loaded: Option<&Loaded>) -> Option<Timestamp> {
    let now = clock::now();
    if let Some(text) = &unit.calendar {
        let zone = clock::local_now().time_zone().clone();
        return Calendar::parse(text).ok()?.next_after(now, &zone);
    }
    let every = SignedDuration::try_from(unit.listed.as_ref().ok()?.every?).ok()?;
    let from = loaded.and_then(|loaded| loaded.at)?;
    let passed = now.duration_since(from).as_secs().max(0);
    let times = passed / every.as_secs().max(1) + 1;
    from.checked_add(every.checked_mul(i32::try_from(times).ok()?)?).ok()
}
