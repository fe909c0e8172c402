//! What is rendered for: the account, its folders, and what this machine can do.

use crate::env::Environment;
use crate::files::paths::Paths;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What is rendered for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where job files and logs lie.
    pub(crate) paths: Paths,
    /// Account of the supervisor.
    pub(crate) account: Account,
    /// Looks up another account by name.
    pub(crate) look_up: fn(&str) -> Option<Account>,
    /// `LANG` of the installing shell.
    pub(crate) lang: Option<OsString>,
    /// `XDG_RUNTIME_DIR` of the installing shell.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// The supervisor is root.
    pub(crate) root: bool,
    /// It may make control groups with limits.
    pub(crate) cgroup: bool,
    /// `PATH` of the installing shell.
    pub(crate) path: OsString,
    /// Why nothing can be started at boot, given `PATH`; none: it can. Asked only for a service that
    /// wants it, since it looks at every process.
    pub(crate) no_boot: fn(&OsStr) -> Option<String>,
}

/// What a program's environment says of the account it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
}

/// Where there is no account's own, as in a container without `/etc/passwd`.
const SHELL: &str = "/bin/sh";

impl Target {
    /// This machine and this account.
    pub(crate) fn find(paths: &Paths, environment: &Environment) -> Self {
        let account = nix::unistd::User::from_uid(environment.uid.into()).ok().flatten().map(Account::of);
        let home = environment.home.as_path().to_owned();
        Self {
            paths: paths.clone(),
            account: match account {
                Some(account) => Account { home, ..account },
                None => Account { name: environment.uid.to_string(), home, shell: SHELL.into() },
            },
            look_up: |name| nix::unistd::User::from_name(name).ok().flatten().map(Account::of),
            lang: environment.lang.clone(),
            runtime_dir: environment.xdg_runtime_dir.clone(),
            root: environment.uid == 0,
            cgroup: crate::sys::cgroup::may_limit(),
            path: environment.path.clone(),
            no_boot: super::cron::missing,
        }
    }
}

impl Target {
    /// Why nothing can be started at boot.
    pub(crate) fn no_boot(&self) -> Option<String> {
        (self.no_boot)(&self.path)
    }
}

impl Account {
    fn of(user: nix::unistd::User) -> Self {
        let shell = if user.shell.as_os_str().is_empty() { SHELL.into() } else { user.shell };
        Self { name: user.name, home: user.dir, shell }
    }
}
