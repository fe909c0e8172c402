//! `--json`: one document on stdout, also for errors. DESIGN §3.

use super::files::support;
use crate::backend::RenderedFile;
use crate::definition::problem::{Place, Problem};
use crate::error::Error;
use crate::report::{Detail, Done, ExplainRow, Report};
use serde_json::{Value, json};

fn document(value: &Value) -> String {
    format!("{value}\n")
}

fn to_value<T: serde::Serialize>(value: T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// A report.
pub(crate) fn report(report: &Report) -> String {
    document(&match report {
        Report::Status(all) | Report::List(all) => to_value(all),
        Report::Detail(detail) => json_detail(detail),
        Report::Done(all) => all.iter().map(done).collect(),
        Report::Text(text) => json!({ "definition": text }),
        Report::Files(files) => files.iter().map(file).collect(),
        Report::Explain(rows) => rows.iter().map(explain).collect(),
        Report::Findings(all) => to_value(all),
        Report::Nothing => return String::new(),
    })
}

fn json_detail(detail: &Detail) -> Value {
    Value::Array(vec![to_value(&detail.status)])
}

fn file(file: &RenderedFile) -> Value {
    json!({ "path": file.path, "mode": format!("{:04o}", file.mode), "contents": file.contents })
}

fn explain(row: &ExplainRow) -> Value {
    let (kind, how, _) = support(&row.support);
    json!({ "field": row.field, "support": kind, "how": how })
}

fn done(done: &Done) -> Value {
    let error = done
        .result
        .as_ref()
        .err()
        .map(|failure| json!({ "message": failure.message, "hint": failure.hint, "log": failure.log }));
    json!({ "name": done.name, "ok": error.is_none(), "did": error.is_none().then_some(&done.did), "pid": done.pid, "notes": done.notes, "error": error })
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
