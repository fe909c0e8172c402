//! What the engine runs: a service reduced to what running it needs, as it lies in the job file.
//!
//! A job is self-contained: every path is absolute, the program was looked up, PATH is spelled out.
//! It is read and written through serde as TOML; bytes that are not UTF-8 arrive all the same, see
//! [`Bytes`]. Fields may be added, never renamed: a job file must load for ever, in an older engine too
//! (`deny_unknown_fields` is not set).

use crate::service::Rate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Of this layout; 1.
    pub version: u32,
    /// Name of the service.
    pub name: String,
    /// When it starts by itself: `login`, `boot` or `manual`.
    pub start: StartAt,
    /// Program (absolute) and arguments.
    pub argv: Vec<Bytes>,
    /// Folder it runs in, absolute.
    pub working_dir: Bytes,
    /// Its whole environment but for `env_files` and what the engine adds (`NOTIFY_SOCKET`,
    /// `SVC_SERVICE`): PATH, HOME, USER, LOGNAME, SHELL, XDG_RUNTIME_DIR, LANG and the definition's own.
    #[serde(default)]
    pub env: BTreeMap<String, Bytes>,
    /// Read at each start, in this order; the last one wins, and wins over `env`.
    #[serde(default)]
    pub env_files: Vec<EnvFile>,
    /// File mode creation mask.
    #[serde(default)]
    pub umask: Option<u16>,
    /// Scheduling priority, -20 to 19.
    #[serde(default)]
    pub nice: Option<i8>,
    /// Account it runs as; only where the engine is root.
    #[serde(default)]
    pub user: Option<String>,
    /// Resource limits.
    #[serde(default)]
    pub limits: Limits,
    /// When and how fast it is restarted.
    pub restart: Restart,
    /// Signal that asks it to stop, by name (`SIGTERM`).
    pub stop_signal: String,
    /// Milliseconds; then SIGKILL to all of its processes.
    pub stop_timeout: Millis,
    /// What a reload does.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// When it counts as started.
    #[serde(default)]
    pub ready: Ready,
    /// Milliseconds that a start may take; of a scheduled job, its whole run. 0: for ever.
    pub start_timeout: Millis,
    /// Names of jobs started before it and stopped after it.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What must be there before it is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wait_for: Vec<WaitFor>,
    /// What happens when it has failed for good.
    #[serde(default)]
    pub on_failure: Option<OnFailure>,
    /// How its health is checked while it runs.
    #[serde(default)]
    pub health: Option<Health>,
    /// Runs at times instead of always.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Where its output goes.
    pub log: Log,
    /// A PID file for programs that want one, absolute.
    #[serde(default)]
    pub pid_file: Option<Bytes>,
}

impl Job {
    /// One of which nothing is known but its name: it runs nothing, and is never restarted.
    pub fn bare(name: &str, log: Bytes) -> Self {
        Self {
            version: 1,
            name: name.to_owned(),
            start: StartAt::Manual,
            argv: Vec::new(),
            working_dir: "/".into(),
            env: BTreeMap::new(),
            env_files: Vec::new(),
            umask: None,
            nice: None,
            user: None,
            limits: Limits::default(),
            restart: Restart {
                policy: Policy::Never,
                delay: Millis(0),
                max_delay: Millis(0),
                limit: 1,
                within: Millis(1),
                reset: Millis(1),
            },
            stop_signal: "SIGTERM".into(),
            stop_timeout: Millis(10_000),
            reload: None,
            ready: Ready::Exec,
            start_timeout: Millis(30_000),
            depends_on: Vec::new(),
            wait_for: Vec::new(),
            on_failure: None,
            health: None,
            schedule: None,
            log: Log::plain(log),
            pid_file: None,
        }
    }
}

/// DESIGN §4, `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartAt {
    /// At login.
    Login,
    /// At boot.
    Boot,
    /// Never by itself.
    Manual,
}

/// One file of variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvFile {
    /// Absolute.
    pub path: Bytes,
    /// It may be absent.
    #[serde(default)]
    pub optional: bool,
}

/// What is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of all its processes.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Percent of one core.
    #[serde(default)]
    pub cpu: Option<u32>,
    /// Processes and threads.
    #[serde(default)]
    pub tasks: Option<u64>,
    /// Open files of each process.
    #[serde(default)]
    pub files: Option<u64>,
}

/// DESIGN §4, `restart` and its companions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// When.
    pub policy: Policy,
    /// Milliseconds before the first restart.
    pub delay: Millis,
    /// The delay doubles up to this.
    pub max_delay: Millis,
    /// So many starts …
    pub limit: u32,
    /// … within this time, then it has failed.
    pub within: Millis,
    /// A run this long starts delay and count afresh.
    pub reset: Millis,
}

/// DESIGN §4, `restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// After a failure: exit code not 0, a signal, a timeout.
    OnFailure,
    /// After every end that nobody asked for.
    Always,
    /// Never.
    Never,
}

/// DESIGN §4, `reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reload {
    /// A signal to the main process, by name.
    Signal(String),
    /// A command, run like the job itself.
    Command(Vec<Bytes>),
}

/// DESIGN §4, `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// When the program was executed.
    #[default]
    Exec,
    /// When it says `READY=1`: sd_notify(3).
    Notify,
    /// When `HOST:PORT` takes a connection.
    Tcp(String),
    /// When this `http://…` address answers with 200 to 399.
    Http(String),
    /// When a line of its output matches this regular expression.
    Log(String),
}

/// DESIGN §4, `wait_for`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// An interface beside the loopback is up and has an address that reaches beyond its link.
    Network,
    /// This path exists; absolute.
    Path(Bytes),
}

/// DESIGN §4, `on_failure`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OnFailure {
    /// A command, run like the job itself, with `SVC_REASON`.
    #[serde(default)]
    pub command: Option<Vec<Bytes>>,
    /// A notification on the desktop.
    #[serde(default)]
    pub desktop: bool,
}

/// DESIGN §4, `health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is tried.
    pub check: Check,
    /// Milliseconds between two checks.
    pub interval: Millis,
    /// Milliseconds that one check may take.
    pub timeout: Millis,
    /// Failures in a row until it counts.
    pub retries: u32,
    /// Failures so soon after the start do not count.
    pub grace: Millis,
    /// What happens then.
    pub on_failure: Verdict,
}

/// One way to check health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// `HOST:PORT` takes a connection.
    Tcp(String),
    /// An `http://…` address answers as it should.
    Http {
        /// Where.
        url: String,
        /// The answer's code; absent: 200 to 399.
        #[serde(default)]
        status: Option<u16>,
        /// A regular expression for its body.
        #[serde(default)]
        body: Option<String>,
    },
    /// A command, run like the job itself, exits 0.
    Command(Vec<Bytes>),
}

/// DESIGN §4, `health.on_failure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Restart it.
    Restart,
    /// Say so.
    Report,
    /// Stop it.
    Stop,
}

/// DESIGN §4, `every`, `schedule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Milliseconds after its last start.
    Every(Millis),
    /// A calendar expression: systemd.time(7).
    Calendar(String),
}

/// DESIGN §4, `logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Absolute.
    pub file: Bytes,
    /// Bytes; a file that would grow beyond is rotated. 0: never.
    pub max_size: u64,
    /// Rotated files that are kept.
    pub keep: u32,
    /// Days that rotated files are kept at most.
    #[serde(default)]
    pub keep_days: Option<u32>,
    /// Each line begins with the time in UTC.
    #[serde(default)]
    pub timestamps: bool,
    /// Rotated files are compressed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compress: bool,
    /// Lines beyond this are left out.
    #[serde(default)]
    pub rate_limit: Option<Rate>,
}

impl Log {
    /// A file that is never rotated.
    pub fn plain(file: Bytes) -> Self {
        Self { file, max_size: 0, keep: 0, keep_days: None, timestamps: false, compress: false, rate_limit: None }
    }
}

/// A span of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl From<Duration> for Millis {
    /// Rounded up: a span that is not zero stays one.
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Self {
        Self::from_millis(span.0)
    }
}

/// Any bytes but NUL: a word of a command line, a value, a path. In the job file it is a string if
/// it is UTF-8, else a list of numbers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// As the system takes it.
    pub fn as_os(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// As a path.
    pub fn as_path(&self) -> &std::path::Path {
        std::path::Path::new(self.as_os())
    }
}

impl From<&OsStr> for Bytes {
    fn from(text: &OsStr) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<OsString> for Bytes {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, or a list of bytes without 0")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
                checked(text.as_bytes().to_vec())
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element::<u8>()? {
                    bytes.push(byte);
                }
                checked(bytes)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn checked<E: serde::de::Error>(bytes: Vec<u8>) -> Result<Bytes, E> {
    if bytes.contains(&0) { Err(E::custom("contains a NUL byte")) } else { Ok(Bytes(bytes)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A job as small as one can be.
    pub(crate) fn sample(name: &str) -> Job {
        Job {
            start: StartAt::Login,
            argv: vec!["/bin/sleep".into(), "1000".into()],
            restart: Restart {
                policy: Policy::OnFailure,
                delay: Millis(1_000),
                max_delay: Millis(60_000),
                limit: 5,
                within: Millis(600_000),
                reset: Millis(60_000),
            },
            log: Log { max_size: 10_000_000, keep: 5, ..Log::plain("/tmp/x.log".into()) },
            ..Job::bare(name, "/tmp/x.log".into())
        }
    }

    #[test]
    fn a_job_is_the_same_after_a_file_of_any_bytes() {
        let mut job = sample("web");
        job.argv.push(Bytes(vec![0xff, b'\n', b'"', b'$', 0x7f]));
        job.env.insert("A".into(), Bytes(vec![b'\r', 1, 0xc3, 0x28]));
        job.env.insert("B".into(), "[x]\n\"\"\"'''\\ü\u{85}".into());
        job.ready = Ready::Http("http://localhost:1/".into());
        job.reload = Some(Reload::Command(vec!["/bin/true".into()]));
        job.schedule = Some(Schedule::Every(Millis(5)));
        let text = toml::to_string(&job).expect("written");
        assert_eq!(toml::from_str::<Job>(&text).expect("read"), job, "{text}");
    }

    #[test]
    fn a_nul_byte_is_no_word() {
        let text = toml::to_string(&sample("web")).expect("written").replace("/bin/sleep", "/bin/\\u0000");
        assert!(toml::from_str::<Job>(&text).expect_err("refused").to_string().contains("NUL"));
    }
}
