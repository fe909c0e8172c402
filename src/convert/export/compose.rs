//! A compose file. <https://docs.docker.com/reference/compose-file/>
//!
//! svc runs programs of the machine, compose those of an image: which image is not svc's to know.

use super::yaml::{document, is_unprintable};
use super::{Notes, command, variables, words};
use crate::definition::units::show_duration;
use crate::service::health::Check;
use crate::service::{Field, RestartPolicy, Service};
use serde_json::{Map, Value, json};

const CARRIED: [Field; 11] = [
    Field::Env,
    Field::EnvFile,
    Field::WorkingDir,
    Field::Restart,
    Field::RestartLimit,
    Field::StopSignal,
    Field::StopTimeout,
    Field::DependsOn,
    Field::Health,
    Field::Limits,
    Field::User,
];

pub(super) fn write(services: &[Service], notes: &mut Notes) -> String {
    let mut all = Map::new();
    for service in services {
        if service.schedule.is_some() {
            notes.skipped(service, "compose has no times");
            continue;
        }
        let value = one(service, notes);
        if is_unprintable(&value.to_string()) {
            notes.skipped(service, "it has characters that YAML can't hold");
            continue;
        }
        notes.left_out(service, &CARRIED);
        let program = words(service).first().cloned().unwrap_or_default();
        notes.add(service, format!("`build: .` stands for an image with `{program}`: write yours"));
        all.insert(service.name.to_string(), value);
    }
    let mut file = Map::new();
    if let Some(project) = services.first().and_then(|service| service.project.clone()) {
        file.insert("name".into(), project.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-").into());
    }
    file.insert("services".into(), Value::Object(all));
    document(&Value::Object(file)).trim_start_matches("---\n").to_owned()
}

/// compose replaces `$NAME`; `$$` is a dollar.
fn plain(text: &str) -> Value {
    text.replace('$', "$$").into()
}

fn plains(words: &[String]) -> Value {
    words.iter().map(|word| plain(word)).collect()
}

fn one(service: &Service, notes: &mut Notes) -> Value {
    let mut all = Map::new();
    let words = words(service);
    let (program, rest) = words.split_at(1.min(words.len()));
    all.insert("build".into(), ".".into());
    all.insert("entrypoint".into(), plains(program));
    all.insert("command".into(), plains(rest));
    all.insert("working_dir".into(), plain(&service.working_dir.to_string()));
    let env: Map<String, Value> =
        variables(service).into_iter().map(|(name, value)| (name.to_owned(), plain(&value))).collect();
    if !env.is_empty() {
        all.insert("environment".into(), Value::Object(env));
    }
    let files = service.env_files.iter();
    let files: Vec<Value> =
        files.map(|file| json!({ "path": plain(&file.path.to_string()), "required": !file.optional })).collect();
    if !files.is_empty() {
        all.insert("env_file".into(), Value::Array(files));
    }
    let limited = service.asked.contains(Field::RestartLimit);
    let restart = match service.restart.policy {
        RestartPolicy::Never => "no".to_owned(),
        RestartPolicy::Always => "always".to_owned(),
        RestartPolicy::OnFailure if limited => format!("on-failure:{}", service.restart.limit.count.saturating_sub(1)),
        RestartPolicy::OnFailure => "on-failure".to_owned(),
    };
    all.insert("restart".into(), restart.into());
    all.insert("stop_signal".into(), service.stop.signal.name().into());
    all.insert("stop_grace_period".into(), show_duration(service.stop.timeout).replace(' ', "").into());
    if !service.depends_on.is_empty() {
        all.insert("depends_on".into(), service.depends_on.iter().map(|name| Value::from(name.as_str())).collect());
    }
    if let Some(user) = &service.user {
        all.insert("user".into(), user.clone().into());
    }
    health(service, &mut all, notes);
    limits(service, &mut all);
    Value::Object(all)
}

fn health(service: &Service, all: &mut Map<String, Value>, notes: &mut Notes) {
    let Some(health) = &service.health else { return };
    let Check::Command(exec) = &health.check else {
        return notes.add(service, "`health`: compose has checks by command only");
    };
    let test: Vec<Value> =
        std::iter::once(Value::from("CMD")).chain(command(exec).iter().map(|word| plain(word))).collect();
    let time = |time| show_duration(time).replace(' ', "");
    all.insert(
        "healthcheck".into(),
        json!({ "test": test, "interval": time(health.interval), "timeout": time(health.timeout),
            "retries": health.retries, "start_period": time(health.grace) }),
    );
    notes.add(service, "`health.on_failure`: compose only says that it is not healthy");
}

fn limits(service: &Service, all: &mut Map<String, Value>) {
    let limits = service.limits;
    if let Some(bytes) = limits.memory {
        all.insert("mem_limit".into(), format!("{bytes}b").into());
    }
    if let Some(cpu) = limits.cpu {
        all.insert("cpus".into(), format!("{}.{:02}", cpu.percent / 100, cpu.percent % 100).into());
    }
    if let Some(tasks) = limits.tasks {
        all.insert("pids_limit".into(), tasks.into());
    }
    if let Some(files) = limits.files {
        all.insert("ulimits".into(), json!({ "nofile": files }));
    }
}
