//! From flags to the same table of values that a manifest gives.

use super::manifest::multiply;
use super::problem::{Place, Problem};
use super::reader::Table;
use super::value::{Key, Kind, Value};
use super::{Definitions, Surroundings};
use crate::cli::fields::FieldFlags;
use crate::service::{Field, Origin};
use std::ffi::{OsStr, OsString};

/// The service NAME (or its instances) from flags and a command.
pub fn from_flags(
    name: &str,
    flags: &FieldFlags,
    command: &[OsString],
    around: &Surroundings,
) -> Result<Definitions, Vec<Problem>> {
    let (table, mut problems) = table(flags, command);
    let key = Key { text: name.to_owned(), place: Place::Flag("NAME".into()) };
    let origin = Origin::CommandLine { folder: around.folder.clone() };
    let (services, found, warnings) = multiply(&key, &table, None, &origin, &around.folder, around);
    problems.extend(found);
    if problems.is_empty() {
        Ok(Definitions { places: super::places(&services, &table), project: None, services, warnings })
    } else {
        Err(problems)
    }
}

fn place(flag: &str) -> Place {
    Place::Flag(format!("--{flag}"))
}

fn table(flags: &FieldFlags, command: &[OsString]) -> (Table, Vec<Problem>) {
    // every flag is named: a new one does not compile until it is read here
    let FieldFlags {
        script,
        instances,
        group,
        description,
        env,
        env_file,
        path,
        working_dir,
        start,
        restart,
        restart_delay,
        restart_max_delay,
        restart_limit,
        restart_reset,
        stop_signal,
        stop_timeout,
        reload,
        ready,
        start_timeout,
        depends_on,
        wait_for,
        on_failure,
        health,
        log_file,
        logs,
        pid_file,
        limits,
        sandbox,
        nice,
        umask,
        user,
        every,
        schedule,
        update,
        systemd,
        launchd,
        label,
    } = flags;
    let mut reading = Reading { table: Table::new(), problems: Vec::new() };
    if !command.is_empty() {
        let words = command.iter().map(|word| Value::os(word.clone(), Place::Flag("CMD".into()))).collect();
        reading.table.insert(Field::Command, Value::new(Kind::Array(words), Place::Flag("CMD".into())));
    }
    let single = [
        (Field::Script, script),
        (Field::Description, description),
        (Field::Path, path),
        (Field::WorkingDir, working_dir),
        (Field::Start, start),
        (Field::Restart, restart),
        (Field::RestartDelay, restart_delay),
        (Field::RestartMaxDelay, restart_max_delay),
        (Field::RestartReset, restart_reset),
        (Field::StopSignal, stop_signal),
        (Field::StopTimeout, stop_timeout),
        (Field::Reload, reload),
        (Field::StartTimeout, start_timeout),
        (Field::PidFile, pid_file),
        (Field::Sandbox, sandbox),
        (Field::Nice, nice),
        (Field::Umask, umask),
        (Field::Every, every),
        (Field::Schedule, schedule),
        (Field::Label, label),
    ];
    for (field, value) in single {
        if let Some(value) = value {
            reading.table.insert(field, Value::os(value.clone(), place(&field.flag())));
        }
    }
    if let Some(user) = user {
        reading.table.insert(Field::User, Value::os(user.clone(), place("run-as")));
    }
    let many = [
        (Field::Instances, instances),
        (Field::Group, group),
        (Field::EnvFile, env_file),
        (Field::DependsOn, depends_on),
        (Field::WaitFor, wait_for),
    ];
    for (field, values) in many {
        if !values.is_empty() {
            let items = values.iter().map(|value| Value::os(value.clone(), place(&field.flag()))).collect();
            reading.table.insert(field, Value::new(Kind::Array(items), place(&field.flag())));
        }
    }
    reading.env(env);
    reading.ready(ready.as_ref());
    reading.restart_limit(restart_limit.as_ref());
    reading.on_failure(on_failure.as_ref());
    reading.pairs(Field::Health, health.as_slice(), &[]);
    reading.pairs(Field::Update, update.as_slice(), &[]);
    reading.pairs(Field::Limits, limits, &[]);
    let file = log_file.as_ref().map(|file| ("file", Value::os(file.clone(), place("log-file"))));
    reading.pairs(Field::Logs, logs.as_slice(), file.as_slice());
    reading.pass_through(systemd);
    reading.launchd(launchd);
    (reading.table, reading.problems)
}

struct Reading {
    table: Table,
    problems: Vec<Problem>,
}

impl Reading {
    fn wrong(&mut self, flag: &str, value: &OsStr, reason: &str, hint: &str) {
        self.problems.push(Problem::new(reason).at(place(flag)).value(&value.to_string_lossy()).hint(hint));
    }

    fn insert_table(&mut self, field: Field, entries: Vec<(Key, Value)>) {
        if !entries.is_empty() {
            self.table.insert(field, Value::new(Kind::Table(entries), place(&field.flag())));
        }
    }

    fn env(&mut self, all: &[OsString]) {
        let mut entries = Vec::new();
        for item in all {
            match split(item, b'=') {
                // the value is not shown: it may be a secret
                None => self.problems.push(Problem::new("is not K=V").at(place("env")).hint("`--env NAME=value`")),
                Some((key, value)) => entries.push((
                    Key { text: key.to_string_lossy().into_owned(), place: place("env") },
                    Value::os(value, place("env")),
                )),
            }
        }
        self.insert_table(Field::Env, entries);
    }

    /// `exec`, `notify`, `tcp=…`, `http=…`, `log=…`; the rest of the text is the value.
    fn ready(&mut self, value: Option<&OsString>) {
        let Some(value) = value else { return };
        match split(value, b'=') {
            None => drop(self.table.insert(Field::Ready, Value::os(value.clone(), place("ready")))),
            Some((key, inner)) => {
                let key = Key { text: key.to_string_lossy().into_owned(), place: place("ready") };
                self.insert_table(Field::Ready, vec![(key, Value::os(inner, place("ready")))]);
            }
        }
    }

    fn restart_limit(&mut self, value: Option<&OsString>) {
        let Some(value) = value else { return };
        match value.to_str().and_then(|text| text.split_once('/')) {
            Some((count, within)) => {
                let entry = |key: &str, text: &str| {
                    (
                        Key { text: key.into(), place: place("restart-limit") },
                        Value::text(text.trim(), place("restart-limit")),
                    )
                };
                self.insert_table(Field::RestartLimit, vec![entry("count", count), entry("within", within)]);
            }
            None => self.pairs(Field::RestartLimit, std::slice::from_ref(value), &[]),
        }
    }

    fn on_failure(&mut self, value: Option<&OsString>) {
        let Some(value) = value else { return };
        let key = |text: &str| Key { text: text.into(), place: place("on-failure") };
        let entry = if value == "desktop" {
            (key("desktop"), Value::new(Kind::Bool(true), place("on-failure")))
        } else {
            (key("command"), Value::os(value.clone(), place("on-failure")))
        };
        self.insert_table(Field::OnFailure, vec![entry]);
    }

    /// `key=value,key=value`, and entries from elsewhere.
    fn pairs(&mut self, field: Field, values: &[OsString], more: &[(&str, Value)]) {
        let flag = field.flag();
        let mut entries: Vec<(Key, Value)> = more
            .iter()
            .map(|(key, value)| (Key { text: (*key).to_owned(), place: value.place.clone() }, value.clone()))
            .collect();
        for value in values {
            let Some(text) = value.to_str() else {
                self.wrong(&flag, value, "is not UTF-8", "key=value");
                continue;
            };
            for pair in text.split(',') {
                match pair.split_once('=') {
                    Some((key, value)) => entries.push((
                        Key { text: key.trim().to_owned(), place: place(&flag) },
                        Value::text(value, place(&flag)),
                    )),
                    None => self.wrong(
                        &flag,
                        OsStr::new(pair),
                        "is not key=value",
                        &format!("`--{flag} key=value,key=value`"),
                    ),
                }
            }
        }
        self.insert_table(field, entries);
    }

    /// `Section.Key=Value`, a line each.
    fn pass_through(&mut self, all: &[OsString]) {
        let mut sections: Vec<(Key, Vec<(Key, Value)>)> = Vec::new();
        for item in all {
            let parts = item
                .to_str()
                .and_then(|text| text.split_once('='))
                .and_then(|(name, value)| Some((name.split_once('.')?, value)));
            let Some(((section, key), value)) = parts else {
                self.wrong("systemd", item, "is not SECTION.KEY=VALUE", "`--systemd Service.CPUWeight=50`");
                continue;
            };
            let entry = (Key { text: key.to_owned(), place: place("systemd") }, Value::text(value, place("systemd")));
            match sections.iter_mut().find(|(known, _)| known.text == section) {
                Some((_, entries)) => entries.push(entry),
                None => sections.push((Key { text: section.to_owned(), place: place("systemd") }, vec![entry])),
            }
        }
        let tables = sections
            .into_iter()
            .map(|(key, entries)| (key, Value::new(Kind::Table(entries), place("systemd"))))
            .collect();
        self.insert_table(Field::Systemd, tables);
    }

    fn launchd(&mut self, all: &[OsString]) {
        let mut entries = Vec::new();
        for item in all {
            let Some((key, value)) = item.to_str().and_then(|text| text.split_once('=')) else {
                self.wrong("launchd", item, "is not KEY=VALUE", "`--launchd ProcessType=Background`");
                continue;
            };
            let kind = match (value, value.parse::<i64>()) {
                ("true" | "false", _) => Kind::Bool(value == "true"),
                (_, Ok(number)) => Kind::Int(number),
                _ => Kind::Str(value.to_owned()),
            };
            entries.push((Key { text: key.to_owned(), place: place("launchd") }, Value::new(kind, place("launchd"))));
        }
        self.insert_table(Field::Launchd, entries);
    }
}

/// At the first `byte`.
fn split(text: &OsStr, byte: u8) -> Option<(OsString, OsString)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|one| *one == byte)?;
    Some((OsStr::from_bytes(&bytes[..at]).to_owned(), OsStr::from_bytes(&bytes[at + 1..]).to_owned()))
}
