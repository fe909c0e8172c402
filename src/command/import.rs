//! `svc import FILE…`: a manifest of what other tools run.

use crate::cli::ImportArgs;
use crate::convert::import::{Source, import};
use crate::error::{Error, ErrorCode, io_reason};
use crate::report::Report;
use crate::service::AbsPath;
use std::io::Read;
use std::path::Path;

/// Largest file that is read: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// Runs it: reads the files, nothing else is looked at.
pub(crate) fn run(folder: &AbsPath, args: &ImportArgs) -> Result<(Report, Vec<String>), Error> {
    let sources = args.files.iter().map(|file| source(folder, file)).collect::<Result<Vec<_>, Error>>()?;
    let converted = import(&sources).map_err(Error::invalid)?;
    Ok((Report::Converted(converted), Vec::new()))
}

fn source(folder: &AbsPath, file: &Path) -> Result<Source, Error> {
    let refused = |reason: String| Error::new(ErrorCode::Usage, format!("can't read `{}`: {reason}", file.display()));
    let opened = std::fs::File::open(folder.as_path().join(file)).map_err(|cause| refused(io_reason(&cause)))?;
    let mut bytes = Vec::new();
    opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|cause| refused(io_reason(&cause)))?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused("it has more than a mebibyte".into()));
    }
    Ok(Source { file: file.to_owned(), bytes })
}
