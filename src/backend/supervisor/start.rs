//! Starts the supervisor: this same program, detached, and waits until it listens.
//!
//! The child's standard output is one end of a pair of sockets: it writes `ready` and a line end there
//! when it listens, or the reason why it can't. So nothing is looked at again and again, and the
//! reason of a failure reaches the person.

use super::client::Place;
use crate::error::{Error, ErrorCode, io_reason};
use crate::supervisor::READY;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The supervisor must listen within this time.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for the next supervisor.
const STEP: Duration = Duration::from_millis(10);

/// Starts it. Another one that was started in the same moment is as good.
pub(crate) fn start(place: Place<'_>) -> Result<(), Error> {
    let cant = |reason: &str| {
        Error::new(ErrorCode::Unreachable, format!("can't start the supervisor: {reason}"))
            .hint("`svc doctor` looks closer")
    };
    let io_cant = |cause: io::Error| cant(&io_reason(&cause));
    place.paths.make(&place.paths.state).map_err(io_cant)?;
    let (mut here, there) = UnixStream::pair().map_err(io_cant)?;
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { program().map_err(io_cant)? };
    let mut command = Command::new(program);
    command
        .arg0("svc")
        .args(["supervisor", "run", "--detached"])
        // of the shell only what tells where things lie: it may hold secrets, and it is soon stale
        .env_clear()
        .envs(place.environment.own())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(there)))
        .stderr(Stdio::null());
    command.spawn().map_err(io_cant)?;
    // the command holds the other end of the pair: without it, the child's death is the end of the stream
    drop(command);
    let said = said(&mut here).map_err(io_cant)?;
    tracing::debug!(%said, "the supervisor was started");
    match said.as_str() {
        READY => Ok(()),
        "" => Err(cant("it ended without a word")),
        reason => Err(cant(reason.trim_end())),
    }
}

/// Everything up to the line end, the end of the stream, or the limit.
fn said(stream: &mut UnixStream) -> io::Result<String> {
    let deadline = Instant::now() + LIMIT;
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    while !bytes.contains(&b'\n') && bytes.len() < 4096 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::other(format!("it does not listen after {} s", LIMIT.as_secs())));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The svc that a later login starts: this program, by the most lasting path that is known.
pub(crate) fn program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// Lets a moment pass while the guardian forks the next supervisor.
#[expect(clippy::disallowed_methods, reason = "between two looks, before a deadline")]
pub(crate) fn pause() {
    std::thread::sleep(STEP);
}
