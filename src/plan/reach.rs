//! What a changed field has to do with a program that runs already: whether it must be started anew for the
//! change to come true.

use crate::backend::Backend;
use crate::files::record::Record;
use crate::service::{Field, FieldSet};

/// Who has to hear of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// svc, and what is linked to start by itself.
    Svc,
    /// Who watches over the process: the next end, stop or start goes by it.
    Manager,
    /// Who holds what the process has open.
    Output,
    /// The process: it was given this when it was started.
    Process,
}

/// How far a change of `field` reaches.
pub(crate) fn reach(field: Field) -> Reach {
    match field {
        Field::Instances | Field::Group | Field::Description | Field::Start => Reach::Svc,
        Field::Restart
        | Field::RestartDelay
        | Field::RestartMaxDelay
        | Field::RestartLimit
        | Field::RestartReset
        | Field::StopSignal
        | Field::StopTimeout
        | Field::Reload
        | Field::StartTimeout
        | Field::DependsOn
        | Field::WaitFor
        | Field::OnFailure
        // what checks it runs beside it
        | Field::Health
        | Field::Every
        | Field::Schedule
        | Field::Update => Reach::Manager,
        Field::Logs | Field::PidFile => Reach::Output,
        Field::Command
        | Field::Script
        | Field::Env
        | Field::EnvFile
        | Field::Path
        | Field::WorkingDir
        // it decides whether the program has a socket to be heard at
        | Field::Ready
        | Field::Limits
        | Field::Sandbox
        | Field::Nice
        | Field::Umask
        | Field::User
        // anything may stand there
        | Field::Systemd
        | Field::Launchd
        | Field::Label => Reach::Process,
    }
}

/// The fields in which the definitions of two records of one name differ, defaults filled in.
pub(crate) fn changed(old: &Record, new: &Record) -> FieldSet {
    let mut all = FieldSet::default();
    if old.definition == new.definition {
        return all;
    }
    let (old, new) = (old.fields(), new.fields());
    let keys = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
    keys.filter_map(|key| Field::from_key(key)).for_each(|field| all.insert(field));
    all
}

/// Whether a program that runs has to be started anew for `fields` to come true under this manager.
pub(crate) fn needs_restart(backend: &impl Backend, fields: FieldSet) -> bool {
    fields.iter().any(|field| reach(field) > backend.takes_while_running())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::backend::{BackendKind, Rendered, Scope};
    use crate::service::sample::{command, sample};
    use crate::service::{Service, Signal, Text};

    fn record(service: &Service) -> Record {
        Record::new(service, &Rendered::default(), BackendKind::Supervisor, Scope::User)
    }

    #[test]
    fn changed_fields_are_found_by_their_effective_values() {
        let old = sample("web");
        let mut new = old.clone();
        let fields =
            |new: &Service| changed(&record(&old), &record(new)).iter().map(Field::key).collect::<Vec<_>>().join(" ");
        assert_eq!(fields(&new), "");
        new.description = Some(Text::parse("the web").unwrap());
        new.stop.signal = Signal::parse("INT").unwrap();
        assert_eq!(fields(&new), "description stop_signal");
        new.exec = command("/bin/true", &[]);
        new.restart.limit.count = 9;
        assert_eq!(fields(&new), "command description restart_limit stop_signal");
    }

    #[test]
    fn a_damaged_definition_counts_as_another_one() {
        let new = record(&sample("web"));
        let old = Record { definition: "no [toml".into(), ..new.clone() };
        assert!(changed(&old, &new).contains(Field::Command));
    }
}
