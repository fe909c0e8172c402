//! `svc export`: services for other tools. One file per format; each says what it could not carry over.
//!
//! systemd and launchd are no formats of this folder: their files are what the backends render.

mod compose;
mod cron;
mod kubernetes;
mod nomad;
mod procfile;
mod supervisord;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
mod yaml;

use crate::report::{Converted, Note};
use crate::service::{Exec, Field, Service};

/// A format that is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Procfile,
    Compose,
    Supervisord,
    Kubernetes,
    Nomad,
}

/// The text for these services.
pub(crate) fn export(format: Format, services: &[Service]) -> Converted {
    let mut notes = Notes::default();
    let text = match format {
        Format::Procfile => procfile::write(services, &mut notes),
        Format::Compose => compose::write(services, &mut notes),
        Format::Supervisord => supervisord::write(services, &mut notes),
        Format::Kubernetes => kubernetes::write(services, &mut notes),
        Format::Nomad => nomad::write(services, &mut notes),
    };
    Converted { text, file: None, notes: notes.0 }
}

/// What could not be carried over.
#[derive(Debug, Default)]
struct Notes(Vec<Note>);

impl Notes {
    fn add(&mut self, service: &Service, text: impl Into<String>) {
        self.0.push(Note { file: None, line: None, service: Some(service.name.to_string()), text: text.into() });
    }

    /// Names every field that was written and is not among `carried`. Those of another manager, and those that
    /// svc has done already, are nobody's loss.
    fn left_out(&mut self, service: &Service, carried: &[Field]) {
        const DONE: [Field; 5] = [Field::Command, Field::Script, Field::Instances, Field::Path, Field::Label];
        for field in service.asked.iter().filter(|field| !carried.contains(field) && !DONE.contains(field)) {
            self.add(service, format!("`{}` is not carried over", field.key()));
        }
    }

    /// The service can't be written at all.
    fn skipped(&mut self, service: &Service, why: &str) {
        self.add(service, format!("is left out: {why}"));
    }
}

/// What is run, as words; a script is the shell's.
fn words(service: &Service) -> Vec<String> {
    match &service.exec {
        Exec::Script(script) => {
            vec!["/bin/sh".into(), "-eu".into(), "-c".into(), script.clone(), service.name.to_string()]
        }
        Exec::Command { .. } => command(&service.exec),
    }
}

/// A command, or a script without a name.
fn command(exec: &Exec) -> Vec<String> {
    match exec {
        Exec::Command { program, args, .. } => std::iter::once(program.to_string())
            .chain(args.iter().map(|word| word.to_string_lossy().into_owned()))
            .collect(),
        Exec::Script(script) => vec!["/bin/sh".into(), "-eu".into(), "-c".into(), script.clone()],
    }
}

/// Its own environment, as text.
fn variables(service: &Service) -> Vec<(&str, String)> {
    let value = |value: &crate::service::EnvValue| value.expose().to_string_lossy().into_owned();
    service.env.iter().map(|(name, text)| (name.as_str(), value(text))).collect()
}

/// Its own environment and the PATH that it has, for tools on this machine.
fn variables_here(service: &Service) -> Vec<(&str, String)> {
    let mut all = variables(service);
    if let Ok(Some(path)) = service.path.joined()
        && !all.iter().any(|(name, _)| *name == "PATH")
    {
        all.insert(0, ("PATH", path.to_string_lossy().into_owned()));
    }
    all
}

/// Whole seconds, at least one.
fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
