//! The commands of tasks: arguments and [`Context`] in, a report out.

pub(crate) mod attached;
pub(crate) mod cancel;
pub(crate) mod helper;
pub(crate) mod line;
pub(crate) mod look;
pub(crate) mod notify;
pub(crate) mod prune;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod show;
mod spec;

use super::Context;
use crate::error::Error;
use crate::service::Name;
use crate::task::store::View;
use crate::task::{Slot, Store, life};

/// The records of this user, or of the machine.
pub(crate) fn store(context: &Context) -> Store {
    Store::at(context.paths.tasks())
}

/// The task that a person means: by its number, or the newest one of this name.
pub(crate) fn find(view: Option<&View>, word: &str) -> Result<Slot, Error> {
    let none = || {
        let message = format!("there is no task `{}`", word.escape_debug());
        Error::new(crate::error::ErrorCode::NotFound, message).hint("`svc tasks --all` lists them")
    };
    let view = view.ok_or_else(none)?;
    if let Ok(id) = word.parse() {
        return view.get(id).ok_or_else(|| life::no_task(id));
    }
    let (all, _) = view.newest(u64::MAX).map_err(|cause| Error::failed(crate::error::io_reason(&cause)))?;
    let is_it = |slot: &&Slot| view.spec(slot).is_some_and(|spec| spec.name == word);
    let live = all.iter().rev().filter(|slot| !slot.stand.is_over()).find(is_it);
    live.or_else(|| all.iter().rev().find(is_it)).copied().ok_or_else(none)
}

/// The task that a person means who asks for the state of one thing, if it is one and no service.
pub(crate) fn meant(context: &Context, selector: &[String]) -> Option<Slot> {
    let [word] = selector else { return None };
    // a look, no reading: whoever asks for a service waits for this
    if Name::parse(word).is_ok() && crate::files::record::Record::path(&context.paths, word).exists() {
        return None;
    }
    let view = store(context).read().ok()??;
    find(Some(&view), word).ok()
}
