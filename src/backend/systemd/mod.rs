//! systemd, user and system scope, over D-Bus. See systemd.service(5), org.freedesktop.systemd1(5).
//!
//! [`render`] makes unit files, pure; [`bus`] is the one connection, [`manager`] its jobs,
//! [`observe`] what it says of units, [`settle`] whether a started program stays up, [`journal`]
//! what it wrote. This file puts them together as a [`Backend`].

mod afresh;
pub(crate) mod bus;
pub(crate) mod check;
mod command;
pub(crate) mod companion;
mod dropins;
mod environment;
mod escape;
pub(crate) mod forgotten;
pub(crate) mod hints;
pub(crate) mod journal;
pub(crate) mod linger;
mod links;
pub(crate) mod log;
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
pub(crate) mod task;
mod text;
mod timer;
pub(crate) mod transport;
mod unit;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::type_complexity, reason = "tests")]
mod tests;

use super::progress::Ear;
/// A word of a command line as a unit has it; none: systemd does not take it.
#[cfg(test)]
pub(crate) fn quoted_word(word: &str) -> Option<String> {
    escape::ExecWord::new(std::ffi::OsStr::new(word)).ok().map(|word| word.to_string())
}

use super::{Action, Adopted, Backend, BackendKind, Claim, Rendered, Scope, Subject, Support};
use crate::definition::problem::Problem;
use crate::env::Environment;
use crate::error::Error;
use crate::files::owner::{Owner, owner};
use crate::report::{Finding, Observed, Outcome, Survival};
use crate::service::{AbsPath, Field, Name, Service};
use bus::{Bus, unit_path};
use futures_util::future::join_all;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tokio::sync::OnceCell;

/// systemd of one scope; connects when first asked something.
#[derive(Debug)]
pub(crate) struct Systemd {
    scope: Scope,
    environment: Environment,
    version: OnceLock<u32>,
    begun: RefCell<Option<transport::Greeting>>,
    /// A failure too: who asks beside others is not to wait for it again.
    bus: OnceCell<Result<Bus, Error>>,
    ear: Ear,
}

impl Systemd {
    /// Without a connection: good for rendering.
    pub(crate) fn new(scope: Scope, environment: Environment) -> Self {
        Self {
            scope,
            environment,
            version: OnceLock::new(),
            begun: RefCell::default(),
            bus: OnceCell::new(),
            ear: Ear::default(),
        }
    }

    fn target(&self) -> render::Target {
        let svc = std::env::current_exe().ok().and_then(|path| AbsPath::new(&path).ok());
        render::Target { scope: self.scope, version: self.version(), unit_dir: self.unit_dir(), svc }
    }

    /// What is known of restarts that systemd was told to forget.
    fn forgotten(&self) -> forgotten::Forgotten {
        forgotten::Forgotten::new(self.scope, &self.environment)
    }

    fn unit_dir(&self) -> PathBuf {
        observe::unit_dir(self.scope, &self.environment)
    }

    /// Looked up when a field depends on it: the state of units does not.
    fn version(&self) -> u32 {
        *self.version.get_or_init(|| installed_version().unwrap_or(render::NEWEST_KNOWN))
    }

    /// The connection, made on first use.
    pub(crate) async fn bus(&self) -> Result<&Bus, Error> {
        self.needs_runtime()?;
        let connected = self.bus.get_or_init(|| async {
            let connected = Bus::connect(self.scope, &self.environment, self.begun.take()).await;
            connected.map_err(|failure| super::detect::explain(&failure, self.scope, &self.environment))
        });
        connected.await.as_ref().map_err(Clone::clone)
    }

    /// Where systemd is not PID 1, commands of another backend run without a runtime; a record of
    /// systemd's may still lie there.
    fn needs_runtime(&self) -> Result<(), Error> {
        let nobody = bus::NoManager { tried: Vec::new(), denied: false, silent: false };
        let missing = |_| super::detect::explain(&nobody, self.scope, &self.environment);
        tokio::runtime::Handle::try_current().map(|_| ()).map_err(missing)
    }

    /// Version of the running manager, e.g. `252.38-1~deb12u1`.
    pub(crate) async fn running_version(&self) -> Result<String, Error> {
        let bus = self.bus().await?;
        bus.manager_property::<String>("Version").await.map_err(|error| error.into_error("ask systemd for its version"))
    }

    /// What lies in the folder of units under this name; `None`: nothing, so that the manager has
    /// to be asked.
    fn claim_by_file(&self, unit: &str) -> Option<Claim> {
        let file = self.unit_dir().join(unit);
        let data = std::fs::symlink_metadata(&file).ok()?;
        if data.file_type().is_symlink() {
            let target = std::fs::read_link(&file).unwrap_or_default();
            return Some(if target == Path::new("/dev/null") { Claim::Masked } else { Claim::Foreign(file) });
        }
        if data.is_file() && data.len() == 0 {
            return Some(Claim::Masked);
        }
        Some(match std::fs::read_to_string(&file).map(|text| owner(&text)) {
            Ok(Owner::Svc { .. }) => Claim::Free,
            Ok(Owner::Foreign) | Err(_) => Claim::Foreign(file),
        })
    }

    /// Whether somebody else has a unit under the name of a companion.
    fn claim_of_companions(&self, name: &Name) -> Option<Claim> {
        let claims = companion::units(name).filter_map(|unit| self.claim_by_file(&unit));
        claims.into_iter().find(|claim| *claim != Claim::Free)
    }
}

/// Whether a unit of this name comes from somewhere else (quoting-facts: a file in the user's
/// folder would shadow it). A unit that is only left over in memory is nobody's.
async fn claim_by_manager(bus: &Bus, unit: &str, words: Option<&observe::Words>) -> Claim {
    match words.map(|words| words.load.as_str()) {
        None | Some("not-found") => Claim::Free,
        Some("masked") => Claim::Masked,
        Some(_) => {
            let fragment = bus.get::<String>(&unit_path(unit), observe::UNIT, "FragmentPath").await.unwrap_or_default();
            if fragment.is_empty() || !Path::new(&fragment).exists() {
                Claim::Free
            } else {
                Claim::Foreign(fragment.into())
            }
        }
    }
}

impl Backend for Systemd {
    fn ear(&self) -> &Ear {
        &self.ear
    }

    fn kind(&self) -> BackendKind {
        BackendKind::Systemd
    }

    /// The time of a timer's last run (`Persistent=`, systemd.timer(5)): another one of that name, installed
    /// later, would run at once to make up for what it never missed.
    fn leaves(&self, subject: &Subject) -> Vec<PathBuf> {
        let folder = match self.scope {
            Scope::User => self.environment.home.as_path().join(".local/share/systemd/timers"),
            Scope::System => PathBuf::from("/var/lib/systemd/timers"),
        };
        let stamp = || folder.join(format!("stamp-{}", manager::timer_unit(subject.name.as_str())));
        subject.scheduled.then(stamp).into_iter().collect()
    }

    fn begin(&self) {
        *self.begun.borrow_mut() = bus::begin(self.scope, &self.environment);
    }

    fn support(&self, field: Field) -> Support {
        support::support(field, self.scope, self.version())
    }

    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>> {
        render::render(service, &self.target())
    }

    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error> {
        let bus = self.bus().await?;
        let units = |name: &Name| [manager::service_unit(name.as_str()), manager::timer_unit(name.as_str())];
        let by_file: Vec<_> = names.iter().map(|name| units(name).map(|unit| self.claim_by_file(&unit))).collect();
        let companions: Vec<_> = names.iter().map(|name| self.claim_of_companions(name)).collect();
        let unknown = names.iter().zip(&by_file).flat_map(|(name, claims)| {
            units(name).into_iter().zip(claims).filter(|(_, claim)| claim.is_none()).map(|(unit, _)| unit)
        });
        let unknown: Vec<String> = unknown.collect();
        let words = observe::words_if_there(bus, &self.unit_dir(), unknown).await;
        let words = words.map_err(|error| error.into_error("ask systemd about units"))?;
        let all = names.iter().zip(by_file).zip(companions).map(async |((name, claims), companions)| {
            if let Some(claim) = companions {
                return claim;
            }
            for (unit, claim) in units(name).iter().zip(claims) {
                let claim = match claim {
                    Some(claim) => claim,
                    None => claim_by_manager(bus, unit, words.get(unit)).await,
                };
                if claim != Claim::Free {
                    return claim;
                }
            }
            Claim::Free
        });
        Ok(join_all(all).await)
    }

    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error> {
        let bus = self.bus().await?;
        afresh::keep(bus, &self.target(), &self.environment).await?;
        manager::reload(bus).await.map_err(|error| error.into_error("let systemd read its units again"))?;
        let units: Vec<(&Name, String)> = subjects
            .iter()
            .flat_map(|subject| {
                let name = subject.name.as_str();
                let timer = subject.scheduled.then(|| manager::timer_unit(name));
                std::iter::once(manager::service_unit(name)).chain(timer).map(|unit| (&subject.name, unit))
            })
            .collect();
        let names: Vec<String> = units.iter().map(|(_, unit)| unit.clone()).collect();
        let words = observe::words(bus, &names).await.map_err(|error| error.into_error("ask systemd about units"))?;
        let bad = units.iter().filter(|(_, unit)| words.get(unit).is_none_or(|words| words.load != "loaded"));
        let complaints = bad.map(async |(name, unit)| ((*name).clone(), load_error(bus, unit, words.get(unit)).await));
        Ok(join_all(complaints).await)
    }

    async fn complaints(&self, files: &[PathBuf], since: jiff::Timestamp) -> Vec<(PathBuf, String)> {
        let found = journal::complaints(self.scope, files, since);
        found.into_iter().map(|(file, line, text)| (file.clone(), format!("line {line}: {text}"))).collect()
    }

    /// What runs beside a service goes on with it, by its new file.
    async fn adopt(&self, all: &[Adopted]) -> Result<(), Error> {
        let is_beside =
            |one: &Adopted, unit: &String| companion::beside(&one.subject.name).any(|companion| companion == *unit);
        let units = all.iter().flat_map(|one| {
            let names = one.files.iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
            names.filter(move |unit| is_beside(one, unit))
        });
        let (there, gone): (Vec<String>, Vec<String>) = units.partition(|unit| self.unit_dir().join(unit).exists());
        let again = there.into_iter().map(|unit| (manager::Job::Restart, unit));
        let jobs: Vec<_> = again.chain(gone.into_iter().map(|unit| (manager::Job::Stop, unit))).collect();
        if jobs.is_empty() {
            return Ok(());
        }
        let ends = manager::run(self.bus().await?, &jobs, perform::JOB_LIMIT, &|_, _| ()).await;
        let ends = ends.map_err(|error| error.into_error("talk to systemd"))?;
        let failed = jobs.iter().zip(ends).find(|((job, _), end)| {
            *job == manager::Job::Restart && !matches!(end, Ok(manager::JobEnd::Done | manager::JobEnd::Skipped))
        });
        failed.map_or(Ok(()), |((_, unit), _)| Err(Error::failed(format!("`{unit}` can't be started anew"))))
    }

    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error> {
        let pipes = log::folder(self.scope, &self.environment);
        perform::perform(self.bus().await?, &self.unit_dir(), &self.forgotten(), &pipes, actions, &self.ear).await
    }

    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error> {
        let drop_ins = dropins::DropIns::read(self.scope, &self.environment, &self.unit_dir());
        let bus = self.bus().await?;
        let seen = observe::observe(bus, subjects, &self.unit_dir(), &drop_ins).await;
        let mut seen = seen.map_err(|error| error.into_error("ask systemd for the state of units"))?;
        self.forgotten().add_to(&mut seen);
        Ok(seen)
    }

    async fn survives(&self, subject: &Subject) -> Result<Vec<Survival>, Error> {
        let bus = self.bus().await?;
        Ok(survives::survives(bus, subject, &self.environment, &self.unit_dir()).await)
    }

    async fn outlive_logout(&self, on: bool) -> Result<Option<String>, Error> {
        if self.scope == Scope::System || linger::is_on(&self.environment) == on {
            return Ok(None);
        }
        linger::set(&self.environment, on).await?;
        let said = if on {
            "lingering is on: services of this user run from boot on and over logouts"
        } else {
            "lingering is off again: svc had switched it on, and no service needs it any more"
        };
        Ok(Some(said.into()))
    }

    async fn check_machine(&self) -> Vec<Finding> {
        check::machine(self, self.scope, &self.environment).await
    }
}

/// What systemd says of a unit that it can't load.
async fn load_error(bus: &Bus, unit: &str, words: Option<&observe::Words>) -> String {
    let reason = bus.get::<(String, String)>(&unit_path(unit), observe::UNIT, "LoadError").await;
    let reason = reason.map(|error| error.1).unwrap_or_default();
    let state = words.map_or("not known", |words| words.load.as_str());
    format!("systemd does not accept `{unit}` ({state}){}{reason}", if reason.is_empty() { "" } else { ": " })
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
