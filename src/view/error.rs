//! Errors, problems of a definition, failures and warnings as lines on stderr.

use super::label;
use super::sanitize::{sanitize, sanitize_lines};
use super::words;
use crate::error::Error;
use crate::report::Failure;
use std::fmt::Write;

/// An error; all problems of a definition, one a line.
pub(crate) fn error(error: &Error) -> String {
    let mut text = String::new();
    if error.problems.is_empty() {
        let of = error.service.as_ref().map(|name| format!("`{name}`: ")).unwrap_or_default();
        let _ = writeln!(text, "{} {of}{}", label(words::ERROR, "error"), sanitize(&error.message));
    }
    for problem in &error.problems {
        let _ = writeln!(text, "{} {}", label(words::ERROR, "error"), sanitize(problem.to_string()));
        hint(&mut text, problem.hint.as_deref());
    }
    hint(&mut text, error.hint.as_deref());
    text
}

/// `warning: …`
pub(crate) fn warning(warning: &str) -> String {
    format!("{} {}\n", label(words::WARNING, "warning"), sanitize(warning))
}

/// Why something failed, the last lines that it wrote, and what to do.
pub(crate) fn failure(failure: &Failure) -> String {
    let mut text = sanitize(&failure.message) + "\n";
    for line in &failure.log {
        let _ = writeln!(text, "  | {}", sanitize(line));
    }
    hint(&mut text, failure.hint.as_deref());
    text
}

/// What clap says of bad usage. It repeats what was typed: without colours (clap takes out those
/// that were typed, too), so that every control character left is somebody's.
pub(crate) fn usage(error: &clap::Error) -> String {
    sanitize_lines(&error.render().to_string())
}

fn hint(text: &mut String, hint: Option<&str>) {
    if let Some(hint) = hint {
        let _ = writeln!(text, "  hint: {}", sanitize(hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::problem::{Place, Problem};
    use crate::service::Name;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn an_error_says_what_of_which_service_and_what_next() {
        let web = Name::parse("web").expect("name");
        let shown = error(&Error::failed("did\u{1b} not").of(&web).hint("`svc logs web`"));
        assert_eq!(plain(&shown), "error: `web`: did\\x1b not\n  hint: `svc logs web`\n");
        assert!(shown.starts_with("\u{1b}[31merror:\u{1b}[0m "));
    }

    #[test]
    fn all_problems_are_shown_with_their_places() {
        let at = |line| Place::File { file: "svc.toml".into(), line, column: 17 };
        let one = Problem::new("is not a duration").at(at(14)).field("restart_delay").value("fa\nst");
        let two = Problem::new("is not a field").at(at(15)).field("comand").hint("did you mean `command`?");
        assert_eq!(
            plain(&error(&Error::invalid(vec![one, two]))),
            "error: svc.toml:14:17: `restart_delay`: \"fa\\nst\" is not a duration\n\
             error: svc.toml:15:17: `comand`: is not a field\n  hint: did you mean `command`?\n"
        );
    }

    #[test]
    fn what_was_typed_is_repeated_harmlessly() {
        use clap::Parser;
        let wrong =
            crate::cli::Cli::try_parse_from(["svc", "stat\u{1b}[2Jus\r\u{202e}\u{1b}"]).expect_err("no such command");
        let shown = usage(&wrong);
        assert!(shown.starts_with("error: unrecognized subcommand") && shown.lines().count() > 1, "{shown}");
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()) && !shown.contains('\u{202e}'), "{shown:?}");
    }

    #[test]
    fn a_failure_shows_the_last_words() {
        let all = Failure {
            message: "stopped right after its start: exit code 1".into(),
            hint: Some("`svc doctor web`".into()),
            log: vec!["one".into(), "\u{1b}[2Jtwo".into()],
            denied: false,
        };
        assert_eq!(
            failure(&all),
            "stopped right after its start: exit code 1\n  | one\n  | \\x1b[2Jtwo\n  hint: `svc doctor web`\n"
        );
    }
}
