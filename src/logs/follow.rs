//! Going on with what is written from now on: over rotation, truncation, a file that is made again, and services
//! that are installed meanwhile.
//!
//! The kernel tells of changes (inotify); a look once in a while finds what it does not tell of: a folder that
//! is not there yet, a file system of another machine.

use super::source::Source;
use super::{Begin, Followed, OpenOther, Sink, file};
use crate::error::{Error, io_reason};
use crate::report::LogQuery;
use crate::service::Name;
use crate::sys::watch::{Told, Watch};
use jiff::Timestamp;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at everything, where the kernel tells of changes, and where it does not.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_UNTOLD: Duration = Duration::from_millis(100);
/// What was written before the end may still be on its way to the journal.
const LAST: Duration = Duration::from_millis(250);

/// Hands on all that there is.
type Each<'a> = dyn FnMut(&mut [Box<dyn Source>], &mut dyn Sink) -> Result<ControlFlow<()>, Error> + 'a;

/// What is looked at.
pub(super) struct Watched {
    watch: Option<Watch>,
    began: Timestamp,
    folders: HashMap<PathBuf, Told>,
    /// Of each source: the file that is watched.
    files: Vec<Option<((u64, u64), Told)>>,
}

impl Watched {
    pub(super) fn new() -> Self {
        let watch = Watch::new().inspect_err(|cause| tracing::debug!(%cause, "looks instead of being told")).ok();
        Self { watch, began: crate::sys::clock::now(), folders: HashMap::new(), files: Vec::new() }
    }

    /// Watches what is not watched yet; whether there was something, so that it may have changed before.
    fn add(&mut self, sources: &[Box<dyn Source>], folder: &Path) -> bool {
        let Some(watch) = &self.watch else { return false };
        let mut new = false;
        let mut add = |folder: &Path| {
            if !self.folders.contains_key(folder)
                && let Ok(told) = watch.folder(folder)
            {
                self.folders.insert(folder.to_owned(), told);
                new = true;
            }
        };
        add(folder);
        sources.iter().filter_map(|source| source.file()?.path.parent()).for_each(&mut add);
        self.files.resize_with(sources.len(), || None);
        for (source, watched) in sources.iter().zip(&mut self.files) {
            let growing = source.file().and_then(|file| Some((file.identity, file.open?)));
            if let Some((identity, open)) = growing
                && watched.as_ref().is_none_or(|(old, _)| *old != identity)
            {
                if let Some((_, old)) = watched.take() {
                    watch.forget(&old);
                }
                if let Ok(told) = watch.file(open) {
                    *watched = Some((identity, told));
                    new = true;
                }
            }
        }
        new
    }
}

/// What a wait was ended by.
struct Changed {
    /// Sources to look at.
    sources: Vec<bool>,
    /// Who is followed.
    who: bool,
}

/// Goes on until `sink` has enough, what is followed is over, or the moment of `until` has come.
pub(super) fn follow(
    watched: &mut Watched,
    query: &LogQuery,
    other: OpenOther<'_>,
    followed: &dyn Followed,
    sources: &mut Vec<Box<dyn Source>>,
    sink: &mut dyn Sink,
    each: &mut Each<'_>,
) -> Result<(), Error> {
    let mut known: Vec<Name> = query.services.iter().map(|(name, _)| name.clone()).collect();
    let mut over = false;
    let mut changed = Changed { sources: vec![true; sources.len()], who: true };
    loop {
        if changed.who {
            over = add(watched, query, other, followed, sources, &mut known)?;
            changed.sources.resize(sources.len(), true);
        }
        for (source, _) in sources.iter_mut().zip(&changed.sources).filter(|(_, changed)| **changed) {
            source.refresh()?;
        }
        if each(sources, sink)?.is_break() {
            return Ok(());
        }
        if watched.add(sources, followed.folder()) {
            changed = Changed { sources: vec![true; sources.len()], who: !over };
            continue;
        }
        let left = query.until.map(|until| until.duration_since(crate::sys::clock::now()));
        if over || left.is_some_and(|left| !left.is_positive()) {
            return end(sources, sink, each);
        }
        let left = left.and_then(|left| Duration::try_from(left).ok());
        let Some(woken) = wait(watched, sources, sink, followed, left)? else { return Ok(()) };
        changed = woken;
    }
}

/// Takes in who has come; whether all is over.
fn add(
    watched: &Watched,
    query: &LogQuery,
    other: OpenOther<'_>,
    followed: &dyn Followed,
    sources: &mut Vec<Box<dyn Source>>,
    known: &mut Vec<Name>,
) -> Result<bool, Error> {
    let Some(all) = followed.who() else { return Ok(true) };
    let began = watched.began.as_microsecond();
    for (name, path) in all {
        if known.contains(&name) {
            continue;
        }
        match &path {
            Some(path) => sources.push(file(&name, path, query, Begin::At(began))?),
            None if sources.iter_mut().any(|source| source.also(&name)) => {}
            None => sources.push(other(std::slice::from_ref(&name), query, Begin::At(began))?),
        }
        known.push(name);
    }
    Ok(false)
}

/// What was written before the end.
fn end(sources: &mut [Box<dyn Source>], sink: &mut dyn Sink, each: &mut Each<'_>) -> Result<(), Error> {
    let until = crate::sys::clock::since_boot() + LAST;
    loop {
        let left = until.saturating_sub(crate::sys::clock::since_boot());
        let fds: Vec<_> = sources.iter().filter_map(|source| source.fd()).collect();
        if left.is_zero() || fds.is_empty() {
            break;
        }
        let _ = crate::sys::watch::wait(&fds, None, left); // what can't be waited for is over
        if each(sources, sink)?.is_break() {
            return Ok(());
        }
    }
    for source in sources.iter_mut() {
        source.refresh()?;
        source.finish();
    }
    each(sources, sink).map(drop)
}

/// Until something happens; `None`: nobody reads on.
fn wait(
    watched: &Watched,
    sources: &[Box<dyn Source>],
    sink: &dyn Sink,
    followed: &dyn Followed,
    left: Option<Duration>,
) -> Result<Option<Changed>, Error> {
    let failed = |cause: std::io::Error| Error::failed(format!("can't wait for lines: {}", io_reason(&cause)));
    let look = if watched.watch.is_some() { LOOK } else { LOOK_UNTOLD };
    let mut fds: Vec<_> = watched.watch.iter().map(Watch::fd).collect();
    let of: Vec<usize> = (0..sources.len()).filter(|at| sources[*at].fd().is_some()).collect();
    fds.extend(of.iter().filter_map(|at| sources[*at].fd()));
    let limit = left.map_or(look, |left| left.min(look));
    let woken = crate::sys::watch::wait(&fds, sink.output(), limit).map_err(failed)?;
    if woken.gone {
        return Ok(None);
    }
    let all = Changed { sources: vec![true; sources.len()], who: true };
    if !woken.any {
        return Ok(Some(all));
    }
    let mut changed = Changed { sources: vec![false; sources.len()], who: false };
    for told in watched.watch.iter().flat_map(Watch::take) {
        let Some(told) = told else {
            // some of it was lost
            return Ok(Some(all));
        };
        for (at, file) in watched.files.iter().enumerate() {
            changed.sources[at] |= file.as_ref().is_some_and(|(_, file)| *file == told);
        }
        for folder in watched.folders.iter().filter(|(_, folder)| **folder == told).map(|(folder, _)| folder) {
            changed.who |= folder == followed.folder();
            for (at, source) in sources.iter().enumerate() {
                changed.sources[at] |= source.file().is_some_and(|file| file.path.parent() == Some(folder));
            }
        }
    }
    Ok(Some(changed))
}
