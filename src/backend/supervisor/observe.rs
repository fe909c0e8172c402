//! What services are doing: states from the supervisor, marks from disk, memory and CPU time from
//! their control groups or /proc, read here so that the supervisor waits for nothing.
//!
//! Without a supervisor everything is stopped, unless one was killed with its guardian and left
//! programs behind: they bear the name of their service in their environment.

use super::client::Place;
use super::marks;
use crate::backend::{Subject, figures};
use crate::error::Error;
use crate::files::runtime::Runtime;
use crate::report::{Observed, State};
use crate::supervisor::protocol::{Request, ServiceStatus};
use crate::sys::{cgroup, process};
use std::collections::{HashMap, HashSet};

/// Every program that the supervisor starts has this variable, with the service's name.
const MARK: &str = "SVC_SERVICE";

/// Everything of `subjects`, in their order; a single one with its processes.
pub(super) fn observe(place: Place<'_>, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    let single = subjects.len() == 1;
    let names: Vec<String> = subjects.iter().map(|subject| subject.name.to_string()).collect();
    let request = Request::Status { names: Some(names), processes: single };
    let running = match place.find_to_ask(Some(&request))? {
        Some(mut client) => {
            Running::Told(client.services(&request)?.into_iter().map(|one| (one.name.clone(), one)).collect())
        }
        None => Running::Left(left_behind(place)),
    };
    let enabled = match subjects {
        [one] => HashSet::from_iter(marks::is_on(place.paths, one.name.as_str()).then(|| one.name.to_string())),
        _ => marks::all(place.paths),
    };
    let mut all: Vec<Observed> = subjects.iter().map(|subject| one(place, subject, &running, &enabled)).collect();
    if let Running::Told(told) = &running {
        measure(&mut all, told, single);
    }
    Ok(all)
}

/// What is known of running programs.
enum Running {
    /// By the supervisor.
    Told(HashMap<String, ServiceStatus>),
    /// There is none; programs that one left behind.
    Left(HashMap<String, u32>),
}

fn one(place: Place<'_>, subject: &Subject, running: &Running, enabled: &HashSet<String>) -> Observed {
    let name = subject.name.as_str();
    let mut seen = Observed { enabled: Some(enabled.contains(name)), ..Observed::stopped(subject.name.clone()) };
    match running {
        Running::Told(told) => {
            if let Some(status) = told.get(name) {
                fill(&mut seen, status);
            } else {
                seen.known = place.paths.job(name).exists();
            }
        }
        Running::Left(left) => {
            seen.known = place.paths.job(name).exists();
            if let Some(pid) = left.get(name) {
                seen.state = State::Running;
                seen.pid = Some(*pid);
                seen.started_at =
                    process::stat(*pid).and_then(|stat| crate::sys::clock::wall_of_ticks(stat.start_ticks));
                seen.reason = Some("without its supervisor, which was killed: `svc supervisor start`".into());
            }
        }
    }
    seen
}

pub(crate) fn fill(seen: &mut Observed, status: &ServiceStatus) {
    let ServiceStatus {
        name: _,
        state,
        pid,
        start_ticks: _,
        started_at,
        restarts,
        exit_code,
        signal,
        reason,
        status_text,
        next_run_at,
        needs_load,
        loaded,
        cgroup: _,
        pids: _,
        log_rate,
    } = status.clone();
    seen.known = true;
    seen.state = state;
    seen.pid = pid;
    seen.started_at = started_at;
    seen.restarts = Some(restarts);
    seen.exit_code = exit_code;
    seen.signal = signal;
    seen.reason = reason;
    seen.status_text = status_text.filter(|text| !text.is_empty());
    seen.next_run_at = next_run_at;
    seen.needs_load = needs_load;
    seen.loaded = loaded;
    seen.log_rate = log_rate;
}

/// From so many services on a second thread is worth its start.
const MANY: usize = 64;

/// Reads memory and CPU time of all that run.
fn measure(all: &mut [Observed], told: &HashMap<String, ServiceStatus>, single: bool) {
    let read = |part: &mut [Observed]| {
        for seen in part {
            if let Some(status) = told.get(seen.name.as_str()) {
                measure_one(seen, status, single);
            }
        }
    };
    if all.len() < MANY {
        return read(all);
    }
    let (here, there) = all.split_at_mut(all.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| read(there));
        read(here);
    });
}

fn measure_one(seen: &mut Observed, status: &ServiceStatus, single: bool) {
    let Some(pid) = status.pid else { return };
    // another process may have the id by now
    let main = process::stat(pid).filter(|stat| status.start_ticks.is_none_or(|ticks| ticks == stat.start_ticks));
    let Some(main) = main else { return };
    if seen.started_at.is_none() {
        seen.started_at = crate::sys::clock::wall_of_ticks(main.start_ticks);
    }
    let accounted = status.cgroup.as_ref().and_then(|group| cgroup::accounted(group.as_path()));
    if let Some((memory, seconds)) = accounted {
        seen.memory_bytes = Some(memory);
        seen.cpu_seconds = seconds;
        seen.metrics_from = Some(cgroup::FROM_CGROUP);
        if !single {
            return;
        }
    }
    let of_all = |pids: &[u32]| {
        let of = |one: u32| if one == pid { Some(main) } else { process::stat(one) };
        pids.iter().filter_map(|one| Some((*one, of(*one)?))).collect()
    };
    let stats: Vec<(u32, process::Stat)> =
        if status.pids.is_empty() { process::family(pid, main) } else { of_all(&status.pids) };
    figures::of_processes(seen, pid, &stats, accounted.is_none(), single);
}

/// Programs of a supervisor that was killed together with its guardian, by the name of their service:
/// only then its state file is still there.
pub(super) fn left_behind(place: Place<'_>) -> HashMap<String, u32> {
    let candidates = Runtime::candidates(place.environment);
    let mine = |one: &Runtime| one.check(place.environment.uid).is_ok() && one.state().exists();
    if !candidates.iter().any(mine) {
        return HashMap::new();
    }
    let realm = crate::engine::spawn::realm(&place.paths.state);
    let mine = |pid: u32| crate::engine::tree::marked(pid).is_some_and(|mark| mark.run.starts_with(&realm));
    let marked: Vec<(u32, String)> = process::with_variable(MARK).into_iter().filter(|(pid, _)| mine(*pid)).collect();
    let parents: HashSet<u32> = marked.iter().map(|(pid, _)| *pid).collect();
    // the one whose parent is not marked too is the main one
    let main = marked.iter().filter(|(pid, _)| {
        process::stat(*pid).is_some_and(|stat| stat.state != b'Z' && !parents.contains(&stat.parent))
    });
    main.map(|(pid, name)| (name.clone(), *pid)).collect()
}
