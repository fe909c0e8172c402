//! What commands and the supervisor say to each other, over one unix stream socket.
//!
//! **Frame.** Each message is its length, four bytes, big-endian, and then so many bytes of JSON; at
//! most [`MAX_MESSAGE`]. Longer ones and what is not JSON end the connection.
//!
//! **Order.** Both sides send a [`Hello`] at once, without waiting for the other's. Then the command
//! sends [`Request`]s, as many as it likes, one after the other; the supervisor answers each in turn
//! with [`Answer`]s, the last of which is the one named at the request. A [`Request::Ping`] is
//! answered at once, also between the outcomes of a [`Request::Perform`] that goes on: so a command
//! that waits for a slow service knows whether anybody is there.
//!
//! **Versions.** Fields and variants may be added, never renamed or given another meaning; unknown
//! fields are ignored, an unknown request is answered by [`Answer::Refused`]. [`VERSION`] grows only
//! when an older side would do harm; then [`Hello::speaks_with_this`] says no on both sides.
//!
//! **Life.** A supervisor that begins afresh starts what is enabled; one that takes over from one
//! that was killed does not. A command whose connection ends in the middle asks again: every verb but
//! `restart` and `reload` may be asked for twice without harm.

use crate::backend::Verb;
use crate::engine::job::Bytes;
use crate::report::{LogRate, State};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Of this protocol.
pub const VERSION: u32 = 1;
/// The oldest version that this side still understands.
pub const OLDEST: u32 = 1;
/// Longest message in bytes, without its length: 4 MiB.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// The other side's [`Hello`], and each message once its first byte has come, must be complete within
/// this time.
pub const MESSAGE_LIMIT: Duration = Duration::from_secs(5);

/// The first message of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the speaker.
    pub version: u32,
    /// [`OLDEST`] of the speaker.
    pub oldest: u32,
    /// Version of its svc, e.g. `0.1.0`.
    pub svc: String,
    /// Its process.
    pub pid: u32,
    /// Features beyond its version that it can't do without; none so far.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The state folder that it works on (`$XDG_STATE_HOME/svc`): two homes of one account may share a
    /// runtime folder.
    pub state: Bytes,
}

impl Hello {
    /// Of this process.
    pub fn mine(state: &std::path::Path) -> Self {
        Self {
            version: VERSION,
            oldest: OLDEST,
            svc: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            needs: Vec::new(),
            state: state.as_os_str().into(),
        }
    }

    /// Whether the speaker and this side understand each other; the error is the reason.
    pub fn speaks_with_this(&self) -> Result<(), String> {
        if self.version < OLDEST || VERSION < self.oldest {
            return Err(format!(
                "svc {} speaks version {} of the protocol, this svc {} speaks {VERSION}",
                self.svc,
                self.version,
                env!("CARGO_PKG_VERSION")
            ));
        }
        match self.needs.first() {
            Some(need) => Err(format!("svc {} needs `{}`, which this one can't", self.svc, need.escape_debug())),
            None => Ok(()),
        }
    }
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Read the job files of these names again; what runs goes on as it was started. Answer:
    /// [`Answer::Loaded`].
    Load {
        /// Names of jobs.
        names: Vec<String>,
    },
    /// What services are doing. Answer: [`Answer::Status`].
    Status {
        /// Of these, in this order; without: of all that the supervisor knows.
        #[serde(default)]
        names: Option<Vec<String>>,
        /// With the ids of all of their processes.
        #[serde(default)]
        processes: bool,
    },
    /// Carry out a batch, side by side as far as `depends_on` allows. Answers: one
    /// [`Answer::Outcome`] for each action, when it is true, in any order; then [`Answer::Done`].
    Perform {
        /// What to do with which service; a pair of both stands here once at most.
        actions: Vec<ActionOn>,
    },
    /// Drop what is known of these services; one that still runs is stopped first. Their job files
    /// are gone already. Answer: [`Answer::Done`].
    Forget {
        /// Names of jobs.
        names: Vec<String>,
    },
    /// Stop all services, those first that others do not depend on, then end. Answer: [`Answer::Done`]
    /// when all are stopped; then the connection ends with the supervisor.
    Shutdown {},
    /// Execute the svc binary anew and go on; services are not touched. Answer: [`Answer::Done`] before
    /// it happens; a new connection then reaches the new binary.
    ReloadBinary {},
    /// Answer: [`Answer::Pong`].
    Ping {},
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActionOn {
    /// What. `enable` and `disable` make no mark (that is the command's), the supervisor only takes
    /// notice.
    pub verb: Verb,
    /// Name of the job.
    pub name: String,
}

/// What the supervisor answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Load`]: one for each name, in their order.
    Loaded {
        /// What became of each.
        results: Vec<Loaded>,
    },
    /// To [`Request::Status`]: of the asked names that it knows in their order, or of all by name.
    Status {
        /// What each is doing.
        services: Vec<ServiceStatus>,
    },
    /// To [`Request::Perform`]: what became of one action.
    Outcome(Outcome),
    /// All that was asked for has been answered, or is done.
    Done {},
    /// To [`Request::Ping`].
    Pong(Pong),
    /// Instead of any of these: it can't be done.
    Refused {
        /// Why; lower case, no full stop.
        message: String,
    },
}

/// What became of one job file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Name of the job.
    pub name: String,
    /// Why it can't be used; none: it is loaded.
    #[serde(default)]
    pub error: Option<String>,
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of what.
    pub verb: Verb,
    /// With which job.
    pub name: String,
    /// Done, or why not.
    pub result: Ended,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It is true now.
    Ok {},
    /// It is not.
    Failed(Failed),
}

/// Why an action failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failed {
    /// What happened, e.g. `stopped right after its start: exit code 127`; lower case.
    pub message: String,
    /// What to do next, where the supervisor knows better than the command, which finds advice in
    /// the exit code and the last lines.
    #[serde(default)]
    pub hint: Option<String>,
    /// The last lines (ten at most) that it wrote since its start.
    #[serde(default)]
    pub log_tail: Vec<String>,
    /// Of the main process that ended.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Signal that ended it, e.g. `SIGKILL`.
    #[serde(default)]
    pub signal: Option<String>,
    /// The system did not permit it.
    #[serde(default)]
    pub denied: bool,
}

/// What one service is doing: what only the supervisor knows. Whether it is enabled lies in the mark
/// file, memory and CPU time in /proc and the control group: the command reads them there, so that
/// the supervisor never waits for /proc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Name of the job.
    pub name: String,
    /// State.
    pub state: State,
    /// Main process.
    #[serde(default)]
    pub pid: Option<u32>,
    /// When it was started: ticks after boot (`proc_pid_stat(5)`, field 22), which tell it from
    /// another process of the same id.
    #[serde(default)]
    pub start_ticks: Option<u64>,
    /// When the main process was started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Automatic restarts since a person started it.
    #[serde(default)]
    pub restarts: u32,
    /// Of the last main process that ended.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Signal that ended it, e.g. `SIGKILL`.
    #[serde(default)]
    pub signal: Option<String>,
    /// Why it failed or is restarted, in words: `exit code 3`, `did not become ready in time`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the program says of itself (`STATUS=`).
    #[serde(default)]
    pub status_text: Option<String>,
    /// Next time a scheduled one runs; absent unless it is armed.
    #[serde(default)]
    pub next_run_at: Option<Timestamp>,
    /// The job file is another one than what is loaded or runs.
    #[serde(default)]
    pub needs_load: bool,
    /// SHA-256 of its job file, hexadecimal, as it is loaded and lies on disk.
    #[serde(default)]
    pub loaded: Option<String>,
    /// Folder of its own control group (cgroups(7)), where it has one that accounts memory.
    #[serde(default)]
    pub cgroup: Option<Bytes>,
    /// All of its processes, the main one first; only if asked for.
    #[serde(default)]
    pub pids: Vec<u32>,
    /// How fast it writes.
    #[serde(default)]
    pub log_rate: Option<LogRate>,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The supervisor's process.
    pub pid: u32,
    /// Its guardian's.
    #[serde(default)]
    pub guardian: Option<u32>,
    /// Version of its svc.
    pub svc: String,
    /// When the guardian began.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Supervisors that were forked after the first one was killed.
    #[serde(default)]
    pub takeovers: u32,
    /// Services it knows.
    pub services: u32,
    /// Services whose program runs.
    pub running: u32,
}

/// One message as bytes: its length, then JSON.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE {
        return Err(too_long(length));
    }
    let length = u32::try_from(length).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Reads the JSON of one message.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes one message to a blocking stream.
pub fn write_message<T: Serialize>(stream: &mut impl Write, message: &T) -> io::Result<()> {
    stream.write_all(&encode(message)?)?;
    stream.flush()
}

/// Reads one message from a blocking stream; the end of the stream before its first byte is
/// `UnexpectedEof` too.
pub fn read_message<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = length_of(length)?;
    // what was announced is not believed before it comes
    let mut body = Vec::with_capacity(length.min(64 * 1024));
    stream.take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    decode(&body)
}

fn length_of(bytes: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length > MAX_MESSAGE { Err(too_long(length)) } else { Ok(length) }
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes; {MAX_MESSAGE} are the limit"))
}

/// Puts messages together from what a non-blocking stream gives, in pieces of any size.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    /// Those before it were given out.
    start: usize,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The JSON of the next message, if all of it is there, for [`decode`]; the error is final, the
    /// connection is to be closed.
    pub fn next_body(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = length_of(*head)?;
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + 4;
        self.start = from + length;
        Ok(Some(&self.bytes[from..from + length]))
    }

    /// Whether a message has begun and is not complete: [`MESSAGE_LIMIT`] runs.
    pub fn is_waiting(&self) -> bool {
        self.bytes.len() > self.start
    }

    /// Gives back memory when nothing is waiting: a long message comes once in a while.
    pub fn shrink(&mut self) {
        if !self.is_waiting() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
