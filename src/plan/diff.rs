//! Files as they lie there against files as they are to be, as a unified diff.
//!
//! The line with the file's hash is left out: it changes with every other, and says nothing by itself.

use super::mask;
use super::restore::Before;
use super::step::Step;
use crate::files::owner::{Owner, owner};
use crate::files::record::Record;
use crate::report::FileDiff;
use similar::{ChangeTag, TextDiff, udiff::UnifiedHunkHeader};
use std::path::Path;

/// Lines around a change.
const CONTEXT: usize = 3;

/// All files of a step that differ, those that go too.
pub(crate) fn of_step(step: &Step<'_>) -> Vec<FileDiff> {
    let files = &step.prepared.rendered.files;
    let written = files.iter().zip(&step.before).map(|(file, (_, before))| (before, Some(file.contents.as_str())));
    let paths = files.iter().map(|file| file.path.as_path());
    let leaves = step.before[files.len() + 1..].iter().filter(|(_, before)| *before != Before::Absent);
    let leaves = leaves.map(|(path, before)| (path.as_path(), (before, None)));
    paths.zip(written).chain(leaves).filter_map(|(path, (before, new))| of_file(path, before, new)).collect()
}

/// All files of a service that goes.
pub(crate) fn of_record(record: &Record) -> Vec<FileDiff> {
    let file = |path: &Path| of_file(path, &super::restore::remember(path).ok()?, None);
    record.files.iter().filter_map(|recorded| file(&recorded.path)).collect()
}

/// One file; none when it is as it is to be.
fn of_file(path: &Path, before: &Before, new: Option<&str>) -> Option<FileDiff> {
    let old = match before {
        Before::Absent => None,
        Before::File { contents, .. } => Some(String::from_utf8_lossy(contents).into_owned()),
        Before::Link(target) => Some(format!("# a link to {}\n", target.display())),
    };
    let old = old.as_deref();
    if old == new {
        return None;
    }
    let (short, shorter) = (old.map(unsealed), new.map(unsealed));
    // where only that line differs it is what is to be seen
    let diff = if short == shorter { unified(path, old, new) } else { unified(path, short, shorter) };
    Some(FileDiff { path: path.to_owned(), diff })
}

/// A file of svc without the line of its hash, which is its last one.
fn unsealed(text: &str) -> &str {
    let Owner::Svc { .. } = owner(text) else { return text };
    let body = text.strip_suffix('\n').unwrap_or(text);
    match body.rfind('\n') {
        Some(at) if body[at + 1..].starts_with("Hash") => &text[..=at],
        _ => text,
    }
}

fn unified(path: &Path, old: Option<&str>, new: Option<&str>) -> String {
    let side = |text: Option<&str>| text.map_or("/dev/null".to_owned(), |_| path.display().to_string());
    let mut out = format!("--- {}\n+++ {}\n", side(old), side(new));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    // compared as they are, shown masked: a secret that changed is a line that changed
    let shown = (mask::lines(old), mask::lines(new));
    let diff = TextDiff::from_lines(old, new);
    for hunk in diff.grouped_ops(CONTEXT) {
        out += &format!("{}\n", UnifiedHunkHeader::new(&hunk));
        for change in hunk.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, line) = match change.tag() {
                ChangeTag::Equal => (' ', change.new_index().and_then(|at| shown.1.get(at))),
                ChangeTag::Delete => ('-', change.old_index().and_then(|at| shown.0.get(at))),
                ChangeTag::Insert => ('+', change.new_index().and_then(|at| shown.1.get(at))),
            };
            out.push(sign);
            out += line.map_or("", String::as_str);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::owner::seal;

    fn file(text: &str) -> Before {
        Before::File { contents: text.as_bytes().to_vec(), mode: 0o644 }
    }

    fn diff(before: &Before, new: Option<&str>) -> Option<String> {
        of_file(Path::new("/u/web.service"), before, new).map(|file| file.diff)
    }

    fn unit(nice: u8) -> String {
        seal(format!("[Service]\nNice={nice}\n\n[X-Svc]\nName=web\nDefinition=/p/svc.toml\n"))
    }

    #[test]
    fn a_changed_line_without_the_hash() {
        assert_eq!(
            diff(&file(&unit(3)), Some(&unit(5))).as_deref(),
            Some(
                "--- /u/web.service\n+++ /u/web.service\n@@ -1,5 +1,5 @@\n [Service]\n-Nice=3\n+Nice=5\n \n [X-Svc]\n Name=web\n"
            )
        );
        assert_eq!(diff(&file(&unit(3)), Some(&unit(3))), None);
    }

    #[test]
    fn new_ones_come_from_nothing_and_old_ones_go_there() {
        let new = diff(&Before::Absent, Some("a\nb\n"));
        assert_eq!(new.as_deref(), Some("--- /dev/null\n+++ /u/web.service\n@@ -0,0 +1,2 @@\n+a\n+b\n"));
        let gone = diff(&file("a\n"), None);
        assert_eq!(gone.as_deref(), Some("--- /u/web.service\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"));
    }

    #[test]
    fn a_secret_that_changed_is_seen_to_and_not_what_it_is() {
        let unit = |token: &str| format!("Environment=\"A_TOKEN={token}\"\nX=1\n");
        let shown = diff(&file(&unit("old")), Some(&unit("new"))).unwrap_or_default();
        assert!(shown.contains("\n-Environment=\"A_TOKEN=***\n+Environment=\"A_TOKEN=***\n"), "{shown}");
        assert!(!shown.contains("old") && !shown.contains("new"), "{shown}");
    }
}
