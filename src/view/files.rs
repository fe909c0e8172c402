//! `svc render`: the files, and how each field is done.

use super::columns::{self, Column};
use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::backend::{RenderedFile, Support};
use crate::report::ExplainRow;
use anstyle::Style;

/// The files, each below a line with its path.
pub(crate) fn files(all: &[RenderedFile]) -> String {
    let one =
        |file: &RenderedFile| format!("# {}\n{}", sanitize(file.path.as_os_str().as_encoded_bytes()), file.contents);
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// `svc render --explain`: field, by whom, how. On a terminal the last column is wrapped.
pub(crate) fn explain(rows: &[ExplainRow], width: Option<usize>) -> String {
    let indent = rows.iter().map(|row| row.field.len()).max().unwrap_or(0) + columns::GAP;
    let cells = |cell: fn(&ExplainRow) -> String| rows.iter().map(cell).collect();
    let all = vec![
        Column::new("FIELD", Column::KEPT, cells(|row| row.field.to_owned())),
        Column::new("BY", Column::KEPT, cells(|row| support(&row.support).0.to_owned())),
        Column { wrap: true, ..Column::new("HOW", Column::KEPT, cells(|row| sanitize(support(&row.support).1))) },
    ];
    let mut text = String::new();
    for (at, line) in columns::lines(all, width).into_iter().enumerate() {
        let by = line.get(indent..).and_then(|rest| rest.split(' ').next()).unwrap_or("");
        let style =
            rows.iter().map(|row| support(&row.support)).find(|(word, ..)| *word == by).map(|(.., style)| style);
        match style {
            _ if at == 0 => text.push_str(&paint(words::BOLD, &line)),
            Some(style) => {
                let (field, rest) = line.split_at(indent);
                text.push_str(&format!("{field}{}{}", paint(style, by), &rest[by.len()..]));
            }
            None => text.push_str(&line),
        }
        text.push('\n');
    }
    text
}

/// Word, text and colour.
pub(crate) fn support(support: &Support) -> (&'static str, &str, Style) {
    match support {
        Support::Native(how) => ("native", how, words::GOOD),
        Support::Companion(how) => ("companion", how, words::WARNING),
        Support::Shim(how) => ("shim", how, words::WARNING),
        Support::Definition(how) => ("definition", how, words::DIM),
        Support::Refused(how) => ("refused", how, words::ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_their_paths() {
        let file =
            |path: &str, contents: &str| RenderedFile { path: path.into(), mode: 0o644, contents: contents.into() };
        assert_eq!(
            files(&[file("/a/web.service", "[Unit]\n"), file("/a/web.timer", "[Timer]\n")]),
            "# /a/web.service\n[Unit]\n\n# /a/web.timer\n[Timer]\n"
        );
    }

    #[test]
    fn explanations_wrap_on_a_terminal_only() {
        let rows = [
            ExplainRow {
                field: "command",
                support: Support::Native("ExecStart=, every word quoted by the rules".into()),
            },
            ExplainRow { field: "env_file", support: Support::Refused("no".into()) },
        ];
        let plain = |width| anstream::adapter::strip_str(&explain(&rows, width)).to_string();
        assert_eq!(
            plain(None),
            "FIELD     BY       HOW\n\
             command   native   ExecStart=, every word quoted by the rules\n\
             env_file  refused  no\n"
        );
        assert_eq!(
            plain(Some(46)),
            "FIELD     BY       HOW\n\
             command   native   ExecStart=, every word\n                   quoted by the rules\n\
             env_file  refused  no\n"
        );
        assert!(explain(&rows, None).contains("env_file  \u{1b}[31mrefused\u{1b}[0m  no"));
    }
}
