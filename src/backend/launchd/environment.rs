//! The environment: `EnvironmentVariables`, or that of the shim's job. launchd gives an agent HOME, USER,
//! LOGNAME, SHELL, TMPDIR, SSH_AUTH_SOCK and a PATH of the system's folders; a daemon hardly more than PATH.

use crate::engine::job::Bytes;
use crate::service::{EnvName, EnvValue, Field, Service};
use std::collections::BTreeMap;

/// Variables that launchd sets itself.
const OF_LAUNCHD: [&str; 2] = ["XPC_FLAGS", "XPC_SERVICE_NAME"];
/// Variables that the shim sets itself.
const OF_THE_SHIM: [&str; 3] = ["NOTIFY_SOCKET", "SVC_RUN", "SVC_SERVICE"];

/// PATH and the definition's own, by name; what launchd gives comes before. The error is a field and its
/// reason.
pub(super) fn variables(service: &Service) -> Result<BTreeMap<String, Bytes>, (Field, String)> {
    let mut all = BTreeMap::new();
    if let Some(path) = service.path.joined().map_err(|reason| (Field::Path, reason))? {
        all.insert("PATH".to_owned(), path.into());
    }
    for (name, value) in &service.env {
        all.insert(name.as_str().to_owned(), value.expose().into());
    }
    Ok(all)
}

/// A sentence for each variable that takes the place of another's, or that another takes.
pub(super) fn clashing(env: &BTreeMap<EnvName, EnvValue>, shim: bool) -> impl Iterator<Item = String> {
    env.keys().map(EnvName::as_str).filter_map(move |name| {
        if OF_LAUNCHD.contains(&name) {
            Some(format!("`env.{name}` takes the place of what launchd sets there itself"))
        } else {
            (shim && OF_THE_SHIM.contains(&name)).then(|| format!("`env.{name}` may be overridden: svc sets it itself"))
        }
    })
}
