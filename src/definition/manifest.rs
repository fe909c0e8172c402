//! `svc.toml`: project, defaults, services; instances are multiplied out here.

use super::build::{Position, build};
use super::problem::{Place, Problem};
use super::reader::Table;
use super::suggest::did_you_mean;
use super::value::{Key, Kind, Places, Value, read};
use super::{Definitions, Surroundings};
use crate::error::Error;
use crate::service::{AbsPath, Field, Name, Origin, Service};
use std::collections::BTreeMap;
use std::path::Path;

/// Largest manifest that is read: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// Reads the manifest at `file`.
pub fn read_manifest(file: &Path, around: &Surroundings) -> Result<Definitions, Error> {
    let unreadable = |cause: std::io::Error| Error {
        code: crate::error::ErrorCode::Usage,
        ..Error::file("read the manifest", file, &cause)
    };
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(Error::new(
            crate::error::ErrorCode::Usage,
            format!("the manifest `{}` has {size} bytes, more than a mebibyte", file.display()),
        ));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let shown = file.strip_prefix(around.folder.as_path()).unwrap_or(file);
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            let place = Place::File { file: shown.to_owned(), line, column: 1 };
            return Err(Error::invalid(vec![Problem::new("is not UTF-8").at(place)]));
        }
    };
    read_as(&text, file, shown, around).map_err(Error::invalid)
}

/// Reads the text of the manifest `file`. Any text: problems, never a panic.
pub fn read_text(text: &str, file: &Path, around: &Surroundings) -> Result<Definitions, Vec<Problem>> {
    read_as(text, file, file, around)
}

fn read_as(text: &str, file: &Path, shown: &Path, around: &Surroundings) -> Result<Definitions, Vec<Problem>> {
    let file = AbsPath::below(&around.folder, file).map_err(|reason| vec![Problem::new(reason)])?;
    let base = file
        .as_path()
        .parent()
        .map_or(Ok(around.folder.clone()), AbsPath::new)
        .map_err(|reason| vec![Problem::new(reason)])?;
    let (entries, mut problems) = read(text, &Places::new(shown, text));
    let mut reading = Reading {
        project: None,
        defaults: Table::new(),
        problems: Vec::new(),
        warnings: Vec::new(),
        services: Vec::new(),
        places: BTreeMap::new(),
    };
    let mut services = Vec::new();
    for (key, value) in entries {
        reading.top(&key, value, &mut services);
    }
    for (key, value) in services {
        reading.service(&key, value, &file, &base, around);
    }
    reading.check_names();
    reading.check_dependencies();
    problems.extend(reading.problems);
    problems.sort_by_key(|problem| match problem.place {
        Place::File { line, column, .. } => (line, column),
        Place::Flag(_) | Place::Unknown => (0, 0),
    });
    let services = reading.services.into_iter().map(|(service, _)| service).collect();
    if problems.is_empty() {
        let places = super::Places(reading.places);
        Ok(Definitions { project: reading.project, services, warnings: reading.warnings, places })
    } else {
        Err(problems)
    }
}

struct Reading {
    project: Option<String>,
    defaults: Table,
    services: Vec<(Service, Key)>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    places: BTreeMap<(String, Field), Place>,
}

const TOP: [&str; 4] = ["project", "defaults", "service", "tasks"];

/// Of `svc.toml`: the project, and how many of its tasks may run at once (`[tasks] max_parallel`; 0: no limit of
/// its own). All else in it is not looked at: a task is no service of it.
pub fn read_project(file: &Path) -> Result<(Option<String>, u16), Error> {
    let text = std::fs::read_to_string(file).map_err(|cause| Error {
        code: crate::error::ErrorCode::Usage,
        ..Error::file("read the manifest", file, &cause)
    })?;
    let (entries, problems) = read(&text, &Places::new(file, &text));
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let (mut project, mut limit) = (None, 0);
    for (key, value) in entries {
        match (key.text.as_str(), value.kind) {
            ("project", Kind::Str(text)) => project = Some(text),
            ("tasks", Kind::Table(entries)) => limit = tasks(&entries).map_err(Error::invalid)?,
            _ => {}
        }
    }
    Ok((project, limit))
}

/// `[tasks]`: its one key.
fn tasks(entries: &[(Key, Value)]) -> Result<u16, Vec<Problem>> {
    const KEY: &str = "max_parallel";
    let mut limit = 0;
    let mut problems = Vec::new();
    for (key, value) in entries {
        match (key.text.as_str(), &value.kind) {
            (KEY, Kind::Int(number)) if (1..=10_000).contains(number) => limit = u16::try_from(*number).unwrap_or(0),
            (KEY, _) => problems.push(
                Problem::new("is not a whole number from 1 to 10000")
                    .at(value.place.clone())
                    .field("tasks.max_parallel"),
            ),
            (word, _) => {
                let mut problem = Problem::new("is not a key of `[tasks]`").at(key.place.clone()).value(word);
                problem.hint = did_you_mean(word, [KEY]).or_else(|| Some(format!("the key is `{KEY}`")));
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() { Ok(limit) } else { Err(problems) }
}

impl Reading {
    fn top(&mut self, key: &Key, value: Value, services: &mut Vec<(Key, Value)>) {
        match (key.text.as_str(), value.kind) {
            ("project", Kind::Str(text)) if !text.is_empty() && !text.contains(char::is_control) => {
                self.project = Some(text);
            }
            ("project", _) => {
                self.problems.push(Problem::new("is not a name of a project").at(value.place).field("project"));
            }
            ("defaults", Kind::Table(entries)) => {
                let (table, problems) = fields(entries, None);
                self.problems.extend(problems);
                for field in super::schema::NO_DEFAULT {
                    if let Some(value) = table.get(&field) {
                        self.problems
                            .push(Problem::new("can't be a default").at(value.place.clone()).field(field.key()));
                    }
                }
                self.defaults = table;
            }
            ("service", Kind::Table(entries)) => services.extend(entries),
            ("tasks", Kind::Table(entries)) => self.problems.extend(tasks(&entries).err().unwrap_or_default()),
            (word @ ("defaults" | "service" | "tasks"), _) => {
                self.problems
                    .push(Problem::new("is not a table").at(value.place).field(word).hint(format!("[{word}…]")));
            }
            (word, _) => {
                let mut problem = Problem::new("is not a key of a manifest").at(key.place.clone()).value(word);
                problem.hint = did_you_mean(word, TOP).or_else(|| {
                    Field::from_key(word)
                        .map(|_| "it belongs into a `[service.NAME]`".to_owned())
                        .or_else(|| Some(format!("the keys are `{}`", TOP.join("`, `"))))
                });
                self.problems.push(problem);
            }
        }
    }

    fn service(&mut self, key: &Key, value: Value, file: &AbsPath, base: &AbsPath, around: &Surroundings) {
        let Kind::Table(entries) = value.kind else {
            self.problems.push(Problem::new("is not a table").at(value.place).field(format!("service.{}", key.text)));
            return;
        };
        let (mut table, problems) = fields(entries, Some(&key.text));
        self.problems.extend(problems);
        // an own `every` replaces a default `schedule`, an own `script` a default …: one or the other
        let rivals = [(Field::Every, Field::Schedule), (Field::Schedule, Field::Every)];
        for (field, value) in &self.defaults {
            let beaten = rivals.iter().any(|(own, default)| default == field && table.contains_key(own));
            if !beaten {
                table.entry(*field).or_insert_with(|| value.clone());
            }
        }
        let origin = Origin::Manifest { file: file.clone() };
        let (services, problems, warnings) = multiply(key, &table, self.project.as_deref(), &origin, base, around);
        self.places.extend(super::places(&services, &table).0);
        self.services.extend(services.into_iter().map(|service| (service, key.clone())));
        self.problems.extend(problems);
        self.warnings.extend(warnings);
    }

    fn check_names(&mut self) {
        let mut seen: BTreeMap<&str, &Key> = BTreeMap::new();
        for (service, key) in &self.services {
            if let Some(first) = seen.insert(service.name.as_str(), key) {
                let reason = format!(
                    "is the name of a service twice: `[service.{}]` and `[service.{}]` both make it",
                    first.text, key.text
                );
                self.problems.push(Problem::new(reason).at(key.place.clone()).value(service.name.as_str()));
            }
        }
    }

    fn check_dependencies(&mut self) {
        let graph: BTreeMap<&str, (&Service, &Key)> =
            self.services.iter().map(|(service, key)| (service.name.as_str(), (service, key))).collect();
        let mut done: BTreeMap<&str, bool> = BTreeMap::new();
        let mut found = Vec::new();
        for name in graph.keys() {
            let mut way = Vec::new();
            if let Some(cycle) = walk(name, &graph, &mut done, &mut way) {
                let place = graph.get(cycle[0].as_str()).map_or(Place::Unknown, |(_, key)| key.place.clone());
                found.push(Problem::new(format!("is a cycle: {}", cycle.join(" → "))).at(place).field("depends_on"));
            }
        }
        self.problems.extend(found);
    }
}

/// Depth first; a service on the way again is a cycle. `done`: false while on the way.
fn walk<'a>(
    name: &'a str,
    graph: &BTreeMap<&'a str, (&'a Service, &Key)>,
    done: &mut BTreeMap<&'a str, bool>,
    way: &mut Vec<&'a str>,
) -> Option<Vec<String>> {
    match done.get(name) {
        Some(true) => return None,
        Some(false) => {
            let from = way.iter().position(|one| *one == name)?;
            return Some(way[from..].iter().copied().chain([name]).map(str::to_owned).collect());
        }
        None => {}
    }
    let (service, _) = graph.get(name)?;
    done.insert(name, false);
    way.push(name);
    let cycle = service.depends_on.iter().find_map(|next| walk(next.as_str(), graph, done, way));
    way.pop();
    done.insert(name, true);
    cycle
}

/// The fields of a table; unknown keys are problems.
pub(crate) fn fields(entries: Vec<(Key, Value)>, service: Option<&str>) -> (Table, Vec<Problem>) {
    let (mut table, mut problems) = (Table::new(), Vec::new());
    for (key, value) in entries {
        match Field::from_key(&key.text) {
            Some(field) => drop(table.insert(field, value)),
            None => {
                let mut problem = Problem::new("is not a field of a service").at(key.place).value(&key.text);
                problem.service = service.map(str::to_owned);
                problem.hint = did_you_mean(&key.text, Field::ALL.iter().map(|field| field.key()));
                problems.push(problem);
            }
        }
    }
    (table, problems)
}

/// One service, or one for each of its instances.
pub(crate) fn multiply(
    key: &Key,
    table: &Table,
    project: Option<&str>,
    origin: &Origin,
    base: &AbsPath,
    around: &Surroundings,
) -> (Vec<Service>, Vec<Problem>, Vec<Problem>) {
    let (mut services, mut problems, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let mut table = table.clone();
    let names: Vec<(String, Option<String>, Place)> = match table.remove(&Field::Instances) {
        None => vec![(key.text.clone(), None, key.place.clone())],
        Some(value) => match instances(&value) {
            Ok(all) => {
                all.into_iter().map(|(text, place)| (format!("{}-{text}", key.text), Some(text), place)).collect()
            }
            Err(problem) => return (services, vec![Problem { service: Some(key.text.clone()), ..problem }], warnings),
        },
    };
    for (text, instance, place) in names {
        let name = match Name::parse(&text) {
            Ok(name) => name,
            Err(reason) => {
                problems.push(Problem::new(format!("is not a name of a service: {reason}")).at(place).value(&text));
                continue;
            }
        };
        let position = Position {
            name,
            instance,
            project: project.map(str::to_owned),
            origin: origin.clone(),
            base: base.clone(),
            around,
        };
        let (service, said) = build(&table, position);
        warnings.extend(said);
        match service {
            Ok(mut service) => {
                if let Some(label) = service.label.as_mut().filter(|_| service.instance.is_some()) {
                    *label = format!("{label}-{}", service.instance.as_deref().unwrap_or_default());
                }
                services.push(service);
            }
            Err(found) => {
                for mut problem in found {
                    if problem.place == Place::Unknown {
                        problem.place = key.place.clone();
                    }
                    problems.push(problem);
                }
            }
        }
    }
    (services, problems, warnings)
}

fn instances(value: &Value) -> Result<Vec<(String, Place)>, Problem> {
    let wrong = |reason: &str| Problem::new(reason).at(value.place.clone()).field("instances");
    let Kind::Array(items) = &value.kind else { return Err(wrong("is not an array of strings")) };
    if items.is_empty() {
        return Err(wrong("is empty: there would be no service at all"));
    }
    items
        .iter()
        .map(|item| match &item.kind {
            Kind::Str(text) => Ok((text.clone(), item.place.clone())),
            Kind::Int(number) => Ok((number.to_string(), item.place.clone())),
            _ => Err(wrong("is not an array of strings")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(text: &str) -> Result<(Option<String>, u16), Error> {
        use std::io::Write;
        let mut file = tempfile::NamedTempFile::new().expect("made");
        file.write_all(text.as_bytes()).expect("written");
        read_project(file.path())
    }

    #[test]
    fn a_project_and_its_limit_of_tasks_are_read_whatever_its_services() {
        let text = "project = \"dev\"\n[tasks]\nmax_parallel = 3\n[service.a]\ncomand = 1\n";
        assert_eq!(project(text).expect("read"), (Some("dev".into()), 3));
        assert_eq!(project("").expect("read"), (None, 0));
        let wrong = |text: &str| project(text).expect_err("wrong").message;
        assert!(wrong("[tasks]\nmax_paralel = 3\n").contains("\"max_paralel\" is not a key of `[tasks]`"));
        assert!(wrong("[tasks]\nmax_parallel = 0\n").contains("is not a whole number from 1 to 10000"));
    }
}
