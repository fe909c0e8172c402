//! What a command did with each service: one line a service, failures on stderr.

use super::sanitize::sanitize;
use super::{failure, words, write_err, write_out};
use crate::report::Done;

/// Shows all.
pub(crate) fn show(all: &[Done], quiet: bool) {
    if all.is_empty() && !quiet {
        write_err("no services: nothing to do\n");
    }
    for one in all {
        match &one.result {
            Ok(()) if quiet => {}
            Ok(()) => {
                let (good, bold) = (words::GOOD, words::BOLD);
                let pid = one.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                write_out(&format!("{good}✓{good:#} {bold}{}{bold:#}: {}{pid}\n", one.name, sanitize(&one.did)));
            }
            Err(why) => {
                let style = words::ERROR;
                write_err(&format!("{style}error:{style:#} `{}`: {}", one.name, failure(why)));
            }
        }
        if !quiet || one.result.is_err() {
            one.notes.iter().for_each(|note| write_err(&format!("  note: {}\n", sanitize(note))));
        }
    }
}
