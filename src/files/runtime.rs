//! The runtime folder, where the supervisor has its socket: `svc` in `$XDG_RUNTIME_DIR`, else in
//! `/run/user/UID` (on a Mac the user's own temporary folder), else `/tmp/svc-UID`. DESIGN §5, safety §3.5.
//!
//! A shell of cron or su has no `XDG_RUNTIME_DIR` where one of a login has: so both sides look at all
//! three ([`Runtime::candidates`]) before they believe that no supervisor runs. One in a folder that
//! only some shells know says so in `/tmp/svc-UID/at` ([`Runtime::announce`]).

use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A runtime folder that may be there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Where it lies.
    pub folder: PathBuf,
}

/// Why a folder is not used.
#[derive(Debug)]
pub enum Unusable {
    /// There is nothing of that name.
    Absent,
    /// It is not the user's own private folder; the sentence says what it is.
    Foreign(String),
}

impl Runtime {
    /// All that may hold the socket of this user's supervisor, the best first.
    pub fn candidates(environment: &Environment) -> Vec<Self> {
        let uid = environment.uid;
        let of_login = crate::sys::login_folder(uid);
        let mut parents: Vec<PathBuf> = environment.xdg_runtime_dir.iter().cloned().collect();
        if environment.xdg_runtime_dir.as_ref() != Some(&of_login) {
            parents.push(of_login);
        }
        let mut all: Vec<Self> = parents
            .into_iter()
            .filter(|parent| is_private_parent(parent, uid))
            .map(|parent| Self { folder: parent.join("svc") })
            .collect();
        let known = Self::known_to_all(uid);
        let elsewhere = known.elsewhere(uid).filter(|one| !all.contains(one));
        all.push(known);
        all.extend(elsewhere);
        all
    }

    /// The one that every shell of this user finds.
    fn known_to_all(uid: u32) -> Self {
        Self { folder: PathBuf::from(format!("/tmp/svc-{uid}")) }
    }

    /// The file in the folder known to all that names another one.
    fn pointer(&self) -> PathBuf {
        self.folder.join("at")
    }

    fn elsewhere(&self, uid: u32) -> Option<Self> {
        self.check(uid).ok()?;
        let folder = PathBuf::from(std::ffi::OsString::from_vec(std::fs::read(self.pointer()).ok()?));
        folder.is_absolute().then_some(Self { folder })
    }

    /// Says where this one lies to shells with another `XDG_RUNTIME_DIR`. Called by a supervisor
    /// before it listens.
    pub fn announce(&self, uid: u32) -> Result<(), Error> {
        let known = Self::known_to_all(uid);
        if *self == known || self.folder.starts_with(crate::sys::login_folder(uid)) {
            return Ok(());
        }
        let contents = self.folder.as_os_str().as_bytes();
        let mut tries = 0;
        loop {
            make_private(&known.folder)?;
            match known.check(uid) {
                Ok(()) | Err(Unusable::Absent) => {}
                // somebody else's: nobody may trust what lies there, and nobody will
                Err(Unusable::Foreign(_)) => return Ok(()),
            }
            let pointer = crate::files::atomic::NewFile { path: &known.pointer(), contents, mode: 0o600 };
            tries += 1;
            match crate::files::atomic::write_all(&[pointer]) {
                // another supervisor that ends takes the folder along
                Err(_) if tries < 5 && matches!(known.check(uid), Err(Unusable::Absent)) => {}
                written => return written,
            }
        }
    }

    /// Takes back what [`Self::announce`] said, and removes the folder if it is empty: a supervisor
    /// that ends in order leaves nothing behind.
    pub fn retire(&self, uid: u32) {
        let known = Self::known_to_all(uid);
        if known.elsewhere(uid).as_ref() == Some(self) {
            let _ = std::fs::remove_file(known.pointer());
        }
        for one in [self, &known] {
            let _ = std::fs::remove_dir(&one.folder); // fails unless it is empty
        }
    }

    /// Makes the best of them if it is not there, and checks it: a directory, no link, the user's own,
    /// mode 0700. One that is none of this is refused, not mended: somebody may have put it there.
    pub fn make(environment: &Environment) -> Result<Self, Error> {
        let best = Self::candidates(environment).swap_remove(0);
        make_private(&best.folder)?;
        match best.check(environment.uid) {
            Ok(()) => Ok(best),
            Err(Unusable::Absent) => Err(Error::failed(format!("the folder `{}` went away", best.folder.display()))),
            Err(Unusable::Foreign(reason)) => Err(best.refused(&reason)),
        }
    }

    /// One of a supervisor's own, in no place that others look at; made if it is not there.
    pub fn own(folder: &Path, uid: u32) -> Result<Self, Error> {
        make_private(folder)?;
        let one = Self { folder: folder.to_owned() };
        match one.check(uid) {
            Ok(()) => Ok(one),
            Err(Unusable::Absent) => Err(Error::failed(format!("the folder `{}` went away", folder.display()))),
            Err(Unusable::Foreign(reason)) => Err(one.refused(&reason)),
        }
    }

    /// Whether it is there and safe to use.
    pub fn check(&self, uid: u32) -> Result<(), Unusable> {
        let data = match std::fs::symlink_metadata(&self.folder) {
            Ok(data) => data,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(Unusable::Absent),
            Err(cause) => return Err(Unusable::Foreign(format!("can't be looked at: {}", io_reason(&cause)))),
        };
        let reason = if data.file_type().is_symlink() {
            "is a link".to_owned()
        } else if !data.is_dir() {
            "is not a folder".to_owned()
        } else if data.uid() != uid {
            format!("belongs to the account with id {}, not {uid}", data.uid())
        } else if data.mode() & 0o777 != 0o700 {
            format!("has mode {:03o}, not 700: others may have changed what lies in it", data.mode() & 0o777)
        } else {
            return Ok(());
        };
        Err(Unusable::Foreign(reason))
    }

    /// The error for a folder that is not used.
    pub fn refused(&self, reason: &str) -> Error {
        let message = format!("the runtime folder `{}` {reason}, so svc does not use it", self.folder.display());
        Error::new(ErrorCode::NotPermitted, message)
            .hint("remove it if it is yours, or set XDG_RUNTIME_DIR to a folder of yours with mode 700")
    }

    /// The supervisor's socket, mode 0600.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("supervisor.sock")
    }

    /// Where programs say how they are (sd_notify(3)).
    pub fn notify(&self) -> PathBuf {
        self.folder.join("notify.sock")
    }

    /// Which batch of which log is being written.
    pub fn log_record(&self) -> PathBuf {
        self.folder.join("supervisor.log-record")
    }

    /// Held by the guardian (flock(2)).
    pub fn lock(&self) -> PathBuf {
        self.folder.join("supervisor.lock")
    }

    /// What the supervisor knows of running programs, for the one after it.
    pub fn state(&self) -> PathBuf {
        self.folder.join("supervisor.state")
    }
}

fn make_private(folder: &Path) -> Result<(), Error> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(crate::files::lock::denied("make the folder", folder, &cause))
        }
        _ => Ok(()),
    }
}

/// A folder such as `/run/user/1000`: nobody else may put or rename something in it.
pub(crate) fn is_private_parent(folder: &Path, uid: u32) -> bool {
    std::fs::metadata(folder).is_ok_and(|data| data.is_dir() && data.uid() == uid && data.mode() & 0o022 == 0)
        && nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn reason(folder: &Path) -> String {
        match (Runtime { folder: folder.to_owned() }).check(nix::unistd::geteuid().as_raw()) {
            Ok(()) => "fine".into(),
            Err(Unusable::Absent) => "absent".into(),
            Err(Unusable::Foreign(reason)) => reason,
        }
    }

    fn at(folder: &Path) -> Environment {
        Environment { xdg_runtime_dir: Some(folder.to_owned()), ..Environment::read().unwrap() }
    }

    #[test]
    fn only_a_private_folder_of_ones_own_is_used() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("svc");
        assert_eq!(reason(&path), "absent");
        std::os::unix::fs::symlink(outer.path(), &path).unwrap();
        assert_eq!(reason(&path), "is a link");
        std::fs::remove_file(&path).unwrap();
        std::fs::File::create(&path).unwrap();
        assert_eq!(reason(&path), "is not a folder");
        std::fs::remove_file(&path).unwrap();
        let runtime = Runtime::make(&at(outer.path())).unwrap();
        assert_eq!((runtime.folder.as_path(), reason(&path).as_str()), (path.as_path(), "fine"));
        for mode in [0o755, 0o770, 0o701, 0o500] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(reason(&path).starts_with(&format!("has mode {mode:03o}")), "{}", reason(&path));
        }
        let error = Runtime::make(&at(outer.path())).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotPermitted);
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(reason(&path).starts_with("belongs to the account with id 12345"));
        }
    }

    #[test]
    fn a_parent_that_others_may_write_or_that_is_not_there_is_passed_over() {
        let outer = tempfile::tempdir().unwrap();
        let first = |folder: &Path| Runtime::candidates(&at(folder)).swap_remove(0).folder;
        assert_eq!(first(outer.path()), outer.path().join("svc"));
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o777)).unwrap();
        assert_ne!(first(outer.path()), outer.path().join("svc"));
        assert!(!first(Path::new("/nowhere")).starts_with("/nowhere"));
        let all = Runtime::candidates(&at(Path::new("/nowhere")));
        let known = Runtime::known_to_all(nix::unistd::geteuid().as_raw());
        assert!(all.contains(&known), "{all:?}");
    }

    #[test]
    fn a_pointer_is_believed_only_in_a_private_folder() {
        let uid = nix::unistd::geteuid().as_raw();
        let outer = tempfile::tempdir().unwrap();
        let known = Runtime { folder: outer.path().to_owned() };
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o700)).unwrap();
        let point = |text: &str| {
            let contents = text.as_bytes();
            let path = known.pointer();
            crate::files::atomic::write_all(&[crate::files::atomic::NewFile { path: &path, contents, mode: 0o600 }])
                .unwrap();
            known.elsewhere(uid).map(|one| one.folder)
        };
        assert_eq!(known.elsewhere(uid), None);
        assert_eq!(point("/run/mine/svc"), Some("/run/mine/svc".into()));
        assert_eq!(point("relative"), None);
        std::fs::set_permissions(outer.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(point("/run/mine/svc"), None);
    }
}
