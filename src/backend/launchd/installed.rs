//! What an installed property list of svc's says of itself: the driving half knows only names.

use super::read_back;
use crate::files::owner::{Owner, owner};
use plist::Value;
use std::path::PathBuf;

/// A property list that svc made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// The service it is of; another's with the same label is not to be overwritten.
    pub(crate) name: String,
    /// launchd's name for it.
    pub(crate) label: String,
    /// What `svc reload` sends (`launchctl kill`): to the program, or to the shim, which does what its job file
    /// says.
    pub(crate) reload: Option<String>,
    /// svc under the service's name; it has to be there before the list is loaded.
    pub(crate) launcher: Option<PathBuf>,
    /// The job file of the shim, if svc is the parent of the program.
    pub(crate) shim_job: Option<PathBuf>,
    /// launchd starts it at times.
    pub(crate) scheduled: bool,
    /// `KeepAlive`, or the shim, starts it again after a failure.
    pub(crate) restarts: bool,
    /// Seconds that a stop may take, then launchd sends SIGKILL.
    pub(crate) exit_timeout: u64,
    /// Nobody changed it since.
    pub(crate) intact: bool,
}

impl Installed {
    /// Reads one; none for somebody else's, or one that can't be read.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let Owner::Svc { intact, .. } = owner(text) else { return None };
        let mark = |key: &str| {
            let (_, mark) = text.rsplit_once("\n[X-Svc]\n")?;
            mark.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(|value| value.replace("\\x2d", "-"))
        };
        let found = read_back::dictionary(text).ok()?;
        let arguments: Vec<&str> =
            found.get("ProgramArguments")?.as_array()?.iter().filter_map(Value::as_string).collect();
        let (launcher, shim_job) = match arguments.as_slice() {
            [launcher, "shim", job] => (Some(launcher.into()), Some(job.into())),
            [launcher, "exec", "--", ..] => (Some(launcher.into()), None),
            _ => (None, None),
        };
        Some(Self {
            name: mark("Name")?,
            label: found.get("Label")?.as_string()?.to_owned(),
            reload: mark("Reload"),
            restarts: found.contains_key("KeepAlive") || shim_job.is_some(),
            launcher,
            shim_job,
            scheduled: found.contains_key("StartInterval") || found.contains_key("StartCalendarInterval"),
            exit_timeout: found.get("ExitTimeOut").and_then(Value::as_unsigned_integer).unwrap_or(0),
            intact,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::plist;
    use super::*;
    use crate::service::sample::{abs, command, sample};
    use crate::service::{Reload, Schedule, Signal};
    use std::time::Duration;

    #[test]
    fn a_rendered_list_says_what_it_is() {
        let mut service = sample("a--b");
        service.reload = Some(Reload::Signal(Signal::parse("USR1").unwrap()));
        let found = Installed::read(&plist(&service)).unwrap();
        let expected = Installed {
            name: "a--b".into(),
            label: "svc.a--b".into(),
            reload: Some("SIGUSR1".into()),
            launcher: None,
            shim_job: None,
            scheduled: false,
            restarts: true,
            exit_timeout: 10,
            intact: true,
        };
        assert_eq!(found, expected);
        service.exec = command("/bin/sh", &["shim"]);
        service.schedule = Some(Schedule::Every(Duration::from_secs(9)));
        service.restart.policy = crate::service::RestartPolicy::Never;
        let found = Installed::read(&plist(&service)).unwrap();
        assert!(found.launcher.is_some() && found.shim_job.is_none() && found.scheduled && !found.restarts);
        service.pid_file = Some(abs("/x"));
        let found = Installed::read(&plist(&service)).unwrap();
        assert_eq!(found.reload.as_deref(), Some("SIGHUP"));
        assert!(found.launcher.unwrap().ends_with("launchers/a--b"));
        assert!(found.shim_job.unwrap().ends_with("shim/a--b.toml"));
        assert_eq!(Installed::read("<?xml version=\"1.0\"?>\n<plist/>\n"), None);
        assert!(
            !Installed::read(&plist(&service).replace("<true/>", "<false/>").replace("svc.a", "svc.c")).unwrap().intact
        );
    }
}
