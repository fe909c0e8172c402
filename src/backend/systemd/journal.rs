//! The journal, read through `journalctl -o json`.
//!
//! Chosen over a binding to libsystemd: nothing of C to link, so the same binary runs without
//! systemd and on a Mac; and journalctl reads every format, compression and rotation that the
//! running journald writes, and knows who may read what. Names are given as exact field matches
//! (systemd.journal-fields(7)), never as `-u`, which takes patterns.

use crate::backend::Scope;
use crate::error::{Error, ErrorCode, io_reason};
use crate::report::{LogLine, LogQuery};
use crate::service::Name;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// One entry; journald's field names.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: Option<String>,
    #[serde(rename = "MESSAGE")]
    message: Option<serde_json::Value>,
    #[serde(rename = "_PID")]
    pid: Option<serde_json::Value>,
    #[serde(rename = "_SYSTEMD_USER_UNIT")]
    user_unit: Option<serde_json::Value>,
    #[serde(rename = "_SYSTEMD_UNIT")]
    unit: Option<serde_json::Value>,
    #[serde(rename = "USER_UNIT")]
    about_user_unit: Option<serde_json::Value>,
    #[serde(rename = "UNIT")]
    about_unit: Option<serde_json::Value>,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Option<serde_json::Value>,
    #[serde(rename = "CONFIG_FILE")]
    file: Option<serde_json::Value>,
    #[serde(rename = "CONFIG_LINE")]
    line: Option<serde_json::Value>,
}

/// A field is text, or an array of bytes when it is not UTF-8, or an array of several of these
/// when it was given more than once; the first counts. `null`: longer than journalctl prints.
fn bytes(value: &serde_json::Value) -> Option<Vec<u8>> {
    use serde_json::Value;
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Array(items) if items.iter().all(Value::is_u64) => {
            Some(items.iter().filter_map(|item| u8::try_from(item.as_u64()?).ok()).collect())
        }
        Value::Array(items) => items.first().and_then(bytes),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn text(value: Option<&serde_json::Value>) -> Option<String> {
    String::from_utf8(bytes(value?)?).ok()
}

impl Entry {
    fn time(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.time.as_ref()?.parse().ok()?).ok()
    }

    fn into_line(self, scope: Scope) -> Option<LogLine> {
        let (own, about) = match scope {
            Scope::User => (&self.user_unit, &self.about_user_unit),
            Scope::System => (&self.unit, &self.about_unit),
        };
        let own = text(own.as_ref());
        let (unit, stream) = match (text(about.as_ref()), own) {
            (Some(unit), _) => (unit, "manager"),
            (None, Some(unit)) => (unit, "out"),
            // journald looks at the process for its unit: of one that is gone already only the
            // identifier is known, which svc makes the service's name
            (None, None) => (text(self.identifier.as_ref())? + ".service", "out"),
        };
        let name = unit.strip_suffix(".service").or_else(|| unit.strip_suffix(".timer"))?;
        Some(LogLine {
            service: Name::parse(name).ok()?,
            time: self.time(),
            pid: text(self.pid.as_ref()).and_then(|pid| pid.parse().ok()),
            stream,
            message: self.message.as_ref().and_then(bytes).unwrap_or_default(),
        })
    }
}

/// Where journalctl lies; never looked up in a PATH that somebody else may have set.
fn program() -> Option<&'static str> {
    ["/usr/bin/journalctl", "/bin/journalctl"].into_iter().find(|path| Path::new(path).exists())
}

fn command(matches: &[String]) -> Result<Command, Error> {
    let program = program().ok_or_else(|| {
        Error::new(ErrorCode::Unreachable, "the journal can't be read: there is no `journalctl` in /usr/bin")
            .hint("install systemd's journalctl, or give the service a log file: `logs = { file = \"…\" }`")
    })?;
    let mut command = Command::new(program);
    command.args(["--quiet", "--no-pager", "--all", "--output=json"]);
    command
        .args(["--output-fields=MESSAGE,_PID,_SYSTEMD_USER_UNIT,_SYSTEMD_UNIT,USER_UNIT,UNIT,SYSLOG_IDENTIFIER,CONFIG_FILE,CONFIG_LINE"]);
    command.args(matches);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// Lines of the programs of these services, or of the manager about them.
fn matches(scope: Scope, services: impl Iterator<Item = Name>) -> Vec<String> {
    let uid = format!("_UID={}", nix::unistd::geteuid().as_raw());
    let mut all: Vec<String> = Vec::new();
    let mut add = |set: &[&str]| {
        if !all.is_empty() {
            all.push("+".into());
        }
        all.extend(set.iter().map(|&word| word.to_owned()));
    };
    for name in services {
        for unit in [format!("{name}.service"), format!("{name}.timer")] {
            match scope {
                Scope::User => {
                    add(&[&format!("_SYSTEMD_USER_UNIT={unit}"), &uid]);
                    add(&[&format!("USER_UNIT={unit}"), &uid]);
                }
                Scope::System => {
                    add(&[&format!("_SYSTEMD_UNIT={unit}")]);
                    add(&["_PID=1", &format!("UNIT={unit}")]);
                }
            }
        }
        let identifier = format!("SYSLOG_IDENTIFIER={name}");
        match scope {
            Scope::User => add(&["_TRANSPORT=stdout", &identifier, &uid]),
            Scope::System => add(&["_TRANSPORT=stdout", &identifier]),
        }
    }
    all
}

/// A moment as journalctl reads it in every version: `@` and whole seconds; the rest is cut by svc.
fn moment(time: Timestamp, up: bool) -> String {
    format!("@{}", time.as_second() + i64::from(up && time.subsec_nanosecond() > 0))
}

/// Hands the lines that `query` asks for to `sink`, oldest first.
pub(crate) async fn read(
    scope: Scope,
    query: &LogQuery,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    let names = query.services.iter().map(|(name, _)| name.clone());
    let wanted = |line: &LogLine| {
        // another unit may use the same identifier
        let ours = query.services.is_empty() || query.services.iter().any(|(name, _)| *name == line.service);
        let in_time = line.time.is_none_or(|time| {
            query.since.is_none_or(|since| time >= since) && query.until.is_none_or(|until| time <= until)
        });
        ours && in_time && query.grep.as_ref().is_none_or(|grep| grep.is_match(&line.message))
    };
    let mut arguments = Vec::new();
    arguments.extend(query.since.map(|since| format!("--since={}", moment(since, false))));
    arguments.extend(query.until.map(|until| format!("--until={}", moment(until, true))));
    // with a pattern or a bound inside a second the last N have to be counted here, from the end
    let backwards = query.lines.is_some() && (query.grep.is_some() || query.until.is_some());
    match (query.lines, backwards) {
        (Some(_), true) => arguments.push("--reverse".into()),
        (Some(lines), false) => arguments.push(format!("--lines={lines}")),
        (None, _) if query.follow => arguments.push("--no-tail".into()),
        (None, _) => {}
    }
    let mut last = None;
    if backwards {
        let mut command = command(&[arguments.clone(), matches(scope, names.clone())].concat())?;
        let mut lines: Vec<LogLine> = Vec::new();
        let limit = query.lines.unwrap_or(0);
        run(&mut command, scope, &mut |line| {
            if lines.len() < limit && wanted(&line) {
                lines.push(line);
            }
            if lines.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await?;
        last = lines.first().and_then(|line| line.time);
        for line in lines.into_iter().rev() {
            if sink(line).is_break() {
                return Ok(());
            }
        }
        if !query.follow {
            return Ok(());
        }
        arguments =
            vec!["--no-tail".into(), format!("--since={}", moment(last.unwrap_or_else(crate::sys::clock::now), false))];
    }
    if query.follow {
        arguments.push("--follow".into());
    }
    let mut command = command(&[arguments, matches(scope, names)].concat())?;
    run(&mut command, scope, &mut |line| {
        let fresh = last.is_none_or(|last| line.time.is_none_or(|time| time > last));
        if fresh && wanted(&line) { sink(line) } else { ControlFlow::Continue(()) }
    })
    .await
}

async fn run(
    command: &mut Command,
    scope: Scope,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    entries(command, &mut |entry| entry.into_line(scope).map_or(ControlFlow::Continue(()), &mut *sink)).await
}

async fn entries(command: &mut Command, sink: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), Error> {
    let mut child =
        command.spawn().map_err(|cause| Error::failed(format!("can't start journalctl: {}", io_reason(&cause))))?;
    let Some(output) = child.stdout.take() else { return Ok(()) };
    let mut lines = BufReader::with_capacity(256 * 1024, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = lines
            .read_until(b'\n', &mut line)
            .await
            .map_err(|cause| Error::failed(format!("can't read from journalctl: {}", io_reason(&cause))))?;
        if count == 0 {
            return ended(child).await;
        }
        let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { continue };
        if sink(entry).is_break() {
            return Ok(()); // dropping the child ends it
        }
    }
}

async fn ended(mut child: Child) -> Result<(), Error> {
    let mut said = String::new();
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_string(&mut said).await; // what it said only decorates the message
    }
    let status = child
        .wait()
        .await
        .map_err(|cause| Error::failed(format!("can't wait for journalctl: {}", io_reason(&cause))))?;
    if status.success() || (status.code() == Some(1) && said.trim().is_empty()) {
        return Ok(()); // exit 1 without a word: nothing matched
    }
    let said = said.trim();
    if said.contains("No journal files") || said.contains("ermission") {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
            .map_or_else(|| "USER".into(), |user| user.name);
        return Err(Error::new(
            ErrorCode::NotPermitted,
            "the journal can't be read: none of its files is readable by this account",
        )
        .hint(format!(
            "`sudo usermod -aG systemd-journal {user}`, then log in again; or set `Storage=persistent` in journald.conf"
        )));
    }
    Err(Error::failed(format!("journalctl failed: {}", said.lines().last().unwrap_or("no reason given"))))
}

/// The last `count` lines of each of `names`; nothing where the journal can't be read.
pub(crate) async fn last_lines(
    scope: Scope,
    names: &[Name],
    count: usize,
    since: Option<Timestamp>,
) -> HashMap<Name, Vec<LogLine>> {
    let query =
        LogQuery { services: names.iter().map(|name| (name.clone(), None)).collect(), since, ..LogQuery::default() };
    let mut found: HashMap<Name, Vec<LogLine>> = HashMap::new();
    // journald takes lines as they come: a program's last words may still be on their way
    for _ in 0..5 {
        found.clear();
        let mut keep = |line: LogLine| {
            found.entry(line.service.clone()).or_default().push(line);
            ControlFlow::Continue(())
        };
        if let Err(error) = read(scope, &query, &mut keep).await {
            tracing::debug!(%error, "no journal");
            break;
        }
        if names.iter().all(|name| found.get(name).is_some_and(|lines| lines.iter().any(|line| line.stream == "out"))) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for lines in found.values_mut() {
        lines.retain(|line| line.stream == "out");
        lines.drain(..lines.len().saturating_sub(count));
    }
    found
}

/// What the manager said of these unit files: file, line, text. One call for all.
pub(crate) async fn complaints(scope: Scope, files: &[PathBuf], since: Timestamp) -> Vec<(PathBuf, u32, String)> {
    let mut arguments = vec![format!("--since={}", moment(since, false))];
    arguments.extend(files.iter().filter_map(|file| Some(format!("CONFIG_FILE={}", file.to_str()?))));
    let _ = scope; // the path is of one scope already
    let Ok(mut command) = command(&arguments) else { return Vec::new() };
    let mut found = Vec::new();
    let mut keep = |entry: Entry| {
        let fresh = entry.time().is_some_and(|time| time >= since);
        if let (true, Some(file)) = (fresh, text(entry.file.as_ref())) {
            let line = text(entry.line.as_ref()).and_then(|line| line.parse().ok()).unwrap_or(0);
            let message = entry.message.as_ref().and_then(bytes).unwrap_or_default();
            let message = String::from_utf8_lossy(&message).into_owned();
            // `/path/web.service:12: Unknown key …`
            let message = message.split_once(": ").map_or(message.clone(), |(_, rest)| rest.to_owned());
            found.push((PathBuf::from(file), line, message));
        }
        ControlFlow::Continue(())
    };
    if let Err(error) = entries(&mut command, &mut keep).await {
        tracing::debug!(%error, "no journal");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> Option<LogLine> {
        serde_json::from_str::<Entry>(json).expect("JSON").into_line(Scope::User)
    }

    #[test]
    fn text_bytes_and_too_long_messages_are_read() {
        let unit = r#""__REALTIME_TIMESTAMP":"1700000000000001","_PID":"7","_SYSTEMD_USER_UNIT":"web.service""#;
        let text = line(&format!(r#"{{{unit},"MESSAGE":"hello"}}"#)).expect("a line");
        assert_eq!((text.message.as_slice(), text.pid, text.stream), (&b"hello"[..], Some(7), "out"));
        assert_eq!(text.time.expect("time").as_microsecond(), 1_700_000_000_000_001);
        assert_eq!(line(&format!(r#"{{{unit},"MESSAGE":[255,10,104]}}"#)).expect("a line").message, b"\xff\nh");
        assert_eq!(line(&format!(r#"{{{unit},"MESSAGE":["a","b"]}}"#)).expect("a line").message, b"a");
        assert_eq!(line(&format!(r#"{{{unit},"MESSAGE":null}}"#)).expect("a line").message, b"");
    }

    #[test]
    fn what_the_manager_says_about_a_service_belongs_to_it() {
        let about = line(r#"{"USER_UNIT":"web.service","_SYSTEMD_USER_UNIT":"init.scope","MESSAGE":"Started"}"#)
            .expect("a line");
        assert_eq!((about.service.as_str(), about.stream), ("web", "manager"));
        assert!(line(r#"{"_SYSTEMD_USER_UNIT":"init.scope","SYSLOG_IDENTIFIER":"web","MESSAGE":"x"}"#).is_none());
        let gone = line(r#"{"SYSLOG_IDENTIFIER":"web","MESSAGE":"last words"}"#).expect("a line");
        assert_eq!((gone.service.as_str(), gone.stream), ("web", "out"));
    }

    #[test]
    fn names_are_exact_matches() {
        let all = matches(Scope::System, [Name::parse("a").expect("name")].into_iter());
        assert_eq!(all[..4], ["_SYSTEMD_UNIT=a.service", "+", "_PID=1", "UNIT=a.service"]);
    }
}
