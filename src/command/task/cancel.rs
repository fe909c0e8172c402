//! `svc cancel`, and `svc stop` of a task.

use super::{Context, find, line, look, show, store};
use crate::cli::tasks::CancelArgs;
use crate::command::install::may_change;
use crate::definition::units;
use crate::error::{Error, ErrorCode};
use crate::report::{Report, TaskDone};
use crate::sys::clock;
use crate::task::life::{self, Cancel};
use crate::task::{Slot, Store};
use crate::view;
use futures_util::future::join_all;

/// Ends those that were typed.
pub(crate) async fn run(context: &Context, args: &CancelArgs) -> Result<(Report, Vec<String>), Error> {
    let store = store(context);
    let view = store.read()?;
    let wanted = if args.tasks.is_empty() {
        line::look(context, &store).await?;
        vec![choose(context, &store)?]
    } else {
        args.tasks.iter().map(|word| find(view.as_ref(), word)).collect::<Result<Vec<_>, _>>()?
    };
    let grace = args.grace.as_deref().map(units::duration).transpose();
    let grace = grace.map_err(|reason| Error::new(ErrorCode::Usage, format!("`--grace` {reason}")))?;
    let grace = grace.map(|grace| u32::try_from(grace.as_millis()).unwrap_or(u32::MAX));
    drop(view);
    cancel(context, &store, &wanted, grace).await
}

/// Asks which.
fn choose(context: &Context, store: &Store) -> Result<Slot, Error> {
    let which = || Error::new(ErrorCode::Usage, "which task?").hint("`svc cancel ID`; `svc tasks` lists them");
    if !view::can_ask() {
        return Err(which());
    }
    let records = store.read()?.ok_or_else(which)?;
    let (all, _) = records.newest(0).map_err(|cause| Error::failed(crate::error::io_reason(&cause)))?;
    let live: Vec<Slot> = all.into_iter().filter(|slot| !slot.stand.is_over()).collect();
    if live.is_empty() {
        return Err(Error::failed("no task waits or runs"));
    }
    let items: Vec<String> = show::tasks(context, store, &records, &live, &live).iter().map(view::task_line).collect();
    let chosen = view::choose("cancel which task?", &items)?;
    chosen.and_then(|at| live.get(at).copied()).ok_or_else(|| Error::failed("none was chosen"))
}

/// Ends these; true when it returns.
pub(crate) async fn cancel(
    context: &Context,
    store: &Store,
    wanted: &[Slot],
    grace: Option<u32>,
) -> Result<(Report, Vec<String>), Error> {
    may_change(context)?;
    line::look(context, store).await?;
    let done = join_all(wanted.iter().map(|slot| one(context, store, slot.id, grace))).await;
    let done = done.into_iter().collect::<Result<Vec<_>, _>>()?;
    line::go_on(context, store).await?;
    Ok((Report::TasksDone(done), Vec::new()))
}

async fn one(context: &Context, store: &Store, id: u64, grace: Option<u32>) -> Result<TaskDone, Error> {
    let (cancelled, spec) = {
        let mut table = store.lock()?;
        let cancelled = life::cancel(&mut table, id, grace, clock::now().as_millisecond())?;
        let spec = table.get(id).and_then(|slot| table.spec(&slot));
        (cancelled, spec)
    };
    let name = spec.as_ref().map_or_else(|| format!("task-{id}"), |spec| spec.name.clone());
    let did = match cancelled {
        Cancel::WasWaiting => "cancelled; it had not begun",
        Cancel::Over(slot) => {
            let (_, word) = (slot.id, format!("{:?}", slot.stand).to_lowercase());
            return Ok(TaskDone { id, name, did: format!("over already ({word})") });
        }
        Cancel::Stop(slot) => {
            if let Some(spec) = &spec {
                context.of_kind(slot.backend).stop_task(&slot, spec).await?;
            }
            look::over(context, store, id).await?;
            "cancelled"
        }
    };
    Ok(TaskDone { id, name, did: did.into() })
}
