//! A look at the line: what a kill or a power cut left is mended, free places are filled, and managers are
//! asked to run what has a place now.

use super::Context;
use crate::backend::any::AnyBackend;
use crate::backend::{Backend, BackendKind, Scope};
use crate::config::Config;
use crate::error::Error;
use crate::supervisor::tasks::WENT_DOWN;
use crate::sys::clock;
use crate::task::life::{self, End, Filled};
use crate::task::store::{Table, View};
use crate::task::{Slot, Spec, Stand, Store, exit};

/// The settings of this user.
pub(crate) fn config(context: &Context) -> Result<Config, Error> {
    Config::read(&Config::path(context.scope, &context.environment))
}

/// Looks at the line, if there is something to mend or to start.
pub(crate) async fn look(context: &Context, store: &Store) -> Result<(), Error> {
    let Some(view) = store.read()? else { return Ok(()) };
    let live = live(&view)?;
    let limit = config(context)?.max_parallel_tasks;
    if !is_due(&live, limit) {
        return Ok(());
    }
    tend(context, store, limit, &live).await
}

/// The same after something has changed that may give somebody a place.
pub(crate) async fn go_on(context: &Context, store: &Store) -> Result<(), Error> {
    let Some(view) = store.read()? else { return Ok(()) };
    let limit = config(context).unwrap_or_default().max_parallel_tasks;
    tend(context, store, limit, &live(&view)?).await
}

fn live(view: &View) -> Result<Vec<Slot>, Error> {
    let all = view.newest(0).map_err(|cause| Error::failed(crate::error::io_reason(&cause)))?.0;
    Ok(all.into_iter().filter(|slot| !slot.stand.is_over()).collect())
}

/// Whether a look can change anything: the process of one that has a place is gone, or one that waits may have a
/// place.
fn is_due(live: &[Slot], limit: usize) -> bool {
    let now = clock::now().as_millisecond();
    let boot = life::this_boot();
    let taken = live.iter().filter(|slot| slot.stand.has_place()).count();
    live.iter().any(|slot| match slot.stand {
        Stand::Queued => taken < limit && slot.not_before <= now,
        Stand::Starting | Stand::Running => !life::lives(slot, boot),
        Stand::Completed | Stand::Failed | Stand::Cancelled => false,
    })
}

async fn tend(context: &Context, store: &Store, limit: usize, live: &[Slot]) -> Result<(), Error> {
    let mine = own_kind(context);
    if live.iter().any(|slot| slot.backend == BackendKind::Supervisor) && context.scope == Scope::User {
        match context.of_kind(BackendKind::Supervisor) {
            AnyBackend::Supervisor(backend) => backend.look_at_tasks()?,
            AnyBackend::Systemd(_) | AnyBackend::Launchd(_) => {}
        }
    }
    for kind in [BackendKind::Systemd, BackendKind::Launchd] {
        let of_kind: Vec<Slot> = live.iter().filter(|slot| slot.backend == kind).copied().collect();
        if !of_kind.is_empty() {
            mend(context.of_kind(kind), store, &of_kind).await?;
        }
    }
    let other = live.iter().find(|slot| slot.backend != BackendKind::Supervisor).map(|slot| slot.backend);
    let Some(kind) = mine.or(other) else { return Ok(()) };
    let filled = {
        let mut table = store.lock()?;
        life::fill(&mut table, limit, clock::now().as_millisecond(), life::Process::own())?
    };
    start(context, store, kind, filled).await
}

/// The manager of this machine, unless it fills the line itself.
fn own_kind(context: &Context) -> Option<BackendKind> {
    Some(context.backend.kind()).filter(|kind| *kind != BackendKind::Supervisor)
}

/// What lost its process, and of which its manager knows nothing, is over, or goes back into the line.
async fn mend(backend: &AnyBackend, store: &Store, live: &[Slot]) -> Result<(), Error> {
    let boot = life::this_boot();
    let suspects: Vec<Slot> =
        live.iter().filter(|slot| slot.stand.has_place() && !life::lives(slot, boot)).copied().collect();
    if suspects.is_empty() {
        return Ok(());
    }
    let known = backend.known_tasks(&suspects.iter().map(|slot| slot.id).collect::<Vec<_>>()).await?;
    let mut table = store.lock()?;
    for slot in suspects.into_iter().filter(|slot| !known.contains(&slot.id)) {
        // as it was when it was looked at: whoever ended it meanwhile knows better
        if table.get(slot.id) != Some(slot) {
            continue;
        }
        if slot.stand == Stand::Starting {
            life::give_back(&mut table, slot.id)?;
            continue;
        }
        let reason = if slot.boot == boot { "its process is gone, and nobody saw how it ended" } else { WENT_DOWN };
        life::ended(&mut table, slot.id, &End::lost(reason), clock::now().as_millisecond())?;
    }
    Ok(())
}

/// Asks the managers of these to run them; `kind`: whose line it was.
async fn start(context: &Context, store: &Store, kind: BackendKind, filled: Filled) -> Result<(), Error> {
    let Filled { start, over, wake } = filled;
    let view = store.read()?;
    let with_spec = |slots: Vec<Slot>| -> Vec<(Slot, Option<Spec>)> {
        slots.into_iter().map(|slot| (slot, view.as_ref().and_then(|view| view.spec(&slot)))).collect()
    };
    let (mine, others): (Vec<Slot>, Vec<Slot>) =
        start.into_iter().partition(|slot| slot.backend != BackendKind::Supervisor);
    for kind in [BackendKind::Systemd, BackendKind::Launchd] {
        let of_kind: Vec<Slot> = mine.iter().filter(|slot| slot.backend == kind).copied().collect();
        if of_kind.is_empty() {
            continue;
        }
        let mut ready = Vec::new();
        for (slot, spec) in with_spec(of_kind) {
            match spec {
                Some(spec) => ready.push((slot, spec)),
                None => lost(&mut store.lock()?, slot.id, "its record is damaged")?,
            }
        }
        let results = context.of_kind(kind).start_tasks(store, &ready).await;
        for ((slot, _), result) in ready.iter().zip(results) {
            if let Err(error) = result {
                lost(&mut store.lock()?, slot.id, &error.message)?;
            }
        }
    }
    if !others.is_empty() {
        // the supervisor gives the places itself
        let mut table = store.lock()?;
        others.iter().try_for_each(|slot| life::give_back(&mut table, slot.id))?;
        drop(table);
        if let AnyBackend::Supervisor(backend) = context.of_kind(BackendKind::Supervisor) {
            backend.look_at_tasks()?;
        }
    }
    for (slot, spec) in with_spec(over) {
        if let Some(spec) = spec.filter(|spec| spec.on_exit.is_some() || spec.desktop) {
            follow(context, store, &slot, &spec).await?;
        }
    }
    if let Some(wake) = wake {
        context.of_kind(kind).wake_for_tasks(store, wake).await?;
    }
    Ok(())
}

fn lost(table: &mut Table, id: u64, reason: &str) -> Result<(), Error> {
    life::ended(table, id, &End::lost(reason), clock::now().as_millisecond()).map(drop)
}

/// Runs what follows the end of a task, by its manager.
pub(crate) async fn follow(context: &Context, store: &Store, slot: &Slot, spec: &Spec) -> Result<(), Error> {
    let reason = store.read()?.and_then(|view| view.reason(slot));
    if exit::job(slot, spec, reason.as_deref(), store).is_none() {
        return Ok(());
    }
    context.of_kind(slot.backend).follow_task(store, slot).await
}
