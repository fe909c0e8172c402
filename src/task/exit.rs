//! What follows the end of a task: `--on-exit CMD`, a notification on the desktop.

use super::life::signal_name;
use super::slot::{Slot, Stand};
use super::spec::{Spec, VARIABLE};
use super::store::Store;
use crate::engine::job::{Bytes, Job};
use crate::engine::spawn::{Extra, prepare_command};
use crate::error::{Error, io_reason};
use std::fs::{DirBuilder, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The word for how it ended.
fn word(slot: &Slot) -> &'static str {
    match slot.stand {
        Stand::Completed => "completed",
        Stand::Cancelled => "was cancelled",
        Stand::Failed | Stand::Queued | Stand::Starting | Stand::Running => "failed",
    }
}

/// What runs such commands: as the task itself ran, with what became of it in the environment. `None`: nobody
/// wants to know.
pub fn job(slot: &Slot, spec: &Spec, reason: Option<&str>, store: &Store) -> Option<Job> {
    if spec.on_exit.is_none() && !spec.desktop {
        return None;
    }
    let mut job = spec.job(slot.id, store);
    job.name = format!("task:{}:exit", slot.id);
    let state = match slot.stand {
        Stand::Completed => "completed",
        Stand::Cancelled => "cancelled",
        Stand::Failed | Stand::Queued | Stand::Starting | Stand::Running => "failed",
    };
    let signal = (slot.signal != 0).then(|| signal_name(slot.signal));
    let told = [
        (VARIABLE, Some(slot.id.to_string())),
        ("SVC_TASK_NAME", Some(spec.name.clone())),
        ("SVC_TASK_STATE", Some(state.to_owned())),
        ("SVC_TASK_EXIT_CODE", slot.exit_code.map(|code| code.to_string())),
        ("SVC_TASK_SIGNAL", signal),
        ("SVC_REASON", reason.map(str::to_owned)),
    ];
    for (name, value) in told {
        job.env.insert(name.into(), value.unwrap_or_default().as_str().into());
    }
    Some(job)
}

/// The commands.
pub fn commands(slot: &Slot, spec: &Spec, reason: Option<&str>) -> Vec<Vec<Bytes>> {
    let shown = spec.desktop.then(|| {
        let title = format!("{} (task {}) {}", spec.name, slot.id, word(slot));
        crate::supervisor::desktop_message(&title, reason.unwrap_or_default(), slot.stand == Stand::Failed)
    });
    spec.on_exit.clone().into_iter().chain(shown).collect()
}

/// Runs them as processes of this one, and waits for them: there is no supervisor that would.
pub fn run(store: &Store, id: u64) -> Result<(), Error> {
    let Some(view) = store.read()? else { return Ok(()) };
    let Some((slot, spec)) = view.get(id).and_then(|slot| Some((slot, view.spec(&slot)?))) else { return Ok(()) };
    let reason = view.reason(&slot);
    let Some(job) = job(&slot, &spec, reason.as_deref(), store) else { return Ok(()) };
    let failed = |what: String| Error::failed(format!("what follows task {id}: {what}"));
    let mut children = Vec::new();
    for argv in commands(&slot, &spec, reason.as_deref()) {
        let prepared = prepare_command(&job, &argv, &Extra::default()).map_err(|error| failed(error.message))?;
        let output = open_log(job.log.file.as_path()).map_err(|cause| failed(io_reason(&cause)))?;
        let spawned = prepared.spawn(output.as_fd()).map_err(|cause| failed(io_reason(&cause)))?;
        spawned.release();
        children.push(spawned.pid);
    }
    for child in children {
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child.cast_signed()), None); // its end is its own
    }
    Ok(())
}

/// The log of a task, to be written to by its program itself; made with its folder.
pub fn open_log(path: &Path) -> std::io::Result<File> {
    let open = || {
        let mut options = File::options();
        options
            .create(true)
            .append(true)
            .read(true)
            .mode(0o640)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NOCTTY);
        options.open(path)
    };
    match (open(), path.parent()) {
        (Err(cause), Some(folder)) if cause.kind() == std::io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::slot::tests::sample as slot;
    use crate::task::spec::tests::sample as spec;

    #[test]
    fn a_command_knows_what_became_of_the_task() {
        let store = Store::at("/s/tasks".into());
        let over = Slot { stand: Stand::Failed, exit_code: Some(3), ..slot(7) };
        assert_eq!(job(&over, &spec("scan"), None, &store), None);
        let wanted = Spec { on_exit: Some(vec!["/bin/true".into()]), desktop: true, ..spec("scan") };
        let job = job(&over, &wanted, Some("exit code 3"), &store).expect("wanted");
        let told = |name: &str| job.env[name].clone();
        assert_eq!((told("SVC_TASK"), told("SVC_TASK_STATE")), ("7".into(), "failed".into()));
        assert_eq!((told("SVC_TASK_EXIT_CODE"), told("SVC_REASON")), ("3".into(), "exit code 3".into()));
        let commands = commands(&over, &wanted, Some("exit code 3"));
        assert_eq!(commands.len(), 2);
        assert!(commands[1].iter().any(|word| *word == "scan (task 7) failed".into()), "{commands:?}");
    }
}
