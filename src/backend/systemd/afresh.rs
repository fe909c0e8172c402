//! `svc:restarts.service`: one unit for all services that makes systemd count their restarts afresh after a good
//! run (`restart_reset`), since its growing delay never shrinks and its limit knows no good runs.
//!
//! Since 254 each crash of a service triggers `OnFailure=`, each clean end `OnSuccess=` (systemd.service(5),
//! `RestartMode=`). All services name this unit there; it looks after all that were restarted, and ends when none
//! is left ([`crate::command::helper`]). So no process runs beside services that run well, and systemd has one
//! unit more to read, not one more for each service: that made every reload of a hundred dearer by half.
//!
//! It belongs to no service: it is written before each reload, as long as a unit names it.

use super::bus::Bus;
use super::companion::line;
use super::escape::EnvAssignment;
use super::render::Target;
use super::text::UnitName;
use super::unit::AfreshUnit;
use crate::env::Environment;
use crate::error::Error;
use crate::files::atomic::{NewFile, write_all};
use crate::files::owner::{Owner, owner, seal};
use crate::plan::restore::remove;
use crate::service::{EnvName, EnvValue};
use askama::Template;
use std::ffi::OsStr;
use std::path::Path;

/// From this version on, each crash triggers `OnFailure=`.
pub(super) const SINCE: u32 = 254;

/// No service can have a `:` in its name.
const UNIT: &str = "svc:restarts.service";

/// What services name.
pub(super) fn unit() -> UnitName {
    UnitName::own(UNIT)
}

/// Writes the unit where it is needed and not as it should be, removes and stops it where it is not needed any
/// more. systemd has to read its units again after that.
pub(super) async fn keep(bus: &Bus, target: &Target, environment: &Environment) -> Result<(), Error> {
    let path = target.unit_dir.join(UNIT);
    let there = std::fs::read_to_string(&path).ok();
    let foreign = there.as_deref().is_some_and(|text| owner(text) == Owner::Foreign);
    if foreign || (target.version < SINCE && there.is_none()) {
        return Ok(());
    }
    if is_needed(&target.unit_dir) {
        // without svc there is none to run; the services need it for nothing else
        let Ok(text) = render(target, environment) else { return Ok(()) };
        if there.as_ref() != Some(&text) {
            write_all(&[NewFile { path: &path, contents: text.as_bytes(), mode: 0o644 }])?;
        }
    } else if there.is_some() {
        let _ = bus.call("StopUnit", &(UNIT, "replace")).await; // mostly it does not run
        remove(&path)?;
    }
    Ok(())
}

fn render(target: &Target, environment: &Environment) -> Result<String, String> {
    let state = environment.xdg_state_home.as_ref().map(|folder| {
        let value = EnvValue::new(folder.clone().into_os_string())?;
        EnvAssignment::new(&EnvName::parse("XDG_STATE_HOME")?, &value, target.version)
    });
    let unit = AfreshUnit {
        environment: state.transpose()?.into_iter().collect(),
        start: line(target, &[OsStr::new("restarts")])?,
    };
    unit.render().map(seal).map_err(|error| error.to_string())
}

/// Whether a unit of svc names it.
fn is_needed(unit_dir: &Path) -> bool {
    let names = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let is_other = name.to_str().is_some_and(|name| name.ends_with(".service") && name != UNIT);
        let text = is_other.then(|| std::fs::read_to_string(entry.path()).ok()).flatten();
        text.is_some_and(|text| text.lines().any(|line| line.strip_prefix("OnFailure=") == Some(UNIT)))
    };
    std::fs::read_dir(unit_dir).into_iter().flatten().flatten().any(|entry| names(&entry))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use crate::backend::Scope;
    use crate::service::sample::{abs, sample};

    fn target(folder: &Path) -> Target {
        let svc = Some(abs("/opt/s v c/svc"));
        Target { scope: Scope::User, version: 257, unit_dir: folder.to_owned(), svc }
    }

    #[test]
    fn it_is_needed_as_long_as_a_unit_names_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_needed(folder.path()));
        assert!(!is_needed(Path::new("/no/such/folder")));
        std::fs::write(folder.path().join("other.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
        std::fs::write(folder.path().join(UNIT), format!("OnFailure={UNIT}\n")).unwrap();
        assert!(!is_needed(folder.path()), "it does not need itself");
        let rendered = super::super::render::render(&sample("web"), &target(folder.path())).unwrap();
        std::fs::write(&rendered.files[0].path, &rendered.files[0].contents).unwrap();
        assert!(is_needed(folder.path()));
    }

    #[test]
    fn it_knows_where_the_records_lie() {
        let environment = crate::env::sample();
        let text = render(&target(Path::new("/u")), &environment).unwrap();
        assert!(text.contains("\nExecStart=:\"/opt/s v c/svc\" helper restarts\n"), "{text}");
        assert!(!text.contains("Environment="), "{text}");
        assert_ne!(owner(&text), Owner::Foreign);
        let elsewhere = Environment { xdg_state_home: Some("/data/a b".into()), ..environment };
        let text = render(&target(Path::new("/u")), &elsewhere).unwrap();
        assert!(text.contains("\nEnvironment=\"XDG_STATE_HOME=/data/a b\"\n"), "{text}");
        let lost = Target { svc: None, ..target(Path::new("/u")) };
        assert!(render(&lost, &crate::env::sample()).is_err());
    }
}
