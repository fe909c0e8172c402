//! `svc up`: what is installed becomes what the manifest says.

use super::reconcile::Wanted;
use super::{Context, uninstall};
use crate::backend::Backend;
use crate::cli::UpArgs;
use crate::error::Error;
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::report::{Done, Report, Up};
use crate::view::{self, Screen};

/// Runs it.
pub(crate) async fn run(context: &Context, args: &UpArgs, screen: &Screen) -> Result<(Report, Vec<String>), Error> {
    let wanted = Wanted::read(context, args.select.selectors(), "up")?;
    let mut warnings = wanted.check()?;
    let mut pruned = args.prune;
    if args.prune && !args.yes && !args.dry_run && view::can_ask() {
        // asked before the lock is taken: others need not wait for a person
        let (installed, _) = context.records()?;
        let compared = wanted.compare(context, &installed, true).await?;
        if !compared.gone().is_empty() {
            screen.plan(&compared.report());
            pruned = view::confirm(&question(compared.gone()))?;
            if !pruned {
                return Err(Error::failed("nothing was changed: the answer was no")
                    .hint("`svc up` without `--prune` uninstalls nothing"));
            }
        }
    }
    let _lock = if args.dry_run { None } else { Some(Lock::take(&context.paths)?) };
    let (installed, damaged) = context.records()?;
    warnings.extend(damaged);
    let compared = wanted.compare(context, &installed, pruned).await?;
    let plan = compared.report();
    if args.dry_run {
        return Ok((Report::Up(Up { plan, results: None }), warnings));
    }
    if !plan.is_something() {
        return Ok((Report::Up(Up { plan, results: Some(Vec::new()) }), warnings));
    }
    screen.plan(&plan);
    let gone = compared.gone().to_vec();
    warnings.extend(uninstall::left_alone(&gone, &installed));
    let busy: Vec<&str> = plan.0.iter().filter(|item| item.action.is_some()).map(|item| item.name.as_str()).collect();
    context.backend.ear().lend(screen.lines(&busy));
    let results = compared.carry_out(context).await;
    context.backend.ear().lend(None);
    let mut results = results?;
    let (mut down, rest): (Vec<Done>, Vec<Done>) =
        results.into_iter().partition(|one| gone.iter().any(|record| record.name == one.name.as_str()));
    uninstall::tidy(context, &gone, &installed, &mut down, false, &mut warnings).await?;
    results = rest;
    results.extend(down);
    Ok((Report::Up(Up { plan, results: Some(results) }), warnings))
}

/// What a person is asked before these are uninstalled.
pub(crate) fn question(gone: &[Record]) -> String {
    let names: Vec<String> = gone.iter().map(|record| format!("`{}`", record.name)).collect();
    format!("Stop and uninstall {}?", names.join(", "))
}
