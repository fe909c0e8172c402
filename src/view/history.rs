//! `svc history`: a line for each event, the last words of a program below its end.

use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::history::{By, Event, Kind};
use crate::report::History;
use jiff::Zoned;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// For people.
pub(super) fn history(history: &History, now: &Zoned) -> String {
    let mut text = String::new();
    for event in &history.events {
        let (what, style) = match event.event {
            Kind::Installed | Kind::Changed => (event.event.word(), words::BOLD),
            Kind::Start | Kind::Stop | Kind::Restart | Kind::Reload | Kind::Enable | Kind::Disable => {
                (event.event.word(), words::BOLD)
            }
            Kind::Started => ("started", words::GOOD),
            Kind::Exited if event.is_crash() => ("exited", words::ERROR),
            Kind::Exited | Kind::Stopped => (event.event.word(), words::DIM),
            Kind::Restarting => ("restarting", words::WARNING),
            Kind::Failed => ("failed", words::ERROR),
        };
        let what = paint(style, format_args!("{what:<10}"));
        let line = format!("{}  {what}  {}", words::local(event.time, now), told(event));
        let _ = writeln!(text, "{}", line.trim_end());
        for line in &event.lines {
            let _ = writeln!(text, "{:21}  {}", "", paint(words::DIM, format_args!("| {}", sanitize(line))));
        }
    }
    text
}

/// Details of an event.
fn told(event: &Event) -> String {
    let mut parts = Vec::new();
    match event.event {
        Kind::Installed => parts.extend(event.to.as_ref().map(|to| format!("definition {to}"))),
        Kind::Changed => {
            let hash = |hash: &Option<String>| hash.clone().unwrap_or_default();
            parts.push(format!("definition {} to {}", hash(&event.from), hash(&event.to)));
            parts.extend((!event.fields.is_empty()).then(|| event.fields.join(", ")));
        }
        Kind::Exited => parts.push(sanitize(event.end())),
        Kind::Restarting => parts.push("by itself".into()),
        Kind::Start
        | Kind::Stop
        | Kind::Restart
        | Kind::Reload
        | Kind::Enable
        | Kind::Disable
        | Kind::Started
        | Kind::Stopped
        | Kind::Failed => {}
    }
    parts.extend(event.pid.map(|pid| format!("pid {pid}")));
    parts.extend(event.by.as_ref().map(by));
    parts.extend(event.reason.as_ref().map(sanitize));
    parts.join(", ")
}

fn by(by: &By) -> String {
    let at = by.terminal.as_ref().map(|terminal| format!(" on {}", sanitize(terminal))).unwrap_or_default();
    let from = by.parent.as_ref().map(|parent| format!(" from {}", sanitize(parent))).unwrap_or_default();
    format!("by {}{at}{from}", sanitize(&by.user))
}

/// For scripts: every key in every event.
pub(super) fn document(history: &History) -> String {
    let all = history.events.iter().map(|event| {
        json!({
            "time": event.time, "service": history.name, "event": event.event.word(), "pid": event.pid,
            "exit_code": event.exit_code, "signal": event.signal, "reason": event.reason,
            "by": event.by.as_ref().map(|by| json!({"user": by.user, "terminal": by.terminal, "parent": by.parent})),
            "from": event.from, "to": event.to, "fields": event.fields, "lines": event.lines,
        })
    });
    format!("{}\n", all.collect::<Value>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn at(second: i64, kind: Kind) -> Event {
        Event::new(Timestamp::from_second(1_772_359_200 + second).expect("valid"), kind)
    }

    #[test]
    fn each_event_is_a_line_with_what_is_known_of_it() {
        let by = Some(By { user: "ann".into(), terminal: Some("pts/3".into()), parent: Some("bash".into()) });
        let (from, to, fields) = (Some("aaaa".to_owned()), Some("bbbb".to_owned()), vec!["env".to_owned()]);
        let events = vec![
            Event { by: by.clone(), to: from.clone(), ..at(0, Kind::Installed) },
            Event { pid: Some(7), ..at(1, Kind::Started) },
            Event { pid: Some(7), exit_code: Some(3), lines: vec!["oh \u{1b}no".into()], ..at(2, Kind::Exited) },
            at(3, Kind::Restarting),
            Event { signal: Some("SIGKILL".into()), ..at(4, Kind::Exited) },
            Event {
                by: Some(By { user: "bob".into(), terminal: None, parent: None }),
                from,
                to,
                fields,
                ..at(5, Kind::Changed)
            },
            Event { reason: Some("exit code 3, again and again".into()), ..at(6, Kind::Failed) },
        ];
        let all = History { name: crate::service::Name::parse("web").expect("name"), events };
        let now = "2026-03-02T10:00:00+00:00[UTC]".parse().expect("a time");
        let text = anstream::adapter::strip_str(&history(&all, &now)).to_string();
        let expected = "\
2026-03-01 10:00:00  installed   definition aaaa, by ann on pts/3 from bash
2026-03-01 10:00:01  started     pid 7
2026-03-01 10:00:02  exited      exit code 3, pid 7
                       | oh \\x1bno
2026-03-01 10:00:03  restarting  by itself
2026-03-01 10:00:04  exited      killed by SIGKILL
2026-03-01 10:00:05  changed     definition aaaa to bbbb, env, by bob
2026-03-01 10:00:06  failed      exit code 3, again and again
";
        assert_eq!(text, expected);
        let json: Value = serde_json::from_str(&document(&all)).expect("JSON");
        assert_eq!(
            (&json[2]["lines"][0], &json[2]["by"], &json[0]["by"]["user"]),
            (&json!("oh \u{1b}no"), &Value::Null, &json!("ann"))
        );
        assert_eq!(json[0].as_object().map(serde_json::Map::len), Some(12));
    }
}
