//! Who acts through svc, and writing down what was done.

use super::{By, Event, Kind, digest, file};
use crate::backend::Verb;
use crate::env::Environment;
use crate::files::paths::Paths;
use crate::plan::step::Step;
use crate::report::Done;
use jiff::Timestamp;
use std::os::fd::AsFd;

/// Whoever called this svc.
pub(crate) fn caller() -> By {
    let user = |environment: Environment| environment.sudo_user.clone().unwrap_or_else(|| environment.user());
    let terminal = nix::unistd::ttyname(std::io::stdin().as_fd()).ok();
    let terminal = terminal.map(|path| path.strip_prefix("/dev").unwrap_or(&path).to_string_lossy().into_owned());
    let parent = crate::sys::process::command(nix::unistd::getppid().as_raw().cast_unsigned());
    let program = parent.split_whitespace().next().and_then(|word| word.rsplit('/').next());
    By {
        user: Environment::read().map_or_else(|_| nix::unistd::geteuid().to_string(), user),
        terminal,
        parent: program
            .map(|name| name.trim_start_matches('-').to_owned())
            .filter(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric())),
    }
}

/// Writes down what became of definitions at a person's word, which came at `asked`: new ones, and changes.
pub(crate) fn defined<'a>(paths: &Paths, steps: impl Iterator<Item = &'a Step<'a>>, asked: Timestamp) {
    let mut by = None;
    for step in steps {
        let record = &step.prepared.record;
        let to = digest(&record.definition);
        let from = step.old.as_ref().map(|old| digest(&old.definition));
        if from.as_ref() == Some(&to) {
            continue;
        }
        let kind = if from.is_some() { Kind::Changed } else { Kind::Installed };
        let fields =
            if from.is_some() { step.fields.iter().map(|field| field.key().to_owned()).collect() } else { Vec::new() };
        let by = Some(by.get_or_insert_with(caller).clone());
        let event = Event { by, from, to: Some(to), fields, ..Event::new(asked, kind) };
        file::add(&paths.history(), paths.file_mode(), &record.name, &event);
    }
}

/// Writes down what was done to services at a person's word, which came at `asked`: a history that can't be
/// written stops nobody.
pub(crate) fn acted(paths: &Paths, by: &By, verb: Verb, done: &[Done], asked: Timestamp) {
    let kind = match verb {
        Verb::Enable => Kind::Enable,
        Verb::Disable => Kind::Disable,
        Verb::Start => Kind::Start,
        Verb::Stop => Kind::Stop,
        Verb::Restart => Kind::Restart,
        Verb::Reload => Kind::Reload,
    };
    for one in done {
        let reason = one.result.as_ref().err().map(|failure| failure.message.clone());
        let event = Event { by: Some(by.clone()), reason, ..Event::new(asked, kind) };
        file::add(&paths.history(), paths.file_mode(), one.name.as_str(), &event);
    }
}
