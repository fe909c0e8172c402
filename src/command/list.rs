//! `svc list`: every service svc manages for this scope, any project.

use super::{Context, status};
use crate::error::Error;
use crate::report::Report;

/// Runs it.
pub(crate) async fn run(context: &Context) -> Result<(Report, Vec<String>), Error> {
    let (records, mut warnings) = context.records()?;
    warnings.extend(records.iter().filter_map(|record| {
        let manifest = record.manifest.as_ref().filter(|path| !path.exists())?;
        Some(format!("the manifest of `{}` is gone: `{}`", record.name, manifest.display()))
    }));
    let all = status::all(context, &records).await?;
    Ok((Report::List(all.into_iter().map(|(status, _)| status).collect()), warnings))
}
