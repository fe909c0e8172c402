//! Compose files: services with a `command` or `entrypoint`. <https://docs.docker.com/reference/compose-file/>
//!
//! What runs in an image runs on the machine then: image, ports, volumes and networks can't be carried over.

use super::super::at;
use super::super::draft::{Draft, Entry, valid_name};
use super::times;
use super::yaml::{Kind, Node, read as read_yaml};
use crate::service::{Field, Signal};

/// Reads all services that have a command.
pub(super) fn read(file: &str, text: &str, draft: &mut Draft) -> Result<(), (usize, String)> {
    let all = read_yaml(text)?;
    let Some(services) = all.get("services") else {
        return Err((all.line.max(1), "has no `services`: it is no compose file".into()));
    };
    if let Some(name) = all.get("name").and_then(Node::text).filter(|_| draft.project.is_none()) {
        draft.project = Some(name);
    }
    for (key, value) in all.entries() {
        if !["services", "version", "name"].contains(&key.as_str()) && !key.starts_with("x-") {
            draft.notes.push(at(file, value.line, None, format!("`{key}` is not carried over")));
        }
    }
    for (name, service) in services.entries() {
        let mut entry = Entry::new(name);
        entry.comments.push(format!("From {file}:{}.", service.line));
        let mut reading = Reading { file, services, entry, draft };
        if reading.command(service) {
            reading.all(service);
            let entry = reading.entry;
            draft.add(entry);
        } else {
            let text = "has no `command`: what it runs is known to its image only";
            draft.notes.push(at(file, service.line, Some(name), text));
        }
    }
    Ok(())
}

struct Reading<'a> {
    file: &'a str,
    /// All of the file.
    services: &'a Node,
    entry: Entry,
    draft: &'a mut Draft,
}

impl Reading<'_> {
    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.draft.notes.push(at(self.file, line, Some(&self.entry.name), text));
    }

    /// `$$` is a dollar; `${NAME}` is compose's to replace, which is said.
    fn plain(&mut self, line: usize, text: &str) -> String {
        if text.replace("$$", "").contains('$') {
            self.note(line, "compose would replace the variable; here it stays as it is");
        }
        text.replace("$$", "$")
    }

    fn words(&mut self, node: &Node) -> Option<Vec<String>> {
        let words = match &node.kind {
            Kind::Text(text) => shell_words::split(text).ok()?,
            _ => node.texts()?,
        };
        Some(words.iter().map(|word| self.plain(node.line, word)).collect())
    }

    fn command(&mut self, service: &Node) -> bool {
        let mut words = Vec::new();
        for part in ["entrypoint", "command"].iter().filter_map(|key| service.get(key)) {
            words.extend(self.words(part).unwrap_or_default());
        }
        let any = !words.is_empty();
        self.entry.command(words);
        any
    }

    fn all(&mut self, service: &Node) {
        // compose's own defaults, where svc has others
        self.entry.set(Field::Restart, "never");
        self.entry.set(Field::Start, "login");
        for (key, value) in service.entries() {
            if !self.key(key, value) && !value.is_null() {
                self.note(value.line, format!("`{key}` is not carried over"));
            }
        }
    }

    /// Whether a field says it.
    fn key(&mut self, key: &str, value: &Node) -> bool {
        let text = value.text();
        match (key, text) {
            ("command" | "entrypoint", _) => true,
            ("image" | "build", _) => {
                self.note(value.line, format!("`{key}`: the program must be on this machine"));
                true
            }
            ("working_dir", Some(folder)) => self.put(Field::WorkingDir, folder),
            ("user", Some(user)) => !user.contains(':') && user.parse::<u32>().is_err() && self.put(Field::User, user),
            ("environment", _) => self.environment(value),
            ("env_file", _) => self.env_file(value),
            ("restart", Some(policy)) => self.restart(&policy),
            ("stop_signal", Some(signal)) => {
                Signal::parse(&signal).is_ok_and(|signal| self.put(Field::StopSignal, signal.name()))
            }
            ("stop_grace_period", Some(time)) => self.time(Field::StopTimeout, &time),
            ("depends_on", _) => {
                let names = match &value.kind {
                    Kind::Map(entries) => Some(entries.iter().map(|(name, _)| name.clone()).collect()),
                    _ => value.texts(),
                };
                for name in names.iter().flatten() {
                    let runs = |other: &Node| other.get("command").or(other.get("entrypoint")).is_some();
                    if self.services.get(name).is_some_and(|other| !runs(other)) {
                        self.note(
                            value.line,
                            format!("`depends_on`: `{name}` has no `command` and is not carried over"),
                        );
                    } else {
                        self.entry.push(Field::DependsOn, valid_name(name));
                    }
                }
                names.is_some()
            }
            ("healthcheck", _) => self.health(value),
            ("mem_limit", Some(size)) => self.memory(&size),
            ("cpus", Some(cpus)) => self.cpus(&cpus),
            ("pids_limit", _) => self.limit("tasks", value, 4_194_304),
            ("ulimits", _) => match value.get("nofile") {
                Some(files) if value.entries().len() == 1 => {
                    let soft = files.get("soft").unwrap_or(files);
                    self.limit("files", soft, 1_073_741_816)
                }
                _ => false,
            },
            ("deploy", _) => self.deploy(value),
            ("labels" | "container_name" | "hostname" | "tty" | "stdin_open" | "init" | "pull_policy", _) => false,
            _ => false,
        }
    }

    fn put(&mut self, field: Field, value: impl Into<toml::Value>) -> bool {
        self.entry.set(field, value);
        true
    }

    fn time(&mut self, field: Field, text: &str) -> bool {
        let time = times::span(text).filter(|time| !time.is_zero());
        time.is_some_and(|time| self.put(field, times::shown(time)))
    }

    fn environment(&mut self, value: &Node) -> bool {
        let mut whole = true;
        let pairs: Vec<(String, Option<String>, usize)> = match &value.kind {
            Kind::Map(entries) => {
                entries.iter().map(|(name, value)| (name.clone(), value.text(), value.line)).collect()
            }
            Kind::List(items) => items
                .iter()
                .filter_map(|item| Some((item.text()?, item.line)))
                .map(|(text, line)| match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned()), line),
                    None => (text, None, line),
                })
                .collect(),
            _ => return false,
        };
        for (name, text, line) in pairs {
            match text {
                Some(text) if crate::service::EnvName::parse(&name).is_ok() => {
                    let text = self.plain(line, &text);
                    self.entry.set_key(Field::Env, &name, text);
                }
                Some(_) => whole = false,
                None => self.note(line, format!("`{name}` comes from the shell of compose: write its value")),
            }
        }
        whole
    }

    fn env_file(&mut self, value: &Node) -> bool {
        let items = if value.items().is_empty() { std::slice::from_ref(value) } else { value.items() };
        for item in items {
            let optional = item.get("required").is_some_and(|required| required.kind == Kind::Flag(false));
            let Some(path) = item.get("path").unwrap_or(item).text() else { return false };
            self.entry.push(Field::EnvFile, if optional { format!("-{path}") } else { path });
        }
        true
    }

    fn restart(&mut self, policy: &str) -> bool {
        match policy.split_once(':').unwrap_or((policy, "")) {
            ("no" | "false", _) => self.put(Field::Restart, "never"),
            ("always" | "unless-stopped", _) => self.put(Field::Restart, "always"),
            ("on-failure", "") => self.put(Field::Restart, "on-failure"),
            ("on-failure", tries) => {
                self.put(Field::Restart, "on-failure");
                let tries = tries.parse::<i64>().ok().filter(|tries| (0..1_000_000).contains(tries));
                tries.is_some_and(|tries| {
                    self.entry.set_key(Field::RestartLimit, "count", tries + 1);
                    true
                })
            }
            _ => false,
        }
    }

    fn health(&mut self, value: &Node) -> bool {
        let test = value.get("test").and_then(Node::texts).unwrap_or_default();
        let command: Vec<String> = match (value.get("test").map(|test| &test.kind), test.split_first()) {
            (Some(Kind::Text(line)), _) => shell(line),
            (_, Some((kind, rest))) if kind == "CMD" => rest.to_vec(),
            (_, Some((kind, rest))) if kind == "CMD-SHELL" => shell(&rest.join(" ")),
            _ => return false,
        };
        if command.is_empty() {
            return false;
        }
        let words = command.iter().map(|word| self.plain(value.line, word)).map(toml::Value::from);
        let words: Vec<toml::Value> = words.collect();
        self.entry.set_key(Field::Health, "command", words);
        self.entry.set_key(Field::Health, "on_failure", "report");
        let mut whole = true;
        for (key, inner) in value.entries() {
            let time = inner.text().as_deref().and_then(times::span).filter(|time| !time.is_zero());
            match (key.as_str(), time, inner.int()) {
                ("test", ..) => {}
                ("interval" | "timeout", Some(time), _) => {
                    self.entry.set_key(Field::Health, key, times::shown(time));
                }
                ("start_period", Some(time), _) => self.entry.set_key(Field::Health, "grace", times::shown(time)),
                ("retries", _, Some(retries)) if (1..=1000).contains(&retries) => {
                    self.entry.set_key(Field::Health, "retries", retries);
                }
                _ => whole = false,
            }
        }
        whole
    }

    fn memory(&mut self, size: &str) -> bool {
        let bytes = times::size(size);
        bytes.is_some_and(|bytes| {
            self.entry.set_key(Field::Limits, "memory", bytes);
            true
        })
    }

    fn cpus(&mut self, cpus: &str) -> bool {
        let Some(share) =
            cpus.parse::<f64>().ok().map(|cpus| (cpus * 100.0).round()).filter(|share| (1.0..1e6).contains(share))
        else {
            return false;
        };
        self.entry.set_key(Field::Limits, "cpu", format!("{share}%"));
        true
    }

    fn limit(&mut self, key: &str, value: &Node, most: i64) -> bool {
        let number = value.int().filter(|number| (1..=most).contains(number));
        number.is_some_and(|number| {
            self.entry.set_key(Field::Limits, key, number);
            true
        })
    }

    fn deploy(&mut self, value: &Node) -> bool {
        let limits = value.get("resources").and_then(|resources| resources.get("limits"));
        let mut whole = limits.is_some() && value.entries().len() == 1;
        for (key, inner) in limits.map(Node::entries).unwrap_or_default() {
            whole &= match (key.as_str(), inner.text()) {
                ("memory", Some(size)) => self.memory(&size),
                ("cpus", Some(cpus)) => self.cpus(&cpus),
                ("pids", _) => self.limit("tasks", inner, 4_194_304),
                _ => false,
            };
        }
        whole
    }
}

fn shell(line: &str) -> Vec<String> {
    vec!["/bin/sh".into(), "-c".into(), line.into()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn services_with_a_command_are_read() {
        let text = "name: shop\nservices:\n  db:\n    image: postgres\n  web:\n    image: node\n    command: node 'a b.js' $$HOME\n    \
                    environment:\n      - A=x=y\n      - FROM_SHELL\n    restart: on-failure:3\n    depends_on: [db]\n    \
                    ports: [\"80:80\"]\n    mem_limit: 64m\n    stop_grace_period: 1m30s\n    healthcheck:\n      \
                    test: [\"CMD\", \"curl\", \"x\"]\n      interval: 5s\nvolumes:\n  v:\n";
        let mut draft = Draft::default();
        read("compose.yml", text, &mut draft).unwrap();
        let table: toml::Table = draft.text().parse().unwrap();
        assert_eq!(table["project"].as_str(), Some("shop"));
        let web = &table["service"]["web"];
        assert_eq!(web["command"].as_array().unwrap()[1..], ["a b.js".into(), "$HOME".into()]);
        assert_eq!(web["env"]["A"].as_str(), Some("x=y"));
        assert_eq!(web["limits"]["memory"].as_integer(), Some(64 << 20));
        assert_eq!(web["stop_timeout"].as_str(), Some("1m 30s"));
        assert_eq!(web["restart_limit"]["count"].as_integer(), Some(4));
        assert_eq!(web["health"]["interval"].as_str(), Some("5s"));
        assert!(table["service"].get("db").is_none() && web.get("depends_on").is_none());
        let said =
            |line, part: &str| draft.notes.iter().any(|note| note.line == Some(line) && note.text.contains(part));
        assert!(said(4, "no `command`") && said(10, "FROM_SHELL") && said(13, "`ports`"), "{:#?}", draft.notes);
    }
}
