//! What systemd says of units, asked for with the fewest calls: one `ListUnitsByNames` for all,
//! then for each unit only the properties that its state makes meaningful, all calls sent together.
//! Processes, memory and CPU come from the unit's control group and /proc, not over D-Bus.

use super::bus::{Bus, CallError, unit_path};
use super::dropins::DropIns;
use super::manager::{service_unit, timer_unit};
use crate::backend::{Scope, Subject};
use crate::report::{Observed, State};
use crate::sys::{cgroup, signals};
use futures_util::future::join_all;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use zbus::OwnedObjectPath;

pub(crate) const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub(crate) const UNIT: &str = "org.freedesktop.systemd1.Unit";
const TIMER: &str = "org.freedesktop.systemd1.Timer";

/// A row of `ListUnitsByNames`: name, description, load, active, sub, following, path, job id,
/// job type, job path.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// The words of a unit's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) load: String,
    pub(crate) active: String,
    pub(crate) sub: String,
}

/// Load, active and sub state of units, by name; one call.
pub(crate) async fn words(bus: &Bus, units: &[String]) -> Result<HashMap<String, Words>, CallError> {
    if units.is_empty() {
        return Ok(HashMap::new());
    }
    let names: Vec<&str> = units.iter().map(String::as_str).collect();
    let rows: Vec<Row> = bus.ask("ListUnitsByNames", &(names,)).await?;
    Ok(rows.into_iter().map(|row| (row.0, Words { load: row.2, active: row.3, sub: row.4 })).collect())
}

/// As [`words`], of units that may be nowhere: asked for by name, systemd looks for each one's files
/// and makes a unit of a name that has none, too, only to throw it away.
pub(crate) async fn words_if_there(
    bus: &Bus,
    unit_dir: &Path,
    units: Vec<String>,
) -> Result<HashMap<String, Words>, CallError> {
    if units.len() < MANY {
        return words(bus, &units).await;
    }
    let mut units = units;
    let mut there = HashSet::new();
    let readable = names_in(unit_dir, &mut there);
    let absent = units.iter().filter(|unit| !there.contains(*unit)).count();
    if readable && absent >= MANY {
        let (loaded, folders) =
            tokio::join!(bus.ask::<_, Vec<Row>>("ListUnits", &()), bus.manager_property::<Vec<String>>("UnitPath"));
        let folders = folders?;
        if folders.iter().all(|folder| names_in(Path::new(folder), &mut there)) {
            there.extend(loaded?.into_iter().map(|row| row.0));
            units.retain(|unit| there.contains(unit) || template(unit).is_some_and(|name| there.contains(&name)));
        }
    }
    words(bus, &units).await
}

/// From so many units without a file on systemd is asked first what it has.
const MANY: usize = 16;

/// Adds the names in `folder`; false if it can't be read, true if there is none.
fn names_in(folder: &Path, names: &mut HashSet<String>) -> bool {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) => return cause.kind() == std::io::ErrorKind::NotFound,
    };
    for entry in entries {
        let Ok(entry) = entry else { return false };
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    true
}

/// `web@.service` of `web@1.service`: the file that such a unit comes from.
fn template(unit: &str) -> Option<String> {
    let (prefix, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{kind}"))
}

/// How the last main process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `success`, `exit-code`, `signal`, `timeout`, `oom-kill`, `start-limit-hit`, …
    pub(crate) result: String,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// It ended after the unit began to stop: somebody stopped it.
    pub(crate) was_stopped: bool,
    /// It ran at all.
    pub(crate) ran: bool,
    /// It was restarted until its limit, and is not restarted any more.
    pub(crate) gave_up: bool,
}

/// Asks how a unit's last main process ended.
pub(crate) async fn ended(bus: &Bus, unit: &str) -> Ended {
    let path = unit_path(unit);
    let get_time = |interface: &'static str, property: &'static str| bus.get::<u64>(&path, interface, property);
    let (result, code, status, exit, left) = tokio::join!(
        bus.get::<String>(&path, SERVICE, "Result"),
        bus.get::<i32>(&path, SERVICE, "ExecMainCode"),
        bus.get::<i32>(&path, SERVICE, "ExecMainStatus"),
        get_time(SERVICE, "ExecMainExitTimestampMonotonic"),
        get_time(UNIT, "ActiveExitTimestampMonotonic"),
    );
    let (exit, left) = (exit.unwrap_or(0), left.unwrap_or(0));
    let status = status.ok();
    // CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3: waitid(2)
    let code = code.unwrap_or(0);
    Ended {
        result: result.unwrap_or_default(),
        exit_code: status.filter(|_| code == 1),
        signal: status.filter(|_| matches!(code, 2 | 3)),
        was_stopped: left != 0 && exit > left,
        ran: exit != 0,
        gave_up: false,
    }
}

/// Everything of `subjects`, in their order. `single`: with processes.
pub(super) async fn observe(
    bus: &Bus,
    subjects: &[Subject],
    unit_dir: &Path,
    drop_ins: &DropIns,
) -> Result<Vec<Observed>, CallError> {
    let units: Vec<String> = subjects
        .iter()
        .flat_map(|subject| {
            let name = subject.name.as_str();
            std::iter::once(service_unit(name)).chain(subject.scheduled.then(|| timer_unit(name)))
        })
        .collect();
    let with_processes = subjects.len() == 1;
    let stale = async {
        let first = subjects.first().filter(|_| with_processes)?;
        let path = unit_path(&service_unit(first.name.as_str()));
        bus.get::<bool>(&path, UNIT, "NeedDaemonReload").await.ok()
    };
    // what running services will be asked for: one round trip less where few are looked at
    let early = async {
        let few = subjects.len() <= FEW;
        join_all(subjects.iter().filter(|_| few).map(|subject| main_process(bus, subject))).await
    };
    let (words, stale, early) = tokio::join!(words_if_there(bus, unit_dir, units), stale, early);
    let words = words?;
    let enabled = links(unit_dir);
    let tree = cgroup::Tree::find();
    let mut early = early.into_iter();
    let all = subjects.iter().map(|subject| one(bus, subject, &words, &enabled, &tree, with_processes, early.next()));
    let mut all = join_all(all).await;
    for (seen, subject) in all.iter_mut().zip(subjects).filter(|(seen, _)| seen.known) {
        let timer = subject.scheduled.then(|| timer_unit(subject.name.as_str()));
        let units = std::iter::once(service_unit(subject.name.as_str())).chain(timer);
        seen.differs = units.flat_map(|unit| drop_ins.of(&unit, bus.scope)).collect();
    }
    if let ([one], Some(stale)) = (all.as_mut_slice(), stale) {
        one.needs_load = one.known && stale;
    }
    Ok(all)
}

/// Up to so many services are asked for all at once.
const FEW: usize = 8;

/// Main process, restarts and status text.
type Main = (Option<u32>, Option<u32>, Option<String>);

async fn main_process(bus: &Bus, subject: &Subject) -> Main {
    let path = unit_path(&service_unit(subject.name.as_str()));
    let text = async { if subject.notify { bus.get::<String>(&path, SERVICE, "StatusText").await.ok() } else { None } };
    let (pid, restarts, text) =
        tokio::join!(bus.get::<u32>(&path, SERVICE, "MainPID"), bus.get::<u32>(&path, SERVICE, "NRestarts"), text);
    (pid.ok(), restarts.ok(), text)
}

async fn one(
    bus: &Bus,
    subject: &Subject,
    words: &HashMap<String, Words>,
    enabled: &HashSet<String>,
    tree: &cgroup::Tree,
    with_processes: bool,
    early: Option<Main>,
) -> Observed {
    let name = subject.name.as_str();
    let unit = service_unit(name);
    let state = words.get(&unit).cloned().unwrap_or_default();
    let timer = subject.scheduled.then(|| timer_unit(name));
    let mut seen = Observed {
        known: state.load == "loaded",
        enabled: Some(enabled.contains(timer.as_deref().unwrap_or(&unit))),
        ..Observed::stopped(subject.name.clone())
    };
    if !seen.known {
        seen.reason = (!state.load.is_empty() && state.load != "not-found")
            .then(|| format!("systemd can't load its unit ({})", state.load));
        return seen;
    }
    let path = unit_path(&unit);
    if let Some(timer) = &timer {
        let timer_words = words.get(timer).cloned().unwrap_or_default();
        if timer_words.active == "active" {
            seen.next_run_at = next_run(bus, &unit_path(timer)).await;
        }
    }
    match state.active.as_str() {
        "active" | "activating" | "reloading" | "deactivating" | "refreshing" => {
            seen.state = live_state(&state, subject.scheduled);
            let (pid, restarts, text) = match early {
                Some(main) => main,
                None => main_process(bus, subject).await,
            };
            seen.restarts = restarts;
            seen.status_text = text.filter(|text| !text.is_empty());
            if let Some(pid) = pid.filter(|pid| *pid != 0) {
                seen.pid = Some(pid);
                let figures = tree.figures(pid, with_processes);
                seen.started_at = figures.started_at;
                seen.memory_bytes = figures.memory_bytes;
                seen.cpu_seconds = figures.cpu_seconds;
                seen.metrics_from = figures.from;
                seen.processes = figures.processes;
            }
            if seen.state == State::Restarting {
                fill_end(&mut seen, &ended(bus, &unit).await);
            }
        }
        "failed" | "inactive" => {
            let (end, restarts) = tokio::join!(ended(bus, &unit), bus.get::<u32>(&path, SERVICE, "NRestarts"));
            let restarts = restarts.ok();
            let gave_up = state.active == "failed" && restarts.is_some_and(|count| count > 0);
            // the one that the limit did not let happen is counted too
            seen.restarts = restarts.map(|count| count - u32::from(gave_up));
            let end = Ended { gave_up, ..end };
            seen.state = if state.active == "failed" {
                State::Failed
            } else if end.ran && end.exit_code == Some(0) && !end.was_stopped {
                State::Completed
            } else {
                State::Stopped
            };
            fill_end(&mut seen, &end);
        }
        _ => {}
    }
    seen
}

fn live_state(words: &Words, scheduled: bool) -> State {
    match (words.active.as_str(), words.sub.as_str()) {
        ("activating", "auto-restart" | "auto-restart-queued") => State::Restarting,
        // a oneshot's program runs while its unit is "activating (start)"
        ("activating", "start") if scheduled => State::Running,
        ("activating", _) => State::Starting,
        ("deactivating", _) => State::Stopping,
        ("active", "exited") => State::Completed,
        _ => State::Running,
    }
}

fn fill_end(seen: &mut Observed, end: &Ended) {
    seen.exit_code = end.exit_code;
    seen.signal = end.signal.map(signals::name);
    if matches!(seen.state, State::Failed | State::Restarting) {
        let (reason, _) = super::hints::explain(end, &[]);
        seen.reason = Some(reason);
    }
}

async fn next_run(bus: &Bus, timer: &str) -> Option<Timestamp> {
    let (wall, monotonic) = tokio::join!(
        bus.get::<u64>(timer, TIMER, "NextElapseUSecRealtime"),
        bus.get::<u64>(timer, TIMER, "NextElapseUSecMonotonic"),
    );
    let wall = wall.ok().filter(|at| *at != 0 && *at != u64::MAX);
    let monotonic =
        monotonic.ok().filter(|at| *at != 0 && *at != u64::MAX).and_then(crate::sys::clock::wall_of_monotonic);
    let wall = wall.and_then(|at| Timestamp::from_microsecond(i64::try_from(at).ok()?).ok());
    match (wall, monotonic) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Units that a link in a `.wants` or `.requires` folder of `unit_dir` pulls in: what enabling
/// makes (systemd.unit(5), INSTALL SECTION).
pub(crate) fn links(unit_dir: &Path) -> HashSet<String> {
    let mut found = HashSet::new();
    for folder in std::fs::read_dir(unit_dir).into_iter().flatten().flatten() {
        let name = folder.file_name();
        let name = name.to_string_lossy();
        if !(name.ends_with(".wants") || name.ends_with(".requires")) {
            continue;
        }
        for link in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            found.insert(link.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Where the units of a scope lie that a person or svc writes. systemd.unit(5), "UNIT FILE LOAD PATH".
pub(crate) fn unit_dir(scope: Scope, environment: &crate::env::Environment) -> std::path::PathBuf {
    match scope {
        Scope::User => environment.config_home().join("systemd/user"),
        Scope::System => "/etc/systemd/system".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(active: &str, sub: &str) -> Words {
        Words { load: "loaded".into(), active: active.into(), sub: sub.into() }
    }

    #[test]
    fn states_of_systemd_become_those_of_the_contract() {
        assert_eq!(live_state(&words("active", "running"), false), State::Running);
        assert_eq!(live_state(&words("activating", "auto-restart"), false), State::Restarting);
        assert_eq!(live_state(&words("activating", "start"), false), State::Starting);
        assert_eq!(live_state(&words("activating", "start"), true), State::Running);
        assert_eq!(live_state(&words("deactivating", "stop-sigterm"), false), State::Stopping);
        assert_eq!(live_state(&words("reloading", "reload"), false), State::Running);
    }

    #[test]
    fn an_instance_comes_from_its_template() {
        assert_eq!(template("web@1.service").as_deref(), Some("web@.service"));
        assert_eq!(template("web@a.b.timer").as_deref(), Some("web@.timer"));
        assert_eq!(template("web.service"), None);
    }

    #[test]
    fn names_of_a_folder_that_is_not_there_are_none() {
        let mut names = HashSet::new();
        assert!(names_in(Path::new("/nowhere/at/all"), &mut names));
        assert!(names.is_empty());
        let folder = tempfile::tempdir().expect("folder");
        std::fs::File::create(folder.path().join("web.service")).expect("written");
        assert!(names_in(folder.path(), &mut names));
        assert!(names.contains("web.service"));
        assert!(!names_in(&folder.path().join("web.service"), &mut names), "a file is no folder");
    }
}
