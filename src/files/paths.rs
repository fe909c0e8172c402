//! Every path that svc uses for itself. DESIGN §5. (Paths of rendered files are the backend's.)

use crate::backend::Scope;
use crate::env::Environment;
use std::path::{Path, PathBuf};

/// Folders of svc for one scope.
#[derive(Debug, Clone)]
pub struct Paths {
    /// State: `$XDG_STATE_HOME/svc`; for the machine `/var/lib/svc`, readable by all as its units are.
    pub state: PathBuf,
    scope: Scope,
}

impl Paths {
    /// Of this scope.
    pub fn new(scope: Scope, environment: &Environment) -> Self {
        let state = match scope {
            Scope::User => environment.state_home().join("svc"),
            Scope::System => "/var/lib/svc".into(),
        };
        Self { state, scope }
    }

    /// Records of installed services, one a file.
    pub fn services(&self) -> PathBuf {
        self.state.join("services")
    }

    /// Taken by every command that changes something.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// Present when it was svc that switched lingering on.
    pub fn linger_mark(&self) -> PathBuf {
        self.state.join("linger-by-svc")
    }

    /// Mode of a folder of svc's own: private to the user, public for the machine's.
    pub fn folder_mode(&self) -> u32 {
        if self.scope == Scope::User { 0o700 } else { 0o755 }
    }

    /// Mode of a record.
    pub fn file_mode(&self) -> u32 {
        if self.scope == Scope::User { 0o600 } else { 0o644 }
    }

    /// Makes a folder of svc's own with its parents.
    pub fn make(&self, folder: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(self.folder_mode()).create(folder)
    }
}
