//! pm2's ecosystem files, as JSON. <https://pm2.keymetrics.io/docs/usage/application-declaration/>

use super::super::at;
use super::super::draft::{Draft, Entry};
use super::times;
use super::yaml::{Kind, Node, read as read_yaml};
use crate::service::Field;

/// Reads all apps.
pub(super) fn read(file: &str, text: &str, draft: &mut Draft) -> Result<(), (usize, String)> {
    let all = read_yaml(text)?;
    let apps = all.get("apps").map_or_else(|| all.items(), Node::items);
    if apps.is_empty() {
        return Err((all.line.max(1), "has no `apps`: it is no ecosystem file of pm2".into()));
    }
    for app in apps {
        let script = app.get("script").and_then(Node::text);
        let name = app.get("name").and_then(Node::text).or_else(|| script.clone()).unwrap_or_default();
        let mut entry = Entry::new(&name);
        entry.comments.push(format!("From {file}:{}.", app.line));
        let Some(script) = script else {
            draft.notes.push(at(file, app.line, Some(&entry.name), "has no `script`: there is nothing to run"));
            continue;
        };
        let mut reading = Reading { file, entry, draft };
        reading.command(app, &script);
        reading.all(app);
        let entry = reading.entry;
        draft.add(entry);
    }
    Ok(())
}

/// Interpreters that pm2 takes for these endings.
const INTERPRETERS: [(&str, &str); 7] = [
    (".js", "node"),
    (".cjs", "node"),
    (".mjs", "node"),
    (".py", "python3"),
    (".sh", "bash"),
    (".rb", "ruby"),
    (".php", "php"),
];

struct Reading<'a> {
    file: &'a str,
    entry: Entry,
    draft: &'a mut Draft,
}

impl Reading<'_> {
    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.draft.notes.push(at(self.file, line, Some(&self.entry.name), text));
    }

    fn command(&mut self, app: &Node, script: &str) {
        let split = |key: &str| -> Vec<String> {
            match app.get(key).map(|node| (&node.kind, node)) {
                Some((Kind::Text(text), _)) => shell_words::split(text).unwrap_or_else(|_| vec![text.clone()]),
                Some((_, node)) => node.texts().unwrap_or_default(),
                None => Vec::new(),
            }
        };
        let interpreter = app.get("interpreter").or_else(|| app.get("exec_interpreter")).and_then(Node::text);
        let by_ending = INTERPRETERS.iter().find(|(ending, _)| script.ends_with(ending));
        let mut words: Vec<String> = match interpreter.as_deref() {
            Some("none") => Vec::new(),
            Some(interpreter) => vec![interpreter.to_owned()],
            None => by_ending.map(|(_, interpreter)| (*interpreter).to_owned()).into_iter().collect(),
        };
        if !words.is_empty() {
            words.extend(["node_args", "interpreter_args"].iter().flat_map(|key| split(key)));
        }
        words.push(script.to_owned());
        words.extend(split("args"));
        self.entry.command(words);
    }

    fn all(&mut self, app: &Node) {
        // pm2's own defaults, where svc has others
        self.entry.set(Field::Restart, "always");
        for (key, value) in app.entries() {
            if !self.key(key, value) {
                self.note(value.line, format!("`{key}` is not carried over"));
            }
        }
    }

    fn key(&mut self, key: &str, value: &Node) -> bool {
        match (key, value.text(), value.int()) {
            (
                "name" | "script" | "args" | "interpreter" | "exec_interpreter" | "node_args" | "interpreter_args",
                ..,
            ) => true,
            ("cwd", Some(folder), _) => self.put(Field::WorkingDir, folder),
            ("env", ..) => {
                let mut whole = !value.entries().is_empty();
                for (name, inner) in value.entries() {
                    match inner.text().filter(|_| crate::service::EnvName::parse(name).is_ok()) {
                        Some(text) => self.entry.set_key(Field::Env, name, text),
                        None => whole = false,
                    }
                }
                whole
            }
            ("instances", _, Some(1)) => true,
            ("instances", _, Some(many)) if (2..=1000).contains(&many) => {
                let names: Vec<toml::Value> = (0..many).map(|number| number.to_string().into()).collect();
                self.entry.set(Field::Instances, names);
                self.note(
                    value.line,
                    "pm2 shares one port among instances, svc does not: `{instance}` tells them apart",
                );
                true
            }
            ("exec_mode", Some(mode), _) => mode == "fork",
            ("autorestart", ..) => value.kind == Kind::Flag(true) || self.put(Field::Restart, "never"),
            ("restart_delay", _, Some(millis)) => {
                self.millis(Field::RestartDelay, millis) && self.millis(Field::RestartMaxDelay, millis)
            }
            ("exp_backoff_restart_delay", _, Some(millis)) => {
                self.entry.set(Field::RestartMaxDelay, "15s");
                self.millis(Field::RestartDelay, millis)
            }
            ("max_restarts", _, Some(tries)) if (0..1_000_000).contains(&tries) => {
                self.entry.set_key(Field::RestartLimit, "count", tries + 1);
                true
            }
            ("kill_timeout", _, Some(millis)) => self.millis(Field::StopTimeout, millis),
            ("listen_timeout", _, Some(millis)) => self.millis(Field::StartTimeout, millis),
            ("max_memory_restart", Some(size), _) => times::size(&size).is_some_and(|bytes| {
                self.entry.set_key(Field::Limits, "memory", bytes);
                self.note(value.line, "becomes a limit: the program is killed there, not restarted softly");
                true
            }),
            ("out_file" | "log_file" | "log" | "output", Some(path), _) => {
                self.entry.set_key(Field::Logs, "file", path);
                true
            }
            ("time", ..) => {
                self.entry.set_key(Field::Logs, "timestamps", value.kind == Kind::Flag(true));
                true
            }
            ("pid_file" | "pid", Some(path), _) => self.put(Field::PidFile, path),
            ("uid" | "user", Some(user), None) => self.put(Field::User, user),
            ("cron_restart", ..) => false,
            ("merge_logs" | "combine_logs" | "vizion" | "automation" | "pmx" | "source_map_support", ..) => true,
            ("watch", ..) => value.kind == Kind::Flag(false),
            _ => false,
        }
    }

    fn put(&mut self, field: Field, value: impl Into<toml::Value>) -> bool {
        self.entry.set(field, value);
        true
    }

    fn millis(&mut self, field: Field, millis: i64) -> bool {
        let Some(millis) = u32::try_from(millis).ok().filter(|millis| *millis > 0) else { return false };
        times::seconds(f64::from(millis) / 1000.0).is_some_and(|time| self.put(field, time))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn apps_become_services() {
        let text = r#"{ "apps": [{
  "name": "api", "script": "./api.js", "args": "--port 3000", "node_args": ["--max-old-space-size=64"],
  "env": { "NODE_ENV": "production", "N": 3 }, "instances": 2, "kill_timeout": 1600,
  "env_staging": {}, "cron_restart": "0 0 * * *"
}, { "script": "run.sh", "autorestart": false }] }"#;
        let mut draft = Draft::default();
        read("e.json", text, &mut draft).unwrap();
        let table: toml::Table = draft.text().parse().unwrap();
        let api = &table["service"]["api"];
        let words: Vec<&str> = api["command"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
        assert_eq!(words, ["node", "--max-old-space-size=64", "./api.js", "--port", "3000"]);
        assert_eq!((api["env"]["N"].as_str(), api["stop_timeout"].as_str()), (Some("3"), Some("1s 600ms")));
        assert_eq!(table["service"]["run.sh"]["restart"].as_str(), Some("never"));
        let said =
            |line, part: &str| draft.notes.iter().any(|note| note.line == Some(line) && note.text.contains(part));
        assert!(said(4, "`env_staging`") && said(4, "`cron_restart`"), "{:#?}", draft.notes);
    }
}
