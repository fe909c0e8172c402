//! Tasks under systemd: each is a transient service (org.freedesktop.systemd1(5), `StartTransientUnit`), so that
//! `systemctl status svc:task-N` tells the truth and its control group holds whatever it starts.
//!
//! What it runs is `svc helper task-exec`, which reads the record and becomes the program: the environment is
//! handed on byte by byte, in no message and no property that others may read. When all of it is gone,
//! `ExecStopPost=` runs `svc helper task-ended`, also when it was killed.

use super::Systemd;
use super::bus::{Bus, CallError};
use super::observe;
use crate::engine::job::Limits;
use crate::error::Error;
use crate::service::Signal;
use crate::task::{Slot, Spec, Store};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::path::Path;
use zbus::{OwnedObjectPath, Variant};

/// A property of a unit.
type Property<'a> = (&'a str, Variant<'a>);
/// A command line as `ExecStart=` has it: path, words, whether a failure is none.
type Line = (String, Vec<String>, bool);

/// The unit of a task. No service and no companion can have this name.
pub(crate) fn unit(id: u64) -> String {
    format!("svc:task-{id}.service")
}

impl Systemd {
    /// Those that have a unit which is not down.
    pub(crate) async fn known_tasks(&self, ids: &[u64]) -> Result<Vec<u64>, Error> {
        let bus = self.bus().await?;
        let units: Vec<String> = ids.iter().map(|id| unit(*id)).collect();
        let words = observe::words(bus, &units).await.map_err(|error| error.into_error("ask systemd about units"))?;
        let is_there = |id: &&u64| {
            let words = words.get(&unit(**id));
            words.is_some_and(|words| !matches!(words.active.as_str(), "inactive" | "failed"))
        };
        Ok(ids.iter().filter(is_there).copied().collect())
    }

    /// Starts each in a unit of its own.
    pub(crate) async fn start_tasks(&self, store: &Store, tasks: &[(Slot, Spec)]) -> Vec<Result<(), Error>> {
        let bus = match self.bus().await {
            Ok(bus) => bus,
            Err(error) => return tasks.iter().map(|_| Err(error.clone())).collect(),
        };
        let svc = match self.svc() {
            Ok(svc) => svc,
            Err(error) => return tasks.iter().map(|_| Err(error.clone())).collect(),
        };
        join_all(tasks.iter().map(|(slot, spec)| self.start_task(bus, &svc, store, slot, spec))).await
    }

    async fn start_task(&self, bus: &Bus, svc: &str, store: &Store, slot: &Slot, spec: &Spec) -> Result<(), Error> {
        let store = folder(store)?;
        let helper = |what: &str| self.helper(svc, &[what, store, &slot.id.to_string()]);
        let mut properties = self.of_all(&format!("{} (task {} of svc)", spec.name, slot.id));
        let signal = Signal::parse(&spec.job.stop_signal).unwrap_or(Signal::TERM);
        properties.extend([
            ("Type", Variant::from("exec")),
            ("ExecStart", Variant::from(vec![helper("task-exec")])),
            ("ExecStopPost", Variant::from(vec![helper("task-ended")])),
            ("KillSignal", Variant::from(signal.number())),
            ("TimeoutStopUSec", Variant::from(u64::from(spec.grace.max(1)) * 1000)),
            ("IgnoreSIGPIPE", Variant::from(false)),
            ("NotifyAccess", Variant::from("all")),
        ]);
        if spec.job.run_timeout.0 > 0 {
            properties.push(("RuntimeMaxUSec", Variant::from(spec.job.run_timeout.0.saturating_mul(1000))));
        }
        if let Some(user) = &spec.job.user {
            properties.push(("User", Variant::from(user.as_str())));
        }
        properties.extend(spec.job.nice.map(|nice| ("Nice", Variant::from(i32::from(nice)))));
        properties.extend(limits(spec.job.limits));
        match run(bus, &unit(slot.id), properties).await {
            // somebody who was killed since had started it
            Err(error) if error.is("UnitExists") => Ok(()),
            other => other.map_err(|error| error.into_error("let systemd run it")),
        }
    }

    /// What all such units have.
    fn of_all(&self, description: &str) -> Vec<Property<'static>> {
        let own: Vec<String> = self
            .environment
            .own()
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.to_str()?)))
            .filter(|one| !one.contains(char::is_control))
            .collect();
        vec![
            ("Description", Variant::from(description.to_owned())),
            ("CollectMode", Variant::from("inactive-or-failed")),
            ("Environment", Variant::from(own)),
        ]
    }

    /// `svc helper WORDS…`
    fn helper(&self, svc: &str, words: &[&str]) -> Line {
        let scope = if self.scope == crate::backend::Scope::System { "--system" } else { "--user" };
        let all = ["svc", scope, "helper"].into_iter().chain(words.iter().copied());
        (svc.to_owned(), all.map(str::to_owned).collect(), false)
    }

    fn svc(&self) -> Result<String, Error> {
        let path = self.target().svc.map(|path| path.to_string());
        path.ok_or_else(|| Error::failed("can't run a task: where svc lies can't be found out"))
    }

    /// SIGTERM, the time that its record says, SIGKILL; returns when nothing is left.
    pub(crate) async fn stop_task(&self, slot: &Slot, spec: &Spec) -> Result<(), Error> {
        let bus = self.bus().await?;
        let unit = unit(slot.id);
        let grace = std::time::Duration::from_millis(slot.grace.into());
        let jobs = [(super::manager::Job::Stop, unit.clone())];
        let stop = super::manager::run(bus, &jobs, LONGEST, &|_, _| ());
        let failed = |error: CallError| error.into_error("let systemd stop it");
        if slot.grace == spec.grace {
            return stop.await.map(drop).map_err(failed);
        }
        // the unit has another time: both signals are sent here
        let signal = Signal::parse(&spec.job.stop_signal).unwrap_or(Signal::TERM).number();
        let send = async |signal: i32| bus.call("KillUnit", &(unit.as_str(), "all", signal)).await;
        if let Err(error) = send(signal).await {
            return if error.is("NoSuchUnit") { Ok(()) } else { Err(failed(error)) };
        }
        let deadline = tokio::time::Instant::now() + grace;
        while tokio::time::Instant::now() < deadline {
            if self.known_tasks(&[slot.id]).await?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        let _ = send(nix::sys::signal::Signal::SIGKILL as i32).await; // it may be gone by now
        stop.await.map(drop).map_err(failed)
    }

    /// A transient timer that has the line looked at.
    pub(crate) async fn wake_for_tasks(&self, store: &Store, at: i64) -> Result<(), Error> {
        let (bus, svc) = (self.bus().await?, self.svc()?);
        let name = format!("svc:tasks-at-{at}");
        let service = format!("{name}.service");
        let ahead = u64::try_from(at - crate::sys::clock::now().as_millisecond()).unwrap_or(0).max(1);
        let mut own = self.of_all("looks at the line of svc's tasks");
        own.extend([
            ("Type", Variant::from("oneshot")),
            ("ExecStart", Variant::from(vec![self.helper(&svc, &["task-fill", folder(store)?])])),
        ]);
        let timer = vec![
            ("Description", Variant::from("a task of svc may start")),
            ("TimersMonotonic", Variant::from(vec![("OnActiveSec".to_owned(), ahead.saturating_mul(1000))])),
            ("AccuracyUSec", Variant::from(1_000_u64)),
            ("RemainAfterElapse", Variant::from(false)),
            ("CollectMode", Variant::from("inactive-or-failed")),
        ];
        let aux = vec![(service, own)];
        let started: Result<OwnedObjectPath, _> =
            bus.ask("StartTransientUnit", &(format!("{name}.timer"), "fail", timer, aux)).await;
        match started {
            Err(error) if error.is("UnitExists") => Ok(()),
            other => other.map(drop).map_err(|error| error.into_error("let systemd wake svc")),
        }
    }

    /// A unit of its own, so that the end of the task's does not end it.
    pub(crate) async fn follow_task(&self, store: &Store, slot: &Slot) -> Result<(), Error> {
        let (bus, svc) = (self.bus().await?, self.svc()?);
        let mut properties = self.of_all(&format!("what follows task {} of svc", slot.id));
        let line = self.helper(&svc, &["task-exit", folder(store)?, &slot.id.to_string()]);
        properties.extend([("Type", Variant::from("exec")), ("ExecStart", Variant::from(vec![line]))]);
        let started = run(bus, &format!("svc:task-{}-exit.service", slot.id), properties).await;
        started.map_err(|error| error.into_error("let systemd run what follows a task"))
    }
}

/// Longest wait for a stop: the unit's own time-out ends it before.
const LONGEST: std::time::Duration = std::time::Duration::from_hours(1);
/// Between two looks whether a task is gone.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

async fn run(bus: &Bus, unit: &str, properties: Vec<Property<'_>>) -> Result<(), CallError> {
    let aux: Vec<(&str, Vec<Property<'_>>)> = Vec::new();
    let started: Result<OwnedObjectPath, _> = bus.ask("StartTransientUnit", &(unit, "fail", properties, aux)).await;
    started.map(drop)
}

/// The folder as a word of D-Bus, which takes UTF-8 only.
fn folder(store: &Store) -> Result<&str, Error> {
    let path: &Path = &store.folder;
    let refused = || Error::failed(format!("systemd takes no path that is not UTF-8: `{}`", path.display()));
    path.to_str().filter(|path| !path.contains('$')).ok_or_else(refused)
}

fn limits(limits: Limits) -> Vec<Property<'static>> {
    let Limits { memory, cpu, tasks, files } = limits;
    // CPU time in a second: 100 % is one core
    let cpu = cpu.map(|percent| u64::from(percent) * 10_000);
    let all: HashMap<&str, Option<u64>> = HashMap::from([
        ("MemoryMax", memory),
        ("CPUQuotaPerSecUSec", cpu),
        ("TasksMax", tasks),
        ("LimitNOFILE", files),
        ("LimitNOFILESoft", files),
    ]);
    all.into_iter().filter_map(|(name, value)| Some((name, Variant::from(value?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_task_is_no_service_s() {
        assert_eq!(unit(42), "svc:task-42.service");
        assert!(crate::service::Name::parse("svc:task-42").is_err());
    }

    #[test]
    fn only_limits_that_were_asked_for_are_set() {
        let set = limits(Limits { cpu: Some(50), ..Limits::default() });
        assert_eq!(set, [("CPUQuotaPerSecUSec", Variant::from(500_000_u64))]);
    }
}
