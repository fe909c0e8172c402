//! Looks whether a service is ready: at its port, its address, the lines it writes.
//!
//! A port or an address is tried by a small process forked for it, until it answers: names may have
//! to be looked up, connections may hang, and the supervisor must never wait for either. It ends
//! with its parent, and with 0 when the service is ready.

use super::job::{Ready, WaitFor};
use super::reach::{self, Expect};
use crate::sys::subreaper::{self, Side};
use regex::bytes::Regex;
use std::time::Duration;

/// Between two tries: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Longest one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(2);

/// How it is looked.
#[derive(Debug)]
pub enum Probe {
    /// The program says so itself.
    Notify,
    /// A line of its output matches.
    Line(Regex),
    /// This process tries.
    Process(u32),
}

/// Begins to look; the error in words.
pub fn begin(ready: &Ready) -> Result<Option<Probe>, String> {
    Ok(match ready {
        Ready::Exec => None,
        Ready::Notify => Some(Probe::Notify),
        Ready::Log(pattern) => {
            let regex = Regex::new(pattern);
            Some(Probe::Line(regex.map_err(|_| format!("`ready.log`: {pattern:?} is no regular expression"))?))
        }
        Ready::Tcp(target) => Some(fork(|| tcp(target))?),
        Ready::Http(address) => Some(fork(|| http(address))?),
    })
}

/// Begins to look for what a job waits for; the error in words.
pub fn begin_wait(all: &[WaitFor]) -> Result<Probe, String> {
    fork(|| missing(all).is_none())
}

/// The first of these that is not there yet, in words.
pub fn missing(all: &[WaitFor]) -> Option<String> {
    all.iter().find_map(|one| match one {
        WaitFor::Network if crate::sys::network::is_up() => None,
        WaitFor::Network => Some("the network".into()),
        WaitFor::Path(path) if path.as_path().exists() => None,
        WaitFor::Path(path) => Some(format!("`{}`", path.as_path().display())),
    })
}

/// Whether something listens at `HOST:PORT`.
pub fn tcp(target: &str) -> bool {
    reach::connect(target, TRY_LIMIT).is_ok()
}

/// Whether an address answers well.
pub fn http(address: &str) -> bool {
    reach::http(address, TRY_LIMIT, &Expect::default()).is_ok()
}

/// Tries until `once` says yes; the pauses between grow.
pub fn until(once: impl Fn() -> bool, go_on: impl Fn() -> bool) {
    let mut pause = FIRST_PAUSE;
    while !once() && go_on() {
        #[expect(clippy::disallowed_methods, reason = "between two tries; whoever waits for it ends this process")]
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn fork(once: impl Fn() -> bool) -> Result<Probe, String> {
    match subreaper::fork() {
        Ok(Side::Parent(pid)) => Ok(Probe::Process(pid)),
        Ok(Side::Child) => {
            subreaper::die_with_parent();
            crate::sys::fds::close_all();
            subreaper::set_name(c"svc-probe");
            until(once, || !subreaper::is_left_alone());
            subreaper::exit_now(0)
        }
        Err(error) => Err(format!("can't look whether it is ready: {}", crate::error::io_reason(&error))),
    }
}
