//! Drop-ins of units: what `systemctl edit` and `systemctl set-property` write beside them (systemd.unit(5),
//! `NAME.service.d/*.conf`). svc writes none, so each is somebody else's and changes what svc rendered. Those that
//! the system has for all services alike (`service.d`) are none of a service's own.

use crate::backend::Scope;
use crate::env::Environment;
use crate::report::{Differs, Mend};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The drop-ins that each unit has of its own.
#[derive(Debug, Default)]
pub(super) struct DropIns(HashMap<String, Vec<PathBuf>>);

impl DropIns {
    /// All that lie where persons and systemctl write: systemd.unit(5), "UNIT FILE LOAD PATH".
    pub(super) fn read(scope: Scope, environment: &Environment, unit_dir: &Path) -> Self {
        let runtime = match scope {
            Scope::User => environment.runtime_dir().join("systemd/user"),
            Scope::System => "/run/systemd/system".into(),
        };
        let mut all = Self::default();
        for folder in [unit_dir, &runtime] {
            all.add(folder);
            all.add(&folder.with_extension("control"));
        }
        all
    }

    fn add(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(unit) = name.to_str().and_then(|name| name.strip_suffix(".d")) else { continue };
            let files = std::fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|file| file.path());
            let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
            self.0.entry(unit.to_owned()).or_default().extend(files);
        }
    }

    /// How a unit differs by them, and what takes them back.
    pub(super) fn of(&self, unit: &str, scope: Scope) -> Vec<Differs> {
        let user = if scope == Scope::User { " --user" } else { "" };
        let mend = format!("systemctl{user} revert {unit}");
        let mut paths = self.0.get(unit).cloned().unwrap_or_default();
        paths.sort();
        let differs = |path: &PathBuf| Differs {
            what: format!("`{}` changes its unit (`{mend}` undoes it)", path.display()),
            mend: Mend::Tool(mend.clone()),
        };
        paths.iter().map(differs).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_drop_in_of_a_unit_is_said_with_the_way_back() {
        let folder = tempfile::tempdir().unwrap();
        let (unit_dir, runtime) = (folder.path().join("config/user"), folder.path().join("run/systemd/user.control"));
        let put = |path: PathBuf| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "[Service]\nNice=3\n").unwrap();
        };
        put(unit_dir.join("web.service.d/override.conf"));
        put(unit_dir.join("web.service.d/readme.txt"));
        put(unit_dir.join("service.d/all.conf"));
        put(unit_dir.join("default.target.wants/web.service"));
        put(runtime.join("web.service.d/50-CPUWeight.conf"));
        let environment = Environment { xdg_runtime_dir: Some(folder.path().join("run")), ..crate::env::sample() };
        let all = DropIns::read(Scope::User, &environment, &unit_dir);
        let found: Vec<String> = all.of("web.service", Scope::User).into_iter().map(|differs| differs.what).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("web.service.d/override.conf`"), "{found:?}");
        assert!(found[1].contains("user.control/web.service.d/50-CPUWeight.conf`"), "{found:?}");
        assert!(found[0].contains("(`systemctl --user revert web.service` undoes it)"), "{found:?}");
        assert!(all.of("web.timer", Scope::User).is_empty());
    }
}
