//! `svc show NAME`: the effective definition, every default filled in; secrets masked.

use super::{Context, selection};
use crate::cli::ShowArgs;
use crate::definition::{Secrets, mask, to_toml};
use crate::error::{Error, ErrorCode};
use crate::report::Report;

/// Runs it: of the installed service, else of the one in the manifest here.
pub(crate) fn run(context: &Context, args: &ShowArgs) -> Result<(Report, Vec<String>), Error> {
    let name = &args.name;
    let (records, mut warnings) = context.records()?;
    let text = match records.iter().find(|record| record.name == *name) {
        Some(record) => record.definition.clone(),
        None => of_the_manifest(context, name, records)?,
    };
    if args.secrets {
        return Ok((Report::Text(text), warnings));
    }
    let (text, masked) = mask(&text);
    if !masked.is_empty() {
        warnings.push(format!("`{}` is shown as `***`: `svc show --secrets {name}` shows all", masked.join("`, `")));
    }
    Ok((Report::Text(text), warnings))
}

fn of_the_manifest(context: &Context, name: &str, records: Vec<crate::files::record::Record>) -> Result<String, Error> {
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
    let text: Vec<String> = found.iter().map(|service| to_toml(service, Secrets::Shown)).collect();
    Ok(text.join("\n"))
}
