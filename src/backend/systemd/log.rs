//! Where the output of a service goes, and the two units that write a log file with rotation.
//!
//! ```text
//!  program ──> %t/svc-log/NAME.out ──> NAME:log.service ──> log        the FIFOs are NAME:log.socket's:
//!              %t/svc-log/NAME.staging                                 systemd holds both open
//! ```
//!
//! The program stays systemd's own child and gets nothing but a pipe. systemd starts the writer when
//! something lies in the pipe, and again when it was killed: what it had not written lies there still, and
//! what it had is told by the second pipe ([`crate::engine::log`]). `StandardOutput=fd:` would do without
//! the paths, but hands LISTEN_FDS to the program. The service is ordered after its writer, so that it
//! stops first; `PartOf=` stops the writer then. Tried with 247, 252 and 257.

use super::bus::Bus;
use super::companion::Helper;
use super::escape::{Account, PlainText};
use super::manager::{Job, run};
use super::path::UnitPath;
use super::render::{Target, head};
use super::text::{PIPES, RuntimePath, Span, UnitName};
use super::unit::{Limit, LogSocket, LogWriter, Output};
use crate::backend::Scope;
use crate::backend::refusals::Refusals;
use crate::engine::job::Log;
use crate::env::Environment;
use crate::service::{Field, Logs, Name, Per, Rate, Service};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The word of both units, as in `NAME:WORD.socket`.
pub(super) const WORD: &str = "log";

/// The pipe that the program writes to.
const PIPE: &str = "out";
/// The one that says what is in the log already.
const STAGING: &str = "staging";

/// Whether svc writes the file: systemd itself can add to one, no more.
fn is_written_by_svc(logs: &Logs) -> bool {
    let Logs { file, max_size, keep, keep_days, timestamps, compress, rate_limit } = logs;
    let rotates = max_size.is_some() || keep.is_some() || keep_days.is_some() || *compress == Some(true);
    file.is_some() && (rotates || *timestamps == Some(true) || rate_limit.is_some())
}

/// `StandardOutput=` and what belongs to it.
pub(super) fn output(service: &Service, scope: Scope) -> Result<Output, String> {
    let Service { name, logs, .. } = service;
    Ok(match &logs.file {
        // journald has one limit for all services of a user, which no unit of theirs can change
        None if scope == Scope::User => Output::Journal(None),
        None => Output::Journal(Some(limit(logs.rate_limit.unwrap_or(ALL))?)),
        Some(file) if !is_written_by_svc(logs) => Output::File(UnitPath::new(file)?),
        Some(_) => Output::Pipe {
            path: RuntimePath::new(name, PIPE),
            socket: UnitName::socket(name, WORD),
            writer: UnitName::companion(name, WORD),
        },
    })
}

/// More than anybody writes: journald (252, tried) takes 0 for "not said" and drops three of ten of 50,000
/// quick lines then. It multiplies the number by up to 12 in 32 bits.
const ALL: Rate = Rate { lines: 100_000_000, per: Per::Second };

fn limit(rate: Rate) -> Result<Limit, String> {
    Ok(Limit { burst: rate.lines, within: Span::new(Duration::from_secs(rate.per.seconds().into()))? })
}

/// The units that write its log, if svc does.
pub(super) fn units(service: &Service, target: &Target, bad: &mut Refusals<'_>) -> Option<(LogSocket, LogWriter)> {
    if !is_written_by_svc(&service.logs) {
        return None;
    }
    bad.keep(Field::Logs.key(), make(service, target))
}

fn make(service: &Service, target: &Target) -> Result<(LogSocket, LogWriter), String> {
    let Service { name, user, .. } = service;
    let socket = LogSocket {
        head: head(service, PlainText::new(&format!("what {name} writes, on its way to its log"))?),
        pipe: RuntimePath::new(name, PIPE),
        staging: RuntimePath::new(name, STAGING),
        user: user.as_deref().map(Account::new).transpose()?,
    };
    let words = words(service);
    let writer = LogWriter {
        head: head(service, PlainText::new(&format!("writes the log of {name}"))?),
        service: UnitName::service(name),
        start: Helper { service, target }.line(&words.iter().map(OsString::as_os_str).collect::<Vec<_>>())?,
    };
    Ok((socket, writer))
}

/// What the writer is told; the limits that nobody asked for are those of the supervisor.
fn words(service: &Service) -> Vec<OsString> {
    let log = crate::backend::supervisor::render::log_of(&service.logs, PathBuf::new());
    let Log { file, max_size, keep, keep_days, timestamps, compress, rate_limit } = log;
    let mut path = OsString::from("--file=");
    path.push(file.as_os());
    let mut words = vec!["log".into(), service.name.as_str().into(), path];
    words.extend([format!("--max-size={max_size}"), format!("--keep={keep}")].map(OsString::from));
    words.extend(keep_days.map(|days| format!("--keep-days={days}").into()));
    words.extend(timestamps.then(|| "--timestamps".into()));
    words.extend(compress.then(|| "--compress".into()));
    words.extend(rate_limit.map(|rate| format!("--rate-limit={rate}").into()));
    words
}

/// The folder of the pipes.
pub(crate) fn folder(scope: Scope, environment: &Environment) -> PathBuf {
    match scope {
        Scope::User => environment.runtime_dir().join(PIPES),
        Scope::System => PathBuf::from("/run").join(PIPES),
    }
}

/// Longest that is waited for a writer to have written what lies in its pipe.
const LATEST: Duration = Duration::from_secs(1);
/// Longest that the writer may take to end.
const JOB_LIMIT: Duration = Duration::from_secs(20);

/// Waits until all that these services wrote is in their logs; not for ever, where a log can't be written.
pub(super) async fn written(pipes: &Path, names: impl IntoIterator<Item = &Name>) {
    let pipes: Vec<PathBuf> = names.into_iter().map(|name| pipe_of(pipes, name)).collect();
    let until = tokio::time::Instant::now() + LATEST;
    while pipes.iter().any(|pipe| lies_in(pipe)) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// After jobs: what was stopped, or is written otherwise now, needs its pipe no more. One in which
/// something lies that can't be written stays.
pub(super) async fn let_go(bus: &Bus, unit_dir: &Path, pipes: &Path, ended: &[(Job, &Name)]) {
    for (_, name) in ended.iter().filter(|(job, _)| *job == Job::Stop) {
        let _ = std::fs::remove_file(mark(pipes, name.as_str())); // of a start that failed
    }
    let held: Vec<&(Job, &Name)> = ended.iter().filter(|(_, name)| pipe_of(pipes, name).exists()).collect();
    if held.is_empty() {
        return;
    }
    written(pipes, held.iter().map(|(_, name)| *name)).await;
    let units =
        |name: &Name| [UnitName::companion(name, WORD), UnitName::socket(name, WORD)].map(|unit| unit.to_string());
    let over = held.into_iter().filter(|(job, name)| {
        let used = *job != Job::Stop && unit_dir.join(UnitName::socket(name, WORD).to_string()).exists();
        !used && !lies_in(&pipe_of(pipes, name))
    });
    let over: Vec<&Name> = over.map(|(_, name)| *name).collect();
    let jobs: Vec<(Job, String)> = over.iter().flat_map(|name| units(name)).map(|unit| (Job::Stop, unit)).collect();
    if let Err(error) = run(bus, &jobs, JOB_LIMIT, &|_, _| ()).await {
        tracing::debug!(error = error.text(), "pipes of logs stay");
        return;
    }
    for name in over {
        let _ = std::fs::remove_file(record(pipes, name.as_str())); // nothing is on its way
    }
}

/// The file of the batch that is on its way to the log of this service.
pub(crate) fn record(pipes: &Path, name: &str) -> PathBuf {
    pipes.join(format!("{name}.record"))
}

/// The file with the end of a log before a start, where `ready` looks for a line.
pub(crate) fn mark(pipes: &Path, name: &str) -> PathBuf {
    pipes.join(format!("{name}.from"))
}

fn pipe_of(pipes: &Path, name: &Name) -> PathBuf {
    pipes.join(format!("{name}.{PIPE}"))
}

/// Whether something lies in the FIFO at this path; not if there is none.
fn lies_in(pipe: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    let opened =
        std::fs::File::options().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW).open(pipe);
    opened.is_ok_and(|file| {
        let fifo = file.metadata().is_ok_and(|data| data.file_type().is_fifo());
        fifo && crate::sys::pipe::waiting(&file).is_ok_and(|count| count > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sample::{abs, sample};

    #[test]
    fn svc_writes_where_systemd_cannot() {
        let logs = |text: &str| {
            let mut logs = Logs { file: Some(abs("/x")), ..Logs::default() };
            match text {
                "size" => logs.max_size = Some(1),
                "keep" => logs.keep = Some(1),
                "days" => logs.keep_days = Some(1),
                "times" => logs.timestamps = Some(true),
                "no times" => logs.timestamps = Some(false),
                "gz" => logs.compress = Some(true),
                "no gz" => logs.compress = Some(false),
                "rate" => logs.rate_limit = "5/s".parse().ok(),
                _ => {}
            }
            is_written_by_svc(&logs)
        };
        assert!(["size", "keep", "days", "times", "gz", "rate"].into_iter().all(logs));
        assert!(!["", "no times", "no gz"].into_iter().any(logs));
        let mut service = sample("web");
        service.logs = Logs { file: Some(abs("/a b")), rate_limit: "5/m".parse().ok(), ..Logs::default() };
        assert_eq!(
            words(&service),
            ["log", "web", "--file=/a b", "--max-size=10485760", "--keep=5", "--rate-limit=5/m"]
        );
    }

    #[test]
    fn a_pipe_is_looked_into_without_waiting() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("p");
        assert!(!lies_in(&path));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(!lies_in(&path));
        let mut held = std::fs::File::options().read(true).write(true).open(&path).expect("opened");
        std::io::Write::write_all(&mut held, b"x").expect("written");
        assert!(lies_in(&path));
    }
}
