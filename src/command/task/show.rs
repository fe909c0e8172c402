//! What is said of a task: its record, what it says of itself, its processes.

use super::Context;
use crate::report::{State, Task};
use crate::sys::{clock, process};
use crate::task::life::{self, signal_name};
use crate::task::said::Said;
use crate::task::store::View;
use crate::task::{Slot, Spec, Stand, Store};
use jiff::Timestamp;

/// All there is to say of these; `all` are those that are not over, of which the line is made.
pub(crate) fn tasks(context: &Context, store: &Store, view: &View, slots: &[Slot], live: &[Slot]) -> Vec<Task> {
    let mut line: Vec<&Slot> = live.iter().filter(|slot| slot.stand == Stand::Queued).collect();
    line.sort_by_key(|slot| (std::cmp::Reverse(slot.priority), slot.id));
    let places: std::collections::HashMap<u64, usize> =
        line.into_iter().enumerate().map(|(place, slot)| (slot.id, place)).collect();
    let boot = life::this_boot();
    let one = |slot: &Slot| {
        let mut task = task(context, store, view, slot, boot);
        task.position = places.get(&slot.id).copied();
        task
    };
    slots.iter().map(one).collect()
}

fn time(at: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(at).ok().filter(|_| at != 0)
}

fn task(context: &Context, store: &Store, view: &View, slot: &Slot, boot: u64) -> Task {
    let spec = view.spec(slot);
    let runs = slot.stand == Stand::Running;
    let said = if runs { Said::read(store, slot.id) } else { Said::default() };
    let now = clock::now().as_millisecond();
    let stat = process::stat(slot.pid).filter(|stat| runs && slot.boot == boot && stat.start_ticks == slot.ticks);
    let used = stat.map(|stat| {
        let family = process::family(slot.pid, stat);
        process::used(family.iter().map(|(_, stat)| stat))
    });
    let of = |text: &dyn Fn(&Spec) -> String| spec.as_ref().map(text);
    Task {
        id: slot.id,
        name: of(&|spec| spec.name.clone()).unwrap_or_else(|| format!("task-{}", slot.id)),
        kind: "task",
        backend: slot.backend,
        scope: context.scope,
        state: slot.state(),
        enabled: None,
        pid: stat.map(|_| slot.pid),
        started_at: time(slot.started),
        restarts: Some(slot.attempts.saturating_sub(1)),
        exit_code: slot.exit_code,
        signal: (slot.signal != 0).then(|| signal_name(slot.signal)),
        memory_bytes: used.map(|(memory, _)| memory),
        cpu_seconds: used.map(|(_, cpu)| cpu),
        eta_seconds: said.eta_seconds(slot.started, now).filter(|_| runs),
        status_text: said.status,
        stage: said.stage,
        progress: said.progress,
        health: None,
        project: spec.as_ref().and_then(|spec| spec.project.clone()),
        manifest: None,
        drifted: false,
        files: Vec::new(),
        log: Some(spec.as_ref().map_or_else(|| store.log(slot.id), |spec| spec.log(store.log(slot.id)))),
        next_run_at: time(slot.not_before).filter(|_| slot.stand == Stand::Queued),
        reason: reason(view, slot),
        command: of(&Spec::command).unwrap_or_default(),
        folder: spec.as_ref().map(|spec| spec.job.working_dir.as_path().to_owned()),
        submitted_at: time(slot.submitted),
        ended_at: time(slot.ended),
        after: (slot.after != 0).then_some(slot.after),
        retry_of: spec.as_ref().and_then(|spec| spec.retry_of),
        priority: slot.priority,
        position: None,
    }
}

fn reason(view: &View, slot: &Slot) -> Option<String> {
    let reason = view.reason(slot);
    match (slot.stand, reason) {
        (Stand::Queued, Some(reason)) => Some(format!("{reason}; it is tried again")),
        (Stand::Queued, None) if slot.after != 0 => Some(format!("waits for task {}", slot.after)),
        (_, reason) => reason,
    }
}

/// Whether the state is one that nothing follows.
pub(crate) fn is_over(state: State) -> bool {
    match state {
        State::Completed | State::Failed | State::Cancelled => true,
        State::Queued | State::Starting | State::Running | State::Stopping | State::Restarting | State::Stopped => {
            false
        }
    }
}
