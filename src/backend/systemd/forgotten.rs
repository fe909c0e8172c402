//! Restarts that systemd was told to forget after a good run, so that `status` goes on counting them: one small
//! file a service, with a line for each time. In the runtime folder,
//! since systemd's own count is gone with the boot or the logout, too.

use super::manager::service_unit;
use crate::backend::Scope;
use crate::env::Environment;
use crate::report::Observed;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// The folder below the runtime folder.
pub(super) const FOLDER: &str = "svc/restarts";

/// What is known of one scope.
#[derive(Debug)]
pub(crate) struct Forgotten {
    folder: PathBuf,
    /// Of folders and files.
    modes: (u32, u32),
}

impl Forgotten {
    /// Nothing is read yet.
    pub(crate) fn new(scope: Scope, environment: &Environment) -> Self {
        match scope {
            Scope::User => Self { folder: environment.runtime_dir().join(FOLDER), modes: (0o700, 0o600) },
            Scope::System => Self { folder: PathBuf::from("/run").join(FOLDER), modes: (0o755, 0o644) },
        }
    }

    /// Adds to the restarts that systemd knows.
    pub(super) fn add_to(&self, seen: &mut [Observed]) {
        // mostly nothing has ever crashed and run well again
        if !self.folder.exists() {
            return;
        }
        for one in seen {
            if let (Some(restarts), Ok(text)) =
                (&mut one.restarts, std::fs::read_to_string(self.folder.join(service_unit(one.name.as_str()))))
            {
                *restarts = restarts.saturating_add(total(&text));
            }
        }
    }

    /// Systemd has just forgotten so many of this unit.
    pub(crate) fn note(&self, unit: &str, restarts: u32) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(self.modes.0).create(&self.folder)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.append(true).create(true).mode(self.modes.1).open(self.folder.join(unit))?;
        file.write_all(format!("{restarts}\n").as_bytes())
    }

    /// Forgets them for good, and the folders with the last.
    pub(super) fn clear<'a>(&self, units: impl Iterator<Item = &'a str>) {
        if !self.folder.exists() {
            return;
        }
        for unit in units {
            let _ = std::fs::remove_file(self.folder.join(unit)); // most have none
        }
        for folder in self.folder.ancestors().take(2) {
            let _ = std::fs::remove_dir(folder); // fails unless it is empty
        }
    }
}

/// The sum of all lines; one that is half written counts for nothing.
fn total(text: &str) -> u32 {
    text.lines().filter_map(|line| line.trim().parse::<u32>().ok()).fold(0, u32::saturating_add)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::Name;

    #[test]
    fn what_was_forgotten_is_added_until_a_person_starts_it() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().join(FOLDER);
        let forgotten = Forgotten { folder: folder.clone(), modes: (0o700, 0o600) };
        let restarts = |count| {
            let mut seen = [Observed { restarts: count, ..Observed::stopped(Name::parse("web").unwrap()) }];
            forgotten.add_to(&mut seen);
            seen[0].restarts
        };
        assert_eq!(restarts(Some(2)), Some(2));
        forgotten.note("web.service", 3).unwrap();
        forgotten.note("web.service", 1).unwrap();
        assert_eq!(restarts(Some(0)), Some(4));
        assert_eq!(restarts(None), None);
        forgotten.clear(["other.service", "web.service"].into_iter());
        assert_eq!(restarts(Some(2)), Some(2));
        assert_eq!(std::fs::read_dir(runtime.path()).unwrap().count(), 0, "no folder is left");
        assert_eq!(total("3\n1\n\nx\n"), 4);
        assert_eq!(total("3\n4294967295\n"), u32::MAX);
    }
}
