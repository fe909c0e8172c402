//! supervisord.conf: `[program:NAME]`, `[group:NAME]`. <https://supervisord.org/configuration.html>
//!
//! An INI file as Python's ConfigParser reads it: a comment begins with `;` or `#` behind white space or at
//! the start of a line, an indented line goes on.

use super::super::draft::{Draft, Entry, valid_name};
use super::super::{at, comment};
use super::times;
use crate::service::{Field, Signal};
use std::collections::BTreeMap;

/// A key with its value and line.
struct Pair {
    line: usize,
    key: String,
    value: String,
}

/// Reads the sections of programs and groups.
pub(super) fn read(file: &str, text: &str, draft: &mut Draft) {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let sections = sections(file, text, draft);
    for (name, _, pairs) in &sections {
        if let Some(group) = name.strip_prefix("group:") {
            let programs = pairs.iter().filter(|pair| pair.key == "programs");
            for program in programs.flat_map(|pair| pair.value.split(',')).map(str::trim) {
                groups.entry(program.to_owned()).or_default().push(valid_name(group).replace('@', "-"));
            }
        }
    }
    for (name, line, pairs) in &sections {
        match name.split_once(':') {
            Some(("program", program)) => {
                let mut entry = Entry::new(program);
                entry.comments.push(format!("From {file}:{line}."));
                for group in groups.get(program).into_iter().flatten() {
                    entry.push(Field::Group, group.clone());
                }
                let mut reading = Reading { file, program, entry, draft };
                reading.all(pairs);
                let entry = reading.entry;
                if entry.get(Field::Command).is_some() {
                    draft.add(entry);
                } else {
                    draft.notes.push(at(file, *line, None, format!("`{program}` has no `command`")));
                }
            }
            Some(("group", _)) => {}
            Some(_) => draft.notes.push(at(file, *line, None, format!("`[{name}]` is not carried over"))),
            None if ["supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "include"]
                .contains(&name.as_str()) =>
            {
                let what = if name == "include" { "give the included files, too" } else { "of supervisord itself" };
                draft.notes.push(at(file, *line, None, format!("`[{name}]` is not carried over: {what}")));
            }
            None => draft.notes.push(at(file, *line, None, format!("`[{name}]` is not carried over"))),
        }
    }
}

type Section = (String, usize, Vec<Pair>);

fn sections(file: &str, text: &str, draft: &mut Draft) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let line = comment::begin(raw).map_or(raw, |at| &raw[..at]);
        if line.trim().is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let trimmed = line.trim();
        let pairs = all.last_mut().map(|(_, _, pairs)| pairs);
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            all.push((name.trim().to_owned(), number, Vec::new()));
        } else if line.starts_with([' ', '\t'])
            && let Some(last) = pairs.and_then(|pairs| pairs.last_mut())
        {
            last.value.push('\n');
            last.value.push_str(trimmed);
        } else {
            let found = trimmed.split_once(['=', ':']).map(|(key, value)| (key.trim(), value.trim()));
            match (all.last_mut(), found) {
                (Some((_, _, pairs)), Some((key, value))) => {
                    pairs.push(Pair { line: number, key: key.to_ascii_lowercase(), value: value.to_owned() });
                }
                _ => draft.notes.push(at(file, number, None, "is no `key=value` of a section")),
            }
        }
    }
    all
}

struct Reading<'a> {
    file: &'a str,
    program: &'a str,
    entry: Entry,
    draft: &'a mut Draft,
}

impl Reading<'_> {
    fn note(&mut self, line: usize, text: impl Into<String>) {
        self.draft.notes.push(at(self.file, line, Some(&self.entry.name), text));
    }

    fn all(&mut self, pairs: &[Pair]) {
        // supervisord's own defaults, where svc has others
        self.entry.set(Field::Restart, "on-failure");
        if !pairs.iter().any(|pair| pair.key == "numprocs" && pair.value != "1") {
            for pair in pairs {
                self.pair(pair, pairs);
            }
            return;
        }
        let many = pairs.iter().find(|pair| pair.key == "numprocs").and_then(|pair| pair.value.parse::<i64>().ok());
        for number in 0..many.unwrap_or(1).clamp(1, 1000) {
            self.entry.push(Field::Instances, number.to_string());
        }
        for pair in pairs {
            self.pair(pair, pairs);
        }
    }

    /// `%(program_name)s` and its kin.
    fn expanded(&mut self, pair: &Pair) -> String {
        let (mut out, mut rest) = (String::new(), pair.value.as_str());
        while let Some(start) = rest.find('%') {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some(after) = rest.strip_prefix("%%") {
                out.push('%');
                rest = after;
                continue;
            }
            let inner = rest.strip_prefix("%(").and_then(|inner| inner.split_once(')'));
            let Some((name, after)) = inner else {
                out.push('%');
                rest = &rest[1..];
                continue;
            };
            let end = after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
            match name {
                "program_name" | "group_name" => out.push_str(self.program),
                "process_num" => out.push_str("{instance}"),
                "here" => out.push_str("{project_dir}"),
                _ => {
                    self.note(pair.line, format!("`%({name})s` is known to the running supervisord only"));
                    out.push_str(&rest[..rest.len() - after.len()]);
                    out.push_str(&after[..end]);
                }
            }
            rest = &after[end..];
        }
        out + rest
    }

    fn pair(&mut self, pair: &Pair, all: &[Pair]) {
        let value = self.expanded(pair);
        let taken = match pair.key.as_str() {
            "command" => match shell_words::split(&value) {
                Ok(words) if !words.is_empty() => {
                    self.entry.command(words);
                    true
                }
                _ => false,
            },
            "directory" => self.put(Field::WorkingDir, value),
            "user" => self.put(Field::User, value),
            "umask" => {
                let fits = crate::definition::units::umask(&value).is_ok();
                fits && self.put(Field::Umask, value)
            }
            "autostart" => value == "true" || self.put(Field::Start, "manual"),
            "autorestart" => {
                let policy = match value.as_str() {
                    "true" => "always",
                    "false" => "never",
                    _ => "on-failure",
                };
                self.put(Field::Restart, policy)
            }
            "stopsignal" => {
                let signal = Signal::parse(&value);
                signal.is_ok_and(|signal| self.put(Field::StopSignal, signal.name()))
            }
            "stopwaitsecs" => {
                let time = value.parse::<f64>().ok().filter(|seconds| *seconds > 0.0).and_then(times::seconds);
                time.is_some_and(|time| self.put(Field::StopTimeout, time))
            }
            "startretries" => match value.parse::<i64>() {
                Ok(tries) if (0..1_000_000).contains(&tries) => {
                    self.entry.set_key(Field::RestartLimit, "count", tries + 1);
                    true
                }
                _ => false,
            },
            "environment" => self.environment(&value),
            "stdout_logfile" if value.starts_with('/') || value.contains('.') => {
                self.entry.set_key(Field::Logs, "file", value);
                true
            }
            "stdout_logfile" => value == "AUTO",
            "stdout_logfile_maxbytes" => match times::size(&value) {
                Some(bytes) => {
                    self.entry.set_key(Field::Logs, "max_size", bytes);
                    true
                }
                None => false,
            },
            "stdout_logfile_backups" => match value.parse::<i64>() {
                Ok(keep) if (0..=10_000).contains(&keep) => {
                    self.entry.set_key(Field::Logs, "keep", keep);
                    true
                }
                _ => false,
            },
            "redirect_stderr" => value == "true",
            "stderr_logfile" => all.iter().any(|other| other.key == "redirect_stderr" && other.value == "true"),
            "numprocs" | "process_name" => true,
            "stopasgroup" | "killasgroup" => value == "true",
            _ => false,
        };
        if !taken {
            self.note(pair.line, format!("`{}` is not carried over", pair.key));
        }
    }

    fn put(&mut self, field: Field, value: impl Into<toml::Value>) -> bool {
        self.entry.set(field, value);
        true
    }

    /// `A="x,y",B=z`: quotes hold a value together.
    fn environment(&mut self, text: &str) -> bool {
        let (mut parts, mut quote) = (vec![String::new()], None);
        for c in text.chars() {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (',' | '\n', None) => parts.push(String::new()),
                (c, _) => {
                    if let Some(part) = parts.last_mut() {
                        part.push(c);
                    }
                }
            }
        }
        let mut whole = quote.is_none();
        for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if crate::service::EnvName::parse(name.trim()).is_ok() => {
                    self.entry.set_key(Field::Env, name.trim(), value.trim());
                }
                _ => whole = false,
            }
        }
        whole
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn programs_become_services() {
        let text = "[supervisord]\nnodaemon=true\n[program:web]\ncommand=/bin/web --name %(program_name)s 'a b' ; why\n\
                    environment=A=\"x,y\",\n  B='z'\nautorestart=unexpected\nstartretries=3\nstopsignal=QUIT\n\
                    stdout_logfile=/var/log/%%web.log\npriority=5\n[group:front]\nprograms=web\n";
        let mut draft = Draft::default();
        read("s.conf", text, &mut draft);
        let table: toml::Table = draft.text().parse().unwrap();
        let web = &table["service"]["web"];
        assert_eq!(web["command"].as_array().unwrap().len(), 4);
        assert_eq!((web["env"]["A"].as_str(), web["env"]["B"].as_str()), (Some("x,y"), Some("z")));
        assert_eq!(web["stop_signal"].as_str(), Some("SIGQUIT"));
        assert_eq!(web["logs"]["file"].as_str(), Some("/var/log/%web.log"));
        assert_eq!(web["group"][0].as_str(), Some("front"));
        let lines: Vec<_> = draft.notes.iter().map(|note| note.line).collect();
        assert!(lines.contains(&Some(1)) && lines.contains(&Some(11)), "{:?}", draft.notes);
    }
}
