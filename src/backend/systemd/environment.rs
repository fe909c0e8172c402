//! The environment: `Environment=` and `EnvironmentFile=`. systemd.exec(5) "ENVIRONMENT".

use super::escape::EnvAssignment;
use super::path::GlobPath;
use crate::service::{EnvFile, EnvName, EnvValue, Field, Ready, SearchPath};
use std::collections::BTreeMap;

/// A key path such as `env.TOKEN`, and why it can't be had.
pub(super) type Refused = (String, String);

/// Variables that systemd sets for a service and that its own hooks or libsystemd believe.
const OF_SYSTEMD: &[&str] = &[
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MANAGERPID",
    "NOTIFY_SOCKET",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// The assignments, sorted by name, PATH among them.
pub(super) fn assignments(
    env: &BTreeMap<EnvName, EnvValue>,
    path: &SearchPath,
    version: u32,
) -> Result<Vec<EnvAssignment>, Vec<Refused>> {
    let mut all: BTreeMap<EnvName, (String, EnvValue)> = BTreeMap::new();
    let mut refused = Vec::new();
    match search_path(path) {
        Ok(Some((name, value))) => {
            all.insert(name, (Field::Path.key().to_owned(), value));
        }
        Ok(None) => {}
        Err(reason) => refused.push((Field::Path.key().to_owned(), reason)),
    }
    for (name, value) in env {
        let key = format!("{}.{}", Field::Env.key(), name.as_str());
        all.insert(name.clone(), (key, value.clone()));
    }
    let mut assignments = Vec::new();
    for (name, (key, value)) in &all {
        match EnvAssignment::new(name, value, version) {
            Ok(assignment) => assignments.push(assignment),
            Err(reason) => refused.push((key.clone(), reason)),
        }
    }
    if refused.is_empty() { Ok(assignments) } else { Err(refused) }
}

/// PATH as one variable; none for the manager's own.
fn search_path(path: &SearchPath) -> Result<Option<(EnvName, EnvValue)>, String> {
    path.joined()?.map(|joined| Ok((EnvName::parse("PATH")?, EnvValue::new(joined)?))).transpose()
}

/// Variables that can't be set without breaking what svc renders.
pub(super) fn breaking(env: &BTreeMap<EnvName, EnvValue>, ready: &Ready) -> Vec<Refused> {
    env.keys()
        .filter_map(|name| {
            let reason = match name.as_str() {
                "MAINPID" => "is systemd's: reload and the PID file believe it",
                "NOTIFY_SOCKET" if *ready == Ready::Notify => "is systemd's: `ready = \"notify\"` needs its own value",
                _ => return None,
            };
            Some((format!("{}.{}", Field::Env.key(), name.as_str()), reason.to_owned()))
        })
        .collect()
}

/// A sentence for each variable that takes the place of one of systemd's.
pub(super) fn overriding(env: &BTreeMap<EnvName, EnvValue>) -> impl Iterator<Item = String> {
    env.keys()
        .filter(|name| OF_SYSTEMD.contains(&name.as_str()))
        .map(|name| format!("`env.{}` takes the place of what systemd sets there itself", name.as_str()))
}

/// The files, in order.
pub(super) fn files(files: &[EnvFile]) -> Result<Vec<GlobPath>, Vec<Refused>> {
    let mut paths = Vec::new();
    let mut refused = Vec::new();
    for EnvFile { path, optional } in files {
        match GlobPath::new(path, *optional) {
            Ok(path) => paths.push(path),
            Err(reason) => refused.push((Field::EnvFile.key().to_owned(), reason)),
        }
    }
    if refused.is_empty() { Ok(paths) } else { Err(refused) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::AbsPath;
    use std::path::Path;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<EnvName, EnvValue> {
        pairs.iter().map(|(k, v)| (EnvName::parse(k).unwrap(), EnvValue::new(*v).unwrap())).collect()
    }

    fn folders(paths: &[&str]) -> Vec<AbsPath> {
        paths.iter().map(|path| AbsPath::new(Path::new(path)).unwrap()).collect()
    }

    fn shown(pairs: &[(&str, &str)], path: &SearchPath) -> Vec<String> {
        assignments(&env(pairs), path, 252).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn path_is_one_of_the_variables_unless_it_is_written_out() {
        let path = SearchPath::Inherited(folders(&["/usr/bin", "/bin"]));
        assert_eq!(shown(&[("Z", "1"), ("A", "2")], &path), ["\"A=2\"", "\"PATH=/usr/bin:/bin\"", "\"Z=1\""]);
        assert_eq!(shown(&[("PATH", "/x")], &path), ["\"PATH=/x\""]);
        assert!(shown(&[], &SearchPath::Minimal).is_empty());
        assert!(shown(&[], &SearchPath::Inherited(Vec::new())).is_empty());
        let error = assignments(&env(&[]), &SearchPath::Listed(folders(&["/a:b"])), 252).unwrap_err();
        assert_eq!(error[0].0, "path");
    }

    #[test]
    fn every_bad_value_is_named_at_once() {
        let error = assignments(&env(&[("A", "\u{ffff}"), ("B", "ok"), ("C", "\u{fdd0}")]), &SearchPath::Minimal, 252);
        let keys: Vec<_> = error.unwrap_err().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["env.A", "env.C"]);
    }

    #[test]
    fn variables_of_systemd_are_said_or_refused() {
        let odd = env(&[("MAINPID", "1"), ("NOTIFY_SOCKET", "/x"), ("LISTEN_FDS", "1"), ("HOME", "/x")]);
        assert_eq!(breaking(&odd, &Ready::Exec).len(), 1);
        assert_eq!(breaking(&odd, &Ready::Notify).len(), 2);
        assert_eq!(overriding(&odd).count(), 2);
    }
}
