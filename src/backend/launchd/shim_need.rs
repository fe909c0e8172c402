//! Which fields need svc's shim as the parent of the program, and why. A service without any of them is
//! launchd's alone, and svc need not be there.

use super::xml::Str;
use crate::service::{Exec, Field, Ready, Reload, RestartPolicy, SearchPath, Service, Signal};
use std::ffi::OsStr;

/// One field that needs the shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// The key, e.g. `logs.keep` or `env.A`.
    pub(crate) field: String,
    /// What launchd lacks.
    pub(crate) why: String,
}

/// What launchd lacks for a field.
pub(super) fn why(field: Field) -> &'static str {
    match field {
        Field::EnvFile => "launchd reads no files of variables",
        Field::Restart => "launchd does not restart a scheduled service after a failure without starting it at login",
        Field::RestartMaxDelay => "launchd's delay does not grow",
        Field::RestartLimit => "launchd never gives up",
        Field::RestartReset => "launchd counts no starts, so there is nothing to begin afresh",
        Field::StopSignal => "launchd sends SIGTERM, nothing else",
        Field::Reload => "launchd runs no command for a service that runs",
        Field::Ready => "launchd does not wait for a service",
        Field::StartTimeout => "launchd has no limit for a start",
        Field::Logs => "launchd only appends to a file: it never rotates it, writes no times and leaves nothing out",
        Field::PidFile => "launchd writes none",
        Field::WaitFor => "launchd starts it whether what it needs is there or not",
        Field::OnFailure => "launchd never gives up, so it tells nobody",
        Field::Health => "launchd looks whether the process is there, no further",
        _ => "a property list can't hold its value",
    }
}

/// All fields of a service that need the shim; none: it needs none.
pub(crate) fn needs(service: &Service) -> Vec<Need> {
    let Service {
        asked,
        env_files,
        restart,
        stop,
        reload,
        ready,
        logs,
        pid_file,
        schedule,
        wait_for,
        on_failure,
        health,
        ..
    } = service;
    let restarts = restart.policy != RestartPolicy::Never;
    let mut all: Vec<Need> = [
        (Field::EnvFile, !env_files.is_empty()),
        (Field::Restart, schedule.is_some() && restart.policy == RestartPolicy::OnFailure),
        (Field::RestartMaxDelay, restarts && asked.contains(Field::RestartMaxDelay)),
        (Field::RestartLimit, restarts && asked.contains(Field::RestartLimit)),
        (Field::RestartReset, restarts && asked.contains(Field::RestartReset)),
        (Field::StopSignal, stop.signal != Signal::TERM),
        (Field::Reload, matches!(reload, Some(Reload::Command(_)))),
        (Field::Ready, *ready != Ready::Exec),
        (Field::StartTimeout, asked.contains(Field::StartTimeout)),
        (Field::PidFile, pid_file.is_some()),
        (Field::WaitFor, !wait_for.is_empty()),
        (Field::OnFailure, on_failure.is_some()),
        (Field::Health, health.is_some()),
    ]
    .into_iter()
    .filter(|(_, needed)| *needed)
    .map(|(field, _)| Need { field: field.key().to_owned(), why: why(field).to_owned() })
    .collect();
    let of_logs = [
        ("max_size", logs.max_size.is_some()),
        ("keep", logs.keep.is_some()),
        ("keep_days", logs.keep_days.is_some()),
        ("timestamps", logs.timestamps == Some(true)),
        ("compress", logs.compress == Some(true)),
        ("rate_limit", logs.rate_limit.is_some()),
    ];
    all.extend(
        of_logs
            .into_iter()
            .filter(|(_, asked)| *asked)
            .map(|(key, _)| Need { field: format!("{}.{key}", Field::Logs.key()), why: why(Field::Logs).to_owned() }),
    );
    all.extend(not_xml(service));
    all
}

/// Values that a property list can't hold; a job file of the shim can.
fn not_xml(service: &Service) -> Vec<Need> {
    let Service { exec, env, path, working_dir, logs, .. } = service;
    let mut all = Vec::new();
    let mut try_value = |field: Field, inside: &str, value: &OsStr| {
        if let Err(reason) = Str::new(value) {
            all.push(Need { field: format!("{}{inside}", field.key()), why: format!("it {reason}") });
        }
    };
    match exec {
        Exec::Command { program, written: _, args } => {
            try_value(Field::Command, "", program.as_path().as_os_str());
            for arg in args {
                try_value(Field::Command, "", arg);
            }
        }
        Exec::Script(text) => try_value(Field::Script, "", OsStr::new(text)),
    }
    if let SearchPath::Inherited(folders) | SearchPath::Listed(folders) = path {
        for folder in folders {
            try_value(Field::Path, "", folder.as_path().as_os_str());
        }
    }
    try_value(Field::WorkingDir, "", working_dir.as_path().as_os_str());
    if let Some(file) = &logs.file {
        try_value(Field::Logs, ".file", file.as_path().as_os_str());
    }
    for (name, value) in env {
        if let Err(reason) = Str::new(value.expose()) {
            let field = format!("{}.{}", Field::Env.key(), name.as_str());
            all.push(Need { field, why: format!("it {reason}") });
        }
    }
    all.dedup();
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::sample::{abs, command, sample};
    use crate::service::{EnvFile, EnvName, EnvValue, Schedule};
    use std::os::unix::ffi::OsStrExt;
    use std::time::Duration;

    fn fields(service: &Service) -> Vec<String> {
        needs(service).into_iter().map(|need| need.field).collect()
    }

    #[test]
    fn defaults_need_no_shim() {
        assert!(needs(&sample("web")).is_empty());
        let mut service = sample("web");
        for field in [Field::Restart, Field::RestartDelay, Field::StopTimeout, Field::StopSignal, Field::Logs] {
            service.asked.insert(field);
        }
        service.schedule = Some(Schedule::Every(Duration::from_secs(9)));
        service.restart.policy = RestartPolicy::Never;
        service.asked.insert(Field::RestartLimit);
        assert!(needs(&service).is_empty());
    }

    #[test]
    fn each_field_that_launchd_lacks_is_named_with_its_reason() {
        let mut service = sample("web");
        service.env_files = vec![EnvFile { path: abs("/x"), optional: false }];
        service.stop.signal = Signal::parse("INT").unwrap();
        service.reload = Some(Reload::Command(command("/bin/true", &[])));
        service.ready = Ready::Notify;
        service.pid_file = Some(abs("/x.pid"));
        service.logs.keep = Some(3);
        service.schedule = Some(Schedule::Every(Duration::from_secs(9)));
        for field in [Field::RestartMaxDelay, Field::RestartLimit, Field::RestartReset, Field::StartTimeout] {
            service.asked.insert(field);
        }
        let expected = "env_file restart restart_max_delay restart_limit restart_reset stop_signal reload ready \
                        start_timeout pid_file logs.keep";
        assert_eq!(fields(&service).join(" "), expected);
        assert!(needs(&service).iter().all(|need| need.why.contains("launchd")));
    }

    #[test]
    fn what_xml_cannot_hold_goes_through_the_job_file() {
        let mut service = sample("web");
        service.exec = command("/bin/sleep", &["\u{1}", "\u{1}"]);
        let bad = OsStr::from_bytes(b"\xff");
        service.env.insert(EnvName::parse("A").unwrap(), EnvValue::new(bad).unwrap());
        service.working_dir = abs("/a\u{1b}");
        assert_eq!(fields(&service), ["command", "working_dir", "env.A"]);
        assert!(needs(&service)[2].why.contains("UTF-8"));
    }
}
