//! What somebody removes from the runtime folder while the supervisor runs is made anew: the socket,
//! so that commands find it, and what the next supervisor needs.

use super::begin::{listen_at, lock, notify_socket};
use super::daemon::{CHANGES, Daemon, LISTENER, NOTIFY};
use super::store::Store;
use crate::engine::log::open_record;
use crate::files::runtime::Runtime;
use crate::sys::changes::Changes;
use crate::sys::poll::Interest;
use std::path::Path;

impl Daemon {
    /// Something was removed from the runtime folder, or the folder itself (logind does so at the
    /// end of the last session): whatever is missing is made anew.
    pub(super) fn mend_folder(&mut self) {
        if let Some(changes) = &self.changes {
            changes.take();
        }
        let gone = |path: &Path| std::fs::symlink_metadata(path).is_err();
        let needed = |runtime: &Runtime| {
            [runtime.socket(), runtime.notify(), runtime.state(), runtime.log_record(), runtime.lock()]
        };
        if self.front.is_some() || !needed(&self.runtime).iter().any(|path| gone(path)) {
            return;
        }
        let Ok(runtime) = Runtime::make(&self.environment) else { return };
        if runtime != self.runtime || self.changes.as_ref().is_none_or(Changes::is_over) {
            if let Some(changes) = &self.changes {
                self.watch.remove(changes.fd());
            }
            self.changes = Changes::of(&runtime.folder).ok();
            if let Some(changes) = &self.changes {
                let _ = self.watch.add(changes.fd(), CHANGES, Interest::Read); // as at the start
            }
            self.runtime = runtime;
            let _ = self.runtime.announce(self.environment.uid); // shells that know this folder find it
        }
        let runtime = self.runtime.clone();
        // the lock first: somebody who finds none takes it, and would be the second one
        if gone(&runtime.lock())
            && let Ok(Some(lock)) = lock(&self.hand, &runtime, &self.paths, None)
        {
            self.lock = lock;
        }
        if gone(&runtime.state())
            && let Ok((store, _)) = Store::open(&runtime.state())
        {
            self.store = store;
            self.units.iter_mut().flatten().for_each(|unit| unit.slot = None);
        }
        if gone(&runtime.log_record())
            && let Ok(record) = open_record(&runtime.log_record())
        {
            self.intake.move_record(record);
        }
        if gone(&runtime.notify())
            && let Ok(notify) = notify_socket(&self.hand, &runtime, None)
        {
            self.watch.remove(self.notify.fd());
            self.notify = notify;
            let _ = self.watch.add(self.notify.fd(), NOTIFY, Interest::Read); // as at the start
        }
        if gone(&runtime.socket())
            && let Ok(listener) = listen_at(&self.hand, &runtime.socket())
        {
            self.watch.remove(&self.server.listener);
            self.server.listener = listener;
            let _ = self.watch.add(&self.server.listener, LISTENER, Interest::Read); // as at the start
        }
        for at in 0..self.units.len() {
            self.persist(at);
        }
    }
}
