//! supervisord.conf. <https://supervisord.org/configuration.html>
//!
//! A `%` is written twice; ` ;` begins a comment wherever it stands, so it is taken apart; there is no way to
//! write a line end, or a value of the environment with both kinds of quotes.

use super::{Notes, seconds, variables_here, words};
use crate::service::{Field, Logs, RestartPolicy, Service, Start};
use std::collections::BTreeMap;

const CARRIED: [Field; 14] = [
    Field::Env,
    Field::WorkingDir,
    Field::Group,
    Field::Start,
    Field::Restart,
    Field::RestartLimit,
    Field::StopSignal,
    Field::StopTimeout,
    Field::Logs,
    Field::Umask,
    Field::User,
    Field::Path,
    Field::Command,
    Field::Script,
];

/// The signals that supervisord knows.
const SIGNALS: [&str; 7] = ["TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2"];

pub(super) fn write(services: &[Service], notes: &mut Notes) -> String {
    let mut text = String::new();
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for service in services {
        match program(service, notes) {
            Ok(section) => {
                notes.left_out(service, &CARRIED);
                text.push_str(&section);
                if let [first, rest @ ..] = service.groups.as_slice() {
                    groups.entry(first.as_str()).or_default().push(service.name.as_str());
                    if !rest.is_empty() {
                        notes.add(service, "`group`: a program is in one group, the first");
                    }
                }
            }
            Err(why) => notes.skipped(service, why),
        }
    }
    for (group, programs) in groups {
        text.push_str(&format!("[group:{group}]\nprograms={}\n\n", programs.join(",")));
    }
    text
}

fn program(service: &Service, notes: &mut Notes) -> Result<String, &'static str> {
    if service.schedule.is_some() {
        return Err("supervisord has no times");
    }
    let words: Vec<String> = words(service).iter().map(|word| quoted(word)).collect();
    let mut lines = vec![
        format!("[program:{}]", service.name),
        format!("command={}", words.join(" ").replace('%', "%%")),
        format!("directory={}", plain(&service.working_dir.to_string())?),
    ];
    let mut pairs = Vec::new();
    for (name, value) in variables_here(service) {
        match pair(name, &value) {
            Some(pair) => pairs.push(pair),
            None => notes.add(service, format!("`env.{name}`: supervisord can't write such a value")),
        }
    }
    if !pairs.is_empty() {
        lines.push(format!("environment={}", pairs.join(",")));
    }
    lines.push(format!("autostart={}", service.start != Start::Manual));
    let again = match service.restart.policy {
        RestartPolicy::Always => "true",
        RestartPolicy::OnFailure => "unexpected",
        RestartPolicy::Never => "false",
    };
    lines.push(format!("autorestart={again}"));
    if service.asked.contains(Field::RestartLimit) {
        lines.push(format!("startretries={}", service.restart.limit.count.saturating_sub(1)));
        notes.add(service, "`restart_limit`: supervisord counts only starts that fail at once");
    }
    let signal = service.stop.signal.name().trim_start_matches("SIG");
    if SIGNALS.contains(&signal) {
        lines.push(format!("stopsignal={signal}"));
    } else {
        notes.add(service, format!("`stop_signal`: supervisord does not know {signal}"));
    }
    lines.push(format!("stopwaitsecs={}", seconds(service.stop.timeout)));
    lines.extend(["stopasgroup=true".to_owned(), "killasgroup=true".to_owned(), "redirect_stderr=true".to_owned()]);
    if let Some(user) = &service.user {
        lines.push(format!("user={user}"));
    }
    if let Some(umask) = service.umask {
        lines.push(format!("umask={umask:03o}"));
    }
    if let Some(file) = &service.logs.file {
        lines.push(format!("stdout_logfile={}", plain(&file.to_string())?));
    }
    if let Some(size) = service.logs.max_size {
        lines.push(format!("stdout_logfile_maxbytes={size}"));
    }
    if let Some(keep) = service.logs.keep {
        lines.push(format!("stdout_logfile_backups={keep}"));
    }
    let Logs { file: _, max_size: _, keep: _, keep_days, timestamps, compress, rate_limit } = &service.logs;
    let lost = [
        ("keep_days", keep_days.is_some()),
        ("timestamps", timestamps.is_some()),
        ("compress", compress.is_some()),
        ("rate_limit", rate_limit.is_some()),
    ];
    for (key, _) in lost.into_iter().filter(|(_, asked)| *asked) {
        notes.add(service, format!("`logs.{key}` is not carried over"));
    }
    if lines.iter().any(|line| line.contains(['\n', '\r'])) {
        return Err("a line end can't stand in supervisord.conf");
    }
    Ok(lines.join("\n") + "\n\n")
}

/// A word for the shlex of Python; no `;` follows a space.
fn quoted(word: &str) -> String {
    let text = shell_words::quote(word).into_owned();
    let text = if text.starts_with(';') { format!("'{text}'") } else { text };
    text.replace(" ;", " '';").replace("\t;", "\t'';")
}

/// Text to the end of the line.
fn plain(text: &str) -> Result<String, &'static str> {
    if text.contains(" ;") || text.trim() != text {
        return Err("supervisord would cut a path short");
    }
    Ok(text.replace('%', "%%"))
}

/// `NAME="value"`: quotes are stripped from both ends, and nothing inside is unquoted.
fn pair(name: &str, value: &str) -> Option<String> {
    let quote = if value.contains('"') { '\'' } else { '"' };
    let fits =
        !value.contains([quote, '\n', '\r']) && !value.contains(" ;") && value.trim_matches(['"', '\'']) == value;
    fits.then(|| format!("{name}={quote}{}{quote}", value.replace('%', "%%")))
}
