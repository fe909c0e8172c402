//! Reasons and spans in words; the same words as with systemd where there are any
//! (`backend/systemd/hints.rs`).

use super::event::Exit;
use crate::engine::job::WaitFor;
use crate::sys::signals;
use nix::sys::signal::Signal;
use std::time::Duration;

/// How the reason of a program that never got ready begins.
pub const NOT_READY: &str = "did not become ready";

/// `exit code 3`, `killed by SIGKILL`.
pub(super) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(126) => "exit code 126: not executable".into(),
        Exit::Code(127) => "exit code 127: command not found".into(),
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(number) if dumps(number) => format!("crashed with {}", signals::name(number)),
        Exit::Signal(number) => format!("killed by {}", signals::name(number)),
        Exit::Memory => "out of memory: the kernel killed it".into(),
        Exit::Unknown => "ended unseen, exit status unknown".into(),
    }
}

/// That what a job waits for did not come: which of it is for the reactor to see, so all of it is named.
pub(super) fn waited(all: &[WaitFor], limit: Duration) -> String {
    let named: Vec<String> = all
        .iter()
        .map(|one| match one {
            WaitFor::Network => "the network".to_owned(),
            WaitFor::Path(path) => format!("`{}`", path.as_path().display()),
        })
        .collect();
    let what = named.join(" and ");
    let is = if all.len() == 1 { "is" } else { "are" };
    format!("waited {} for {what}, which {is} not there", span(limit))
}

/// Signals that a program gets for a fault of its own: signal(7), action Core.
fn dumps(number: i32) -> bool {
    Signal::try_from(number).is_ok_and(|signal| {
        [Signal::SIGSEGV, Signal::SIGABRT, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGSYS]
            .contains(&signal)
    })
}

/// `500ms`, `4s`, `1m 30s`, `10m`, `2h`: its two largest units.
pub fn span(span: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut left = span.as_millis();
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
        // the unit after the largest, and no further
        if parts.len() == 2 || (parts.len() == 1 && count == 0) {
            break;
        }
    }
    if parts.is_empty() { "0s".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (milliseconds, text) in [
            (0, "0s"),
            (500, "500ms"),
            (4_000, "4s"),
            (1_500, "1s 500ms"),
            (90_000, "1m 30s"),
            (600_000, "10m"),
            (7_200_000, "2h"),
            (3_600_001, "1h"),
            (90_061_000, "1d 1h"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn ends_are_said_as_with_systemd() {
        assert_eq!(exit(Exit::Code(3)), "exit code 3");
        assert_eq!(exit(Exit::Code(127)), "exit code 127: command not found");
        assert_eq!(exit(Exit::Signal(9)), "killed by SIGKILL");
        assert_eq!(exit(Exit::Signal(11)), "crashed with SIGSEGV");
        assert_eq!(exit(Exit::Signal(64)), "killed by signal 64");
    }
}
