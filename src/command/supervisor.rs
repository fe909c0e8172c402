//! `svc supervisor`: the process behind the supervisor backend.

use crate::backend::supervisor::client::{Client, Place, again, odd};
use crate::backend::supervisor::target::Target;
use crate::backend::supervisor::{autostart, cron};
use crate::backend::{BackendKind, Scope, detect};
use crate::cli::{SupervisorAction, SupervisorArgs};
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use crate::files::lock::Lock;
use crate::files::paths::Paths;
use crate::report::{Report, SupervisorStatus};
use crate::supervisor::protocol::{Answer, Pong, Request};
use crate::sys::process;
use std::fs::File;
use std::os::fd::AsFd;

/// Runs it; `said`: root by sudo named the scope.
pub(crate) fn run(
    environment: &Environment,
    args: &SupervisorArgs,
    said: bool,
) -> Result<(Report, Vec<String>), Error> {
    detect::by_sudo(said, BackendKind::Supervisor, environment)?;
    let paths = Paths::new(Scope::User, environment);
    let place = Place { environment, paths: &paths };
    let status = match args.action {
        SupervisorAction::Run { detached } => {
            be_it(environment, &paths, detached)?;
            return Ok((Report::Nothing, Vec::new()));
        }
        SupervisorAction::Start => {
            let (client, new) = place.find_or_start()?;
            mend_login(place)?;
            status(place, Some(client), Some(if new { "started" } else { "running already" }))?
        }
        SupervisorAction::Stop => match place.find_any()? {
            Some(mut client) => {
                client.ask_done(&Request::Shutdown {})?;
                client.wait_for_end()?;
                status(place, None, Some("stopped, with all services"))?
            }
            None => status(place, None, Some("stopped already"))?,
        },
        SupervisorAction::Reload => match place.find_any()? {
            Some(mut client) => {
                client.ask_done(&Request::ReloadBinary {})?;
                client.wait_for_end()?;
                let client = again(place)?;
                status(place, Some(client), Some("reloaded"))?
            }
            None => {
                return Err(Error::new(ErrorCode::Unreachable, "the supervisor is not running, so it can't reload")
                    .hint("`svc supervisor start` starts it"));
            }
        },
        SupervisorAction::Status => {
            let client = place.find_any()?;
            status(place, client, None)?
        }
    };
    Ok((Report::Supervisor(Box::new(status)), Vec::new()))
}

fn status(place: Place<'_>, client: Option<Client>, did: Option<&'static str>) -> Result<SupervisorStatus, Error> {
    let mut status = SupervisorStatus {
        running: client.is_some(),
        did,
        pid: None,
        guardian_pid: None,
        version: None,
        started_at: None,
        takeovers: None,
        services: None,
        services_running: None,
        memory_bytes: None,
        socket: None,
        starts_at_login: autostart::is_on(place.environment),
        starts_at_boot: did.is_none() && cron::is_on(place.environment),
    };
    let Some(mut client) = client else { return Ok(status) };
    status.pid = Some(client.hello.pid);
    status.version = Some(client.hello.svc.clone());
    status.socket = Some(client.runtime.socket());
    if did.is_some() {
        return Ok(status);
    }
    let Pong { pid, guardian, svc, since, takeovers, services, running } = match client.ask(&Request::Ping {})? {
        Answer::Pong(pong) => pong,
        other => return Err(odd(other)),
    };
    let memory = |pid: Option<u32>| pid.and_then(process::own_memory);
    status.memory_bytes = memory(Some(pid)).map(|bytes| bytes + memory(guardian).unwrap_or(0));
    status.pid = Some(pid);
    status.guardian_pid = guardian;
    status.version = Some(svc);
    status.started_at = since;
    status.takeovers = Some(takeovers);
    status.services = Some(services);
    status.services_running = Some(running);
    Ok(status)
}

/// Puts back what has a login start the supervisor, if somebody took it away: services are enabled.
fn mend_login(place: Place<'_>) -> Result<(), Error> {
    if autostart::is_on(place.environment) || !crate::backend::supervisor::any_enabled(place.paths) {
        return Ok(());
    }
    let _lock = Lock::take(place.paths)?;
    autostart::set(place.environment, &Target::find(place.paths, place.environment).account.shell, true)
}

/// Becomes the supervisor. Detached, it leaves the session of the shell, and standard output is not its
/// own: there it says once that it listens, or why it can't.
fn be_it(environment: &Environment, paths: &Paths, detached: bool) -> Result<(), Error> {
    // after a reload it is detached already, and nobody waits
    if !detached || crate::supervisor::guardian::goes_on() {
        return crate::supervisor::run(environment, paths, None);
    }
    let told =
        leave_session().map_err(|cause| Error::failed(format!("can't leave the session: {}", io_reason(&cause))))?;
    crate::supervisor::run(environment, paths, Some(told))
}

/// A session of its own, the root folder, private files; what was standard output, which is nothing now.
fn leave_session() -> std::io::Result<File> {
    nix::unistd::setsid()?;
    std::env::set_current_dir("/")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let told = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&nothing)?;
    Ok(File::from(told))
}
