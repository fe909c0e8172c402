//! `svc diff`: what `svc up` would change. Nothing is changed.

use super::Context;
use super::reconcile::Wanted;
use crate::cli::DiffArgs;
use crate::error::Error;
use crate::report::Report;

/// Runs it.
pub(crate) async fn run(context: &Context, args: &DiffArgs) -> Result<(Report, Vec<String>), Error> {
    let wanted = Wanted::read(context, args.select.selectors(), "diff")?;
    let (installed, mut warnings) = context.records()?;
    warnings.extend(wanted.warnings.iter().cloned());
    let compared = wanted.compare(context, &installed, args.prune).await?;
    Ok((Report::Diff(compared.report()), warnings))
}
