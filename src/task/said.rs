//! What a task that runs says of itself: stage, progress, how long it still takes, a line of status.
//!
//! `svc notify` writes it into a file beside the records, since the managers take no such words (systemd knows
//! `STATUS=` only); the supervisor puts there what a program says by plain sd_notify(3). It goes with the run.

use super::store::{Store, make};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::Path;

/// Longest text of a stage or a status, bytes.
const LONGEST: usize = 500;

/// What was said last of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Said {
    /// The part of its work.
    #[serde(default)]
    pub stage: Option<String>,
    /// 0 to 100.
    #[serde(default)]
    pub progress: Option<f64>,
    /// When that was said: milliseconds since 1970.
    #[serde(default)]
    pub progress_at: i64,
    /// Seconds until it is done.
    #[serde(default)]
    pub eta: Option<f64>,
    /// When that was said.
    #[serde(default)]
    pub eta_at: i64,
    /// A line.
    #[serde(default)]
    pub status: Option<String>,
}

impl Said {
    /// What the task of this number has said.
    pub fn read(store: &Store, id: u64) -> Self {
        let text = std::fs::read(store.said(id)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Adds what it says now; what it does not speak of stays, but for an old stage's progress.
    pub fn say(store: &Store, id: u64, new: &Self, now: i64) -> io::Result<()> {
        let old = Self::read(store, id);
        let short = |text: Option<String>| text.map(|text| text.chars().take(LONGEST).collect());
        let of_progress = |progress: f64| if progress.is_finite() { progress.clamp(0.0, 100.0) } else { 0.0 };
        let said = Self {
            progress_at: if new.progress.is_some() { now } else { old.progress_at },
            progress: new.progress.map(of_progress).or(old.progress),
            eta_at: if new.eta.is_some() { now } else { old.eta_at },
            eta: new.eta.filter(|eta| eta.is_finite() && *eta >= 0.0).or(old.eta.filter(|_| new.progress.is_none())),
            stage: short(new.stage.clone()).or(old.stage),
            status: short(new.status.clone()).or(old.status),
        };
        let file = store.said(id);
        let folder = file.parent().unwrap_or(Path::new("/"));
        make(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(&serde_json::to_vec(&said)?)?;
        temporary.persist(&file).map(drop).map_err(|error| error.error)
    }

    /// Seconds until it is done: as it said, less what has passed since; else by its progress and the time that
    /// took.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a person's life are exact in a double")]
    pub fn eta_seconds(&self, started: i64, now: i64) -> Option<f64> {
        let seconds = |from: i64, to: i64| (to - from).max(0) as f64 / 1000.0;
        if let Some(eta) = self.eta {
            return Some((eta - seconds(self.eta_at, now)).max(0.0));
        }
        let progress = self.progress.filter(|progress| *progress > 0.0)?;
        let took = seconds(started, self.progress_at);
        let left = took * (100.0 - progress) / progress;
        Some((left - seconds(self.progress_at, now)).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_does_not_speak_of_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::at(folder.path().to_owned());
        assert_eq!(Said::read(&store, 7), Said::default());
        let say = |new: Said, now| Said::say(&store, 7, &new, now).expect("written");
        say(Said { stage: Some("load".into()), progress: Some(250.0), eta: Some(9.0), ..Said::default() }, 100);
        say(Said { status: Some("x".into()), ..Said::default() }, 200);
        let said = Said::read(&store, 7);
        assert_eq!((said.stage.as_deref(), said.progress, said.progress_at), (Some("load"), Some(100.0), 100));
        assert_eq!((said.status.as_deref(), said.eta), (Some("x"), Some(9.0)));
        say(Said { progress: Some(f64::NAN), ..Said::default() }, 300);
        let said = Said::read(&store, 7);
        assert_eq!((said.progress, said.eta), (Some(0.0), None), "an estimate of before the progress is stale");
    }

    #[test]
    fn the_time_left_is_as_it_said_or_by_its_progress() {
        let said = Said { eta: Some(30.0), eta_at: 10_000, ..Said::default() };
        assert_eq!((said.eta_seconds(0, 15_000), said.eta_seconds(0, 90_000)), (Some(25.0), Some(0.0)));
        let quarter = Said { progress: Some(25.0), progress_at: 10_000, ..Said::default() };
        assert_eq!((quarter.eta_seconds(0, 10_000), quarter.eta_seconds(0, 12_000)), (Some(30.0), Some(28.0)));
        assert_eq!(Said { progress: Some(0.0), ..Said::default() }.eta_seconds(0, 5), None);
    }
}
