//! What managers are asked to do with tasks: start one, say whether they know one, stop one.

use super::any::AnyBackend;
use super::launchd::Launchd;
use crate::error::Error;
use crate::task::{Slot, Spec, Store};

impl AnyBackend {
    /// Those of these tasks that the manager has something of. The supervisor mends its own.
    pub(crate) async fn known_tasks(&self, ids: &[u64]) -> Result<Vec<u64>, Error> {
        match self {
            Self::Systemd(backend) => backend.known_tasks(ids).await,
            Self::Launchd(backend) => backend.known_tasks(ids),
            Self::Supervisor(_) => Ok(ids.to_vec()),
        }
    }

    /// Runs tasks that have a place; the results in their order, when the manager has taken them.
    pub(crate) async fn start_tasks(&self, store: &Store, tasks: &[(Slot, Spec)]) -> Vec<Result<(), Error>> {
        match self {
            Self::Systemd(backend) => backend.start_tasks(store, tasks).await,
            Self::Launchd(backend) => tasks.iter().map(|(slot, _)| backend.start_task(store, slot.id)).collect(),
            Self::Supervisor(backend) => tasks.iter().map(|_| backend.look_at_tasks()).collect(),
        }
    }

    /// Stops a task whose record says that it is to end: SIGTERM, its grace, SIGKILL, to all of its processes.
    pub(crate) async fn stop_task(&self, slot: &Slot, spec: &Spec) -> Result<(), Error> {
        match self {
            Self::Systemd(backend) => backend.stop_task(slot, spec).await,
            Self::Launchd(backend) => backend.stop_task(slot),
            Self::Supervisor(backend) => backend.stop_task(slot.id),
        }
    }

    /// Has the line looked at at this time, milliseconds since 1970.
    pub(crate) async fn wake_for_tasks(&self, store: &Store, at: i64) -> Result<(), Error> {
        match self {
            Self::Systemd(backend) => backend.wake_for_tasks(store, at).await,
            Self::Launchd(backend) => backend.wake_for_tasks(store, at),
            Self::Supervisor(backend) => backend.look_at_tasks(),
        }
    }

    /// Runs what follows the end of a task.
    pub(crate) async fn follow_task(&self, store: &Store, slot: &Slot) -> Result<(), Error> {
        match self {
            Self::Systemd(backend) => backend.follow_task(store, slot).await,
            Self::Launchd(_) => Launchd::follow_task(store, slot),
            Self::Supervisor(_) => Ok(()),
        }
    }
}
