//! Kubernetes: a Deployment for each service, a CronJob for a scheduled one.

use super::yaml::{document, is_unprintable};
use super::{Notes, command, cron, seconds, variables, words};
use crate::service::health::{Check, Verdict};
use crate::service::{Field, Ready, RestartPolicy, Service};
use serde_json::{Map, Value, json};

const CARRIED: [Field; 10] = [
    Field::Env,
    Field::WorkingDir,
    Field::Restart,
    Field::StopTimeout,
    Field::Ready,
    Field::Health,
    Field::Limits,
    Field::Every,
    Field::Schedule,
    Field::Group,
];

pub(super) fn write(services: &[Service], notes: &mut Notes) -> String {
    let mut text = String::new();
    for service in services {
        let value = match object(service, notes) {
            Ok(value) => value,
            Err(why) => {
                notes.skipped(service, &why);
                continue;
            }
        };
        if is_unprintable(&value.to_string()) {
            notes.skipped(service, "it has characters that YAML can't hold");
            continue;
        }
        notes.left_out(service, &CARRIED);
        let program = words(service).first().cloned().unwrap_or_default();
        notes.add(
            service,
            format!("the image `{}` is a name only: one with `{program}` is yours to make", name(service)),
        );
        text.push_str(&document(&value));
    }
    text
}

/// RFC 1123: small letters, digits and `-`, at most 52 (a CronJob's jobs get longer names).
fn name(service: &Service) -> String {
    let small = service.name.as_str().to_ascii_lowercase();
    let name: String = small.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(52).collect();
    name.trim_matches('-').to_owned()
}

/// Kubernetes replaces `$(NAME)`, and `$$` by `$`; a `$` before anything else stays.
fn plain(text: &str) -> Value {
    let replaced = text.contains("$(") || text.contains("$$");
    if replaced { text.replace('$', "$$").into() } else { text.into() }
}

fn object(service: &Service, notes: &mut Notes) -> Result<Value, String> {
    let name = name(service);
    if name != service.name.as_str() {
        notes.add(service, format!("is called `{name}`: Kubernetes has small letters, digits and `-` in a name"));
    }
    let mut labels = Map::from_iter([("app".to_owned(), Value::from(name.clone()))]);
    if let Some(project) = &service.project {
        let project = project.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        labels.insert("app.kubernetes.io/part-of".into(), project.trim_matches('-').into());
    }
    for group in &service.groups {
        labels.insert(format!("group-{}", group.as_str()), "true".into());
    }
    let pod = |restart: &str, notes: &mut Notes| {
        json!({
            "terminationGracePeriodSeconds": seconds(service.stop.timeout),
            "restartPolicy": restart,
            "containers": [container(service, &name, notes)],
        })
    };
    if let Some(schedule) = &service.schedule {
        let restart = if service.restart.policy == RestartPolicy::Never { "Never" } else { "OnFailure" };
        return Ok(json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": { "name": name, "labels": labels },
            "spec": {
                "schedule": cron::cron(schedule)?,
                "concurrencyPolicy": "Forbid",
                "jobTemplate": { "spec": { "template": { "metadata": { "labels": labels }, "spec": pod(restart, notes) } } },
            },
        }));
    }
    if service.restart.policy != RestartPolicy::Always {
        notes.add(service, "`restart`: a Deployment always starts its containers again");
    }
    Ok(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": 1,
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": labels }, "spec": pod("Always", notes) },
        },
    }))
}

fn container(service: &Service, name: &str, notes: &mut Notes) -> Value {
    let mut all = Map::new();
    all.insert("name".into(), name.into());
    all.insert("image".into(), format!("{name}:latest").into());
    all.insert("command".into(), words(service).iter().map(|word| plain(word)).collect());
    all.insert("workingDir".into(), service.working_dir.to_string().into());
    let env: Vec<Value> =
        variables(service).iter().map(|(name, value)| json!({ "name": name, "value": plain(value) })).collect();
    if !env.is_empty() {
        all.insert("env".into(), Value::Array(env));
    }
    let mut limits = Map::new();
    if let Some(bytes) = service.limits.memory {
        limits.insert("memory".into(), bytes.to_string().into());
    }
    if let Some(cpu) = service.limits.cpu {
        limits.insert("cpu".into(), format!("{}m", cpu.percent * 10).into());
    }
    if service.limits.tasks.is_some() || service.limits.files.is_some() {
        notes.add(service, "`limits.tasks` and `limits.files` are the node's to say");
    }
    if !limits.is_empty() {
        all.insert("resources".into(), json!({ "limits": limits }));
    }
    match &service.ready {
        Ready::Tcp(address) => probe(&mut all, "readinessProbe", tcp(address)),
        Ready::Http(url) => probe(&mut all, "readinessProbe", http(url)),
        Ready::Notify | Ready::Log(_) => notes.add(service, "`ready`: Kubernetes can't hear of it"),
        Ready::Exec => {}
    }
    if let Some(health) = &service.health {
        let check = match &health.check {
            Check::Tcp(address) => tcp(address),
            Check::Http { url, status, body } => {
                if status.is_some() || body.is_some() {
                    notes.add(service, "`health.status` and `health.body`: Kubernetes takes any answer of 200 to 399");
                }
                http(url)
            }
            Check::Command(exec) => {
                let words: Value = command(exec).iter().map(|word| plain(word)).collect();
                Some(("exec", json!({ "command": words })))
            }
        };
        if health.on_failure == Verdict::Restart {
            probe(&mut all, "livenessProbe", check);
            if let Some(Value::Object(probe)) = all.get_mut("livenessProbe") {
                probe.insert("periodSeconds".into(), seconds(health.interval).into());
                probe.insert("timeoutSeconds".into(), seconds(health.timeout).into());
                probe.insert("initialDelaySeconds".into(), seconds(health.grace).into());
                probe.insert("failureThreshold".into(), health.retries.into());
            }
        } else {
            notes.add(service, "`health`: Kubernetes only ever restarts what is not healthy");
        }
    }
    Value::Object(all)
}

type Probe = Option<(&'static str, Value)>;

fn probe(all: &mut Map<String, Value>, kind: &str, probe: Probe) {
    if let Some((how, what)) = probe {
        all.insert(kind.to_owned(), json!({ how: what }));
    }
}

/// The pod is asked, whatever host was written.
fn tcp(address: &str) -> Probe {
    let port: u16 = address.rsplit_once(':')?.1.parse().ok()?;
    Some(("tcpSocket", json!({ "port": port })))
}

fn http(url: &str) -> Probe {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let port: u16 = host.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok())?;
    Some(("httpGet", json!({ "path": path, "port": port })))
}

#[cfg(test)]
mod tests {
    /// As k8s.io/kubernetes/third_party/forked/golang/expansion does it, with no variable set.
    fn expanded(text: &str) -> String {
        let (mut out, mut chars) = (String::new(), text.chars().peekable());
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                ('$', Some('$')) => {
                    chars.next();
                    out.push('$');
                }
                ('$', Some('(')) => out.push_str("REPLACED"),
                _ => out.push(c),
            }
        }
        out
    }

    #[test]
    fn nothing_is_replaced() {
        for text in ["", "$", "$HOME ${X}", "$(X)", "$$(X)", "$$$(X)", "a$$b$", "50%", "$$"] {
            let written = super::plain(text);
            assert_eq!(expanded(written.as_str().unwrap_or_default()), text, "{written}");
        }
        assert_eq!(super::plain("$HOME"), "$HOME", "as it is where it can be");
    }
}
