//! `svc retry`: a task that is over, run again under a new number.

use super::{Context, find, line, run, store};
use crate::cli::tasks::RetryArgs;
use crate::command::install::may_change;
use crate::error::Error;
use crate::report::Task;
use crate::task::Spec;

/// Submits it again.
pub(crate) async fn submit(context: &Context, args: &RetryArgs) -> Result<Task, Error> {
    may_change(context)?;
    let store = store(context);
    line::look(context, &store).await?;
    let view = store.read()?;
    let slot = find(view.as_ref(), &args.task)?;
    let id = slot.id;
    if !slot.stand.is_over() {
        let word = if slot.stand.has_place() { "runs" } else { "waits in line" };
        return Err(Error::failed(format!("task {id} {word} still")).hint(format!("`svc cancel {id}` ends it first")));
    }
    let spec = view.and_then(|view| view.spec(&slot));
    let spec = spec.ok_or_else(|| Error::failed(format!("the record of task {id} is damaged")))?;
    let spec = Spec { retry_of: Some(id), after: None, delay: crate::engine::job::Millis(0), ..spec };
    let slot = run::enter(context, &store, &spec, false).await?;
    run::task(context, &store, &slot)
}
