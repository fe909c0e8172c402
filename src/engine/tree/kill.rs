//! Ending all processes of a service, also those that fork while it is done.

use super::{Id, Keepers, Service, members, walk};
use crate::sys::pidfd;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Rounds in which stopped processes are looked for new ones, before they are killed anyway.
const STOP_ROUNDS: u32 = 8;

/// Sends a signal to each of them, to nobody else; how many got it. The others had ended, or are
/// another user's.
pub fn signal_all(ids: &[Id], signal: Signal) -> usize {
    ids.iter().filter(|id| pidfd::signal(id.pid, id.start_ticks, signal).is_ok()).count()
}

/// One round against everything of a service: each process is stopped in the moment it is seen, so
/// that it can't fork; when no new one is found, all are killed. Returns how many it met: only a
/// round that met none, on its walk and in a look at all processes, was the last. It takes a few
/// milliseconds and does not wait.
pub fn kill_round(service: Service<'_>, keepers: Keepers<'_>) -> usize {
    if let Some(group) = service.group {
        let _ = group.kill(); // one write; without it the rest is done one by one
    }
    let services = [service];
    let mut stopped = BTreeSet::new();
    for _ in 0..STOP_ROUNDS {
        let before = stopped.len();
        stop_below(&services, keepers, &mut stopped);
        if stopped.len() == before {
            break;
        }
    }
    let ids: Vec<Id> = stopped.into_iter().collect();
    signal_all(&ids, Signal::SIGKILL);
    // those that lie where no walk goes, and those that came in between
    let left = members(&services, keepers).pop().unwrap_or_default();
    signal_all(&left, Signal::SIGKILL);
    ids.len().max(left.len())
}

/// Stops all that was not seen before.
fn stop_below(services: &[Service<'_>], keepers: Keepers<'_>, seen: &mut BTreeSet<Id>) {
    walk(services, keepers, |proc| {
        if seen.insert(proc.id) {
            let _ = pidfd::signal(proc.id.pid, proc.id.start_ticks, Signal::SIGSTOP); // it may have ended
        }
    });
}

/// Rounds until nothing is left, or time is up; whether nothing is left. `wait` is called between
/// rounds with a pause: a supervisor reaps there, since only then do zombies make room.
pub fn kill_all(service: Service<'_>, keepers: Keepers<'_>, deadline: Instant, mut wait: impl FnMut(Duration)) -> bool {
    let mut pause = Duration::from_millis(1);
    loop {
        if kill_round(service, keepers) == 0 {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        wait(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
