//! `svc tasks prune`, and what is removed without being asked for.

use super::{Context, line, store};
use crate::cli::tasks::PruneArgs;
use crate::command::install::may_change;
use crate::config::Config;
use crate::definition::units;
use crate::error::{Error, ErrorCode};
use crate::report::Report;
use crate::sys::clock;
use crate::task::Slot;
use crate::task::store::Table;
use std::collections::BTreeSet;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Records beyond `keep_tasks` at which old ones are removed unasked: one in so many.
const SLACK: usize = 10;

/// Removes what was typed.
pub(crate) async fn run(context: &Context, args: &PruneArgs) -> Result<(Report, Vec<String>), Error> {
    may_change(context)?;
    let store = store(context);
    if args.damaged {
        store.set_aside()?;
        return Ok((Report::Pruned(0), Vec::new()));
    }
    if store.read()?.is_none() {
        return Ok((Report::Pruned(0), Vec::new()));
    }
    line::look(context, &store).await?;
    let Config { keep_tasks, keep_tasks_days, .. } = line::config(context)?;
    let age = args.older_than.as_deref().map(units::duration).transpose();
    let age = age.map_err(|reason| Error::new(ErrorCode::Usage, format!("`--older-than` {reason}")))?;
    let age = age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let (count, age) = match (args.all, args.keep, age) {
        (true, ..) => (0, 0),
        (false, None, None) => (keep_tasks, i64::from(keep_tasks_days) * DAY),
        (false, count, age) => (count.unwrap_or(usize::MAX), age.unwrap_or(i64::MAX)),
    };
    let gone = prune(&mut store.lock()?, count, age)?;
    Ok((Report::Pruned(gone), Vec::new()))
}

/// Before one is added: old ones go, now and then.
pub(crate) fn now_and_then(table: &mut Table, config: &Config) -> Result<(), Error> {
    if table.count() > config.keep_tasks.saturating_add(config.keep_tasks / SLACK).saturating_add(SLACK) {
        prune(table, config.keep_tasks, i64::from(config.keep_tasks_days) * DAY)?;
    }
    Ok(())
}

/// Keeps so many of the newest that are over, and of these none that was over longer ago than `age` milliseconds.
fn prune(table: &mut Table, count: usize, age: i64) -> Result<usize, Error> {
    let since = clock::now().as_millisecond().saturating_sub(age);
    let mut over: Vec<(i64, u64)> = table.over()?.iter().map(|slot| (slot.ended, slot.id)).collect();
    over.sort_unstable_by(|a, b| b.cmp(a));
    let kept: BTreeSet<u64> =
        over.into_iter().take(count).filter(|(ended, _)| *ended >= since && count > 0).map(|(_, id)| id).collect();
    Ok(table.retain(|slot: &Slot| kept.contains(&slot.id))?.len())
}
