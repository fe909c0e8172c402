//! One file per command: arguments and [`Context`] in, a `Report` out. No terminal, no D-Bus, no
//! file formats here.

pub(crate) mod doctor;
pub(crate) mod drive;
pub(crate) mod install;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod render;
pub(crate) mod selection;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod uninstall;

use crate::backend::any::AnyBackend;
use crate::backend::detect::{self, Wanted};
use crate::backend::systemd::Systemd;
use crate::backend::{BackendKind, Scope};
use crate::definition::{Definitions, Surroundings, read_manifest};
use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use crate::files::record::{self, Record};
use crate::service::AbsPath;
use std::path::{Path, PathBuf};

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) environment: Environment,
    pub(crate) scope: Scope,
    pub(crate) backend: AnyBackend,
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
        let scope = detect::scope(system, user, &environment)?;
        let backend = match detect::choose(wanted)? {
            BackendKind::Systemd | BackendKind::Launchd | BackendKind::Supervisor => {
                AnyBackend::Systemd(Box::new(Systemd::new(scope, environment.clone())))
            }
        };
        Ok(Self { paths: Paths::new(scope, &environment), environment, scope, backend, folder, file })
    }

    /// What a definition is read against.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            folder: self.folder.clone(),
            home: self.environment.home.clone(),
            path: self.environment.path.clone(),
            scope: self.scope,
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
