//! What managers run beside a task: `svc helper task-…`.

use super::{Context, line};
use crate::backend::any::AnyBackend;
use crate::backend::{BackendKind, launchd};
use crate::cli::tasks::TaskArgs;
use crate::engine::spawn::{Extra, prepare, realm, run_id};
use crate::error::{Error, io_reason};
use crate::report::Report;
use crate::supervisor::shim;
use crate::sys::clock;
use crate::task::life::{self, End, Process};
use crate::task::{Slot, Spec, Store, exit};
use std::path::Path;

type Outcome = Result<(Report, Vec<String>), Error>;

/// What is said where nothing else is.
const NOTHING: Outcome = Ok((Report::Nothing, Vec::new()));

/// Becomes the program of a task; returns only if that can't be.
pub(crate) fn exec(args: &TaskArgs) -> Outcome {
    let store = Store::at(args.store.clone());
    let Some((slot, spec)) = begin(&store, args.id)? else { return NOTHING };
    let reason = become_program(&store, &slot, &spec);
    let mut table = store.lock()?;
    life::ended(&mut table, args.id, &End { exit_code: Some(127), ..End::lost(&reason) }, now())?;
    Err(Error::failed(reason))
}

fn now() -> i64 {
    clock::now().as_millisecond()
}

fn begin(store: &Store, id: u64) -> Result<Option<(Slot, Spec)>, Error> {
    let mut table = store.lock()?;
    let begun = life::began(&mut table, id, Process::own(), now())?;
    Ok(begun.and_then(|slot| Some((slot, table.spec(&slot)?))))
}

/// Why this process could not become it.
fn become_program(store: &Store, slot: &Slot, spec: &Spec) -> String {
    let job = spec.job(slot.id, store);
    let log = match exit::open_log(job.log.file.as_path()) {
        Ok(log) => log,
        Err(cause) => {
            return format!("can't write its log `{}`: {}", job.log.file.as_path().display(), io_reason(&cause));
        }
    };
    if let Some(file) = &job.pid_file
        && let Err(cause) = crate::supervisor::write_pid(file.as_path(), std::process::id())
    {
        return format!("can't write the PID file `{}`: {}", file.as_path().display(), io_reason(&cause));
    }
    let run = run_id(&realm(&store.folder)).unwrap_or_default();
    let socket = notify_socket();
    let extra = Extra { run: &run, notify_socket: socket.as_deref().map(Path::new), ..Extra::default() };
    let prepared = match prepare(&job, &extra) {
        Ok(prepared) => prepared,
        Err(error) => return error.message,
    };
    if let Err(error) = nix::unistd::dup2_stdout(&log).and_then(|()| nix::unistd::dup2_stderr(&log)) {
        return format!("can't connect its output: {}", io_reason(&error.into()));
    }
    prepared.replace(&job).message
}

/// systemd's, for plain sd_notify(3).
#[expect(clippy::disallowed_methods, reason = "systemd says it to this process alone")]
fn notify_socket() -> Option<std::ffi::OsString> {
    std::env::var_os("NOTIFY_SOCKET")
}

/// The unit of a task is down: systemd.exec(5), "$EXIT_CODE".
pub(crate) async fn ended(context: &Context, args: &TaskArgs) -> Outcome {
    let store = Store::at(args.store.clone());
    let over = {
        let mut table = store.lock()?;
        let Some(slot) = table.get(args.id).filter(|slot| slot.stand.has_place()) else {
            drop(table);
            line::go_on(context, &store).await?;
            return NOTHING;
        };
        let spec = table.spec(&slot);
        if let Some(file) = spec.as_ref().and_then(|spec| spec.job.pid_file.as_ref()) {
            remove_pid(file.as_path(), slot.pid);
        }
        let end = told(spec.as_ref());
        life::ended(&mut table, args.id, &end, now())?.zip(spec)
    };
    line::go_on(context, &store).await?;
    if let Some((slot, spec)) = over.filter(|(slot, _)| slot.stand.is_over()) {
        line::follow(context, &store, &slot, &spec).await?;
    }
    NOTHING
}

/// Removes a PID file that is of this process, and no other's.
fn remove_pid(file: &Path, pid: u32) {
    let own = std::fs::read_to_string(file).is_ok_and(|text| text.trim().parse() == Ok(pid));
    if own {
        let _ = std::fs::remove_file(file); // somebody else may have
    }
}

/// How systemd says that it ended.
#[expect(clippy::disallowed_methods, reason = "systemd says it to this process alone")]
fn told(spec: Option<&Spec>) -> End {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (result, code, status) = (variable("SERVICE_RESULT"), variable("EXIT_CODE"), variable("EXIT_STATUS"));
    let end = match code.as_str() {
        "exited" => End::of(status.parse().ok(), None),
        "killed" | "dumped" => End::of(None, life::signal_number(&status)),
        _ => End::lost(format!("systemd could not run it ({result})")),
    };
    let reason = match result.as_str() {
        "timeout" => spec.filter(|spec| spec.job.run_timeout.0 > 0).map(|spec| {
            let span = crate::engine::machine::span(spec.job.run_timeout.into());
            format!("did not end within {span}")
        }),
        "oom-kill" => Some("out of memory".into()),
        _ => None,
    };
    End { reason: reason.or(end.reason.clone()), ..end }
}

/// Is the shim of a task until that is over; then the line goes on, and launchd forgets this job.
pub(crate) fn run(context: &Context, args: &TaskArgs) -> Outcome {
    let store = Store::at(args.store.clone());
    let found = store.read()?.and_then(|view| {
        let slot = view.get(args.id).filter(|slot| slot.stand.has_place())?;
        Some((slot, view.spec(&slot)?))
    });
    if let Some((slot, spec)) = &found {
        let job = spec.job(slot.id, &store);
        let ran = shim::run_task(&context.environment, &store, job);
        // ended before it said so, as when it was told to end before it began
        let reason = ran.err().map_or_else(|| "its shim ended before it began".to_owned(), |error| error.message);
        let mut table = store.lock()?;
        life::ended(&mut table, args.id, &End::lost(reason), now())?;
    }
    crate::app::on_runtime(async {
        line::go_on(context, &store).await?;
        let over = store.read()?.and_then(|view| view.get(args.id)).filter(|slot| slot.stand.is_over());
        if let Some((slot, (_, spec))) = over.zip(found) {
            line::follow(context, &store, &slot, &spec).await?;
        }
        Ok(())
    })?;
    if let AnyBackend::Launchd(backend) = context.of_kind(BackendKind::Launchd) {
        backend.unload_once(&store, &launchd::task::label(args.id))?;
    }
    NOTHING
}

/// Runs what follows a task.
pub(crate) fn follow(args: &TaskArgs) -> Outcome {
    exit::run(&Store::at(args.store.clone()), args.id)?;
    NOTHING
}

/// A task that waited may start.
pub(crate) async fn fill(context: &Context, store: &Path, label: Option<&str>) -> Outcome {
    let store = Store::at(store.to_owned());
    line::go_on(context, &store).await?;
    if let (Some(label), AnyBackend::Launchd(backend)) = (label, context.of_kind(BackendKind::Launchd)) {
        backend.unload_once(&store, label)?;
    }
    NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_of_another_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.pid");
        crate::supervisor::write_pid(&file, 7).expect("written");
        remove_pid(&file, 8);
        assert!(file.exists());
        remove_pid(&file, 7);
        assert!(!file.exists());
    }
}
