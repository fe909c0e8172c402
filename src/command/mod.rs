//! One file per command: arguments and [`Context`] in, a `Report` out. No terminal, no D-Bus, no
//! file formats here.

pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod drive;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod foreground;
pub(crate) mod helper;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod install;
pub(crate) mod list;
mod log_writer;
pub(crate) mod logs;
pub(crate) mod reconcile;
pub(crate) mod render;
pub(crate) mod selection;
pub(crate) mod shim;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod supervisor;
pub(crate) mod task;
pub(crate) mod uninstall;
pub(crate) mod up;

use crate::backend::any::AnyBackend;
use crate::backend::detect::{self, Wanted};
use crate::backend::{Backend, BackendKind, Scope};
use crate::definition::{Definitions, Surroundings, read_manifest};
use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::record::{self, Record};
use crate::service::AbsPath;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) scope: Scope,
    /// The one that was asked for, or that the machine has.
    pub(crate) backend: AnyBackend,
    /// Other ones, of which records tell, by kind.
    others: [OnceCell<AnyBackend>; 3],
    pub(crate) paths: Paths,
    /// Folder of the shell, or of `-C`.
    pub(crate) folder: AbsPath,
    /// `--file`.
    pub(crate) file: Option<PathBuf>,
}

/// The name of a manifest.
pub(crate) const MANIFEST: &str = "svc.toml";

impl Context {
    /// From what was typed before the command.
    pub(crate) fn new(
        environment: Environment,
        wanted: Wanted,
        (system, user): (bool, bool),
        folder: AbsPath,
        file: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let kind = detect::choose(wanted);
        let scope = detect::scope(system, user, kind, &environment)?;
        let backend = AnyBackend::new(kind, scope, &environment);
        let paths = Paths::new(scope, &environment);
        Ok(Self { paths, environment, scope, backend, others: Default::default(), folder, file })
    }

    /// The backend of an installed service, whatever was asked for: a service stays where it was
    /// installed.
    pub(crate) fn backend_of(&self, record: &Record) -> &AnyBackend {
        self.of_kind(self.backend_of_kind(record))
    }

    /// Which one that is.
    pub(crate) fn backend_of_kind(&self, record: &Record) -> BackendKind {
        match record.backend.as_str() {
            "systemd" => BackendKind::Systemd,
            "launchd" => BackendKind::Launchd,
            // the machine's services are never the supervisor's
            "supervisor" if self.scope == Scope::User => BackendKind::Supervisor,
            _ => self.backend.kind(),
        }
    }

    pub(crate) fn of_kind(&self, kind: BackendKind) -> &AnyBackend {
        if kind == self.backend.kind() {
            return &self.backend;
        }
        self.others[kind as usize].get_or_init(|| AnyBackend::new(kind, self.scope, &self.environment))
    }

    /// Records by their backend, each group in the order of `records`.
    pub(crate) fn by_backend<'a>(&self, records: &'a [Record]) -> Vec<(&AnyBackend, Vec<&'a Record>)> {
        let mut groups: Vec<(&AnyBackend, Vec<&Record>)> = Vec::new();
        for record in records {
            let backend = self.backend_of(record);
            match groups.iter_mut().find(|(one, _)| one.kind() == backend.kind()) {
                Some((_, group)) => group.push(record),
                None => groups.push((backend, vec![record])),
            }
        }
        groups
    }

    /// Whether a command may have to wait for a manager over D-Bus, so that it needs a runtime.
    pub(crate) fn needs_runtime(&self) -> bool {
        self.backend.kind() == BackendKind::Systemd || detect::systemd_is_pid_1()
    }

    /// What a definition is read against.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            folder: self.folder.clone(),
            home: self.environment.home.clone(),
            path: self.environment.path.clone(),
            other_accounts: match self.backend.kind() {
                BackendKind::Systemd | BackendKind::Launchd => self.scope == Scope::System,
                BackendKind::Supervisor => self.environment.uid == 0,
            },
        }
    }

    /// The manifest that is meant: `--file`, else `svc.toml` in the folder, if it is there.
    pub(crate) fn manifest_path(&self) -> Option<PathBuf> {
        match &self.file {
            Some(file) => Some(self.folder.as_path().join(file)),
            None => Some(self.folder.as_path().join(MANIFEST)).filter(|path| path.exists()),
        }
    }

    /// Reads the manifest, if there is one.
    pub(crate) fn manifest(&self) -> Result<Option<Definitions>, Error> {
        self.manifest_path().map(|path| read_manifest(&path, &self.surroundings())).transpose()
    }

    /// Records of this scope, and warnings about damaged ones.
    pub(crate) fn records(&self) -> Result<(Vec<Record>, Vec<String>), Error> {
        record::read_all(&self.paths)
    }

    /// Whether a record comes from the manifest at `path`.
    pub(crate) fn is_of(record: &Record, path: &Path) -> bool {
        record
            .manifest
            .as_deref()
            .is_some_and(|manifest| AbsPath::new(path).is_ok_and(|path| path.as_path() == manifest))
    }
}
