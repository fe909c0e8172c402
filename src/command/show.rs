//! `svc show NAME`: the effective definition, every default filled in; secrets masked.

use super::{Context, selection};
use crate::definition::{Secrets, mask, to_toml};
use crate::error::{Error, ErrorCode};
use crate::report::Report;

/// Runs it: of the installed service, else of the one in the manifest here.
pub(crate) fn run(context: &Context, name: &str) -> Result<(Report, Vec<String>), Error> {
    let (records, warnings) = context.records()?;
    if let Some(record) = records.iter().find(|record| record.name == name) {
        return Ok((Report::Text(mask(&record.definition)), warnings));
    }
    let Some(definitions) = context.manifest()? else {
        let names = selection::pick(&[name.to_owned()], records, |record| &record.name, |record| record.groups.clone());
        return Err(names.err().unwrap_or_else(|| Error::new(ErrorCode::NotFound, "there is no such service")));
    };
    let found = selection::pick(
        &[name.to_owned()],
        definitions.services,
        |service| service.name.as_str(),
        super::install::groups_of,
    )?;
    let text: Vec<String> = found.iter().map(|service| to_toml(service, Secrets::Masked)).collect();
    Ok((Report::Text(text.join("\n")), warnings))
}
