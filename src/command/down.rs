//! `svc down`: the way back from `svc up`.

use super::uninstall::{self, How};
use super::{Context, MANIFEST, selection, up};
use crate::backend::Backend;
use crate::cli::DownArgs;
use crate::error::{Error, ErrorCode};
use crate::files::lock::Lock;
use crate::files::record::Record;
use crate::report::Report;
use crate::view::{self, Screen};

/// Runs it. The manifest itself is not read: what is installed from it is what counts.
pub(crate) async fn run(context: &Context, args: &DownArgs, screen: &Screen) -> Result<(Report, Vec<String>), Error> {
    let mut confirmed = None;
    if !args.yes && view::can_ask() {
        let (going, _, _) = going(context, args)?;
        if !going.is_empty() && !view::confirm(&up::question(&going))? {
            return Err(Error::failed("nothing was changed: the answer was no"));
        }
        confirmed = Some(going);
    }
    let _lock = Lock::take(&context.paths)?;
    let (mut going, all, mut warnings) = going(context, args)?;
    if let Some(confirmed) = confirmed {
        going.retain(|record| confirmed.iter().any(|one| one.name == record.name));
    }
    let how = How { purge: args.purge, force: false };
    let names: Vec<&str> = going.iter().map(|record| record.name.as_str()).collect();
    context.backend.ear().lend(screen.lines(&names));
    let done = uninstall::carry_out(context, &going, &all, how, &mut warnings).await;
    context.backend.ear().lend(None);
    Ok((Report::Done(done?), warnings))
}

/// What goes, all that is installed, and warnings.
type Going = (Vec<Record>, Vec<Record>, Vec<String>);

fn going(context: &Context, args: &DownArgs) -> Result<Going, Error> {
    // the folder may have lost its manifest: what came from it can go all the same
    let path = context.folder.as_path().join(context.file.as_deref().unwrap_or(MANIFEST.as_ref()));
    let (all, warnings) = context.records()?;
    let mine: Vec<Record> = all.iter().filter(|record| Context::is_of(record, &path)).cloned().collect();
    if mine.is_empty() && !path.exists() {
        return Err(Error::new(ErrorCode::Usage, format!("there is no manifest `{}`", path.display()))
            .hint("`svc list` shows where services come from; `svc uninstall NAME` works everywhere"));
    }
    let going = match args.select.selectors() {
        [] => mine,
        selectors => selection::pick(selectors, mine, |record| &record.name, |record| record.groups.clone())?,
    };
    Ok((going, all, warnings))
}
