//! `svc run`: from a command line to a task.

use super::{Context, line, prune, show, spec, store};
use crate::backend::{Backend, BackendKind};
use crate::cli::tasks::RunArgs;
use crate::command::install::may_change;
use crate::error::{Error, ErrorCode};
use crate::report::{Report, Task};
use crate::sys::clock;
use crate::task::store::Table;
use crate::task::{Slot, Spec, Stand, Store, life};
use std::time::{Duration, Instant};

/// Its manager says that it runs within this time; else that is not waited for.
const BEGUN_BY: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_micros(300);

/// Submits what was typed; what is known of it then.
pub(crate) async fn background(context: &Context, args: &RunArgs) -> Result<(Report, Vec<String>), Error> {
    let (task, warnings) = submit(context, args).await?;
    Ok((Report::Submitted(Box::new(task)), warnings))
}

/// The same for whoever goes on with it.
pub(crate) async fn submit(context: &Context, args: &RunArgs) -> Result<(Task, Vec<String>), Error> {
    may_change(context)?;
    if args.command.is_empty() && args.fields.script.is_none() {
        return Err(Error::new(ErrorCode::Usage, "nothing to run").hint("`svc run -b -- CMD ARG…`"));
    }
    let store = store(context);
    let (spec, warnings) = spec::read(context, args, &store)?;
    let slot = enter(context, &store, &spec, args.no_queue).await?;
    Ok((task(context, &store, &slot)?, warnings))
}

/// Puts a task into the line, and has it started if it is its turn.
pub(crate) async fn enter(context: &Context, store: &Store, spec: &Spec, no_queue: bool) -> Result<Slot, Error> {
    let config = line::config(context)?;
    let limit = config.max_parallel_tasks;
    if spec.named || no_queue {
        // what looks as if it ran may be long gone
        line::look(context, store).await?;
    }
    let id = {
        let mut table = store.lock()?;
        prune::now_and_then(&mut table, &config)?;
        if spec.named {
            only_one(&table, spec)?;
        }
        if no_queue {
            has_place(&table, spec, limit)?;
        }
        life::submit(&mut table, spec, context.backend.kind(), clock::now().as_millisecond())?.id
    };
    // a supervisor that is killed again and again is asked again
    let mut went_on = line::go_on(context, store).await;
    if went_on.is_err() && context.backend.kind() == BackendKind::Supervisor {
        went_on = line::go_on(context, store).await;
    }
    if let Err(error) = went_on {
        take_back(store, id, error)?;
    }
    begun(context, store, id).await
}

/// Nobody could be asked to run it: it leaves the line, unless somebody has begun it meanwhile.
fn take_back(store: &Store, id: u64, error: Error) -> Result<(), Error> {
    let mut table = store.lock()?;
    match table.get(id).map(|slot| slot.stand) {
        Some(Stand::Queued) => {
            life::cancel(&mut table, id, None, clock::now().as_millisecond())?;
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A name that a person gave is that of one task.
fn only_one(table: &Table, spec: &Spec) -> Result<(), Error> {
    for slot in table.live()? {
        let same = table.spec(&slot).is_some_and(|other| other.name == spec.name && other.project == spec.project);
        if same {
            let (id, name) = (slot.id, &spec.name);
            let doing = match slot.stand {
                Stand::Running => format!("runs already (task {id}, pid {})", slot.pid),
                _ => format!("waits already (task {id})"),
            };
            return Err(Error::failed(format!("`{name}` {doing}"))
                .hint(format!("`svc stop {name}` ends it; another `--name` runs beside it")));
        }
    }
    Ok(())
}

/// For `--no-queue`: it can start at once.
fn has_place(table: &Table, spec: &Spec, limit: usize) -> Result<(), Error> {
    let live = table.live()?;
    let taken = live.iter().filter(|slot| slot.stand.has_place()).count();
    let before = live.iter().any(|slot| slot.stand == Stand::Queued && slot.not_before == 0 && slot.after == 0);
    let full = |what: String| {
        Err(Error::failed(what).hint("without `--no-queue` it waits in line; `svc tasks` shows what runs"))
    };
    if taken >= limit || before {
        return full(format!("no place is free: {taken} tasks run, and max_parallel_tasks is {limit}"));
    }
    let project = spec.project.as_deref().map_or(0, life::key);
    let of_project = live.iter().filter(|slot| slot.stand.has_place() && slot.project == project).count();
    let most = usize::from(spec.project_limit);
    if most > 0 && of_project >= most {
        let name = spec.project.as_deref().unwrap_or_default();
        return full(format!("no place is free: {of_project} tasks of `{name}` run, and its max_parallel is {most}"));
    }
    Ok(())
}

/// As it stands once its manager has taken it up.
async fn begun(context: &Context, store: &Store, id: u64) -> Result<Slot, Error> {
    let by = Instant::now() + BEGUN_BY;
    loop {
        let slot = store.read()?.and_then(|view| view.get(id)).ok_or_else(|| life::no_task(id))?;
        // the supervisor has done so before it answered
        if slot.stand != Stand::Starting || context.backend.kind() == BackendKind::Supervisor || Instant::now() > by {
            return Ok(slot);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What there is to say of one.
pub(crate) fn task(context: &Context, store: &Store, slot: &Slot) -> Result<Task, Error> {
    let view = store.read()?.ok_or_else(|| life::no_task(slot.id))?;
    let (live, _) = view.newest(0).map_err(|cause| Error::failed(crate::error::io_reason(&cause)))?;
    let slot = view.get(slot.id).unwrap_or(*slot);
    show::tasks(context, store, &view, &[slot], &live).pop().ok_or_else(|| life::no_task(slot.id))
}
