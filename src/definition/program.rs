//! Finding a program: in the PATH that the service will have, written absolute.

use super::suggest;
use crate::service::AbsPath;
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};

/// Why there is none: reason and advice.
pub(crate) type NotFound = (String, Option<String>);

/// `word` with a `/` relative to `base`, else looked up in `folders`.
pub(crate) fn find(word: &str, base: &AbsPath, folders: &[PathBuf]) -> Result<AbsPath, NotFound> {
    if word.is_empty() {
        return Err(("is no program: it is empty".into(), None));
    }
    if word.contains('\0') {
        return Err(("contains a NUL byte, which no program can be given".into(), None));
    }
    if word.contains('/') {
        let path = AbsPath::below(base, Path::new(word)).map_err(|reason| (reason, None))?;
        return executable(path.as_path()).map(|()| path);
    }
    let mut unusable = None;
    for folder in folders {
        let path = folder.join(word);
        match executable(&path) {
            Ok(()) => return AbsPath::new(&path).map_err(|reason| (reason, None)),
            Err(reason) if path.is_file() => unusable = unusable.or(Some(reason)),
            Err(_) => {}
        }
    }
    Err(unusable.unwrap_or_else(|| not_in_path(word, folders)))
}

fn executable(path: &Path) -> Result<(), NotFound> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(cause) => Err((format!("is not there: `{shown}`: {}", crate::error::io_reason(&cause)), None)),
        Ok(data) if data.is_dir() => Err((format!("is a folder, not a program: `{shown}`"), None)),
        Ok(data) if !data.is_file() => Err((format!("is not a file: `{shown}`"), None)),
        Ok(_) => access(path, AccessFlags::X_OK)
            .map_err(|_| (format!("is not executable: `{shown}`"), Some(format!("`chmod +x {shown}`")))),
    }
}

fn not_in_path(word: &str, folders: &[PathBuf]) -> NotFound {
    let names: Vec<String> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let near = suggest::nearest(word, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
    let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    (
        format!("is not a program in the PATH of the service ({})", searched.join(":")),
        near.or_else(|| Some("write its absolute path, or `path = [\"…\"]`".into())),
    )
}
