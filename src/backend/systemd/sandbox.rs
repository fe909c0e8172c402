//! `sandbox`: which directives make `basic` and `strict`, by scope. systemd.exec(5) "SANDBOXING".
//!
//! A user's manager has no privileges. Without a user namespace it passes over mount namespaces
//! **silently** (tried: 247, 252, 257) and dies with 218/CAPABILITIES where a directive takes
//! capabilities away. So `basic` takes only what works everywhere there, and `strict` asks for the
//! user namespace by name: where the system forbids it (containers, Ubuntu's AppArmor rule) the
//! service fails with 217/USER instead of running with less than was asked for.

use super::path::ListPath;
use super::text::{Keyword, UnitText};
use crate::backend::Scope;
use crate::service::{AbsPath, Field, Sandbox};
use std::fmt;
use std::path::Path;

/// One line of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Directive {
    /// A line of svc's own.
    Fixed(Keyword),
    /// `ReadWritePaths=`
    Writable(ListPath),
}

impl UnitText for Directive {}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(line) => write!(f, "{line}"),
            Self::Writable(path) => write!(f, "ReadWritePaths={path}"),
        }
    }
}

/// Folders that the sandbox must leave usable.
pub(super) struct Folders<'a> {
    /// Where it runs.
    pub(super) working_dir: &'a AbsPath,
    /// Of the log and of the PID file.
    pub(super) written: Vec<AbsPath>,
    /// All that is read: the program, environment files.
    pub(super) read: Vec<&'a AbsPath>,
}

/// The lines of one sandbox, and what was left out of it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<Directive>,
    pub(super) notes: Vec<String>,
}

/// Seccomp filters: need no privilege with `NoNewPrivileges=`.
const ALWAYS: &[&str] = &["NoNewPrivileges=yes", "RestrictSUIDSGID=yes", "RestrictRealtime=yes", "LockPersonality=yes"];

/// The kernel and the machine are not the service's to change.
const KERNEL: &[&str] = &["ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectClock=yes"];

/// Mounts over /proc and /sys. A user's manager of version 247 fails at them with 226/NAMESPACE, one
/// of 252 does not (both tried); a user may not write there anyway.
const MOUNTED: &[&str] = &["ProtectKernelTunables=yes", "ProtectControlGroups=yes"];

/// The first version on which [`MOUNTED`] and `ProtectProc=` were seen to work in user scope.
const MOUNTED_FOR_USERS_SINCE: u32 = 252;

/// What a network service needs and no more. Not `MemoryDenyWriteExecute=`: it kills every
/// just-in-time compiler (node, Java, browsers); not `ProcSubset=pid`: they read /proc/meminfo.
const NARROW: &[&str] = &[
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "PrivateDevices=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
];

/// `ProtectProc=` came with this version.
const PROTECT_PROC_SINCE: u32 = 247;

/// The lines for `sandbox`; the error names the field and the reason.
pub(super) fn lines(
    sandbox: Sandbox,
    scope: Scope,
    version: u32,
    folders: &Folders<'_>,
) -> Result<Lines, (Field, String)> {
    let mut out = Lines::default();
    match (sandbox, scope) {
        (Sandbox::None, _) => return Ok(out),
        (Sandbox::Basic, Scope::User) => {
            out.fix(ALWAYS);
            let note = "`sandbox = \"basic\"` gives no /tmp of its own in user scope: that needs a user namespace, \
                        which not every system allows; `strict` asks for one";
            out.notes.push(note.to_owned());
            return Ok(out);
        }
        (Sandbox::Basic, Scope::System) => {
            out.fix(ALWAYS);
            out.fix(&["ProtectSystem=full"]);
        }
        (Sandbox::Strict, _) => {
            if folders.working_dir.as_path() == Path::new("/") {
                let reason = "can't be `strict` with `/` as working_dir: that folder stays writable";
                return Err((Field::Sandbox, reason.to_owned()));
            }
            if scope == Scope::User {
                out.fix(&["PrivateUsers=yes"]);
            }
            out.fix(ALWAYS);
            out.fix(NARROW);
        }
    }
    out.fix(KERNEL);
    out.mounted(sandbox, scope, version);
    out.private_tmp(folders);
    out.writable(sandbox, folders)?;
    Ok(out)
}

impl Lines {
    fn fix(&mut self, lines: &[&'static str]) {
        self.lines.extend(lines.iter().map(|line| Directive::Fixed(Keyword(line))));
    }

    /// Views of /proc and /sys.
    fn mounted(&mut self, sandbox: Sandbox, scope: Scope, version: u32) {
        if scope == Scope::User && version < MOUNTED_FOR_USERS_SINCE {
            let note = format!(
                "`sandbox` leaves out ProtectProc=, ProtectKernelTunables= and ProtectControlGroups=: \
                 the user's manager of systemd {version} can't do them"
            );
            return self.notes.push(note);
        }
        self.fix(MOUNTED);
        if sandbox == Sandbox::Strict && version >= PROTECT_PROC_SINCE {
            self.fix(&["ProtectProc=invisible"]);
        }
    }

    /// An own /tmp hides what lies in the real one.
    fn private_tmp(&mut self, folders: &Folders<'_>) {
        let used = folders.all().find(|path| ["/tmp", "/var/tmp"].iter().any(|tmp| path.as_path().starts_with(tmp)));
        match used {
            None => self.fix(&["PrivateTmp=yes"]),
            Some(path) => self.notes.push(format!("it gets no /tmp of its own: {path} lies in the common one")),
        }
    }

    /// Folders that are written to; under `basic` only those that would be read-only.
    fn writable(&mut self, sandbox: Sandbox, folders: &Folders<'_>) -> Result<(), (Field, String)> {
        let candidates = std::iter::once((Field::WorkingDir, folders.working_dir))
            .chain(folders.written.iter().map(|folder| (Field::Sandbox, folder)));
        let mut done: Vec<&AbsPath> = Vec::new();
        for (field, folder) in candidates {
            let within_system = ["/usr", "/etc", "/boot", "/efi"].iter().any(|dir| folder.as_path().starts_with(dir));
            let covered = done.iter().any(|other| folder.as_path().starts_with(other));
            if covered || (sandbox != Sandbox::Strict && !within_system) {
                continue;
            }
            let path = ListPath::new(folder, true).map_err(|reason| (field, reason))?;
            self.lines.push(Directive::Writable(path));
            done.push(folder);
        }
        Ok(())
    }
}

impl Folders<'_> {
    fn all(&self) -> impl Iterator<Item = &AbsPath> {
        std::iter::once(self.working_dir).chain(&self.written).chain(self.read.iter().copied())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::new(Path::new(text)).unwrap()
    }

    fn shown(sandbox: Sandbox, scope: Scope, dir: &str, written: &[&str]) -> (Vec<String>, Vec<String>) {
        let dir = path(dir);
        let folders =
            Folders { working_dir: &dir, written: written.iter().map(|text| path(text)).collect(), read: Vec::new() };
        let lines = lines(sandbox, scope, 257, &folders).unwrap();
        (lines.lines.iter().map(ToString::to_string).collect(), lines.notes)
    }

    #[test]
    fn none_takes_nothing_away() {
        assert_eq!(shown(Sandbox::None, Scope::User, "/srv/a", &[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn basic_in_user_scope_needs_no_namespace_and_no_capability() {
        let (lines, notes) = shown(Sandbox::Basic, Scope::User, "/srv/a", &[]);
        assert_eq!(lines, ALWAYS);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn strict_leaves_the_folders_of_the_service_writable_and_no_more() {
        let (lines, _) = shown(Sandbox::Strict, Scope::User, "/srv/a b", &["/srv/a b/log", "/run/a"]);
        assert!(lines.contains(&"PrivateUsers=yes".to_owned()));
        let writable: Vec<_> = lines.iter().filter(|line| line.starts_with("ReadWritePaths")).collect();
        assert_eq!(writable, ["ReadWritePaths=\"-/srv/a b\"", "ReadWritePaths=-/run/a"]);
        let (lines, _) = shown(Sandbox::Strict, Scope::System, "/srv/a", &[]);
        assert!(!lines.contains(&"PrivateUsers=yes".to_owned()));
        let dir = path("/");
        let folders = Folders { working_dir: &dir, written: Vec::new(), read: Vec::new() };
        assert_eq!(super::lines(Sandbox::Strict, Scope::System, 257, &folders).unwrap_err().0, Field::Sandbox);
    }

    #[test]
    fn an_own_tmp_never_hides_the_service_itself() {
        let (lines, notes) = shown(Sandbox::Strict, Scope::System, "/tmp/a", &[]);
        assert!(!lines.contains(&"PrivateTmp=yes".to_owned()));
        assert_eq!(notes, ["it gets no /tmp of its own: /tmp/a lies in the common one"]);
        let (lines, notes) = shown(Sandbox::Basic, Scope::System, "/usr/share/a", &["/srv/log"]);
        assert!(lines.contains(&"PrivateTmp=yes".to_owned()) && notes.is_empty());
        assert_eq!(lines.last().unwrap(), "ReadWritePaths=-/usr/share/a");
    }
}
