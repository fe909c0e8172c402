//! Paths of a definition: absolute once they are in a `Service`, with `.` and `..` resolved by
//! name (systemd refuses `..` in some directives, quoting-facts §7) and no NUL.

use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// An absolute path without `.`, `..`, NUL or a trailing `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(PathBuf);

impl AbsPath {
    /// `path` as it is if absolute, else below `base`; `.` and `..` are resolved by name.
    pub fn below(base: &AbsPath, path: &Path) -> Result<Self, String> {
        Self::new(&base.0.join(path))
    }

    /// Checks an absolute path; the error is the reason.
    pub fn new(path: &Path) -> Result<Self, String> {
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err("contains a NUL byte, which no path can".into());
        }
        if !path.is_absolute() {
            return Err("is not an absolute path".into());
        }
        let mut clean = PathBuf::from("/");
        for part in path.components() {
            match part {
                Component::Normal(name) => clean.push(name),
                Component::ParentDir => {
                    clean.pop();
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(Self(clean))
    }

    /// The path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for AbsPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())
    }
}

impl serde::Serialize for AbsPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display())
    }
}

/// One `env_file`. A leading `-` in the definition makes it optional, as in systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it lies.
    pub path: AbsPath,
    /// A missing one is no error.
    pub optional: bool,
}

/// The PATH that a service gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchPath {
    /// `path = "inherit"`: that of the installing shell, absolute parts only, as it was then.
    Inherited(Vec<AbsPath>),
    /// `path = "minimal"`: the manager's own; nothing is rendered.
    Minimal,
    /// A list written in the definition.
    Listed(Vec<AbsPath>),
}

impl SearchPath {
    /// As one variable, `:` between the folders; `None`: no folder is named. The error is the reason.
    pub fn joined(&self) -> Result<Option<OsString>, String> {
        let (Self::Inherited(folders) | Self::Listed(folders)) = self else { return Ok(None) };
        if folders.is_empty() {
            return Ok(None);
        }
        let mut joined = OsString::new();
        for (at, folder) in folders.iter().enumerate() {
            let folder = folder.as_path().as_os_str();
            if folder.as_encoded_bytes().contains(&b':') {
                return Err(format!("can't hold the folder {}: `:` separates folders", folder.display()));
            }
            if at > 0 {
                joined.push(":");
            }
            joined.push(folder);
        }
        Ok(Some(joined))
    }
}
