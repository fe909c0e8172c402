//! systemd, user and system scope, over D-Bus. See systemd.service(5), org.freedesktop.systemd1(5).
//!
//! [`render`] makes unit files, pure; [`bus`] is the one connection, [`manager`] its jobs,
//! [`observe`] what it says of units, [`settle`] whether a started program stays up, [`journal`]
//! what it wrote. This file puts them together as a [`Backend`].

pub(crate) mod bus;
pub(crate) mod check;
mod command;
mod environment;
mod escape;
pub(crate) mod hints;
pub(crate) mod journal;
pub(crate) mod linger;
pub(crate) mod manager;
pub(crate) mod observe;
pub(crate) mod path;
mod perform;
mod refuse;
pub(crate) mod render;
mod restart;
mod sandbox;
pub(crate) mod settle;
pub(crate) mod support;
pub(crate) mod survives;
mod text;
mod timer;
pub(crate) mod transport;
mod unit;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::type_complexity, reason = "tests")]
mod tests;

use super::{Action, Backend, BackendKind, Claim, Rendered, Scope, Subject, Support};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::error::Error;
use crate::files::owner::{Owner, owner};
use crate::report::{Finding, LogLine, LogQuery, Observed, Outcome, Survival};
use crate::service::{Field, Name, Service};
use bus::{Bus, unit_path};
use futures_util::future::join_all;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// systemd of one scope; connects when first asked something.
#[derive(Debug)]
pub(crate) struct Systemd {
    scope: Scope,
    environment: Environment,
    version: u32,
    bus: OnceCell<Bus>,
}

impl Systemd {
    /// Without a connection: good for rendering.
    pub(crate) fn new(scope: Scope, environment: Environment) -> Self {
        let version = installed_version().unwrap_or(render::NEWEST_KNOWN);
        Self { scope, environment, version, bus: OnceCell::new() }
    }

    fn target(&self) -> render::Target {
        render::Target {
            scope: self.scope,
            version: self.version,
            unit_dir: observe::unit_dir(self.scope, &self.environment),
        }
    }

    /// The connection, made on first use.
    pub(crate) async fn bus(&self) -> Result<&Bus, Error> {
        self.bus
            .get_or_try_init(|| async {
                Bus::connect(self.scope, &self.environment)
                    .await
                    .map_err(|failure| super::detect::explain(&failure, self.scope, &self.environment))
            })
            .await
    }

    /// Version of the running manager, e.g. `252.38-1~deb12u1`.
    pub(crate) async fn running_version(&self) -> Result<String, Error> {
        let bus = self.bus().await?;
        bus.manager_property::<String>("Version").await.map_err(|error| error.into_error("ask systemd for its version"))
    }

    async fn claim(&self, bus: &Bus, name: &Name) -> Result<Claim, Error> {
        for unit in [manager::service_unit(name.as_str()), manager::timer_unit(name.as_str())] {
            let file = self.target().unit_dir.join(&unit);
            match std::fs::symlink_metadata(&file) {
                Ok(data) if data.file_type().is_symlink() => {
                    let target = std::fs::read_link(&file).unwrap_or_default();
                    return Ok(if target == Path::new("/dev/null") { Claim::Masked } else { Claim::Foreign(file) });
                }
                Ok(data) if data.is_file() && data.len() == 0 => return Ok(Claim::Masked),
                Ok(_) => match std::fs::read_to_string(&file).map(|text| owner(&text)) {
                    Ok(Owner::Svc { .. }) => continue,
                    Ok(Owner::Foreign) | Err(_) => return Ok(Claim::Foreign(file)),
                },
                Err(_) => {}
            }
            if let Some(claim) = known_elsewhere(bus, &unit, &file).await? {
                return Ok(claim);
            }
        }
        Ok(Claim::Free)
    }
}

/// Asks systemd whether a unit of this name comes from somewhere else (quoting-facts §9: a file in
/// the user's folder would shadow it). A unit that is only left over in memory is nobody's.
async fn known_elsewhere(bus: &Bus, unit: &str, own: &Path) -> Result<Option<Claim>, Error> {
    let asked = |error: bus::CallError| error.into_error(&format!("ask systemd about `{unit}`"));
    bus.call("LoadUnit", &(unit,)).await.map_err(asked)?;
    let path = unit_path(unit);
    let (state, fragment) = tokio::join!(
        bus.get::<String>(&path, observe::UNIT, "LoadState"),
        bus.get::<String>(&path, observe::UNIT, "FragmentPath"),
    );
    let fragment = fragment.unwrap_or_default();
    Ok(match state.unwrap_or_default().as_str() {
        "masked" => Some(Claim::Masked),
        "not-found" => None,
        _ if fragment.is_empty() || Path::new(&fragment) == own => None,
        _ => Some(Claim::Foreign(fragment.into())),
    })
}

impl Backend for Systemd {
    fn kind(&self) -> BackendKind {
        BackendKind::Systemd
    }

    fn support(&self, field: Field) -> Support {
        support::support(field, self.scope, self.version)
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        render::render(service, &self.target())
    }

    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        let bus = self.bus().await?;
        join_all(names.iter().map(|name| self.claim(bus, name))).await.into_iter().collect()
    }

    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        let bus = self.bus().await?;
        manager::reload(bus).await.map_err(|error| error.into_error("let systemd read its units again"))?;
        let checks = subjects.iter().map(|subject| async move {
            let name = subject.name.as_str();
            let timer = subject.scheduled.then(|| manager::timer_unit(name));
            for unit in std::iter::once(manager::service_unit(name)).chain(timer) {
                if let Some(complaint) = load_state(bus, &unit).await {
                    return Some((subject.name.clone(), complaint));
                }
            }
            None
        });
        Ok(join_all(checks).await.into_iter().flatten().collect())
    }

    async fn complaints(&self, files: &[PathBuf], since: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        let found = journal::complaints(self.scope, files, since).await;
        found.into_iter().map(|(file, line, text)| (file.clone(), format!("line {line}: {text}"))).collect()
    }

    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        perform::perform(self.bus().await?, actions).await
    }

    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        let bus = self.bus().await?;
        let seen = observe::observe(bus, subjects, &self.target().unit_dir).await;
        seen.map_err(|error| error.into_error("ask systemd for the state of units"))
    }

    async fn survives(&self, subject: &Subject) -> Result<Vec<Survival>, Error> {
        let bus = self.bus().await?;
        Ok(survives::survives(bus, subject, &self.environment, &self.target().unit_dir).await)
    }

    async fn outlive_logout(&self, on: bool) -> Result<bool, Error> {
        if self.scope == Scope::System || linger::is_on(&self.environment) == on {
            return Ok(false);
        }
        linger::set(&self.environment, on).await.map(|()| true)
    }

    async fn check_machine(&self) -> Vec<Finding> {
        check::machine(self, self.scope, &self.environment).await
    }

    async fn logs(&self, query: &LogQuery, sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>) -> Result<(), Error> {
        journal::read(self.scope, query, sink).await
    }
}

/// What systemd says of a unit that it can't load; `None` when it is loaded.
async fn load_state(bus: &Bus, unit: &str) -> Option<String> {
    if let Err(error) = bus.call("LoadUnit", &(unit,)).await {
        return Some(format!("systemd can't load `{unit}`: {}", error.text()));
    }
    let path = unit_path(unit);
    let state = bus.get::<String>(&path, observe::UNIT, "LoadState").await.unwrap_or_default();
    if state == "loaded" {
        return None;
    }
    let reason =
        bus.get::<(String, String)>(&path, observe::UNIT, "LoadError").await.map(|error| error.1).unwrap_or_default();
    Some(format!("systemd does not accept `{unit}` ({state}){}{reason}", if reason.is_empty() { "" } else { ": " }))
}

/// Version of the systemd installed here, by the name of its shared library; no process is
/// started for it.
fn installed_version() -> Option<u32> {
    let folders = [
        "/usr/lib/systemd",
        "/lib/systemd",
        "/usr/lib64/systemd",
        "/usr/lib/x86_64-linux-gnu/systemd",
        "/usr/lib/aarch64-linux-gnu/systemd",
    ];
    folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten()).find_map(|entry| {
        let name = entry.file_name();
        let digits = name.to_str()?.strip_prefix("libsystemd-shared-")?;
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}
