//! `svc up` and `svc diff`: what is to be done, what was, and how files differ.

use super::done;
use super::sanitize::{sanitize, sanitize_lines};
use super::words::{self, paint};
use crate::report::{Change, Done, PlanItem, Planned, Up};
use anstyle::Style;

/// Sign, word and colour.
fn look(item: &PlanItem) -> (&'static str, &'static str, Style) {
    match item.change {
        Change::New => ("+", "new", words::GOOD),
        Change::Changed => ("~", "changed", words::WARNING),
        Change::Drifted => ("!", "drifted", words::WARNING),
        Change::Unchanged if item.action.is_some() => ("~", "not as it should be", words::WARNING),
        Change::Unchanged => (" ", "unchanged", words::DIM),
        Change::Gone => ("-", "gone from the manifest", words::ERROR),
    }
}

/// One line: `~ web: changed (nice): update and restart`.
fn head(item: &PlanItem) -> String {
    let (sign, word, style) = look(item);
    let mut text = format!("{} {}: {word}", paint(style, sign), paint(words::BOLD, &item.name));
    if !item.fields.is_empty() {
        text += &format!(" ({})", item.fields.join(", "));
    }
    for drift in &item.drift {
        text += &format!("; {}", sanitize(drift));
    }
    match (&item.action, item.change) {
        (Some(action), _) => text += &format!(": {action}"),
        (None, Change::Gone) => text += ": stays (`--prune` uninstalls it)",
        (None, Change::New | Change::Changed | Change::Drifted | Change::Unchanged) => {}
    }
    text + "\n"
}

/// The plan for a person: what is to be done, with the diff of what is changed. `all`: of new and gone ones too.
pub(crate) fn plan(plan: &Planned, all: bool) -> String {
    let mut text = String::new();
    for item in plan.0.iter().filter(|item| item.action.is_some() || item.change != Change::Unchanged) {
        text += &head(item);
        if all || !matches!(item.change, Change::New | Change::Gone) {
            item.files.iter().for_each(|file| text += &colours(&sanitize_lines(&file.diff)));
        }
    }
    text
}

/// `svc diff`: what `patch` can read, each service below a line of its own. `terminal`: nothing in it may move the
/// cursor.
pub(crate) fn diff(plan: &Planned, terminal: bool) -> String {
    let mut text = String::new();
    for item in plan.0.iter().filter(|item| item.action.is_some()) {
        text += &head(item);
        for file in &item.files {
            text += &colours(&if terminal { sanitize_lines(&file.diff) } else { file.diff.clone() });
        }
    }
    text
}

/// What `svc diff` leaves as it is, for stderr: what is gone from the manifest, and what others did.
pub(crate) fn staying(plan: &Planned) -> String {
    let all = plan.0.iter().filter(|item| item.action.is_none());
    all.filter(|item| item.change == Change::Gone || !item.drift.is_empty()).map(head).collect()
}

fn colours(diff: &str) -> String {
    let style = |line: &str| match line.as_bytes().first() {
        _ if line.starts_with("--- ") || line.starts_with("+++ ") => Some(words::BOLD),
        Some(b'+') => Some(words::GOOD),
        Some(b'-') => Some(words::ERROR),
        Some(b'@') => Some(words::DIM),
        _ => None,
    };
    let line = |line: &str| match style(line) {
        Some(style) => paint(style, line) + "\n",
        None => format!("{line}\n"),
    };
    diff.lines().map(line).collect()
}

/// `svc up`: for stdout and stderr. The plan itself was shown before, unless it is all there is.
pub(crate) fn up(up: &Up, quiet: bool) -> (String, String) {
    let staying = if quiet || up.results.is_none() { String::new() } else { staying(&up.plan) };
    let idle = || up.plan.0.iter().filter(|item| item.action.is_none() && item.change != Change::Gone);
    let same = idle().filter(|item| item.drift.is_empty()).count();
    let something = up.plan.is_something() || same < idle().count();
    match &up.results {
        None => (plan(&up.plan, false) + &summary(same, something), String::new()),
        Some(results) if results.is_empty() && !quiet => (summary(same, something), staying),
        Some(results) if results.is_empty() => (String::new(), String::new()),
        Some(results) => {
            let (mut out, err) = done::done(results, quiet);
            if !quiet && results.iter().all(|one: &Done| one.result.is_ok()) && same > 0 {
                out += &summary(same, true);
            }
            (out, staying + &err)
        }
    }
}

fn summary(same: usize, something: bool) -> String {
    let services = if same == 1 { "service" } else { "services" };
    match (same, something) {
        (0, true) => String::new(),
        (0, false) => "nothing to do\n".into(),
        (_, true) => format!("{same} {services} unchanged\n"),
        (1, false) => "nothing to do: the service is as its definition says\n".into(),
        (_, false) => format!("nothing to do: all {same} services are as their definitions say\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FileDiff;
    use crate::service::Name;

    fn item(name: &str, change: Change, action: Option<&str>) -> PlanItem {
        let diff = "--- /u/x\n+++ /u/x\n@@ -1 +1 @@\n-a\n+b\u{1b}[2J\n".to_owned();
        PlanItem {
            name: Name::parse(name).expect("name"),
            change,
            fields: if change == Change::Changed { vec!["nice"] } else { Vec::new() },
            drift: Vec::new(),
            action: action.map(str::to_owned),
            files: vec![FileDiff { path: "/u/x".into(), diff }],
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn all() -> Planned {
        Planned(vec![
            item("new", Change::New, Some("install and start")),
            item("web", Change::Changed, Some("update and restart")),
            item("same", Change::Unchanged, None),
            item("old", Change::Gone, None),
        ])
    }

    #[test]
    fn a_plan_says_what_and_shows_what_changes() {
        assert_eq!(
            plain(&plan(&all(), false)),
            "+ new: new: install and start\n~ web: changed (nice): update and restart\n--- /u/x\n+++ /u/x\n@@ -1 +1 @@\n\
             -a\n+b\\x1b[2J\n- old: gone from the manifest: stays (`--prune` uninstalls it)\n"
        );
    }

    #[test]
    fn nothing_to_do_is_said() {
        let up = |plan: Vec<PlanItem>, results| super::up(&Up { plan: Planned(plan), results }, false).0;
        let same = || item("same", Change::Unchanged, None);
        assert_eq!(up(vec![same()], Some(vec![])), "nothing to do: the service is as its definition says\n");
        assert_eq!(up(vec![same(), same()], None), "nothing to do: all 2 services are as their definitions say\n");
    }
}
