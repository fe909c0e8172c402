//! What a machine leaves behind, so that the next supervisor goes on where this one was killed.
//!
//! Monotonic times are those of the boot: whoever keeps the lines keeps the boot's id beside them,
//! and after another boot only [`Machine::after_boot`] may be used. How it is taken up: [`super::resume`].

use super::state::{Cause, Left, Phase, State, Then};
use super::{Exit, Machine, Moment, Process, words};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// State of one job; about 400 bytes of JSON at most, see [`Saved::to_json`]. Fields may be added,
/// never renamed: an older or newer supervisor reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub(super) state: Word,
    /// Main process, if it was known.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) pid: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) ticks: u64,
    /// When it was executed: milliseconds since 1970, and since boot.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) since: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) at: u64,
    /// Deadline of the state, milliseconds since boot.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) until: Option<u64>,
    /// Stopping: what follows.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) then: Option<Next>,
    /// Stopping: the attempt to execute was not answered yet.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) unborn: bool,
    /// Stopping: SIGKILL was sent.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) killed: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) restarts: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) step: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) starts: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) window: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) exit: Option<Exit>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) armed: bool,
    /// Scheduled: last start, or since when it waits for the first; milliseconds since boot.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) ran: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) first: Option<u64>,
    /// Scheduled: what the calendar counts from, milliseconds since 1970.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) stamp: Option<i64>,
    /// Why it failed or is restarted.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) why: Option<String>,
    /// Status text.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) text: Option<String>,
    /// A fleet waits before it passes this on.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) held: Option<Held>,
}

/// A command that waits until others are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Held {
    /// Stop it, and disarm it if scheduled.
    Stop,
    /// Stop its run.
    Run,
    /// Restart.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    #[default]
    Stopped,
    Completed,
    Failed,
    Waiting,
    Spawning,
    Starting,
    Running,
    Stopping,
    Restarting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Next {
    Stay,
    Start,
    Judge,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Saved {
    /// One line of JSON of at most `limit` bytes where that can be: the status text, then the reason
    /// are shortened for it.
    pub fn to_json(&self, limit: usize) -> String {
        let mut saved = self.clone();
        loop {
            let line = serde_json::to_string(&saved).unwrap_or_default();
            let over = line.len().saturating_sub(limit);
            if over == 0 || !(shorten(&mut saved.text, over) || shorten(&mut saved.why, over)) {
                return line;
            }
        }
    }

    /// What a process that runs would have left, had it been written down; `since` when it was started.
    pub fn running(process: Process, since: Timestamp, now: Moment) -> Self {
        let age = Duration::try_from(now.wall.duration_since(since)).unwrap_or_default();
        Self {
            state: Word::Running,
            pid: Some(process.pid),
            ticks: process.start_ticks,
            since: since.as_millisecond(),
            at: milliseconds(now.mono.saturating_sub(age)),
            ..Self::default()
        }
    }

    /// How its last main process ended.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Its main process, if there was one: what to look for before [`Machine::resume`].
    pub fn main(&self) -> Option<Process> {
        self.pid.map(|pid| Process { pid, start_ticks: self.ticks })
    }

    /// Why it failed; none: it has not, as far as this tells.
    pub fn failure(&self) -> Option<String> {
        (self.state == Word::Failed)
            .then(|| self.why.clone().unwrap_or_else(|| words::exit(self.exit.unwrap_or(Exit::Unknown))))
    }

    /// It ended by itself, as a success.
    pub fn is_completed(&self) -> bool {
        self.state == Word::Completed
    }

    /// Automatic restarts since somebody started it.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// A process may live that is not known by its id: a start was under way.
    pub fn may_have_spawned(&self) -> bool {
        self.pid.is_none() && (self.state == Word::Spawning || self.unborn)
    }
}

/// Takes `over` bytes of JSON off the end, an ellipsis in their place; whether there was any to take.
fn shorten(text: &mut Option<String>, over: usize) -> bool {
    let Some(long) = text else { return false };
    let mut off = 0;
    // the ellipsis takes three
    while off < over + 3 {
        let Some(last) = long.pop() else { break };
        off += match last {
            '"' | '\\' => 2,
            '\0'..='\x1f' => 6,
            other => other.len_utf8(),
        };
    }
    if long.is_empty() {
        *text = None;
    } else {
        long.push('…');
    }
    true
}

impl Machine {
    /// What [`resume`](Self::resume) needs.
    pub fn saved(&self) -> Saved {
        let mut saved = Saved {
            restarts: self.counters.restarts,
            step: self.counters.step,
            starts: self.counters.starts,
            window: milliseconds(self.counters.window),
            exit: self.last_exit,
            until: self.state.deadline().map(milliseconds),
            text: self.status_text.clone(),
            ..Saved::default()
        };
        if let Some(main) = self.state.main() {
            saved.pid = Some(main.process.pid);
            saved.ticks = main.process.start_ticks;
            saved.since = main.since.as_millisecond();
            saved.at = milliseconds(main.at);
        }
        if let Some(timer) = &self.timer {
            saved.armed = timer.is_armed();
            saved.ran = timer.ran.map(milliseconds);
            saved.first = timer.first().map(milliseconds);
            saved.stamp = timer.stamp.map(Timestamp::as_millisecond);
        }
        saved.state = match &self.state {
            State::Stopped => Word::Stopped,
            State::Completed => Word::Completed,
            State::Failed { reason } => {
                saved.why = Some(reason.clone());
                Word::Failed
            }
            // the next one looks itself
            State::Waiting | State::Wanting { .. } => Word::Waiting,
            State::Spawning { .. } => Word::Spawning,
            State::Starting { .. } => Word::Starting,
            State::Running { end_by, .. } => {
                // a reload does not outlive the supervisor
                saved.until = end_by.map(milliseconds);
                Word::Running
            }
            State::Stopping { left, phase, then } => {
                saved.unborn = *left == Left::Unborn;
                saved.killed = matches!(phase, Phase::Killed { .. });
                saved.then = Some(match then {
                    Then::Stay => Next::Stay,
                    Then::Start => Next::Start,
                    Then::Judge(cause) => {
                        if let Some(Cause::Failure(reason)) = cause {
                            saved.why = Some(reason.clone());
                        }
                        Next::Judge
                    }
                });
                Word::Stopping
            }
            State::Restarting { reason, .. } => {
                saved.why = Some(reason.clone());
                Word::Restarting
            }
        };
        saved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest() -> Saved {
        Saved {
            state: Word::Restarting,
            pid: Some(4_194_304),
            ticks: 99_999_999_999,
            since: 1_999_999_999_999,
            at: 9_999_999_999,
            until: Some(9_999_999_999),
            then: Some(Next::Judge),
            unborn: true,
            killed: true,
            restarts: 99_999,
            step: 99_999,
            starts: 999,
            window: 9_999_999_999,
            exit: Some(Exit::Signal(15)),
            armed: true,
            ran: Some(9_999_999_999),
            first: Some(9_999_999_999),
            stamp: Some(1_999_999_999_999),
            why: Some("it did not become ready within 1m 30s, 5 starts within 10m".into()),
            text: Some("\u{1b}[1m\"Zustand\": läuft \\ ".repeat(200)),
            held: Some(Held::Restart),
        }
    }

    #[test]
    fn a_line_is_short_whatever_a_program_says() {
        let line = largest().to_json(400);
        assert!(line.len() <= 400, "{} {line}", line.len());
        let read: Saved = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read.why, largest().why, "the text is shortened first");
        let mut running = Saved { why: None, held: None, then: None, ..largest() };
        running.text = Some("200 of 4711 mails sent, 3 refused by mail.example.org".into());
        assert_eq!(
            serde_json::from_str::<Saved>(&running.to_json(400)).expect("JSON"),
            running,
            "usual ones are whole"
        );
    }

    #[test]
    fn lines_of_other_versions_are_read() {
        let line = r#"{"state":"running","pid":7,"exit":{"code":3},"new":{"a":[1]},"step":2}"#;
        let saved: Saved = serde_json::from_str(line).expect("read");
        assert_eq!((saved.pid, saved.exit, saved.step, saved.state), (Some(7), Some(Exit::Code(3)), 2, Word::Running));
        assert_eq!(serde_json::from_str::<Saved>("{}").expect("read"), Saved::default());
        let known = r#"{"state":"stopping","pid":7,"ticks":8,"since":9,"at":1,"until":2,"then":"judge","killed":true,"why":"x"}"#;
        assert_eq!(serde_json::from_str::<Saved>(known).expect("read").to_json(400), known);
    }
}
