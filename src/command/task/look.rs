//! `svc tasks`, `svc status ID`, `svc wait`, `svc logs ID`.

use super::{Context, find, line, show, store};
use crate::cli::tasks::{TasksArgs, WaitArgs};
use crate::cli::{LogsArgs, SelectArgs};
use crate::error::{Error, io_reason};
use crate::logs::{self, Followed, Logged};
use crate::report::{LogLine, LogQuery, Report, Status, Task, Tasks};
use crate::service::Name;
use crate::task::store::View;
use crate::task::{Slot, Stand, Store, life};
use crate::view::Screen;
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

/// Of those that are over, the newest so many are shown.
const NEWEST: usize = 20;
/// Log lines in the detailed view.
const LAST_LINES: usize = 10;
/// Between two looks of who waits.
const LOOK: Duration = Duration::from_millis(25);

/// Between two tables of `--watch`.
const AGAIN: Duration = Duration::from_secs(1);

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
    let lines = if json { Vec::new() } else { last_lines(&task) };
    Ok((Report::Task(Box::new(task), lines), warnings))
}

fn last_lines(task: &Task) -> Vec<LogLine> {
    let (Ok(name), Some(log)) = (Name::parse(&task.name), &task.log) else { return Vec::new() };
    logs::last(&name, log, LAST_LINES)
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

/// What to read of a task's log.
pub(crate) fn log_query(context: &Context, args: &LogsArgs, slot: &Slot) -> Result<LogQuery, Error> {
    let task = super::run::task(context, &store(context), slot)?;
    let name = Name::parse(&task.name).map_err(Error::failed)?;
    // all of it is of one run, which is its last
    crate::command::logs::query_of(vec![(name, task.log)], Vec::new(), args)
}

/// A task whose log is followed, until it is over.
pub(crate) struct FollowedTask {
    store: Store,
    id: u64,
    logged: Vec<Logged>,
    /// Its process was gone at the last look, and nobody had written down its end.
    unseen: Cell<bool>,
}

impl FollowedTask {
    /// Of the task whose log `query` reads.
    pub(crate) fn new(context: &Context, slot: &Slot, query: &LogQuery) -> Self {
        Self { store: store(context), id: slot.id, logged: query.services.clone(), unseen: Cell::new(false) }
    }
}

impl Followed for FollowedTask {
    fn folder(&self) -> &Path {
        &self.store.folder
    }

    fn who(&self) -> Option<Vec<Logged>> {
        let slot = self.store.read().ok().flatten().and_then(|view: View| view.get(self.id))?;
        let gone = slot.stand == Stand::Running && !life::lives(&slot, life::this_boot());
        let over = slot.stand.is_over() || (self.unseen.replace(gone) && gone);
        (!over).then(|| self.logged.clone())
    }

    fn grows(&self) -> bool {
        false
    }
}
