//! The links of `[Install]`, made and removed directly: what `systemctl enable` and `disable` do
//! to the disk (systemd.unit(5), INSTALL SECTION).
//!
//! `EnableUnitFiles` costs the manager 0.8 ms a unit, as it searches every folder of its load path
//! for each; the units of svc lie in one known folder and have one line `WantedBy=`. Whatever is
//! more than that (an alias, `Also=`, a drop-in, a template) is left to the manager.

use crate::files::atomic::sync_folder;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Endings of the folders whose links pull units in.
const ENDINGS: [&str; 3] = [".wants", ".requires", ".upholds"];

/// Makes or removes the links of `units` in `unit_dir`. Returns those that only the manager can
/// do; it also says best why something failed.
pub(crate) fn apply(unit_dir: &Path, units: &[String], enable: bool) -> Vec<String> {
    let folders = if enable { Vec::new() } else { folders(unit_dir) };
    let mut touched = BTreeSet::new();
    let left = units.iter().filter(|unit| {
        let done = match (only_target(unit_dir, unit), enable) {
            (Some(target), true) => {
                let folder = unit_dir.join(format!("{target}.wants"));
                make(&folder, unit_dir, unit).map(|()| touched.extend([folder]))
            }
            (Some(_), false) => remove(&folders, unit).map(|found| touched.extend(found)),
            // somebody removed the file: links are all that is left, and systemd refuses to disable it
            (None, false) if is_gone(unit_dir, unit) => remove(&folders, unit).map(|found| touched.extend(found)),
            (None, _) => return true,
        };
        done.is_err()
    });
    let left = left.cloned().collect();
    for folder in touched {
        let _ = sync_folder(&folder); // gone with its last link, or not to be synced: the links are as asked
    }
    left
}

/// The unit that `[Install]` names, when that is all it says.
fn only_target(unit_dir: &Path, unit: &str) -> Option<String> {
    let file = unit_dir.join(unit);
    let plain = std::fs::symlink_metadata(&file).is_ok_and(|data| data.is_file());
    if !plain || unit.contains('@') || unit_dir.join(format!("{unit}.d")).exists() {
        return None;
    }
    wanted_by(&std::fs::read_to_string(&file).ok()?).map(str::to_owned)
}

fn is_gone(unit_dir: &Path, unit: &str) -> bool {
    matches!(std::fs::symlink_metadata(unit_dir.join(unit)), Err(cause) if cause.kind() == io::ErrorKind::NotFound)
}

fn wanted_by(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "[Install]").skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty());
    let target = lines.next()?.strip_prefix("WantedBy=")?;
    let known = target.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.');
    (lines.next().is_none() && known && target.ends_with(".target")).then_some(target)
}

fn make(folder: &Path, unit_dir: &Path, unit: &str) -> io::Result<()> {
    let (file, link) = (unit_dir.join(unit), folder.join(unit));
    std::fs::create_dir_all(folder)?;
    match std::os::unix::fs::symlink(&file, &link) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && std::fs::read_link(&link)? == file => Ok(()),
        other => other,
    }
}

/// Folders of links that had one to `unit`.
fn remove(folders: &[PathBuf], unit: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders {
        match std::fs::remove_file(folder.join(unit)) {
            Ok(()) => {
                let _ = std::fs::remove_dir(folder); // as systemctl does; stays while it has links
                found.push(folder.clone());
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(found)
}

fn folders(unit_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(unit_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| ENDINGS.iter().any(|ending| path.to_string_lossy().ends_with(ending))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_wanted_by_is_all_that_is_done_here() {
        let of = |install: &str| {
            wanted_by(&format!("[Service]\nA=b\n\n[Install]\n{install}\n\n[X-Svc]\nName=a\n")).map(str::to_owned)
        };
        assert_eq!(of("WantedBy=default.target").as_deref(), Some("default.target"));
        for more in [
            "",
            "# c\nWantedBy=a.target",
            "WantedBy=a.target\nAlias=b.service",
            "WantedBy=a.target b.target",
            "WantedBy=%i.target",
        ] {
            assert_eq!(of(more), None, "{more:?}");
        }
        assert_eq!(wanted_by("[Service]\n"), None);
    }

    #[test]
    fn links_come_and_go_and_the_rest_is_the_managers() {
        let folder = tempfile::tempdir().expect("folder");
        let units =
            ["a.service", "b.timer", "alias.service", "drop.service", "none.service", "t@1.service"].map(str::to_owned);
        let write = |unit: &str, text: &str| {
            let path = folder.path().join(unit);
            let file = crate::files::atomic::NewFile { path: &path, contents: text.as_bytes(), mode: 0o644 };
            crate::files::atomic::write_all(&[file]).expect("written");
        };
        for unit in ["a.service", "b.timer", "drop.service", "t@1.service"] {
            write(unit, "[Install]\nWantedBy=default.target\n");
        }
        write("alias.service", "[Install]\nWantedBy=default.target\nAlias=other.service\n");
        std::fs::create_dir(folder.path().join("drop.service.d")).expect("made");
        let left = units[2..].to_vec();
        let link = folder.path().join("default.target.wants/a.service");
        for _ in 0..2 {
            assert_eq!(apply(folder.path(), &units, true), left);
            assert_eq!(std::fs::read_link(&link).expect("a link"), folder.path().join("a.service"));
        }
        // without its file a unit has nothing but links: systemd would refuse to disable it
        std::os::unix::fs::symlink("/gone/none.service", folder.path().join("default.target.wants/none.service"))
            .expect("made");
        let left: Vec<String> = left.into_iter().filter(|unit| unit != "none.service").collect();
        assert_eq!(apply(folder.path(), &units, false), left);
        assert!(!folder.path().join("default.target.wants").exists());
        std::fs::create_dir(folder.path().join("default.target.wants")).expect("made");
        std::os::unix::fs::symlink("/elsewhere", &link).expect("made");
        assert_eq!(
            apply(folder.path(), &units[..1], true),
            units[..1],
            "a link of somebody else is the manager's to replace"
        );
    }
}
