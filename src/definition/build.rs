//! From one table of values to one [`Service`]: every field of DESIGN §4, its shape and default.

use super::effective::{FILLED, MASKED, Secrets, fields};
use super::expand::Expand;
use super::problem::Problem;
use super::reader::{LONGEST_ARGUMENT, Reader, Table};
use super::value::{Kind, Value};
use super::{Surroundings, units, vanish};
use crate::service::health::{Check, Verdict};
use crate::service::{
    AbsPath, EnvFile, EnvName, EnvValue, Exec, Field, FieldSet, GroupName, Health, Limits, Logs, Name, OnFailure,
    Origin, PassThrough, Ready, Reload, Restart, RestartLimit, RestartPolicy, Sandbox, Schedule, SearchPath, Service,
    Signal, Start, Stop, Text, Update, WaitFor,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a service stands in its definition.
#[derive(Clone)]
pub(crate) struct Position<'a> {
    pub(crate) name: Name,
    pub(crate) instance: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) origin: Origin,
    /// Folder that relative paths start from.
    pub(crate) base: AbsPath,
    pub(crate) around: &'a Surroundings,
}

/// The service, or all that is wrong with it; warnings either way.
pub(crate) fn build(table: &Table, position: Position<'_>) -> (Result<Service, Vec<Problem>>, Vec<Problem>) {
    let filled = FILLED.iter().all(|field| table.contains_key(field)).then(|| position.clone());
    let (service, warnings) = built(table, position);
    match (service, filled) {
        (Ok(service), Some(position)) => (Ok(without_defaults_asked(service, table, position)), warnings),
        (service, _) => (service, warnings),
    }
}

/// A definition with every default filled in is what `svc show` prints: a field in it that has its default
/// counts as not asked for, so that it is the same service as before.
fn without_defaults_asked(mut service: Service, table: &Table, position: Position<'_>) -> Service {
    // the default of `restart_max_delay` depends on `restart_delay`
    let bare = |field: &Field| !FILLED.contains(field) || *field == Field::RestartDelay;
    let bare: Table =
        table.iter().filter(|(field, _)| bare(field)).map(|(field, value)| (*field, value.clone())).collect();
    let Ok(default) = built(&bare, position).0 else { return service };
    let (own, default) = (fields(&service, Secrets::Shown), fields(&default, Secrets::Shown));
    let mut asked = FieldSet::default();
    let second = Duration::from_secs(1);
    for field in service.asked.iter() {
        let same = match field {
            Field::RestartDelay => service.restart.delay == second,
            _ => FILLED.contains(&field) && own.get(field.key()) == default.get(field.key()),
        };
        if !same {
            asked.insert(field);
        }
    }
    service.asked = asked;
    service
}

fn built(table: &Table, position: Position<'_>) -> (Result<Service, Vec<Problem>>, Vec<Problem>) {
    let expand = Expand {
        name: position.name.to_string(),
        instance: position.instance.clone(),
        project: position.project.clone(),
        project_dir: position.base.to_string(),
        home: position.around.home.to_string(),
    };
    let service = position.name.to_string();
    let mut reader =
        Reader { table, service, expand, base: position.base.clone(), problems: Vec::new(), warnings: Vec::new() };
    let service = reader.service(position);
    let Reader { problems, warnings, .. } = reader;
    match service {
        Some(service) if problems.is_empty() => (Ok(service), warnings),
        _ => (Err(problems), warnings),
    }
}

const MINIMAL: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

impl Reader<'_> {
    fn service(&mut self, position: Position<'_>) -> Option<Service> {
        let mut asked = FieldSet::default();
        self.table.keys().for_each(|field| asked.insert(*field));
        let path = self.search_path(position.around);
        let folders: Vec<PathBuf> = match &path {
            SearchPath::Inherited(folders) | SearchPath::Listed(folders) => {
                folders.iter().map(|one| one.as_path().to_owned()).collect()
            }
            SearchPath::Minimal => MINIMAL.map(PathBuf::from).to_vec(),
        };
        let exec = self.exec(&folders, position.around);
        let schedule = self.schedule();
        let working_dir = self.each(Field::WorkingDir, Self::path).unwrap_or_else(|| self.base.clone());
        let restart = self.restart(schedule.is_some());
        let stop = Stop {
            signal: self
                .each(Field::StopSignal, |reader, field, value| {
                    reader.parsed(field, value, "a name such as SIGTERM", Signal::parse)
                })
                .unwrap_or(Signal::TERM),
            timeout: self.each(Field::StopTimeout, Self::span).unwrap_or(Duration::from_secs(10)),
        };
        let service = Service {
            asked,
            groups: self.names(Field::Group, GroupName::parse),
            description: self
                .each(Field::Description, |reader, field, value| reader.parsed(field, value, "", Text::parse)),
            env: self.env(),
            env_files: self.env_files(),
            start: self
                .each(Field::Start, |reader, field, value| reader.word(field, value, &Start::ALL, Start::word))
                .unwrap_or_default(),
            restart,
            stop,
            reload: self.each(Field::Reload, |reader, field, value| reader.reload(field, value, &folders)),
            ready: self.each(Field::Ready, Self::ready).unwrap_or(Ready::Exec),
            start_timeout: self.each(Field::StartTimeout, Self::span).unwrap_or(Duration::from_secs(30)),
            depends_on: self.names(Field::DependsOn, Name::parse),
            wait_for: self.wait_for(),
            on_failure: self.each(Field::OnFailure, |reader, field, value| reader.on_failure(field, value, &folders)),
            health: self.each(Field::Health, |reader, field, value| reader.health(field, value, &folders)),
            logs: self.each(Field::Logs, Self::logs).unwrap_or_default(),
            pid_file: self.each(Field::PidFile, Self::path),
            limits: self.each(Field::Limits, Self::limits).unwrap_or_default(),
            sandbox: self
                .each(Field::Sandbox, |reader, field, value| reader.word(field, value, &Sandbox::ALL, Sandbox::word))
                .unwrap_or_default(),
            nice: self.each(Field::Nice, |reader, field, value| reader.integer(field, value, -20, 19)),
            umask: self.each(Field::Umask, Self::umask),
            user: self
                .each(Field::User, |reader, field, value| reader.user(field, value, position.around.other_accounts)),
            update: self.each(Field::Update, Self::update),
            systemd: self.each(Field::Systemd, Self::pass_through).unwrap_or_default(),
            launchd: self.each(Field::Launchd, Self::launchd).unwrap_or_default(),
            label: self.each(Field::Label, Self::label),
            schedule,
            working_dir,
            path,
            exec: exec?,
            name: position.name,
            project: position.project,
            origin: position.origin,
            instance: position.instance,
        };
        Some(service)
    }

    /// Reads a field with `read` if it is there.
    fn each<T>(&mut self, field: Field, read: impl FnOnce(&mut Self, &str, &Value) -> Option<T>) -> Option<T> {
        let value = self.get(field)?;
        read(self, field.key(), &value)
    }

    fn names<T>(&mut self, field: Field, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(value) = self.get(field) else { return Vec::new() };
        let items = self.list(field.key(), &value);
        items.iter().filter_map(|item| self.parsed(field.key(), item, "", &parse)).collect()
    }

    fn search_path(&mut self, around: &Surroundings) -> SearchPath {
        let inherited = || {
            let mut folders: Vec<AbsPath> = Vec::new();
            for part in std::env::split_paths(&around.path).filter(|part| part.is_absolute()) {
                match AbsPath::new(&part) {
                    Ok(part) if !folders.contains(&part) => folders.push(part),
                    _ => {}
                }
            }
            SearchPath::Inherited(folders)
        };
        let Some(value) = self.get(Field::Path) else { return inherited() };
        match &value.kind {
            Kind::Str(text) if text == "inherit" => inherited(),
            Kind::Str(text) if text == "minimal" => SearchPath::Minimal,
            Kind::Str(text) if text.contains('/') => {
                let parts: Vec<Value> = text.split(':').map(|part| Value::text(part, value.place.clone())).collect();
                SearchPath::Listed(parts.iter().filter_map(|part| self.path("path", part)).collect())
            }
            Kind::Array(items) => {
                let mut folders = Vec::new();
                for item in items {
                    let Some(folder) = self.path("path", item) else { continue };
                    if folder.as_path().as_os_str().as_encoded_bytes().contains(&b':') {
                        self.problem("path", item, "contains a `:`, which separates the folders of PATH", None);
                    }
                    folders.push(folder);
                }
                SearchPath::Listed(folders)
            }
            _ => {
                let hint = Some("`inherit`, `minimal` or a list of folders".to_owned());
                self.problem("path", &value, "is not a search path", hint);
                SearchPath::Minimal
            }
        }
    }

    fn exec(&mut self, folders: &[PathBuf], around: &Surroundings) -> Option<Exec> {
        match (self.get(Field::Command), self.get(Field::Script)) {
            (Some(_), Some(script)) => {
                self.problem("script", &script, "stands beside `command`: it is one or the other", None);
                None
            }
            (None, None) => {
                let mut problem = Problem::new("has neither `command` nor `script`")
                    .field("command")
                    .hint("command = [\"node\", \"server.js\"]");
                problem.service = Some(self.service.clone());
                self.problems.push(problem);
                None
            }
            (None, Some(script)) => {
                let text = self.text("script", &script)?;
                if text.len() > LONGEST_ARGUMENT {
                    self.problem(
                        "script",
                        &script,
                        format!("has {} bytes, the shell takes at most {LONGEST_ARGUMENT}", text.len()),
                        None,
                    );
                    return None;
                }
                Some(Exec::Script(text))
            }
            (Some(command), None) => {
                let exec = self.command("command", &command, folders)?;
                Some(self.lasting(exec, &command, around.home.as_path()))
            }
        }
    }

    /// Replaces a program in a version folder by its stable link; warns when there is none.
    fn lasting(&mut self, exec: Exec, value: &Value, home: &Path) -> Exec {
        let Exec::Command { program, written, args } = exec else { return exec };
        let Some(reason) = vanish::vanishes(program.as_path(), home) else {
            return Exec::Command { program, written, args };
        };
        let stable = vanish::stable_link(program.as_path(), home).and_then(|link| AbsPath::new(&link).ok());
        let text = match &stable {
            Some(link) => format!("`{program}`: {reason}; `{link}` is used in its place"),
            None => format!("`{program}`: {reason}, so the service stops working when it is gone"),
        };
        let mut warning = Problem::new(text).at(value.place.clone()).field("command");
        warning.service = Some(self.service.clone());
        self.warnings.push(warning);
        Exec::Command { program: stable.unwrap_or(program), written, args }
    }

    fn env(&mut self) -> BTreeMap<EnvName, EnvValue> {
        let Some(value) = self.get(Field::Env) else { return BTreeMap::new() };
        let Kind::Table(entries) = &value.kind else {
            self.problem(
                "env",
                &value,
                format!("is {}, expected a table", value.type_word()),
                Some("env = { NAME = \"value\" }".into()),
            );
            return BTreeMap::new();
        };
        let mut env = BTreeMap::new();
        for (key, value) in entries {
            let field = format!("env.{}", key.text.escape_debug());
            let name = match EnvName::parse(&key.text) {
                Ok(name) => name,
                Err(reason) => {
                    let shown = Value::text(key.text.clone(), key.place.clone());
                    self.problem("env", &shown, reason, None);
                    continue;
                }
            };
            let text = match &value.kind {
                Kind::Str(text) => OsString::from(self.expand.text(text)),
                Kind::Os(text) => self.expand.os(text),
                Kind::Int(_) | Kind::Float(_) | Kind::Bool(_) => value.shown().into(),
                Kind::Date(_) | Kind::Array(_) | Kind::Table(_) => {
                    self.problem(&field, value, format!("is {}, expected a string", value.type_word()), None);
                    continue;
                }
            };
            if key.text.len() + 1 + text.len() > LONGEST_ARGUMENT {
                self.problem(&field, value, format!("has more than {LONGEST_ARGUMENT} bytes"), None);
                continue;
            }
            if name.looks_secret() && text == MASKED {
                let hint = "`svc show --secrets NAME` prints the value; better it lies in an `env_file` of mode 600";
                let reason = "is what `svc show` prints in the place of a secret, and not the secret";
                self.problem(&field, value, reason, Some(hint.into()));
                continue;
            }
            if name.looks_secret() && !text.is_empty() {
                let text =
                    "looks like a secret, and a unit can be read by others: put it into an `env_file` of mode 600";
                let mut warning = Problem::new(text).at(key.place.clone()).field(&field);
                warning.service = Some(self.service.clone());
                self.warnings.push(warning);
            }
            match EnvValue::new(text) {
                Ok(text) => drop(env.insert(name, text)),
                Err(reason) => self.problem(&field, value, reason, None),
            }
        }
        env
    }

    fn env_files(&mut self) -> Vec<EnvFile> {
        let Some(value) = self.get(Field::EnvFile) else { return Vec::new() };
        let mut files = Vec::new();
        for item in self.list("env_file", &value) {
            let (optional, item) = match &item.kind {
                Kind::Str(text) if text.starts_with('-') => (true, Value::text(&text[1..], item.place.clone())),
                _ => (false, item),
            };
            files.extend(self.path("env_file", &item).map(|path| EnvFile { path, optional }));
        }
        files
    }

    fn restart(&mut self, scheduled: bool) -> Restart {
        let policy = self.each(Field::Restart, |reader, field, value| {
            reader.word(field, value, &RestartPolicy::ALL, RestartPolicy::word)
        });
        let policy = policy.unwrap_or(if scheduled { RestartPolicy::Never } else { RestartPolicy::OnFailure });
        let delay = self.each(Field::RestartDelay, Self::duration).unwrap_or(Duration::from_secs(1));
        let max_delay = self.each(Field::RestartMaxDelay, Self::duration);
        if let (Some(max), Some(value)) = (max_delay, self.get(Field::RestartMaxDelay))
            && max < delay
        {
            self.problem(
                "restart_max_delay",
                &value,
                format!("is less than `restart_delay`, {}", units::show_duration(delay)),
                None,
            );
        }
        Restart {
            policy,
            delay,
            max_delay: max_delay.unwrap_or_else(|| Duration::from_mins(1).max(delay)),
            limit: self
                .each(Field::RestartLimit, Self::restart_limit)
                .unwrap_or(RestartLimit { count: 5, within: Duration::from_mins(10) }),
            reset: self.each(Field::RestartReset, Self::span).unwrap_or(Duration::from_mins(1)),
        }
    }

    fn restart_limit(&mut self, _: &str, value: &Value) -> Option<RestartLimit> {
        let mut table = self.table(Field::RestartLimit, value);
        let count = match table.remove("count") {
            Some(count) => self.integer("restart_limit.count", &count, 1, 1_000_000)?,
            None => 5,
        };
        let within = match table.remove("within") {
            Some(within) => self.span("restart_limit.within", &within)?,
            None => Duration::from_mins(10),
        };
        Some(RestartLimit { count, within })
    }

    fn reload(&mut self, field: &str, value: &Value, folders: &[PathBuf]) -> Option<Reload> {
        if let Kind::Str(text) = &value.kind
            && let Ok(signal) = Signal::parse(text)
        {
            return Some(Reload::Signal(signal));
        }
        self.command(field, value, folders).map(Reload::Command)
    }

    fn ready(&mut self, field: &str, value: &Value) -> Option<Ready> {
        if let Kind::Str(text) = &value.kind {
            return match text.as_str() {
                "exec" => Some(Ready::Exec),
                "notify" => Some(Ready::Notify),
                _ => {
                    let hint = Some("`exec`, `notify`, `{ tcp = \"127.0.0.1:3000\" }`, `{ http = \"http://…\" }` or `{ log = \"regex\" }`".into());
                    self.problem(field, value, "is not a kind of readiness", hint);
                    None
                }
            };
        }
        let table = self.table(Field::Ready, value);
        let mut kinds = table.into_iter();
        let (Some((kind, inner)), None) = (kinds.next(), kinds.next()) else {
            self.problem(field, value, "has not exactly one of `tcp`, `http` and `log`", None);
            return None;
        };
        let name = format!("{field}.{kind}");
        match kind.as_str() {
            "tcp" => self.parsed(&name, &inner, "\"127.0.0.1:3000\"", address).map(Ready::Tcp),
            "http" => self.parsed(&name, &inner, "\"http://127.0.0.1:3000/\"", url).map(Ready::Http),
            _ => self.parsed(&name, &inner, "", regex).map(Ready::Log),
        }
    }

    fn wait_for(&mut self) -> Vec<WaitFor> {
        let Some(value) = self.get(Field::WaitFor) else { return Vec::new() };
        let mut all = Vec::new();
        for item in self.list("wait_for", &value) {
            match &item.kind {
                Kind::Str(text) if text == "network" => all.push(WaitFor::Network),
                _ => all.extend(self.path("wait_for", &item).map(WaitFor::Path)),
            }
        }
        all
    }

    fn on_failure(&mut self, _: &str, value: &Value, folders: &[PathBuf]) -> Option<OnFailure> {
        let mut table = self.table(Field::OnFailure, value);
        let command = match table.remove("command") {
            Some(command) => Some(self.command("on_failure.command", &command, folders)?),
            None => None,
        };
        let desktop = match table.remove("desktop") {
            Some(desktop) => self.boolean("on_failure.desktop", &desktop)?,
            None => false,
        };
        Some(OnFailure { command, desktop })
    }

    fn health(&mut self, field: &str, value: &Value, folders: &[PathBuf]) -> Option<Health> {
        let mut table = self.table(Field::Health, value);
        let status = match table.remove("status") {
            Some(status) => Some(self.integer("health.status", &status, 100, 599)?),
            None => None,
        };
        let body = match table.remove("body") {
            Some(body) => Some(self.parsed("health.body", &body, "", regex)?),
            None => None,
        };
        if (status.is_some() || body.is_some()) && !table.contains_key("http") {
            self.problem(field, value, "has `status` or `body`, which only go with `http`", None);
            return None;
        }
        let check = match (table.remove("tcp"), table.remove("http"), table.remove("command")) {
            (Some(tcp), None, None) => {
                self.parsed("health.tcp", &tcp, "\"127.0.0.1:3000\"", address).map(Check::Tcp)?
            }
            (None, Some(http), None) => self
                .parsed("health.http", &http, "\"http://127.0.0.1:3000/\"", url)
                .map(|url| Check::Http { url, status, body })?,
            (None, None, Some(command)) => self.command("health.command", &command, folders).map(Check::Command)?,
            _ => {
                self.problem(field, value, "has not exactly one of `tcp`, `http` and `command`", None);
                return None;
            }
        };
        let mut span = |reader: &mut Self, key: &str, default: u64| match table.remove(key) {
            Some(value) => reader.span(&format!("health.{key}"), &value),
            None => Some(Duration::from_secs(default)),
        };
        let (interval, timeout) = (span(self, "interval", 30)?, span(self, "timeout", 3)?);
        let grace = match table.remove("grace") {
            Some(grace) => self.duration("health.grace", &grace)?,
            None => Duration::from_secs(10),
        };
        let retries = match table.remove("retries") {
            Some(retries) => self.integer("health.retries", &retries, 1, 1000)?,
            None => 3,
        };
        let on_failure = match table.remove("on_failure") {
            Some(verdict) => self.word("health.on_failure", &verdict, &Verdict::ALL, Verdict::word)?,
            None => Verdict::Restart,
        };
        Some(Health { check, interval, timeout, retries, grace, on_failure })
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of all readers of a field")]
    fn logs(&mut self, _: &str, value: &Value) -> Option<Logs> {
        let mut table = self.table(Field::Logs, value);
        Some(Logs {
            file: table.remove("file").and_then(|file| self.path("logs.file", &file)),
            max_size: table.remove("max_size").and_then(|size| self.size("logs.max_size", &size)),
            keep: table.remove("keep").and_then(|keep| self.integer("logs.keep", &keep, 0, 10_000)),
            keep_days: table.remove("keep_days").and_then(|days| self.integer("logs.keep_days", &days, 1, 100_000)),
            timestamps: table.remove("timestamps").and_then(|flag| self.boolean("logs.timestamps", &flag)),
            compress: table.remove("compress").and_then(|flag| self.boolean("logs.compress", &flag)),
            rate_limit: table
                .remove("rate_limit")
                .and_then(|rate| self.parsed("logs.rate_limit", &rate, "lines within a time: \"1000/s\"", str::parse)),
        })
    }

    fn size(&mut self, field: &str, value: &Value) -> Option<u64> {
        match value.kind {
            Kind::Int(_) => self.integer(field, value, 1, i64::MAX),
            _ => self.parsed(field, value, "a number with a unit: \"512M\", \"2G\"", units::size),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of all readers of a field")]
    fn limits(&mut self, _: &str, value: &Value) -> Option<Limits> {
        let mut table = self.table(Field::Limits, value);
        Some(Limits {
            memory: table.remove("memory").and_then(|memory| self.size("limits.memory", &memory)),
            cpu: table
                .remove("cpu")
                .and_then(|cpu| self.parsed("limits.cpu", &cpu, "percent of one core: \"50%\", \"200%\"", units::cpu)),
            tasks: table.remove("tasks").and_then(|tasks| self.integer("limits.tasks", &tasks, 1, 4_194_304)),
            files: table.remove("files").and_then(|files| self.integer("limits.files", &files, 1, 1_073_741_816)),
        })
    }

    fn umask(&mut self, field: &str, value: &Value) -> Option<u16> {
        if let Kind::Int(number) = value.kind {
            self.problem(
                field,
                value,
                "is a number, and it is not clear in which base",
                Some(format!("\"{number:03}\", in quotes: octal")),
            );
            return None;
        }
        self.parsed(field, value, "octal: \"027\"", units::umask)
    }

    fn user(&mut self, field: &str, value: &Value, other_accounts: bool) -> Option<String> {
        let text = self.text(field, value)?;
        let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.len() <= 31
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if !valid {
            self.problem(field, value, "is not the name of an account", None);
        } else if !other_accounts {
            let hint = "leave it out, or `svc --system` for a service of the machine";
            self.problem(
                field,
                value,
                "is another account: only the machine's services can run as another account",
                Some(hint.into()),
            );
        }
        Some(text)
    }

    fn schedule(&mut self) -> Option<Schedule> {
        match (self.get(Field::Every), self.get(Field::Schedule)) {
            (Some(_), Some(schedule)) => {
                self.problem("schedule", &schedule, "stands beside `every`: it is one or the other", None);
                None
            }
            (Some(every), None) => {
                let every_field = self.span("every", &every)?;
                if every_field < Duration::from_secs(1) {
                    self.problem("every", &every, "is less than a second", None);
                }
                Some(Schedule::Every(every_field))
            }
            (None, Some(schedule)) => self
                .parsed("schedule", &schedule, "\"*-*-* 03:00\", \"Mon 10:00\", \"daily\" (systemd.time(7))", calendar)
                .map(Schedule::Calendar),
            (None, None) => None,
        }
    }

    fn update(&mut self, field: &str, value: &Value) -> Option<Update> {
        let mut table = self.table(Field::Update, value);
        let branch = match table.remove("branch") {
            Some(branch) => self.parsed("update.branch", &branch, "", |text| {
                if text.is_empty() || text.starts_with('-') {
                    Err("is not the name of a branch".into())
                } else {
                    Ok(text.to_owned())
                }
            })?,
            None => {
                self.problem(field, value, "names no `branch`", None);
                return None;
            }
        };
        let build = table.remove("build").map(|build| {
            self.list("update.build", &build)
                .iter()
                .filter_map(|word| self.text("update.build", word))
                .map(OsString::from)
                .collect()
        });
        let interval = match table.remove("interval") {
            Some(interval) => self.span("update.interval", &interval)?,
            None => Duration::from_mins(5),
        };
        let rollback = match table.remove("on_failure") {
            Some(word) => {
                self.word(
                    "update.on_failure",
                    &word,
                    &[true, false],
                    |rollback| if rollback { "rollback" } else { "report" },
                )?
            }
            None => true,
        };
        let staged = table.remove("staged").and_then(|flag| self.boolean("update.staged", &flag)).unwrap_or(false);
        Some(Update { branch, interval, build, rollback, staged })
    }

    fn pass_through(&mut self, field: &str, value: &Value) -> Option<PassThrough> {
        let Kind::Table(sections) = &value.kind else {
            self.problem(
                field,
                value,
                format!("is {}, expected a table", value.type_word()),
                Some("systemd = { Service = { CPUWeight = 50 } }".into()),
            );
            return None;
        };
        let mut all = PassThrough::default();
        for (section, keys) in sections {
            let Kind::Table(entries) = &keys.kind else {
                self.problem(
                    &format!("{field}.{}", section.text),
                    keys,
                    format!("is {}, expected a table", keys.type_word()),
                    None,
                );
                continue;
            };
            for (key, value) in entries {
                let name = format!("{field}.{}.{}", section.text, key.text);
                let values = if let Kind::Array(items) = &value.kind { items.clone() } else { vec![value.clone()] };
                for value in values {
                    if matches!(value.kind, Kind::Array(_) | Kind::Table(_) | Kind::Os(_)) {
                        self.problem(
                            &name,
                            &value,
                            format!("is {}, expected a string or number", value.type_word()),
                            None,
                        );
                    } else if let Err(reason) = all.add(&section.text, &key.text, &value.shown()) {
                        self.problem(&name, &value, reason, None);
                    }
                }
            }
        }
        Some(all)
    }

    fn launchd(&mut self, field: &str, value: &Value) -> Option<toml::Table> {
        match plain(value) {
            toml::Value::Table(table) => Some(table),
            _ => {
                self.problem(field, value, format!("is {}, expected a table", value.type_word()), None);
                None
            }
        }
    }

    fn label(&mut self, field: &str, value: &Value) -> Option<String> {
        self.parsed(field, value, "com.example.web", |text| {
            let valid =
                text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 200 && !text.contains("..");
            let valid = valid && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if valid { Ok(text.to_owned()) } else { Err("is not a label: letters, digits, `.`, `_` and `-`".into()) }
        })
    }
}

/// A value without its places.
fn plain(value: &Value) -> toml::Value {
    match &value.kind {
        Kind::Str(text) | Kind::Date(text) => toml::Value::String(text.clone()),
        Kind::Os(text) => toml::Value::String(text.to_string_lossy().into_owned()),
        Kind::Int(number) => toml::Value::Integer(*number),
        Kind::Float(number) => toml::Value::Float(*number),
        Kind::Bool(flag) => toml::Value::Boolean(*flag),
        Kind::Array(items) => toml::Value::Array(items.iter().map(plain).collect()),
        Kind::Table(entries) => {
            toml::Value::Table(entries.iter().map(|(key, value)| (key.text.clone(), plain(value))).collect())
        }
    }
}

fn address(text: &str) -> Result<String, String> {
    let valid = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if valid && !text.contains(char::is_whitespace) { Ok(text.to_owned()) } else { Err("is not HOST:PORT".into()) }
}

fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").ok_or("is not a URL that begins with `http://`")?;
    if rest.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("is not a URL".into())
    } else {
        Ok(text.to_owned())
    }
}

fn regex(text: &str) -> Result<String, String> {
    match regex::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "is not a regular expression: {}",
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ")
        )),
    }
}

/// Loosely: systemd has the last word when it loads the timer.
fn calendar(text: &str) -> Result<String, String> {
    let valid = !text.trim().is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || " *-:,./~+_".contains(c));
    if valid { Ok(text.trim().to_owned()) } else { Err("is not a calendar expression".into()) }
}
