//! `svc retry`: a task that is over, run again under a new number.

use super::{Context, attached, find, line, run, store};
use crate::cli::tasks::RetryArgs;
use crate::command::install::may_change;
use crate::error::Error;
use crate::report::{Report, Task};
use crate::task::Spec;
use crate::view::Screen;

/// Submits it again, and shows it until it is over, unless that is not wanted.
pub(crate) async fn run(context: &Context, args: &RetryArgs, screen: &Screen) -> Result<(Report, Vec<String>), Error> {
    let task = submit(context, args).await?;
    if args.background {
        return Ok((Report::Submitted(Box::new(task)), Vec::new()));
    }
    attached::follow(context, &task, screen, false, false).await
}

async fn submit(context: &Context, args: &RetryArgs) -> Result<Task, Error> {
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
