//! `svc init`: a commented manifest, guessed from what lies in the folder.

use super::MANIFEST;
use crate::convert::guess::guess;
use crate::error::{Error, ErrorCode};
use crate::files::atomic::{NewFile, write_all};
use crate::report::{Converted, Report};
use crate::service::AbsPath;
use std::path::PathBuf;

/// Runs it; `file`: `--file`.
pub(crate) fn run(folder: &AbsPath, file: Option<&PathBuf>) -> Result<(Report, Vec<String>), Error> {
    let shown = file.cloned().unwrap_or_else(|| MANIFEST.into());
    let path = folder.as_path().join(&shown);
    if std::fs::symlink_metadata(&path).is_ok() {
        let refused = format!("`{}` is there already, and is not overwritten", shown.display());
        return Err(Error::new(ErrorCode::Usage, refused).hint("`svc -f OTHER.toml init`, or move it away"));
    }
    let base = path.parent().unwrap_or(folder.as_path());
    let draft = guess(base);
    write_all(&[NewFile { path: &path, contents: draft.text().as_bytes(), mode: 0o644 }])?;
    Ok((Report::Converted(Converted { text: String::new(), file: Some(shown), notes: draft.notes }), Vec::new()))
}
