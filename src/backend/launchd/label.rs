//! launchd's name for a service, and the file of that name. launchd.plist(5), `Label`.

use super::render::Target;
use crate::files::record::Record;
use crate::service::{Name, Service};
use std::path::{Path, PathBuf};

/// Before the name, where a definition says nothing else.
const PREFIX: &str = "svc.";
/// Ends the name of a property list.
const SUFFIX: &str = ".plist";
/// Bytes of the longest name of a file on macOS.
const MAX_FILE: usize = 255;

/// `label`, else `svc.NAME`; the error is the reason.
pub(super) fn label(service: &Service) -> Result<String, String> {
    let Some(label) = &service.label else { return Ok(default(&service.name)) };
    let first = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b));
    if !first || !plain || label.contains("..") {
        return Err("is not a label: letters, digits, `.`, `_` and `-`, the first a letter or digit".into());
    }
    if label.len() + SUFFIX.len() > MAX_FILE {
        return Err(format!("has more than {} bytes, and its file is named after it", MAX_FILE - SUFFIX.len()));
    }
    if label.to_ascii_lowercase().starts_with("com.apple.") {
        return Err("begins with `com.apple.`: these are the system's own, and launchd does not let others in".into());
    }
    Ok(label.clone())
}

/// The label of a service whose definition names none.
pub(crate) fn default(name: &Name) -> String {
    format!("{PREFIX}{name}")
}

/// The property list of a label.
pub(crate) fn file(target: &Target, label: &str) -> PathBuf {
    target.folder.join(format!("{label}{SUFFIX}"))
}

/// The label that a property list is named after.
pub(crate) fn of_file(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(SUFFIX).filter(|label| !label.is_empty())
}

/// The label that a service was installed under.
pub(crate) fn of_record(record: &Record) -> Option<String> {
    record.files.iter().find_map(|file| of_file(&file.path)).map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::sample::sample;

    #[test]
    fn a_label_is_the_file_of_that_name() {
        let mut service = sample("web@1");
        assert_eq!(label(&service).unwrap(), "svc.web@1");
        service.label = Some("com.example.web".into());
        assert_eq!(label(&service).unwrap(), "com.example.web");
        assert_eq!(of_file(Path::new("/x/com.example.web.plist")), Some("com.example.web"));
        assert_eq!(of_file(Path::new("/x/web.toml")), None);
        assert_eq!(of_file(Path::new("/x/.plist")), None);
    }

    #[test]
    fn labels_that_mean_something_else_are_refused() {
        for bad in ["", "a/b", "../x", "a..b", ".a", "-a", "a b", "ü", "com.apple.x", "COM.Apple.x", &"a".repeat(250)]
        {
            let service = Service { label: Some(bad.into()), ..sample("web") };
            assert!(label(&service).is_err(), "{bad}");
        }
    }
}
