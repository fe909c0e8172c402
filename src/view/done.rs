//! What a command did with each service: one line a service, failures on stderr.

use super::error::failure;
use super::label;
use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::Done;
use std::fmt::Write;

/// What goes to stdout and to stderr; `quiet`: only failures.
pub(crate) fn done(all: &[Done], quiet: bool) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    if all.is_empty() && !quiet {
        err.push_str("no services: nothing to do\n");
    }
    for one in all {
        match &one.result {
            Ok(()) if quiet => continue,
            Ok(()) => {
                let pid = one.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                let name = paint(words::BOLD, &one.name);
                let _ = writeln!(out, "{} {name}: {}{pid}", paint(words::GOOD, "✓"), sanitize(&one.did));
            }
            Err(why) => {
                let _ = write!(err, "{} `{}`: {}", label(words::ERROR, "error"), one.name, failure(why));
            }
        }
        // below an error it is clear whose it is
        let whose = if one.result.is_ok() { format!("`{}`: ", one.name) } else { String::new() };
        for note in &one.notes {
            let _ = writeln!(err, "  note: {whose}{}", sanitize(note));
        }
    }
    (out, err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Failure;
    use crate::service::Name;

    #[test]
    fn successes_go_to_stdout_and_failures_to_stderr() {
        let one = |name: &str, result| Done {
            name: Name::parse(name).expect("name"),
            did: "started".into(),
            pid: Some(123),
            notes: vec![format!("of {name}")],
            result,
        };
        let failure = Failure { message: "exit code 3".into(), hint: None, log: Vec::new(), denied: false };
        let all = [one("web", Ok(())), one("db", Err(failure))];
        let plain = |(out, err): (String, String)| {
            (anstream::adapter::strip_str(&out).to_string(), anstream::adapter::strip_str(&err).to_string())
        };
        let failed = "error: `db`: exit code 3\n  note: of db\n";
        assert_eq!(
            plain(done(&all, false)),
            ("✓ web: started (pid 123)\n".into(), format!("  note: `web`: of web\n{failed}"))
        );
        assert_eq!(plain(done(&all, true)), (String::new(), failed.into()));
    }
}
