//! Whether a started program stays up.
//!
//! A start job of `Type=exec` is done once the program was executed; many programs die a moment
//! later (a port in use, a missing module). So the main process is watched until it is quiet: it
//! sleeps and has used no CPU for [`QUIET`], at an age of at least [`AT_LEAST`]; a program that is
//! still busy is believed after [`AT_MOST`]. All services of a batch are watched at the same time.
//! The quiet time counts from the first look on, never from before: a program that waits for its
//! turn on a busy machine has used no CPU either.

use super::bus::{Bus, unit_path};
use super::observe::{SERVICE, Words, words};
use crate::sys::{clock, process};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::Instant;

const AT_LEAST: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_millis(50);
const AT_MOST: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// One program under watch.
struct Watched {
    at: usize,
    pid: u32,
    start_ticks: u64,
    run_time: u64,
    quiet_since: Instant,
    /// Before this it is too young to be believed.
    old_enough: Instant,
}

/// Watches the main processes of `units` (of services that have just been started); for each
/// whether it is still up.
pub(crate) async fn stays_up(bus: &Bus, units: &[String]) -> Vec<bool> {
    let began = Instant::now();
    let mut up = vec![true; units.len()];
    let pids =
        join_all(units.iter().map(|unit| async move { bus.get::<u32>(&unit_path(unit), SERVICE, "MainPID").await }))
            .await;
    let mut watched = Vec::new();
    for (at, pid) in pids.into_iter().enumerate() {
        let pid = pid.unwrap_or(0);
        match process::stat(pid).filter(|_| pid != 0) {
            Some(stat) => watched.push(Watched {
                at,
                pid,
                start_ticks: stat.start_ticks,
                run_time: used(pid, &stat),
                quiet_since: began,
                old_enough: began + AT_LEAST.saturating_sub(clock::age(stat.start_ticks)),
            }),
            None => up[at] = false,
        }
    }
    while !watched.is_empty() && began.elapsed() < AT_MOST {
        tokio::time::sleep(STEP).await;
        let now = Instant::now();
        watched.retain_mut(|one| {
            let Some(stat) =
                process::stat(one.pid).filter(|stat| stat.start_ticks == one.start_ticks && stat.state != b'Z')
            else {
                up[one.at] = false;
                return false;
            };
            let run_time = used(one.pid, &stat);
            if run_time != one.run_time || matches!(stat.state, b'R' | b'D') {
                (one.run_time, one.quiet_since) = (run_time, now);
            }
            now < one.old_enough || now - one.quiet_since < QUIET
        });
    }
    look_again(bus, units, &mut up).await;
    up
}

fn used(pid: u32, stat: &process::Stat) -> u64 {
    process::run_time(pid).unwrap_or(stat.cpu_ticks)
}

/// A process that is gone may have handed over to another (`MAINPID=`), or ended well: the manager
/// has the last word.
async fn look_again(bus: &Bus, units: &[String], up: &mut [bool]) {
    let gone: Vec<usize> = (0..units.len()).filter(|at| !up[*at]).collect();
    let names: Vec<String> = gone.iter().map(|at| units[*at].clone()).collect();
    let deadline = Instant::now() + Duration::from_millis(500);
    loop {
        let Ok(found) = words(bus, &names).await else { return };
        // the manager may not have noticed yet
        let unsettled = names
            .iter()
            .any(|name| found.get(name).is_some_and(|words| words.active == "active" && words.sub == "running"));
        for at in &gone {
            up[*at] = found.get(&units[*at]).is_some_and(still_up);
        }
        if !unsettled || Instant::now() > deadline {
            return;
        }
        tokio::time::sleep(STEP).await;
    }
}

fn still_up(words: &Words) -> bool {
    words.active == "active" || words.active == "reloading"
}
