//! A bar on stderr for a task that says how far it is, below what it writes.

use super::sanitize::sanitize;
use crate::task::said::Said;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar; it appears when there is something to show.
#[derive(Debug)]
pub(crate) struct TaskBar {
    bar: Option<ProgressBar>,
    is_shown: bool,
    last: Said,
}

impl TaskBar {
    /// `is_possible`: somebody looks at stderr.
    pub(crate) fn new(is_possible: bool) -> Self {
        let bar = is_possible.then(|| {
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏░"));
            bar
        });
        Self { bar, is_shown: false, last: Said::default() }
    }

    /// What it said last; `started` and `now`: milliseconds since 1970.
    pub(crate) fn show(&mut self, said: &Said, started: i64, now: i64) {
        let Some(bar) = self.bar.as_ref().filter(|_| *said != self.last) else { return };
        if !self.is_shown && said.progress.is_some() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            self.is_shown = true;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        bar.set_position(said.progress.unwrap_or(0.0) as u64);
        let eta = said.eta_seconds(started, now).map(|eta| format!("eta {}", super::tasks::seconds(eta)));
        let parts = [said.stage.as_ref().map(sanitize), eta, said.status.as_ref().map(sanitize)];
        bar.set_message(parts.into_iter().flatten().collect::<Vec<_>>().join("  "));
        self.last = said.clone();
    }

    /// Does something that writes to the terminal, the bar being away meanwhile.
    pub(crate) fn hidden<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) if self.is_shown => bar.suspend(write),
            _ => write(),
        }
    }
}

impl Drop for TaskBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
