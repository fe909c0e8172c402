//! The supervisor: svc's own manager, where the platform has none.
//!
//! ```text
//!     guardian ── fork, no exec ──> supervisor ── fork + exec ──> programs
//! ```
//!
//! The supervisor may be killed at any moment: its programs become the guardian's children, which
//! forks the next supervisor and hands it their ends and their pipes. The guardian may be killed:
//! the supervisor takes its place. `guardian` is that pair and knows nothing of services.
//!
//! [`protocol`] is what commands say to it and it to them. What it runs are the job files of
//! [`crate::engine::job`], which `backend::supervisor` renders.

mod again;
mod begin;
pub(crate) use begin::write_pid;
mod care;
pub(crate) use care::{desktop, desktop_message};
mod daemon;
pub mod front;
pub mod guardian;
pub mod protocol;
mod server;
pub mod shim;
mod start;
pub mod store;
mod takeup;
pub(crate) mod tasks;
mod unit;
pub(crate) mod waits;

use crate::env::Environment;
use crate::error::Error;
use crate::files::paths::Paths;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Mutex;

/// What a supervisor that was started detached writes to `told` when it listens: the command that
/// started it goes on then. Anything else is a reason why it can't, up to a line end.
pub const READY: &str = "ready\n";

/// Exit code, for this process only: the guardian is gone, and this process becomes one.
const TAKE_OVER: u8 = 200;

/// Exit code, for nobody: the guardian of a shim is gone. Its manager starts another shim, which takes
/// over what goes on.
const LEFT_TO_THE_NEXT: u8 = 201;

/// What each supervisor that is forked begins with.
struct Setup {
    environment: Environment,
    paths: Paths,
    /// See [`READY`].
    told: Option<File>,
    /// In the foreground: what it runs.
    front: Option<front::Foreground>,
}

static SETUP: Mutex<Option<Setup>> = Mutex::new(None);

fn set_up(setup: Setup) -> Result<(), Error> {
    *SETUP.lock().map_err(|_| Error::failed("the supervisor was started twice"))? = Some(setup);
    Ok(())
}

/// Is the supervisor until it is told to end.
///
/// `told`: see [`READY`]; to be closed after that. An error that is returned was told too.
/// When another one runs already, this is no error: it says that it is ready, and ends.
pub fn run(environment: &Environment, paths: &Paths, told: Option<File>) -> Result<(), Error> {
    if !guardian::goes_on() {
        // a supervisor that listens elsewhere: another shell knew of another folder
        let place = crate::backend::supervisor::client::Place { environment, paths };
        match place.find_any() {
            Ok(None) => {}
            Ok(Some(_)) => {
                tell(told, READY);
                return Ok(());
            }
            Err(error) => {
                tell(told, &reason(&error));
                return Err(error);
            }
        }
        // nothing that is open here may be used after this but `told`
        crate::sys::fds::close_all_but(told.as_ref().map(AsFd::as_fd));
    }
    set_up(Setup { environment: environment.clone(), paths: paths.clone(), told, front: None })?;
    let result = guardian::run(work).map(|_| ());
    if let Err(error) = &result {
        tell(SETUP.lock().ok().and_then(|mut setup| setup.as_mut()?.told.take()), &reason(error));
    }
    result
}

fn tell(told: Option<File>, text: &str) {
    if let Some(mut told) = told {
        let _ = std::io::Write::write_all(&mut told, text.as_bytes()); // it does not wait any more
    }
}

fn reason(error: &Error) -> String {
    format!("{}\n", error.message.replace('\n', " "))
}

/// In each forked supervisor.
fn work(hand: guardian::Hand) -> u8 {
    // it stays there: this process may become the guardian
    let setup = SETUP.lock().ok().and_then(|mut setup| {
        let Setup { environment, paths, told, front } = setup.as_mut()?;
        Some(Setup { environment: environment.clone(), paths: paths.clone(), told: told.take(), front: front.clone() })
    });
    setup.map_or(1, |setup| begin::life(hand, setup))
}
