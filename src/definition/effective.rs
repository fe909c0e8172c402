//! The effective definition as TOML: what `svc show` prints and a record keeps. Every default is
//! filled in, every path absolute; `read_text` reads it back to an equal service.

use super::units::show_duration;
use crate::service::health::Check;
use crate::service::{Exec, Field, Ready, Reload, Schedule, SearchPath, Service, WaitFor};
use std::ffi::OsStr;
use std::time::Duration;
use toml::{Table, Value};

/// Whether values that look like secrets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// `***` in their place.
    Masked,
    /// As they are: for private files only.
    Shown,
}

/// What stands in the place of a value that looks like a secret.
pub(crate) const MASKED: &str = "***";

/// The fields that are always written, defaults too.
pub(crate) const FILLED: [Field; 13] = [
    Field::Path,
    Field::WorkingDir,
    Field::Start,
    Field::Restart,
    Field::RestartDelay,
    Field::RestartMaxDelay,
    Field::RestartLimit,
    Field::RestartReset,
    Field::StopSignal,
    Field::StopTimeout,
    Field::Ready,
    Field::StartTimeout,
    Field::Sandbox,
];

/// The definition of one service: `[service.NAME]`, and `project` if it has one.
pub fn to_toml(service: &Service, secrets: Secrets) -> String {
    let mut all = Table::new();
    if let Some(project) = &service.project {
        all.insert("project".into(), project.clone().into());
    }
    let mut services = Table::new();
    services.insert(service.name.to_string(), Value::Table(fields(service, secrets)));
    all.insert("service".into(), Value::Table(services));
    toml::to_string(&all).unwrap_or_default()
}

/// Masks values that look like secrets in a text that [`to_toml`] made; then the names of their variables.
pub fn mask(text: &str) -> (String, Vec<String>) {
    let mut masked = Vec::new();
    let Ok(mut all) = text.parse::<Table>() else { return ("# the record can't be read\n".into(), masked) };
    for service in
        all.get_mut("service").and_then(Value::as_table_mut).into_iter().flat_map(|services| services.iter_mut())
    {
        for (name, value) in
            service.1.get_mut("env").and_then(Value::as_table_mut).into_iter().flat_map(|env| env.iter_mut())
        {
            if crate::service::EnvName::parse(name).is_ok_and(|name| name.looks_secret()) {
                masked.push(name.clone());
                *value = MASKED.into();
            }
        }
    }
    (toml::to_string(&all).unwrap_or_default(), masked)
}

fn text(value: &OsStr) -> Value {
    Value::String(value.to_string_lossy().into_owned())
}

fn path(value: impl AsRef<std::path::Path>) -> Value {
    text(value.as_ref().as_os_str())
}

fn time(value: Duration) -> Value {
    Value::String(show_duration(value))
}

fn exec(exec: &Exec) -> Value {
    match exec {
        Exec::Command { program, args, .. } => {
            Value::Array(std::iter::once(path(program)).chain(args.iter().map(|word| text(word))).collect())
        }
        Exec::Script(script) => Value::String(script.clone()),
    }
}

fn words<T>(all: &[T], word: impl Fn(&T) -> String) -> Value {
    Value::Array(all.iter().map(|one| Value::String(word(one))).collect())
}

fn table(entries: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    Value::Table(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

#[expect(clippy::too_many_lines, reason = "one line per field, in the order of DESIGN §4")]
pub(crate) fn fields(service: &Service, secrets: Secrets) -> Table {
    let Service {
        name: _,
        project: _,
        origin: _,
        asked: _,
        instance: _,
        exec: runs,
        groups,
        description,
        env,
        env_files,
        path: search,
        working_dir,
        start,
        restart,
        stop,
        reload,
        ready,
        start_timeout,
        depends_on,
        wait_for,
        on_failure,
        health,
        logs,
        pid_file,
        limits,
        sandbox,
        nice,
        umask,
        user,
        schedule,
        update,
        systemd,
        launchd,
        label,
    } = service;
    let mut all = Table::new();
    let mut put = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    match runs {
        Exec::Command { .. } => put("command", exec(runs)),
        Exec::Script(_) => put("script", exec(runs)),
    }
    if !groups.is_empty() {
        put("group", words(groups, |group| group.as_str().to_owned()));
    }
    if let Some(description) = description {
        put("description", description.as_str().into());
    }
    if !env.is_empty() {
        let masked = |name: &crate::service::EnvName| secrets == Secrets::Masked && name.looks_secret();
        let entries = env.iter().map(|(name, value)| {
            (name.as_str().to_owned(), if masked(name) { MASKED.into() } else { text(value.expose()) })
        });
        put("env", Value::Table(entries.collect()));
    }
    if !env_files.is_empty() {
        put("env_file", words(env_files, |file| format!("{}{}", if file.optional { "-" } else { "" }, file.path)));
    }
    put(
        "path",
        match search {
            SearchPath::Minimal => "minimal".into(),
            SearchPath::Inherited(folders) | SearchPath::Listed(folders) => {
                Value::Array(folders.iter().map(path).collect())
            }
        },
    );
    put("working_dir", path(working_dir));
    put("start", start.word().into());
    put("restart", restart.policy.word().into());
    put("restart_delay", time(restart.delay));
    put("restart_max_delay", time(restart.max_delay));
    put(
        "restart_limit",
        table([("count", Some(i64::from(restart.limit.count).into())), ("within", Some(time(restart.limit.within)))]),
    );
    put("restart_reset", time(restart.reset));
    put("stop_signal", stop.signal.name().into());
    put("stop_timeout", time(stop.timeout));
    match reload {
        Some(Reload::Signal(signal)) => put("reload", signal.name().into()),
        Some(Reload::Command(command)) => put("reload", exec(command)),
        None => {}
    }
    put(
        "ready",
        match ready {
            Ready::Exec => "exec".into(),
            Ready::Notify => "notify".into(),
            Ready::Tcp(address) => table([("tcp", Some(address.clone().into()))]),
            Ready::Http(url) => table([("http", Some(url.clone().into()))]),
            Ready::Log(regex) => table([("log", Some(regex.clone().into()))]),
        },
    );
    put("start_timeout", time(*start_timeout));
    if !depends_on.is_empty() {
        put("depends_on", words(depends_on, ToString::to_string));
    }
    if !wait_for.is_empty() {
        put(
            "wait_for",
            words(wait_for, |one| match one {
                WaitFor::Network => "network".into(),
                WaitFor::Path(path) => path.to_string(),
            }),
        );
    }
    if let Some(failed) = on_failure {
        put(
            "on_failure",
            table([("command", failed.command.as_ref().map(exec)), ("desktop", failed.desktop.then_some(true.into()))]),
        );
    }
    if let Some(health) = health {
        let (kind, what, status, body) = match &health.check {
            Check::Tcp(address) => ("tcp", address.clone().into(), None, None),
            Check::Http { url, status, body } => ("http", url.clone().into(), *status, body.clone()),
            Check::Command(command) => ("command", exec(command), None, None),
        };
        put(
            "health",
            table([
                (kind, Some(what)),
                ("status", status.map(|status| i64::from(status).into())),
                ("body", body.map(Value::String)),
                ("interval", Some(time(health.interval))),
                ("timeout", Some(time(health.timeout))),
                ("retries", Some(i64::from(health.retries).into())),
                ("grace", Some(time(health.grace))),
                ("on_failure", Some(health.on_failure.word().into())),
            ]),
        );
    }
    if *logs != crate::service::Logs::default() {
        put(
            "logs",
            table([
                ("file", logs.file.as_ref().map(path)),
                ("max_size", logs.max_size.and_then(|size| i64::try_from(size).ok()).map(Value::Integer)),
                ("keep", logs.keep.map(|keep| i64::from(keep).into())),
                ("keep_days", logs.keep_days.map(|days| i64::from(days).into())),
                ("timestamps", logs.timestamps.map(Value::Boolean)),
                ("compress", logs.compress.map(Value::Boolean)),
                ("rate_limit", logs.rate_limit.map(|rate| rate.to_string().into())),
            ]),
        );
    }
    if let Some(file) = pid_file {
        put("pid_file", path(file));
    }
    if *limits != crate::service::Limits::default() {
        let number = |value: Option<u64>| value.and_then(|value| i64::try_from(value).ok()).map(Value::Integer);
        put(
            "limits",
            table([
                ("memory", number(limits.memory)),
                ("cpu", limits.cpu.map(|cpu| format!("{}%", cpu.percent).into())),
                ("tasks", number(limits.tasks)),
                ("files", number(limits.files)),
            ]),
        );
    }
    put("sandbox", sandbox.word().into());
    if let Some(nice) = nice {
        put("nice", i64::from(*nice).into());
    }
    if let Some(umask) = umask {
        put("umask", format!("{umask:03o}").into());
    }
    if let Some(user) = user {
        put("user", user.clone().into());
    }
    match schedule {
        Some(Schedule::Every(every)) => put("every", time(*every)),
        Some(Schedule::Calendar(calendar)) => put("schedule", calendar.clone().into()),
        None => {}
    }
    if let Some(update) = update {
        put(
            "update",
            table([
                ("branch", Some(update.branch.clone().into())),
                ("interval", Some(time(update.interval))),
                (
                    "build",
                    update.build.as_ref().map(|words| Value::Array(words.iter().map(|word| text(word)).collect())),
                ),
                ("on_failure", Some(if update.rollback { "rollback" } else { "report" }.into())),
                ("staged", Some(update.staged.into())),
            ]),
        );
    }
    if !systemd.is_empty() {
        let lines = |values: &Vec<String>| match values.as_slice() {
            [one] => Value::String(one.clone()),
            many => Value::Array(many.iter().cloned().map(Value::String).collect()),
        };
        let sections = systemd.sections().map(|(section, keys)| {
            let keys = keys.iter().map(|(key, values)| (key.clone(), lines(values)));
            (section.to_owned(), Value::Table(keys.collect()))
        });
        put("systemd", Value::Table(sections.collect()));
    }
    if !launchd.is_empty() {
        put("launchd", Value::Table(launchd.clone()));
    }
    if let Some(label) = label {
        put("label", label.clone().into());
    }
    all
}
