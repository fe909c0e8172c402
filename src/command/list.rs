//! `svc list`: every service svc manages for this scope, any project.

use super::{Context, status};
use crate::error::Error;
use crate::report::{Report, Status};

/// Runs it.
pub(crate) async fn run(context: &Context) -> Result<(Report, Vec<String>), Error> {
    let (records, mut warnings) = context.records()?;
    let all: Vec<Status> = status::all(context, &records).await?.into_iter().map(|(status, _)| status).collect();
    warnings.extend(all.iter().filter(|one| one.manifest_missing).map(|one| {
        let manifest = one.manifest.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        format!("the manifest of `{}` is gone: `{manifest}`; `svc uninstall {}` works all the same", one.name, one.name)
    }));
    Ok((Report::List(all), warnings))
}
