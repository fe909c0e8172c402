//! From a job to a running process.
//!
//! [`prepare`] finds out all that can fail without a fork, [`Prepared::spawn`] forks a child that
//! makes itself ready and waits, [`Spawned::release`] lets it become the program. In between the
//! starter records it: killed before, it leaves no program that nobody knows, since the child sees
//! that and ends ([`ABANDONED`]); killed after, the next one finds it in the record.

use crate::engine::envfile;
use crate::engine::job::{Bytes, Job};
use crate::sys::fds::Limit;
use crate::sys::spawn::{self as kernel, Account, Limited, News, Program, Step};
use crate::sys::subreaper;
use nix::errno::Errno;
use nix::unistd::{Uid, User};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use crate::sys::spawn::ABANDONED;

/// Variable that holds the service's name, in every process of it.
pub const MARK_SERVICE: &str = "SVC_SERVICE";
/// Variable that holds the id of the start, in every process of it.
pub const MARK_RUN: &str = "SVC_RUN";

/// File mode creation mask of programs whose job has none.
const UMASK: u16 = 0o022;

/// What a start needs beside its job.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra<'a> {
    /// Id of this start: see [`run_id`].
    pub run: &'a str,
    /// Where the program may say how it is: sd_notify(3).
    pub notify_socket: Option<&'a Path>,
    /// The limit of open files that programs get if the job has none: what svc had before it raised
    /// its own.
    pub open_files: Option<Limit>,
    /// The control group it joins.
    pub cgroup: Option<Join<'a>>,
}

/// A control group to start in.
#[derive(Debug, Clone, Copy)]
pub struct Join<'a> {
    /// Its `cgroup.procs`, open for writing.
    pub procs: BorrowedFd<'a>,
    /// It limits memory: no other limit is set.
    pub memory: bool,
    /// It limits tasks.
    pub tasks: bool,
}

/// Why a program could not be started, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// What, of what, why.
    pub message: String,
    /// The step at which the child failed; `None`: there was no child.
    pub step: Option<Step>,
}

impl From<String> for StartError {
    fn from(message: String) -> Self {
        Self { message, step: None }
    }
}

/// A start with everything found out.
#[derive(Debug)]
pub struct Prepared {
    program: Program,
    /// What a person should know: loose modes, skipped lines.
    pub warnings: Vec<String>,
}

/// A child.
#[derive(Debug)]
pub struct Spawned {
    /// Its pid.
    pub pid: u32,
    /// Its start, ticks after boot: with the pid it names one process.
    pub start_ticks: u64,
    /// Readable when it has become the program, or could not: see [`read_exec`].
    pub exec: OwnedFd,
}

/// What became of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exec {
    /// It is not ready yet.
    Pending,
    /// It is the program (or was killed just before, as its end will tell).
    Done,
    /// It could not become the program, and ends.
    Failed(StartError),
}

/// A new id of a start: the realm of its supervisor and 16 hexadecimal digits.
pub fn run_id(realm: &str) -> io::Result<String> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{realm}{:016x}", u64::from_ne_bytes(bytes)))
}

/// What tells the starts of one supervisor from those of others, of this user or another: 16
/// hexadecimal digits made of the folder of its state, by whatever path it is reached.
pub fn realm(state: &Path) -> String {
    let path = std::fs::canonicalize(state).unwrap_or_else(|_| state.to_owned());
    let hash = path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a
    });
    format!("{hash:016x}")
}

/// Finds out all that a start of the job needs.
pub fn prepare(job: &Job, extra: &Extra<'_>) -> Result<Prepared, StartError> {
    prepare_command(job, &job.argv, extra)
}

/// The same for another command that runs as the job does: its reload.
pub fn prepare_command(job: &Job, argv: &[Bytes], extra: &Extra<'_>) -> Result<Prepared, StartError> {
    let account = account(job.user.as_deref())?;
    let mut warnings = Vec::new();
    if argv.is_empty() {
        return Err(format!("the job of `{}` names no program", job.name).into());
    }
    let cgroup = extra
        .cgroup
        .map(|join| join.procs.try_clone_to_owned())
        .transpose()
        .map_err(|error| format!("can't keep its control group open: {}", crate::error::io_reason(&error)))?;
    let program = Program {
        argv: argv.iter().map(|word| c_string("a word of the command", &word.0)).collect::<Result<_, _>>()?,
        env: environment(job, extra, &mut warnings)?,
        pipes_kill: job.environ.is_some(),
        input: job.stdin.as_ref().map(|path| c_string("`stdin`", &path.0)).transpose()?,
        folder: c_string("`working_dir`", &job.working_dir.0)?,
        umask: job.umask.unwrap_or(UMASK),
        nice: job.nice,
        limits: limits(job, extra, account.as_ref()),
        account,
        cgroup,
    };
    Ok(Prepared { program, warnings })
}

impl Prepared {
    /// Forks. Both outputs of the program go into the pipe. The child waits for
    /// [`Spawned::release`].
    pub fn spawn(&self, output: BorrowedFd<'_>) -> io::Result<Spawned> {
        let (pid, exec) = kernel::start(&self.program, output)?;
        Ok(Spawned { pid, start_ticks: subreaper::start_ticks(pid), exec })
    }
}

impl Prepared {
    /// Makes this process the program; returns why that failed. Who we are, limits and the control group stay as
    /// they are: whoever started this process has set them.
    pub fn replace(&self, job: &Job) -> StartError {
        let (step, errno) = kernel::replace(&self.program);
        explain(step, Errno::from_raw(errno), job, &job.argv)
    }
}

impl Spawned {
    /// Lets the child go; to be called when the start is recorded.
    pub fn release(&self) {
        kernel::release(self.exec.as_fd());
    }
}

/// What became of a child whose `exec` is readable; does not wait.
pub fn read_exec(exec: BorrowedFd<'_>, job: &Job) -> io::Result<Exec> {
    read_exec_command(exec, job, &job.argv)
}

/// The same for a child of [`prepare_command`].
pub fn read_exec_command(exec: BorrowedFd<'_>, job: &Job, argv: &[Bytes]) -> io::Result<Exec> {
    Ok(match kernel::news(exec)? {
        News::None => Exec::Pending,
        News::Executed => Exec::Done,
        News::Failed(step, errno) => Exec::Failed(explain(step, Errno::from_raw(errno), job, argv)),
    })
}

/// Variables of the job, of its files, and our own, which no other may replace: strays are found by
/// them. What lies below them comes as it is, byte by byte.
fn environment(job: &Job, extra: &Extra<'_>, warnings: &mut Vec<String>) -> Result<Vec<CString>, StartError> {
    let mut all: BTreeMap<String, Bytes> = job.env.clone();
    envfile::read_all(&job.env_files, &mut all, warnings)?;
    all.insert(MARK_SERVICE.into(), job.name.as_str().into());
    all.insert(MARK_RUN.into(), extra.run.into());
    if let Some(socket) = extra.notify_socket {
        all.insert("NOTIFY_SOCKET".into(), socket.as_os_str().into());
    }
    let below = job.environ.as_ref().map(|path| below(path.as_path(), &all)).transpose()?.unwrap_or_default();
    let own = all.into_iter().map(|(name, value)| {
        let mut bytes = name.clone().into_bytes();
        bytes.push(b'=');
        bytes.extend(value.0);
        c_string(&format!("`env.{name}`"), &bytes)
    });
    below.into_iter().map(Ok).chain(own).collect()
}

/// The assignments of [`Job::environ`] that `above` has none for.
fn below(path: &Path, above: &BTreeMap<String, Bytes>) -> Result<Vec<CString>, StartError> {
    let bytes = std::fs::read(path).map_err(|cause| {
        format!("can't read the environment `{}`: {}", path.display(), crate::error::io_reason(&cause))
    })?;
    let is_above = |one: &[u8]| {
        let name = one.split(|byte| *byte == b'=').next().unwrap_or(one);
        std::str::from_utf8(name).is_ok_and(|name| above.contains_key(name) || name == "NOTIFY_SOCKET")
    };
    let all = bytes.split(|byte| *byte == 0).filter(|one| !one.is_empty() && !is_above(one));
    all.map(|one| c_string("a variable", one)).collect()
}

/// Limits of each process; those of the whole service are the control group's, where there is one.
fn limits(job: &Job, extra: &Extra<'_>, account: Option<&Account>) -> Vec<(Limited, Limit)> {
    let root = account.map_or_else(|| Uid::effective().is_root(), |account| account.uid == 0);
    let files = job.limits.files.map(|files| (files, files)).or(extra.open_files);
    let memory = job.limits.memory.filter(|_| !extra.cgroup.is_some_and(|join| join.memory));
    let tasks = job.limits.tasks.filter(|_| !root && !extra.cgroup.is_some_and(|join| join.tasks));
    [
        files.map(|limit| (Limited::Files, limit)),
        memory.map(|bytes| (Limited::Memory, (bytes, bytes))),
        tasks.map(|count| (Limited::Tasks, (count, count))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The account to become; `None`: the one we are.
fn account(name: Option<&str>) -> Result<Option<Account>, StartError> {
    let Some(name) = name else { return Ok(None) };
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let failed = |error: Errno| format!("can't look up the user `{name}`: {}", reason(error));
    let user = found.map_err(failed)?.ok_or_else(|| format!("there is no user `{name}`"))?;
    if !Uid::effective().is_root() {
        let ours = user.uid == Uid::effective();
        return if ours { Ok(None) } else { Err(format!("only root can start a program as user `{name}`").into()) };
    }
    let groups = groups(&user).map_err(failed)?;
    Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups }))
}

#[cfg(target_os = "linux")]
fn groups(user: &User) -> Result<Vec<u32>, Errno> {
    let name = CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?;
    Ok(nix::unistd::getgrouplist(&name, user.gid)?.into_iter().map(nix::unistd::Gid::as_raw).collect())
}

#[cfg(target_os = "macos")]
fn groups(user: &User) -> Result<Vec<u32>, Errno> {
    let found = crate::sys::process::groups(&user.name, user.gid.as_raw());
    found.map_err(|error| error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw))
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn groups(user: &User) -> Result<Vec<u32>, Errno> {
    Ok(vec![user.gid.as_raw()])
}

fn c_string(what: &str, bytes: &[u8]) -> Result<CString, StartError> {
    CString::new(bytes).map_err(|_| format!("{what} has a NUL byte, which no program can be given").into())
}

fn reason(error: Errno) -> String {
    crate::error::io_reason(&error.into())
}

/// A child's failure in words: what, of what, why.
fn explain(step: Step, error: Errno, job: &Job, argv: &[Bytes]) -> StartError {
    let why = reason(error);
    let message = match step {
        Step::Session => format!("can't begin a session: {why}"),
        Step::Cgroup => format!("can't join its control group: {why}"),
        Step::Input => {
            let input = job.stdin.as_ref().map_or_else(|| "/dev/null".into(), |path| path.as_path().to_string_lossy());
            format!("can't open `{input}`: {why}")
        }
        Step::Output => format!("can't connect its output: {why}"),
        Step::LimitFiles => format!("can't set `limits.files`{}: {why}", figure(job.limits.files)),
        Step::LimitMemory => format!("can't set `limits.memory`{}: {why}", figure(job.limits.memory)),
        Step::LimitTasks => format!("can't set `limits.tasks`{}: {why}", figure(job.limits.tasks)),
        Step::Nice => format!("can't set `nice`{}: {why}", figure(job.nice)),
        Step::Group => format!("can't take the groups of user `{}`: {why}", job.user.as_deref().unwrap_or("?")),
        Step::User => format!("can't become user `{}`: {why}", job.user.as_deref().unwrap_or("?")),
        Step::Folder => format!("can't enter the folder `{}`: {why}", job.working_dir.as_path().display()),
        Step::Exec => not_executed(error, argv),
    };
    StartError { message, step: Some(step) }
}

fn figure<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| format!(" to {value}"))
}

/// Why execve(2) failed; it says the same of a missing program and a missing interpreter.
fn not_executed(error: Errno, argv: &[Bytes]) -> String {
    let Some(program) = argv.first().map(Bytes::as_path) else { return reason(error) };
    let shown = program.display();
    let data = std::fs::metadata(program).ok();
    match (error, data) {
        (Errno::ENOENT, Some(_)) => match interpreter(program) {
            Some(interpreter) => format!("`{shown}`: its interpreter `{interpreter}` is not there"),
            None => format!("`{shown}`: the loader or library that it was linked for is not there"),
        },
        (Errno::ENOENT, None) => format!("`{shown}`: no such file"),
        (Errno::EACCES, Some(data)) if data.is_dir() => format!("`{shown}` is a folder"),
        (Errno::EACCES, Some(data)) if data.permissions().mode() & 0o111 == 0 => {
            format!("`{shown}` is not executable; `chmod +x {shown}` makes it so")
        }
        (Errno::ENOEXEC, _) => {
            format!(
                "`{shown}` is neither a program for this machine nor a script whose first line names one (`#!/bin/sh`)"
            )
        }
        (Errno::E2BIG, _) => format!("`{shown}`: its arguments and environment are larger than the system takes"),
        (error, _) => format!("`{shown}`: {}", reason(error)),
    }
}

/// The program that the first line of a script names.
fn interpreter(script: &Path) -> Option<String> {
    let mut start = Vec::new();
    std::fs::File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.trim_ascii().split(|byte| *byte == b' ' || *byte == b'\t').next()?;
    Some(String::from_utf8_lossy(word).escape_debug().to_string())
}

#[cfg(test)]
#[path = "spawn_tests.rs"]
mod tests;
