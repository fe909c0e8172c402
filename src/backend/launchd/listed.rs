//! A property list as it lies on disk: what driving it needs to know. Read by the `plist` crate, so that one
//! that somebody edited is read as launchd does.

use crate::error::io_reason;
use plist::{Dictionary, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a property list asks of launchd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// `Label`.
    pub(super) label: Option<String>,
    /// The service that svc made it for.
    pub(super) name: Option<String>,
    /// `Disabled`: until `launchctl enable` says otherwise.
    pub(super) disabled: bool,
    /// The job file of svc's shim, which runs the program.
    pub(super) shim: Option<PathBuf>,
    /// `StartInterval`.
    pub(super) every: Option<Duration>,
    /// `StartInterval` or `StartCalendarInterval`.
    pub(super) scheduled: bool,
    /// It is started again: after any end, or after one that was no success.
    pub(super) kept_alive: bool,
    /// `ExitTimeOut`.
    pub(super) exit_timeout: Option<Duration>,
    /// The signal that `svc reload` has launchd send.
    pub(super) reload: Option<String>,
    /// The first word of `ProgramArguments`, if it lies among svc's launchers.
    pub(super) launcher: Option<PathBuf>,
    /// SHA-256 of the file.
    pub(super) hash: String,
}

impl Listed {
    /// Reads a property list; the error is a sentence.
    pub(super) fn read(path: &Path, launchers: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|cause| format!("`{}`: {}", path.display(), io_reason(&cause)))?;
        let value = Value::from_reader(std::io::Cursor::new(&bytes));
        let all = value
            .map_err(|error| format!("`{}` is no property list: {error}", path.display()))?
            .into_dictionary()
            .ok_or_else(|| format!("`{}` is a property list of something else than a job", path.display()))?;
        Ok(Self { hash: crate::files::owner::hash_bytes(&bytes), ..Self::of(&all, &bytes, launchers) })
    }

    fn of(all: &Dictionary, bytes: &[u8], launchers: &Path) -> Self {
        let seconds = |key: &str| all.get(key)?.as_unsigned_integer().map(Duration::from_secs);
        let words: Vec<&str> = all
            .get("ProgramArguments")
            .and_then(Value::as_array)
            .map(|words| words.iter().filter_map(Value::as_string).collect())
            .unwrap_or_default();
        let launcher = words.first().map(PathBuf::from).filter(|first| first.parent() == Some(launchers));
        let shim = match words.as_slice() {
            [_, "shim", job] if launcher.is_some() => Some(PathBuf::from(job)),
            _ => None,
        };
        let kept_alive = match all.get("KeepAlive") {
            Some(Value::Boolean(on)) => *on,
            Some(Value::Dictionary(when)) => !when.is_empty(),
            _ => false,
        };
        let every = seconds("StartInterval");
        Self {
            name: of_mark(bytes, "Name="),
            label: all.get("Label").and_then(Value::as_string).map(str::to_owned),
            disabled: all.get("Disabled").and_then(Value::as_boolean) == Some(true),
            shim,
            every,
            scheduled: every.is_some() || all.contains_key("StartCalendarInterval"),
            kept_alive,
            exit_timeout: seconds("ExitTimeOut"),
            reload: of_mark(bytes, "Reload="),
            launcher,
            hash: String::new(),
        }
    }
}

/// A line of the section that svc writes behind the list.
fn of_mark(bytes: &[u8], key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let mark = text.rsplit_once("[X-Svc]\n")?.1;
    // a comment can't hold two hyphens
    mark.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.replace("\\x2d", "-"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::super::tests::plist;
    use super::*;
    use crate::service::sample::sample;
    use crate::service::{Reload, RestartPolicy, Schedule, Signal};

    #[test]
    fn a_rendered_list_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("svc.a--b.plist");
        let mut service = sample("a--b");
        service.reload = Some(Reload::Signal(Signal::parse("USR1").unwrap()));
        service.schedule = Some(Schedule::Every(Duration::from_mins(2)));
        service.restart.policy = RestartPolicy::Never;
        std::fs::write(&file, plist(&service)).unwrap();
        let listed = Listed::read(&file, Path::new("/state/launchers")).unwrap();
        assert_eq!((listed.name.as_deref(), listed.label.as_deref()), (Some("a--b"), Some("svc.a--b")));
        assert_eq!(listed.reload.as_deref(), Some("SIGUSR1"));
        assert_eq!((listed.every, listed.scheduled), (Some(Duration::from_mins(2)), true));
        assert_eq!(listed.hash.len(), 64);
        std::fs::write(&file, "no list").unwrap();
        assert!(Listed::read(&file, Path::new("/")).unwrap_err().contains("is no property list"));
        assert!(Listed::read(Path::new("/no/such"), Path::new("/")).unwrap_err().contains("no such file"));
    }
}
