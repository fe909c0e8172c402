//! A line for each service while a batch is carried out: it spins until it is done, and says what became of it.
//! Only on a terminal, on stderr; what stays on the screen is the report.

use super::words::{self, paint};
use crate::backend::Verb;
use crate::backend::progress::Progress;
use anstream::{AutoStream, ColorChoice};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;

/// A spinning line has a thread of its own: more of them stand still.
const SPINNING: usize = 24;
/// Between two pictures of one that spins.
const STEP: Duration = Duration::from_millis(100);

/// All lines.
#[derive(Debug)]
pub(crate) struct Spinners {
    all: MultiProgress,
    lines: BTreeMap<String, ProgressBar>,
    colours: bool,
}

impl Spinners {
    /// One for each of these services.
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::on(names, ProgressDrawTarget::stderr())
    }

    fn on(names: &[&str], target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let spins = names.len() <= SPINNING;
        let line = |name: &str| {
            let line = all.add(ProgressBar::new_spinner());
            line.set_style(style("{spinner} {prefix}: {msg}"));
            line.set_prefix(name.to_owned());
            line.set_message("waits");
            if spins {
                line.enable_steady_tick(STEP);
            }
            line
        };
        let lines = names.iter().map(|name| ((*name).to_owned(), line(name))).collect();
        // indicatif writes past the stream that takes colours out
        let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
        Self { all, lines, colours }
    }
}

/// A template that is known to be one.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Spinners {
    fn begun(&self, name: &str, verb: Verb) {
        if let Some(line) = self.lines.get(name) {
            line.set_style(style("{spinner} {prefix}: {msg}"));
            line.set_message(match verb {
                Verb::Enable | Verb::Disable => "links",
                Verb::Start => "starts",
                Verb::Stop => "stops",
                Verb::Restart => "restarts",
                Verb::Reload => "reloads",
            });
        }
    }

    fn ended(&self, name: &str, verb: Verb, well: bool) {
        let Some(line) = self.lines.get(name) else { return };
        let did = match (verb, well) {
            // most have another thing to come
            (Verb::Enable | Verb::Disable, true) => return,
            (Verb::Start, true) => "started",
            (Verb::Stop, true) => "stopped",
            (Verb::Restart, true) => "restarted",
            (Verb::Reload, true) => "reloaded",
            (_, false) => "failed",
        };
        let (sign, style_of) = if well { ("✓", words::GOOD) } else { ("✗", words::ERROR) };
        let sign = if self.colours { paint(style_of, sign) } else { sign.to_owned() };
        line.set_style(style("{msg}"));
        line.set_message(format!("{sign} {name}: {did}"));
        line.tick();
    }
}

/// The report says it all, in their place.
impl Drop for Spinners {
    fn drop(&mut self) {
        self.lines.values().for_each(ProgressBar::finish_and_clear);
        let _ = self.all.clear(); // a terminal that is gone shows nothing more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_turns_into_what_became_of_it() {
        let lines = Spinners::on(&["web", "db"], ProgressDrawTarget::hidden());
        let said = |name: &str| anstream::adapter::strip_str(&lines.lines[name].message()).to_string();
        assert_eq!(said("web"), "waits");
        lines.begun("web", Verb::Start);
        assert_eq!(said("web"), "starts");
        lines.ended("web", Verb::Start, true);
        lines.ended("db", Verb::Restart, false);
        lines.ended("another", Verb::Start, true);
        assert_eq!((said("web"), said("db")), ("✓ web: started".into(), "✗ db: failed".into()));
    }
}
