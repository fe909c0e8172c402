//! The managers that run services, behind one trait.
//!
//! The life of a service, and who acts: `definition` reads and checks it; [`Backend::render`] makes
//! its files, pure; `plan::execute` locks, writes them, calls [`Backend::perform`] and puts the old
//! ones back if an outcome is a failure; the manager starts, watches and restarts the program by
//! itself, svc not running; [`Backend::observe`] asks the manager what became of it; `logs`
//! reads what it wrote; uninstall performs stop and disable, removes the files
//! and reloads.

pub(crate) mod any;
pub mod detect;
pub(crate) mod figures;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod golden;
pub(crate) mod hints;
pub mod launchd;
pub(crate) mod progress;
pub(crate) mod refusals;
pub mod supervisor;
pub mod systemd;
mod task;

use crate::definition::problem::Problem;
use crate::error::Error;
use crate::plan::reach::Reach;
use crate::report::{Observed, Outcome};
use crate::service::{Field, Name, Service};
use progress::Ear;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The managers svc knows. DESIGN §1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Linux with systemd as PID 1.
    Systemd,
    /// macOS.
    Launchd,
    /// svc's own, everywhere else.
    Supervisor,
}

impl BackendKind {
    /// The word used on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Supervisor => "supervisor",
        }
    }
}

/// Whose services: one user's, or the machine's. DESIGN §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The user's own manager.
    User,
    /// The machine's manager.
    System,
}

impl Scope {
    /// The word used on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }
}

/// How a backend does one field, and why: what `svc render --explain` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// The manager does it; by which directive.
    Native(String),
    /// A second unit does it.
    Companion(String),
    /// svc as the parent of the program does it.
    Shim(String),
    /// svc does it when it reads the definition; the manager sees nothing of it.
    Definition(String),
    /// It can't be done here; why.
    Refused(String),
}

/// A file that a backend wants to lie somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenderedFile {
    /// Absolute.
    #[serde(serialize_with = "crate::files::serde_path::shown::one")]
    pub path: PathBuf,
    /// Permission bits, e.g. 0o644.
    pub mode: u32,
    /// The text.
    pub contents: String,
}

/// What rendering one service gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// Its files.
    pub files: Vec<RenderedFile>,
    /// The file that its output goes to; none for the manager's own log.
    pub log: Option<PathBuf>,
    /// What was left out of what was asked for (the running manager is too old, …), one sentence each.
    pub notes: Vec<String>,
}

/// What to do with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Make it start by itself.
    Enable,
    /// Make it not start by itself.
    Disable,
    /// Start it (a scheduled one: arm its timer) and see that it stays up.
    Start,
    /// Stop it with all of its processes.
    Stop,
    /// Stop, then start; starts it if it was stopped.
    Restart,
    /// Make it read its settings again.
    Reload,
}

/// A service as far as driving it needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: Name,
    /// It has a timer of its own.
    pub scheduled: bool,
    /// It speaks `sd_notify(3)`, so it may have a status text.
    pub notify: bool,
    /// Its log file; none for the manager's own log.
    pub log: Option<PathBuf>,
    /// What must be up before it, of the same batch or not.
    pub depends_on: Vec<Name>,
}

/// A service that runs on under files that were written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Which.
    pub subject: Subject,
    /// The files that differ from before, those that are gone among them.
    pub files: Vec<PathBuf>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub verb: Verb,
    /// With which service.
    pub subject: Subject,
}

/// What lies under a name before svc installs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing, or svc's own.
    Free,
    /// Somebody else's file; its path.
    Foreign(PathBuf),
    /// Masked by the administrator.
    Masked,
}

/// What every manager can be asked to do.
pub(crate) trait Backend {
    /// Which one it is.
    fn kind(&self) -> BackendKind;
    /// The manager will be asked something: whatever can go on beside svc's own work begins.
    fn begin(&self) {}
    /// Who hears what it does, while it does it.
    fn ear(&self) -> &Ear;
    /// It makes log files itself, as private as svc would; they need not be there before.
    fn makes_logs(&self) -> bool {
        false
    }
    /// How it does one field, and why.
    fn support(&self, field: Field) -> Support;
    /// What is installed starts by itself until it is told not to, rather than once it is told to.
    fn starts_unless_told(&self) -> bool {
        false
    }
    /// How far a change may reach and yet come true for a program that runs, once the definition is loaded.
    fn takes_while_running(&self) -> Reach {
        Reach::Manager
    }
    /// What runs goes on under these definitions, though the manager was given older ones: the difference is
    /// within [`Backend::takes_while_running`].
    async fn adopt(&self, _: &[Adopted]) -> Result<(), Error> {
        Ok(())
    }
    /// Lets go of services whose files are gone, where a load of others does not.
    async fn forget(&self, _: &[Subject]) -> Result<(), Error> {
        Ok(())
    }
    /// Files that the manager keeps for a service and leaves behind when that is gone.
    fn leaves(&self, _: &Subject) -> Vec<PathBuf> {
        Vec::new()
    }
    /// The files of a service. Pure: the same service gives the same bytes on every platform.
    fn render(&self, service: &Service) -> Result<Rendered, Vec<Problem>>;
    /// What the manager knows under these names, in their order.
    async fn claims(&self, names: &[Name]) -> Result<Vec<Claim>, Error>;
    /// Makes the manager read all definitions again; then what it complains of in these `subjects`.
    async fn load(&self, subjects: &[Subject]) -> Result<Vec<(Name, String)>, Error>;
    /// What the manager said of these files since then: lines it ignores, with its reason. Empty
    /// where its log can't be read.
    async fn complaints(&self, files: &[PathBuf], since: jiff::Timestamp) -> Vec<(PathBuf, String)>;
    /// One batch, jobs side by side; each outcome is true when it is returned. In the order of `actions`.
    async fn perform(&self, actions: &[Action]) -> Result<Vec<Outcome>, Error>;
    /// What the manager says of these services, in their order.
    async fn observe(&self, subjects: &[Subject]) -> Result<Vec<Observed>, Error>;
    /// What a service survives, found out from the manager.
    async fn survives(&self, subject: &Subject) -> Result<Vec<crate::report::Survival>, Error>;
    /// Lets the scope's services run from boot on with nobody logged in, or no longer; what that
    /// changed, in a sentence, if anything.
    async fn outlive_logout(&self, on: bool) -> Result<Option<String>, Error>;
    /// What stands in the way on this machine.
    async fn check_machine(&self) -> Vec<crate::report::Finding>;
}
