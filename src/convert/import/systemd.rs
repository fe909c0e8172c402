//! systemd units: `NAME.service`, and `NAME.timer` for its times. systemd.service(5), systemd.unit(5),
//! systemd.exec(5), systemd.timer(5).
//!
//! A directive that a field says better becomes the field; every other one goes through as it is
//! (`systemd = {…}`), which is said, since no other manager has it.

use super::super::at;
use super::super::draft::{Draft, Entry};
use super::times;
use super::unit::{Line, lines};
use super::words::Specifiers;
use crate::service::Field;
use std::path::Path;

mod exec;
mod service;
mod timer;

/// A unit as it was read.
pub(super) struct Unit {
    file: String,
    /// `web.service`
    name: String,
    lines: Vec<Line>,
    wrong: Vec<usize>,
    user: bool,
}

impl Unit {
    /// Reads the text of a unit.
    pub(super) fn read(path: &Path, text: &str) -> Self {
        let (lines, wrong) = lines(text);
        let user = path.components().any(|part| part.as_os_str() == "user");
        Self { file: path.display().to_string(), name: super::name(path), lines, wrong, user }
    }

    fn is_timer(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|end| end == "timer")
    }

    /// `web` of `web.service` and `web@.service`.
    fn stem(&self) -> &str {
        let bare = self.name.rsplit_once('.').map_or(self.name.as_str(), |(bare, _)| bare);
        bare.strip_suffix('@').unwrap_or(bare)
    }

    fn last(&self, section: &str, key: &str) -> Option<&str> {
        let found = self.lines.iter().rev().find(|line| line.section == section && line.key == key);
        found.map(|line| line.value.as_str())
    }

    /// The service that a timer starts.
    fn starts(&self) -> String {
        self.last("Timer", "Unit")
            .map_or_else(|| format!("{}.service", self.name.trim_end_matches(".timer")), str::to_owned)
    }
}

/// Services of all units that were given, timers put to theirs.
pub(super) fn services(units: &[Unit], draft: &mut Draft) {
    let names: Vec<&str> = units.iter().filter(|unit| !unit.is_timer()).map(|unit| unit.name.as_str()).collect();
    for timer in units.iter().filter(|unit| unit.is_timer()) {
        let starts = timer.starts();
        if !names.contains(&starts.as_str()) {
            let text = format!("starts `{starts}`, which is not among the files: give it, too");
            draft.notes.push(at(&timer.file, 0, None, text));
        }
    }
    for unit in units.iter().filter(|unit| !unit.is_timer()) {
        let timer = units.iter().find(|timer| timer.is_timer() && timer.starts() == unit.name);
        let mut reading = Reading::new(unit, timer.is_some(), &names, draft);
        reading.all();
        if let Some(timer) = timer {
            reading.timer(timer);
        }
        let entry = reading.entry;
        if entry.get(Field::Command).is_some() || entry.get(Field::Script).is_some() {
            draft.add(entry);
        } else {
            draft.notes.push(at(&unit.file, 0, None, "has no `ExecStart=`: there is nothing to run"));
        }
    }
}

struct Reading<'a> {
    unit: &'a Unit,
    entry: Entry,
    scheduled: bool,
    template: bool,
    /// Units that are imported together with it.
    others: &'a [&'a str],
    specifiers: Specifiers,
    draft: &'a mut Draft,
}

/// Directives of `[Unit]` that tell of the place in a distribution's boot, and documentation.
const SILENT: [&str; 2] = ["Documentation", "SourcePath"];

impl<'a> Reading<'a> {
    fn new(unit: &'a Unit, scheduled: bool, others: &'a [&'a str], draft: &'a mut Draft) -> Self {
        let template = unit.name.ends_with("@.service");
        let mut entry = Entry::new(unit.stem());
        entry.comments.push(format!("From {}.", unit.file));
        let (prefix, instance) = unit.stem().split_once('@').unwrap_or((unit.stem(), ""));
        let specifiers = Specifiers {
            unit: unit.name.clone(),
            prefix: prefix.to_owned(),
            instance: if template { "{instance}" } else { instance }.to_owned(),
            user: unit.user,
        };
        Self { unit, entry, scheduled, template, others, specifiers, draft }
    }

    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.draft.notes.push(at(&self.unit.file, line, Some(&self.entry.name), text));
    }

    /// `%` replaced; what can't be known is said.
    fn resolved(&mut self, line: &Line, text: &str) -> String {
        let (text, unknown) = self.specifiers.resolve(text);
        for letter in unknown {
            self.note(line.number, format!("`%{letter}` in `{}=` is known to the running systemd only", line.key));
        }
        text
    }

    fn all(&mut self) {
        for number in &self.unit.wrong {
            self.note(*number, "is no assignment, and systemd passes over it");
        }
        self.template();
        self.defaults();
        let unit = self.unit;
        for line in &unit.lines {
            match line.section.as_str() {
                "Unit" => self.unit_line(line),
                "Service" => self.service_line(line),
                "Install" => self.install_line(line),
                section if section.starts_with("X-") => {}
                section => self.note(line.number, format!("`[{section}]` is no section of a service")),
            }
        }
        exec::start(self);
    }

    fn template(&mut self) {
        if !self.template {
            return;
        }
        let instance = self.unit.last("Install", "DefaultInstance").unwrap_or("main").to_owned();
        self.entry.push(Field::Instances, instance.clone());
        let text =
            format!("is a template: `instances` has `{instance}`, write yours; the services are named NAME-INSTANCE");
        self.note(0, text);
    }

    /// What systemd does without being told, and svc otherwise (systemd-system.conf(5)).
    fn defaults(&mut self) {
        let restart = self.unit.last("Service", "Restart").unwrap_or("no");
        let oneshot = self.unit.last("Service", "Type") == Some("oneshot");
        let home = if self.unit.user { "{home}" } else { "/" };
        self.entry.set(Field::WorkingDir, home);
        self.entry.set(Field::Path, "minimal");
        let installed = self.unit.lines.iter().any(|line| line.section == "Install" && line.key == "WantedBy");
        if !installed && !self.scheduled {
            self.entry.set(Field::Start, "manual");
        }
        self.entry.set(Field::StopTimeout, "90s");
        if !oneshot {
            self.entry.set(Field::StartTimeout, "90s");
        }
        if restart == "no" {
            self.entry.set(Field::Restart, "never");
            return;
        }
        self.entry.set(Field::RestartDelay, "100ms");
        self.entry.set(Field::RestartMaxDelay, "100ms");
        self.entry.set_key(Field::RestartLimit, "count", 5);
        self.entry.set_key(Field::RestartLimit, "within", "10s");
    }

    /// As it is, for systemd only.
    fn through(&mut self, line: &Line) {
        if self.template && (line.value.contains("%i") || line.value.contains("%I")) {
            self.note(line.number, format!("`{}=` is not carried over: it depends on the instance", line.key));
        } else if self.entry.unit_line(&line.section, &line.key, &line.value) {
            self.note(line.number, format!("`{}=` goes through as it is, for systemd only", line.key));
        } else {
            self.note(line.number, format!("`{}=` is not carried over", line.key));
        }
    }

    fn unit_line(&mut self, line: &Line) {
        match line.key.as_str() {
            "Description" => {
                let text = self.resolved(line, &line.value);
                self.entry.set(Field::Description, text);
            }
            "StartLimitBurst" | "StartLimitIntervalSec" | "StartLimitInterval" => self.start_limit(line),
            "Requires" | "BindsTo" | "After" | "Wants" => self.order(line),
            key if SILENT.contains(&key) => {
                self.entry.unit_line("Unit", key, &line.value);
            }
            _ => self.through(line),
        }
    }

    /// What it needs of the services that are imported with it becomes `depends_on`; the rest stays a line.
    fn order(&mut self, line: &Line) {
        let (mine, rest): (Vec<&str>, Vec<&str>) = line
            .value
            .split_ascii_whitespace()
            .partition(|name| self.others.contains(name) && *name != self.unit.name && !name.contains('@'));
        for name in mine.into_iter().filter(|_| matches!(line.key.as_str(), "Requires" | "BindsTo")) {
            self.entry.push(Field::DependsOn, super::super::draft::valid_name(name.trim_end_matches(".service")));
        }
        if !rest.is_empty() {
            self.through(&Line { value: rest.join(" "), ..line.clone() });
        }
    }

    fn start_limit(&mut self, line: &Line) {
        let scheduled_or_never = self.entry.get(Field::Restart).is_some_and(|value| value.as_str() == Some("never"));
        let zero = line.value.trim_start_matches('0').trim_start_matches(char::is_alphabetic).is_empty();
        match (line.key.as_str(), line.value.parse::<i64>(), times::span(&line.value)) {
            _ if scheduled_or_never || zero => self.through(&Line { section: "Unit".into(), ..line.clone() }),
            ("StartLimitBurst", Ok(count), _) if (1..=1_000_000).contains(&count) => {
                self.entry.set_key(Field::RestartLimit, "count", count);
            }
            ("StartLimitBurst", ..) | (_, _, None) => self.through(line),
            (_, _, Some(within)) => self.entry.set_key(Field::RestartLimit, "within", times::shown(within)),
        }
    }

    fn install_line(&mut self, line: &Line) {
        match line.key.as_str() {
            "WantedBy" | "DefaultInstance" => {}
            "RequiredBy" | "Alias" => self.through(line),
            key => self.note(line.number, format!("`{key}=` is not carried over")),
        }
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "yes" | "true" | "on" | "y" | "t")
}
