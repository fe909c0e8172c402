//! The record of an installed service: what svc wrote for it and from which definition.
//!
//! One JSON file a service, so that any number of svc can read while one writes, and a damaged one
//! spoils only itself. Fields may be added, never renamed: a record must load for ever.

use super::index::{self, Moment};
use super::paths::Paths;
use super::serde_path::{exact, exact_option};
use crate::backend::{BackendKind, Rendered, Scope, Subject};
use crate::definition::{Secrets, to_toml};
use crate::error::Error;
use crate::service::{AbsPath, Field, FieldSet, Name, Origin, Ready, Service, Start};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What is kept of an installed service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this layout; 1.
    pub version: u32,
    /// The service.
    pub name: String,
    /// `systemd`, `launchd` or `supervisor`.
    pub backend: String,
    /// `user` or `system`.
    pub scope: String,
    /// Project of its manifest.
    #[serde(default)]
    pub project: Option<String>,
    /// Its manifest; none for one from the command line.
    #[serde(default, with = "exact_option")]
    pub manifest: Option<PathBuf>,
    /// Folder of the manifest, or of the shell.
    #[serde(default, with = "exact_option")]
    pub folder: Option<PathBuf>,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `login`, `boot` or `manual`.
    #[serde(default)]
    pub start: String,
    /// It has a timer.
    #[serde(default)]
    pub scheduled: bool,
    /// It speaks `sd_notify(3)`.
    #[serde(default)]
    pub notify: bool,
    /// Its health is checked.
    #[serde(default)]
    pub health: bool,
    /// Fields that a person wrote, as against defaults.
    #[serde(default)]
    pub asked: Vec<String>,
    /// Services it depends on.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Its log file; none for the journal.
    #[serde(default, with = "exact_option")]
    pub log: Option<PathBuf>,
    /// The files svc wrote for it.
    pub files: Vec<RecordedFile>,
    /// The effective definition: a manifest of this one service.
    pub definition: String,
}

/// A file svc wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Absolute.
    #[serde(with = "exact")]
    pub path: PathBuf,
    /// SHA-256 of its contents, hexadecimal.
    pub sha256: String,
    /// Bytes; another length is a change without reading.
    #[serde(default)]
    pub length: u64,
}

impl Record {
    /// Of a service that is about to be installed.
    pub fn new(service: &Service, rendered: &Rendered, backend: BackendKind, scope: Scope) -> Self {
        let (manifest, folder) = match &service.origin {
            Origin::Manifest { file } => (Some(file.as_path().to_owned()), file.as_path().parent().map(Path::to_owned)),
            Origin::CommandLine { folder } => (None, Some(folder.as_path().to_owned())),
        };
        Self {
            version: 1,
            name: service.name.to_string(),
            backend: backend.word().into(),
            scope: scope.word().into(),
            project: service.project.clone(),
            manifest,
            folder,
            groups: service.groups.iter().map(|group| group.as_str().to_owned()).collect(),
            start: service.start.word().into(),
            scheduled: service.schedule.is_some(),
            notify: service.ready == Ready::Notify,
            health: service.health.is_some(),
            asked: service.asked.iter().map(|field| field.key().to_owned()).collect(),
            depends_on: service.depends_on.iter().map(ToString::to_string).collect(),
            log: rendered.log.clone(),
            files: rendered
                .files
                .iter()
                .map(|file| RecordedFile {
                    path: file.path.clone(),
                    sha256: super::owner::hash(&file.contents),
                    length: file.contents.len() as u64,
                })
                .collect(),
            definition: to_toml(service, Secrets::Shown),
        }
    }

    /// That of a name; `None`: there is none, or it can't be believed.
    pub fn read(paths: &Paths, name: &str) -> Option<Self> {
        read_file(&Self::path(paths, name)).ok()?
    }

    /// As bytes for the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Where the record of this name lies.
    pub fn path(paths: &Paths, name: &str) -> PathBuf {
        paths.services().join(format!("{name}.json"))
    }

    /// The fields of its definition with their effective values; none where it is damaged.
    pub fn fields(&self) -> toml::Table {
        let table: toml::Table = self.definition.parse().unwrap_or_default();
        let service = table.get("service").and_then(|all| all.get(self.name.as_str()));
        service.and_then(|service| service.as_table()).cloned().unwrap_or_default()
    }

    /// What a backend needs to drive it; `None` if the name is not valid any more.
    pub fn subject(&self) -> Option<Subject> {
        Some(Subject {
            name: Name::parse(&self.name).ok()?,
            scheduled: self.scheduled,
            notify: self.notify,
            log: self.log.clone(),
            depends_on: self.depends_on.iter().filter_map(|name| Name::parse(name).ok()).collect(),
        })
    }

    /// Where its definition came from; `fallback` when an old record does not say.
    pub fn origin(&self, fallback: &AbsPath) -> Origin {
        let absolute = |path: &PathBuf| AbsPath::new(path).ok();
        match self.manifest.as_ref().and_then(absolute) {
            Some(file) => Origin::Manifest { file },
            None => Origin::CommandLine {
                folder: self.folder.as_ref().and_then(absolute).unwrap_or_else(|| fallback.clone()),
            },
        }
    }

    /// The fields that a person wrote.
    pub fn asked(&self) -> FieldSet {
        let mut all = FieldSet::default();
        self.asked.iter().filter_map(|key| Field::from_key(key)).for_each(|field| all.insert(field));
        all
    }

    /// Whether it starts at boot with nobody logged in.
    pub fn boot(&self) -> bool {
        self.start == Start::Boot.word()
    }
}

/// How files differ from what svc wrote, one sentence each.
pub fn drift(files: &[RecordedFile]) -> Vec<String> {
    files.iter().filter_map(RecordedFile::drift).collect()
}

impl RecordedFile {
    fn drift(&self) -> Option<String> {
        let shown = self.path.display();
        match std::fs::read(&self.path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Some(format!("`{shown}` was removed")),
            Err(cause) => Some(format!("`{shown}` can't be read: {}", crate::error::io_reason(&cause))),
            Ok(bytes) => (super::owner::hash_bytes(&bytes) != self.sha256).then(|| format!("`{shown}` was edited")),
        }
    }
}

/// Reads the records of a scope, sorted by name; a damaged one is a warning. Of many that have not
/// changed there is a copy in one file.
pub fn read_all(paths: &Paths) -> Result<(Vec<Record>, Vec<String>), Error> {
    let folder = paths.services();
    let moment = Moment::of(&folder);
    if let Some(records) = moment.and_then(|moment| index::read(&folder, moment)) {
        return Ok((records, Vec::new()));
    }
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(cause) => return Err(super::lock::denied("read", &folder, &cause)),
    };
    let files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    let (mut records, mut warnings) = (Vec::new(), Vec::new());
    for (path, read) in files.iter().zip(read_files(&files)) {
        match read {
            Ok(Some(record)) => records.push(record),
            Ok(None) => {}
            Err(reason) => warnings.push(format!(
                "the record `{}` can't be read: {reason}; `svc doctor --fix` sets it aside",
                path.display()
            )),
        }
    }
    records.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(moment) = moment
        && warnings.is_empty()
    {
        index::keep(&folder, moment, &records);
    }
    Ok((records, warnings))
}

/// From so many files on a second thread is worth its start.
const MANY: usize = 64;

/// Reads all, in their order; many of them on two threads.
fn read_files(files: &[PathBuf]) -> Vec<Result<Option<Record>, String>> {
    let read = |files: &[PathBuf]| files.iter().map(|path| read_file(path)).collect::<Vec<_>>();
    if files.len() < MANY {
        return read(files);
    }
    let (here, there) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let there = scope.spawn(|| read(there));
        let mut all = read(here);
        all.extend(there.join().unwrap_or_default());
        all
    })
}

/// The records of these names, sorted; `None` unless each is there and whole.
pub fn read_some(paths: &Paths, names: &[String]) -> Option<Vec<Record>> {
    let names: std::collections::BTreeSet<&String> = names.iter().collect();
    names.into_iter().map(|name| Record::read(paths, name)).collect()
}

/// Records that can't be read.
pub fn damaged(paths: &Paths) -> Result<Vec<PathBuf>, Error> {
    let Ok(entries) = std::fs::read_dir(paths.services()) else { return Ok(Vec::new()) };
    let records =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ext| ext == "json"));
    Ok(records.filter(|path| read_file(path).is_err()).collect())
}

fn read_file(path: &Path) -> Result<Option<Record>, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None), // removed meanwhile
        Err(cause) => return Err(crate::error::io_reason(&cause)),
    };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if path.file_stem().is_none_or(|stem| stem != record.name.as_str()) {
        return Err(format!("it says that it is of `{}`", record.name.escape_debug()));
    }
    Name::parse(&record.name)?;
    Ok(Some(record))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn paths_of_any_bytes_come_back_and_those_of_old_records_too() {
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a\xff\n")).to_owned();
        let mut service = crate::service::sample::sample("web");
        service.origin = Origin::CommandLine { folder: AbsPath::new(&odd).unwrap() };
        let files = vec![crate::backend::RenderedFile { path: odd.clone(), mode: 0o600, contents: "x".into() }];
        let rendered = Rendered { files, log: Some(odd.clone()), notes: Vec::new() };
        let record = Record::new(&service, &rendered, BackendKind::Supervisor, Scope::User);
        let back: Record = serde_json::from_slice(&record.to_bytes()).unwrap();
        assert_eq!(back, record);
        assert_eq!((back.log, back.folder, &back.files[0].path), (Some(odd.clone()), Some(odd.clone()), &odd));
        let old = r#"{"version":1,"name":"web","backend":"systemd","scope":"user","manifest":"/srv/svc.toml",
            "folder":null,"files":[{"path":"/a/b","sha256":""}],"definition":""}"#;
        let old: Record = serde_json::from_str(old).unwrap();
        assert_eq!((old.manifest, old.folder, old.log), (Some("/srv/svc.toml".into()), None, None));
    }
}
