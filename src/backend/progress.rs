//! Who hears of a batch while it is carried out: what has begun, and each end as soon as the manager tells it.

use super::{Action, Verb};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears.
pub(crate) trait Progress: Debug + Send + Sync {
    /// It is asked for.
    fn begun(&self, name: &str, verb: Verb);
    /// It ended. A start that ended well may still turn out to have failed a moment later.
    fn ended(&self, name: &str, verb: Verb, well: bool);
}

/// Somebody who hears, or nobody.
#[derive(Debug, Default)]
pub(crate) struct Ear(Mutex<Option<Arc<dyn Progress>>>);

impl Ear {
    /// From now on this one hears, or nobody.
    pub(crate) fn lend(&self, to: Option<Arc<dyn Progress>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn who(&self) -> Option<Arc<dyn Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These are asked for.
    pub(crate) fn begun(&self, actions: &[Action]) {
        if let Some(progress) = self.who() {
            for action in actions {
                progress.begun(action.subject.name.as_str(), action.verb);
            }
        }
    }

    /// One of them ended.
    pub(crate) fn ended(&self, name: &str, verb: Verb, well: bool) {
        if let Some(progress) = self.who() {
            progress.ended(name, verb, well);
        }
    }
}
