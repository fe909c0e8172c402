//! `svc tasks`, `svc status ID`, `svc wait`, `svc logs ID`.

use super::{Context, find, line, show, store};
use crate::cli::tasks::{TasksArgs, WaitArgs};
use crate::cli::{LogsArgs, SelectArgs};
use crate::error::{Error, io_reason};
use crate::logs::tail;
use crate::report::{LogLine, LogQuery, Report, Status, Task, Tasks};
use crate::service::Name;
use crate::task::store::View;
use crate::task::{Slot, Stand, Store, life};
use crate::view::Screen;
use std::ops::ControlFlow;
use std::time::Duration;

/// Of those that are over, the newest so many are shown.
const NEWEST: usize = 20;
/// Log lines in the detailed view.
const LAST_LINES: usize = 10;
/// Between two looks of who waits.
const LOOK: Duration = Duration::from_millis(25);

/// Between two tables of `--watch`.
const AGAIN: Duration = Duration::from_secs(1);
/// Who follows a log is done when the task is over and nothing has come for so long.
const QUIET: Duration = Duration::from_millis(250);

fn failed(cause: &std::io::Error) -> Error {
    Error::failed(format!("can't read the records of tasks: {}", io_reason(cause)))
}

/// `svc tasks`.
pub(crate) async fn tasks(context: &Context, args: &TasksArgs) -> Result<(Report, Vec<String>), Error> {
    let store = store(context);
    let warnings = line::look(context, &store).await.err().map(|error| error.message).into_iter().collect();
    let Some(view) = store.read()? else { return Ok((Report::Tasks(Tasks { all: Vec::new(), more: 0 }), warnings)) };
    let everything = args.all || args.project.is_some();
    let count = if everything { u64::MAX } else { NEWEST as u64 };
    let (mut slots, before) = view.newest(count).map_err(|cause| failed(&cause))?;
    let live: Vec<Slot> = slots.iter().filter(|slot| !slot.stand.is_over()).copied().collect();
    if let Some(project) = &args.project {
        let key = life::key(project);
        slots.retain(|slot| slot.project == key);
    }
    let mut more = before;
    if !args.all {
        let over = slots.iter().filter(|slot| slot.stand.is_over()).count();
        let mut skip = over.saturating_sub(NEWEST);
        more += skip as u64;
        slots.retain(|slot| {
            let gone = slot.stand.is_over() && skip > 0;
            skip -= usize::from(gone);
            !gone
        });
    }
    Ok((Report::Tasks(Tasks { all: show::tasks(context, &store, &view, &slots, &live), more }), warnings))
}

/// `svc status ID`.
pub(crate) async fn status(context: &Context, slot: &Slot, json: bool) -> Result<(Report, Vec<String>), Error> {
    let store = store(context);
    let warnings = line::look(context, &store).await.err().map(|error| error.message).into_iter().collect();
    let task = super::run::task(context, &store, slot)?;
    let lines = if json { Vec::new() } else { last_lines(&task).await };
    Ok((Report::Task(Box::new(task), lines), warnings))
}

async fn last_lines(task: &Task) -> Vec<LogLine> {
    let (Ok(name), Some(log)) = (Name::parse(&task.name), &task.log) else { return Vec::new() };
    tail::last(&name, log, LAST_LINES).await
}

/// `svc wait`: the exit code of the first of them that failed.
pub(crate) async fn wait(context: &Context, args: &WaitArgs) -> Result<(Report, Vec<String>), Error> {
    let store = store(context);
    let view = store.read()?;
    let wanted = args.tasks.iter().map(|word| find(view.as_ref(), word)).collect::<Result<Vec<_>, _>>()?;
    let mut code = 0;
    for slot in wanted {
        let slot = over(context, &store, slot.id).await?;
        if code == 0 {
            code = exit_code(&slot);
        }
    }
    Ok((Report::Ended(code), Vec::new()))
}

/// Waits until one is over.
pub(crate) async fn over(context: &Context, store: &Store, id: u64) -> Result<Slot, Error> {
    loop {
        line::look(context, store).await?;
        let slot = store.read()?.and_then(|view: View| view.get(id)).ok_or_else(|| life::no_task(id))?;
        if slot.stand.is_over() {
            return Ok(slot);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a shell would say of its end: its exit code, 128 and the number of its signal, 1 if neither is known.
pub(crate) fn exit_code(slot: &Slot) -> u8 {
    match (slot.stand, slot.exit_code, slot.signal) {
        (Stand::Completed, ..) => 0,
        (_, Some(code), _) if code != 0 => u8::try_from(code).unwrap_or(1),
        (_, None, signal) if signal != 0 => 128_u8.saturating_add(signal),
        _ => 1,
    }
}

/// Shows them again and again, until Ctrl-C.
pub(crate) async fn watch(
    context: &Context,
    args: &TasksArgs,
    screen: &Screen,
) -> Result<(Report, Vec<String>), Error> {
    loop {
        let (report, warnings) = tasks(context, args).await?;
        screen.again(&report, &warnings)?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => {
                pressed.map_err(|cause| Error::failed(format!("can't hear signals: {}", io_reason(&cause))))?;
                return Ok((Report::Nothing, Vec::new()));
            }
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// `svc status` of everything names tasks that run, too.
pub(crate) fn beside(context: &Context, args: &SelectArgs, report: Report) -> Result<Report, Error> {
    let Report::Status(mut all) = report else { return Ok(report) };
    if args.selector.is_empty() {
        let store = store(context);
        if let Some(view) = store.read()? {
            let (live, _) = view.newest(0).map_err(|cause| failed(&cause))?;
            let boot = life::this_boot();
            let runs: Vec<Slot> =
                live.into_iter().filter(|slot| slot.stand == Stand::Running && life::lives(slot, boot)).collect();
            all.extend(show::tasks(context, &store, &view, &runs, &[]).into_iter().filter_map(as_status));
        }
    }
    Ok(Report::Status(all))
}

/// Beside services.
fn as_status(task: Task) -> Option<Status> {
    Some(Status {
        name: Name::parse(&task.name).ok()?,
        kind: task.kind,
        backend: task.backend,
        scope: task.scope,
        state: task.state,
        enabled: None,
        pid: task.pid,
        started_at: task.started_at,
        restarts: task.restarts,
        exit_code: task.exit_code,
        signal: task.signal,
        memory_bytes: task.memory_bytes,
        cpu_seconds: task.cpu_seconds,
        status_text: task.status_text,
        stage: task.stage,
        progress: task.progress,
        eta_seconds: task.eta_seconds,
        health: None,
        log_rate: None,
        project: task.project,
        manifest: None,
        drifted: false,
        files: Vec::new(),
        log: task.log,
        next_run_at: None,
        reason: task.reason,
        manifest_missing: false,
        drift: Vec::new(),
        groups: Vec::new(),
        armed: false,
    })
}

/// What to read of a task's log, and warnings.
pub(crate) fn log_query(context: &Context, args: &LogsArgs, slot: &Slot) -> Result<(LogQuery, Vec<String>), Error> {
    let task = super::run::task(context, &store(context), slot)?;
    let name = Name::parse(&task.name).map_err(Error::failed)?;
    crate::command::logs::query_of(vec![(name, task.log)], args)
}

/// Reads it; with `follow` until the task is over and nothing comes any more.
pub(crate) async fn logs(
    context: &Context,
    query: &LogQuery,
    slot: &Slot,
    sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
) -> Result<(), Error> {
    let store = store(context);
    if !query.follow || slot.stand.is_over() {
        let query = LogQuery { follow: false, ..query.clone() };
        return crate::command::logs::read(context, &query, sink).await;
    }
    let last = std::cell::Cell::new(tokio::time::Instant::now());
    let mut tell = |line| {
        last.set(tokio::time::Instant::now());
        sink(line)
    };
    let end = async {
        over(context, &store, slot.id).await?;
        let ended = tokio::time::Instant::now();
        loop {
            let quiet = last.get().max(ended) + QUIET;
            if quiet <= tokio::time::Instant::now() {
                return Ok(());
            }
            tokio::time::sleep_until(quiet).await;
        }
    };
    tokio::select! {
        read = crate::command::logs::read(context, query, &mut tell) => read,
        ended = end => ended,
    }
}
