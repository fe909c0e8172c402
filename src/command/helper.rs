//! `svc helper …`: what units of systemd call beside the program, each for one thing that systemd has no
//! word for (`wait_for`, `ready`, `health`, `on_failure`, `restart_reset`).

mod in_file;
mod restarts;

use super::{Context, task};
use crate::backend::supervisor::render::verdict_of;
use crate::backend::systemd::forgotten::Forgotten;
use crate::backend::systemd::journal::JournalLog;
use crate::backend::systemd::{Systemd, bus, hints, manager, observe};
use crate::cli::{HealthArgs, Helper, ReadyArgs};
use crate::definition::units::duration;
use crate::engine::health::{Change, watch};
use crate::engine::job::{Bytes, Check, Health, Job, Verdict, WaitFor};
use crate::engine::probe;
use crate::error::{Error, io_reason};
use crate::files::health::HealthState;
use crate::logs::Begin;
use crate::logs::source::Source;
use crate::report::{LogQuery, Report};
use crate::service::{Name, health};
use crate::sys::{clock, process};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

type Outcome = Result<(Report, Vec<String>), Error>;

/// Longest that one thing may take that is asked of systemd.
const JOB_LIMIT: std::time::Duration = std::time::Duration::from_mins(10);

/// Runs one.
pub(crate) fn run(context: &Context, helper: Helper) -> Outcome {
    match helper {
        Helper::WaitFor { network, path } => {
            let paths = path.into_iter().map(|path| WaitFor::Path(path.into_os_string().into()));
            let all: Vec<WaitFor> = network.then_some(WaitFor::Network).into_iter().chain(paths).collect();
            if let Some(missing) = probe::missing(&all) {
                say(&format!("waits for {missing}"));
            }
            // systemd ends it when `start_timeout` is over
            probe::until(|| probe::missing(&all).is_none(), || true);
            Ok((Report::Nothing, Vec::new()))
        }
        Helper::LogMark(args) => in_file::mark(context, &args),
        Helper::Ready(args) => ready(context, &args),
        Helper::Health(args) => check(context, &args),
        Helper::Restarts => restarts::run(context),
        Helper::TaskExec(args) => task::helper::exec(&args),
        Helper::TaskExit(args) => task::helper::follow(&args),
        Helper::TaskRun(args) => task::helper::run(context, &args),
        Helper::TaskEnded(args) => crate::app::on_runtime(task::helper::ended(context, &args)),
        Helper::TaskFill { store, label } => {
            crate::app::on_runtime(task::helper::fill(context, &store, label.as_deref()))
        }
        Helper::Log(args) => super::log_writer::run(context, &args),
        Helper::Failed { name, desktop, command } => failed(context, &name, desktop, &command),
    }
}

/// A line for the journal.
#[expect(clippy::print_stderr, reason = "stderr of a unit is the journal")]
pub(super) fn say(text: &str) {
    eprintln!("svc: {text}");
}

fn ready(context: &Context, args: &ReadyArgs) -> Outcome {
    let main = main_process().ok_or_else(|| Error::failed(format!("`{}` has ended before it was ready", args.name)))?;
    let alive = || process::stat(main.0).is_some_and(|stat| stat.start_ticks == main.1 && stat.state != b'Z');
    if let Some(pattern) = &args.log {
        let bad = |error: regex::Error| Error::failed(format!("`ready.log`: {error}"));
        let regex = regex::bytes::Regex::new(pattern).map_err(bad)?;
        let Some(file) = &args.file else { return line(context, &args.name, &regex, main.1, alive) };
        if in_file::wait(context, &args.name, file, &regex, alive)? {
            return Ok((Report::Nothing, Vec::new()));
        }
        return Err(Error::failed(format!("`{}` has ended before it was ready", args.name)));
    }
    let once = || match (&args.look.tcp, &args.look.http) {
        (Some(target), _) => probe::tcp(target),
        (None, Some(address)) => probe::http(address),
        (None, None) => true,
    };
    let seen = std::cell::Cell::new(false);
    probe::until(
        || {
            seen.set(once());
            seen.get()
        },
        alive,
    );
    if seen.get() {
        return Ok((Report::Nothing, Vec::new()));
    }
    Err(Error::failed(format!("`{}` has ended before it was ready", args.name)))
}

/// Its id and start: systemd.exec(5), "$MAINPID".
#[expect(clippy::disallowed_methods, reason = "systemd says it to this process alone")]
fn main_process() -> Option<(u32, u64)> {
    let pid: u32 = std::env::var("MAINPID").ok()?.parse().ok()?;
    process::stat(pid).map(|stat| (pid, stat.start_ticks))
}

/// Waits until a line of this run matches.
fn line(
    context: &Context,
    name: &str,
    regex: &regex::bytes::Regex,
    start_ticks: u64,
    alive: impl Fn() -> bool,
) -> Outcome {
    let bad = |reason: String| Error::failed(format!("`ready.log`: {reason}"));
    let service = Name::parse(name).map_err(bad)?;
    let since = clock::wall_of_ticks(start_ticks);
    let query = LogQuery { follow: true, since, ..LogQuery::default() };
    let mut log = JournalLog::open(context.scope, &[service], &query, Begin::Start, false)?;
    while alive() {
        while log.peek()?.is_some() {
            if regex.is_match(log.line().message) {
                return Ok((Report::Nothing, Vec::new()));
            }
            log.take();
        }
        let fds: Vec<_> = log.fd().into_iter().collect();
        let waited = crate::sys::watch::wait(&fds, None, std::time::Duration::from_millis(50));
        waited.map_err(|cause| bad(io_reason(&cause)))?;
    }
    Err(Error::failed(format!("`{name}` has ended before it was ready")))
}

/// Never returns but with an error: the unit is ended with its service.
fn check(context: &Context, args: &HealthArgs) -> Outcome {
    let job = Job { health: Some(rule(args)?), user: args.account.clone(), ..here(&args.name) };
    let rule = job.health.as_ref().map(|health| health.on_failure);
    let systemd = Systemd::new(context.scope, context.environment.clone());
    let mut was = HealthState::Starting;
    loop {
        match watch(&job, &context.paths, was, || true) {
            Some(Change::Bad(reason)) => {
                say(&format!("unhealthy: {reason}"));
                was = HealthState::Unhealthy;
                let what = match rule {
                    Some(Verdict::Restart) => manager::Job::Restart,
                    Some(Verdict::Stop) => manager::Job::Stop,
                    Some(Verdict::Report) | None => continue,
                };
                // this process is ended by it, too
                crate::app::on_runtime(async {
                    let unit = manager::service_unit(&args.name);
                    if what == manager::Job::Restart {
                        count_restart(systemd.bus().await?, context, &unit).await;
                    }
                    let ends = manager::run(systemd.bus().await?, &[(what, unit)], JOB_LIMIT, &|_, _| ()).await;
                    ends.map(drop).map_err(|error| error.into_error("ask systemd"))
                })?;
            }
            Some(Change::Good) => {
                say("healthy again");
                was = HealthState::Healthy;
            }
            None => return Ok((Report::Nothing, Vec::new())),
        }
    }
}

/// systemd takes it for a restart by a person, and begins to count anew.
async fn count_restart(bus: &bus::Bus, context: &Context, unit: &str) {
    let restarts = bus.get::<u32>(&bus::unit_path(unit), observe::SERVICE, "NRestarts").await.unwrap_or(0);
    let noted = Forgotten::new(context.scope, &context.environment).note(unit, restarts.saturating_add(1));
    if let Err(cause) = noted {
        say(&format!("this restart is lost to `svc status`: {}", io_reason(&cause)));
    }
}

fn rule(args: &HealthArgs) -> Result<Health, Error> {
    let bad = |flag: &str, reason: String| Error::failed(format!("`--{flag}` {reason}"));
    let time = |flag: &str, text: &str| duration(text).map(Into::into).map_err(|reason| bad(flag, reason));
    let check = match (&args.look.tcp, &args.look.http) {
        (Some(target), _) => Check::Tcp(target.clone()),
        (None, Some(url)) => Check::Http { url: url.clone(), status: args.status, body: args.body.clone() },
        (None, None) => Check::Command(args.command.iter().map(|word| Bytes::from(word.as_os_str())).collect()),
    };
    let on_failure = health::Verdict::ALL.into_iter().find(|verdict| verdict.word() == args.then);
    let on_failure = on_failure.ok_or_else(|| bad("then", format!("is `{}`, which is no verdict", args.then)))?;
    Ok(Health {
        check,
        interval: time("interval", &args.interval)?,
        timeout: time("timeout", &args.timeout)?,
        retries: args.retries,
        grace: time("grace", &args.grace)?,
        on_failure: verdict_of(on_failure),
    })
}

/// A job in the surroundings that systemd gave this process.
fn here(name: &str) -> Job {
    let folder = std::env::current_dir().map_or_else(|_| OsString::from("/"), std::path::PathBuf::into_os_string);
    let env = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into())));
    Job { working_dir: folder.into(), env: env.collect(), ..Job::bare(name, "/dev/null".into()) }
}

/// Runs what is wanted; the command's end is this one's.
fn failed(context: &Context, name: &str, on_desktop: bool, command: &[OsString]) -> Outcome {
    let systemd = Systemd::new(context.scope, context.environment.clone());
    let end =
        crate::app::on_runtime(async { Ok(observe::ended(systemd.bus().await?, &manager::service_unit(name)).await) });
    let reason = end.map_or_else(|_| "it has failed".to_owned(), |end| hints::explain(&end, &[]).0);
    if on_desktop {
        let words = crate::supervisor::desktop(name, &reason);
        let words: Vec<&OsStr> = words.iter().map(Bytes::as_os).collect();
        if let [program, rest @ ..] = words.as_slice() {
            let shown = Command::new(program).args(rest).stdin(Stdio::null()).status();
            if !shown.is_ok_and(|status| status.success()) {
                say("no notification could be shown: notify-send of libnotify and a desktop are needed");
            }
        }
    }
    let [program, rest @ ..] = command else { return Ok((Report::Nothing, Vec::new())) };
    let error = Command::new(program).args(rest).env("SVC_SERVICE", name).env("SVC_REASON", reason).exec();
    Err(Error::failed(format!("can't execute `{}`: {}", program.to_string_lossy(), io_reason(&error))))
}
