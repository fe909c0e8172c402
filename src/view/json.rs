//! `--json`: one document on stdout, also for errors. DESIGN §3.

use super::files::support;
use crate::backend::RenderedFile;
use crate::definition::problem::{Place, Problem};
use crate::error::{Error, ErrorCode};
use crate::report::{Done, ExplainRow, Report};
use serde_json::{Value, json};

/// Written as it is walked through: a tree of values of 500 services takes longer to make than all the
/// rest.
fn document(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string());
    text.push('\n');
    text
}

/// For people and for files.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| Value::Null.to_string());
    text.push('\n');
    text
}

/// A report.
pub(crate) fn report(report: &Report) -> String {
    match report {
        Report::Status(all) | Report::List(all) => document(all),
        Report::Detail(detail) => document(&[&detail.status]),
        Report::Done(all) => document(&all.iter().map(done).collect::<Value>()),
        Report::Up(up) => {
            let results = up.results.as_ref().map(|all| all.iter().map(done).collect::<Value>());
            document(&json!({ "plan": up.plan, "results": results }))
        }
        Report::Diff(plan) => document(&json!({ "plan": plan })),
        Report::History(all) => super::history::document(all),
        Report::Text(text) => document(&json!({ "definition": text })),
        Report::Document(value) => document(value),
        Report::Converted(done) => document(done),
        Report::Files(files) => document(&files.iter().map(file).collect::<Value>()),
        Report::Explain(rows) => document(&rows.iter().map(explain).collect::<Value>()),
        Report::Findings(all) => document(all),
        Report::Supervisor(status) => document(status),
        Report::Submitted(task) => document(task),
        Report::Tasks(tasks) => document(&tasks.all),
        Report::Task(task, _) => document(&[task]),
        Report::TasksDone(all) => document(all),
        Report::Pruned(count) => document(&json!({ "removed": count })),
        Report::Front(Some(failed)) => error(&failed.error()),
        Report::Front(None) | Report::Ended(_) | Report::Nothing => String::new(),
    }
}

fn file(file: &RenderedFile) -> Value {
    json!({ "path": file.path.to_string_lossy(), "mode": format!("{:04o}", file.mode), "contents": file.contents })
}

fn explain(row: &ExplainRow) -> Value {
    let (kind, how, _) = support(&row.support);
    json!({ "field": row.field, "support": kind, "how": how })
}

fn done(done: &Done) -> Value {
    let failure = done.result.as_ref().err();
    let error = failure.map(|failure| {
        let code = if failure.denied { ErrorCode::NotPermitted } else { ErrorCode::Failed };
        json!({ "code": code, "message": failure.message, "hint": failure.hint, "log": failure.log })
    });
    let did = failure.is_none().then_some(&done.did);
    json!({ "name": done.name, "ok": did.is_some(), "did": did, "pid": done.pid, "notes": done.notes, "error": error })
}

/// An error.
pub(crate) fn error(error: &Error) -> String {
    let service = error.service.as_ref().map(ToString::to_string).or_else(|| error.problems.first()?.service.clone());
    let hint = error.hint.clone().or_else(|| match error.problems.as_slice() {
        [only] => only.hint.clone(),
        _ => None,
    });
    let mut body = json!({ "code": error.code, "message": error.message, "hint": hint, "service": service });
    if !error.problems.is_empty() {
        body["problems"] = error.problems.iter().map(problem).collect();
    }
    document(&json!({ "error": body }))
}

fn problem(problem: &Problem) -> Value {
    let (file, line, column, flag) = match &problem.place {
        Place::File { file, line, column } => (Some(file), Some(line), Some(column), None),
        Place::Flag(flag) => (None, None, None, Some(flag)),
        Place::Unknown => (None, None, None, None),
    };
    json!({
        "file": file, "line": line, "column": column, "flag": flag, "service": problem.service, "field": problem.field,
        "value": problem.value, "reason": problem.reason, "hint": problem.hint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Failure, State, sample};
    use crate::service::Name;

    fn read(text: &str) -> Value {
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
        serde_json::from_str(text).expect("one document")
    }

    fn web() -> Name {
        Name::parse("web").expect("name")
    }

    #[test]
    fn a_status_has_every_key_of_the_contract_and_absent_values_are_null() {
        let value = read(&report(&Report::Status(vec![sample::status("web", State::Running)])));
        let keys: Vec<&str> = value[0].as_object().expect("an object").keys().map(String::as_str).collect();
        for key in [
            "name",
            "kind",
            "backend",
            "scope",
            "state",
            "enabled",
            "pid",
            "started_at",
            "restarts",
            "exit_code",
            "signal",
            "memory_bytes",
            "cpu_seconds",
            "status_text",
            "stage",
            "progress",
            "eta_seconds",
            "health",
            "project",
            "manifest",
            "drifted",
            "files",
            "log",
        ] {
            assert!(keys.contains(&key), "{key}");
        }
        assert_eq!((&value[0]["kind"], &value[0]["pid"]), (&json!("service"), &Value::Null));
    }

    #[test]
    fn what_was_done_and_what_failed() {
        let failure = Failure { message: "exit code 3".into(), hint: None, log: vec!["last".into()], denied: true };
        let one = |result| Done { name: web(), did: "started".into(), pid: None, notes: Vec::new(), result };
        assert_eq!(
            read(&report(&Report::Done(vec![one(Ok(())), one(Err(failure))]))),
            json!([
                { "name": "web", "ok": true, "did": "started", "pid": null, "notes": [], "error": null },
                { "name": "web", "ok": false, "did": null, "pid": null, "notes": [], "error":
                    { "code": "not-permitted", "message": "exit code 3", "hint": null, "log": ["last"] } },
            ])
        );
    }

    #[test]
    fn an_error_has_the_shape_of_the_contract() {
        let plain = Error::new(ErrorCode::NotFound, "there is no service `wep`").hint("did you mean `web`?");
        assert_eq!(
            read(&error(&plain)),
            json!({ "error": { "code": "not-found", "message": "there is no service `wep`",
                "hint": "did you mean `web`?", "service": null } })
        );
        let place = Place::File { file: "svc.toml".into(), line: 14, column: 17 };
        let wrong = Problem::new("is not a duration").at(place).of(&web()).field("restart_delay").value("fast");
        let value = read(&error(&Error::invalid(vec![wrong.hint("1s")])));
        assert_eq!(
            value["error"]["problems"],
            json!([{ "file": "svc.toml", "line": 14, "column": 17, "flag": null, "service": "web",
                "field": "restart_delay", "value": "fast", "reason": "is not a duration", "hint": "1s" }])
        );
        assert_eq!((&value["error"]["code"], &value["error"]["service"]), (&json!("invalid"), &json!("web")));
    }
}
