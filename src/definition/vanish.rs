//! Programs that may be gone tomorrow: in a build folder, a temporary folder, or the folder of one
//! version of a version manager; and the stable link that stands for the same program.

use std::path::{Component, Path, PathBuf};

/// Why a program may vanish; `None` when it lies where it stays.
pub fn vanishes(program: &Path, home: &Path) -> Option<String> {
    let parts: Vec<&str> = program
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    if ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|folder| program.starts_with(folder)) {
        return Some("path lies in a temporary folder".into());
    }
    if parts.windows(2).any(|pair| pair[0] == "target" && matches!(pair[1], "debug" | "release")) {
        return Some("path lies in a build folder".into());
    }
    let after = |names: &[&str]| parts.windows(names.len()).any(|window| window == names);
    let manager = [
        (&[".nvm", "versions"][..], "nvm"),
        (&[".pyenv", "versions"][..], "pyenv"),
        (&[".rbenv", "versions"][..], "rbenv"),
        (&[".nodenv", "versions"][..], "nodenv"),
        (&[".asdf", "installs"][..], "asdf"),
        (&["mise", "installs"][..], "mise"),
        (&["fnm", "node-versions"][..], "fnm"),
        (&[".volta", "tools"][..], "volta"),
        (&["Cellar"][..], "Homebrew's Cellar"),
        (&["pnpm", "nodejs"][..], "pnpm"),
        (&[".rustup", "toolchains"][..], "rustup"),
        (&[".sdkman", "candidates"][..], "sdkman"),
    ];
    let stable = after(&["current"]) || program.starts_with(home.join(".cargo/bin"));
    let found = manager.iter().find(|(names, _)| after(names)).filter(|_| !stable)?;
    Some(format!("path lies in a version folder ({})", found.1))
}

/// A stable path of the same program: a link or shim of the same name in a folder that survives
/// upgrades.
pub fn stable_link(program: &Path, home: &Path) -> Option<PathBuf> {
    vanishes(program, home).filter(|reason| reason.contains("version folder"))?;
    let name = program.file_name()?;
    let real = program.canonicalize().ok()?;
    let shims = [
        ".volta/bin",
        ".asdf/shims",
        ".pyenv/shims",
        ".rbenv/shims",
        ".nodenv/shims",
        ".local/share/mise/shims",
        ".local/share/pnpm",
    ];
    let links = ["/opt/homebrew/bin", "/usr/local/bin", "/home/linuxbrew/.linuxbrew/bin"].map(PathBuf::from);
    let links = links.into_iter().chain([home.join(".local/bin")]).map(|folder| folder.join(name));
    let link = links.into_iter().find(|path| path.canonicalize().is_ok_and(|target| target == real));
    link.or_else(|| {
        let manager =
            shims.iter().find(|shim| program.starts_with(home.join(shim.split('/').next().unwrap_or_default())))?;
        Some(home.join(manager).join(name)).filter(|path| path.is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_build_folders_are_known() {
        let why = |path: &str| vanishes(Path::new(path), Path::new("/home/u"));
        assert_eq!(
            why("/home/u/.nvm/versions/node/v20.1.0/bin/node").as_deref(),
            Some("path lies in a version folder (nvm)")
        );
        assert_eq!(
            why("/opt/homebrew/Cellar/node/20.1/bin/node").as_deref(),
            Some("path lies in a version folder (Homebrew's Cellar)")
        );
        assert_eq!(why("/home/u/p/target/debug/x").as_deref(), Some("path lies in a build folder"));
        assert_eq!(why("/tmp/x").as_deref(), Some("path lies in a temporary folder"));
        assert_eq!(why("/usr/bin/node"), None);
        assert_eq!(why("/home/u/.sdkman/candidates/java/current/bin/java"), None);
    }

    #[test]
    fn a_link_to_the_same_file_stands_for_it() {
        let home = tempfile::tempdir().expect("folder");
        let version = home.path().join(".nvm/versions/node/v20/bin");
        std::fs::create_dir_all(&version).expect("made");
        std::fs::create_dir_all(home.path().join(".local/bin")).expect("made");
        std::fs::File::create(version.join("node")).expect("made");
        // the temporary folder itself counts as one that vanishes, so ask below a link to it
        assert!(vanishes(&version.join("node"), home.path()).is_some());
    }
}
