//! The environment: `EnvironmentVariables`, or that of the shim's job. launchd gives an agent HOME, USER,
//! LOGNAME, SHELL, TMPDIR, SSH_AUTH_SOCK and a PATH of the system's folders; a daemon hardly more than PATH.

use crate::engine::job::Bytes;
use crate::service::{EnvName, EnvValue, Field, SearchPath, Service};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Variables that launchd sets itself.
const OF_LAUNCHD: [&str; 2] = ["XPC_FLAGS", "XPC_SERVICE_NAME"];
/// Variables that the shim sets itself.
const OF_THE_SHIM: [&str; 3] = ["NOTIFY_SOCKET", "SVC_RUN", "SVC_SERVICE"];

/// PATH and the definition's own, by name; what launchd gives comes before. The error is a field and its
/// reason.
pub(super) fn variables(service: &Service) -> Result<BTreeMap<String, Bytes>, (Field, String)> {
    let mut all = BTreeMap::new();
    if let Some(path) = search_path(&service.path).map_err(|reason| (Field::Path, reason))? {
        all.insert("PATH".to_owned(), path.into());
    }
    for (name, value) in &service.env {
        all.insert(name.as_str().to_owned(), value.expose().into());
    }
    Ok(all)
}

/// PATH as one variable; none for launchd's own.
fn search_path(path: &SearchPath) -> Result<Option<OsString>, String> {
    let (SearchPath::Inherited(folders) | SearchPath::Listed(folders)) = path else { return Ok(None) };
    if folders.is_empty() {
        return Ok(None);
    }
    let mut joined = OsString::new();
    for (at, folder) in folders.iter().enumerate() {
        let folder = folder.as_path().as_os_str();
        if folder.as_encoded_bytes().contains(&b':') {
            return Err(format!("can't hold the folder {}: `:` separates folders", folder.display()));
        }
        if at > 0 {
            joined.push(":");
        }
        joined.push(folder);
    }
    Ok(Some(joined))
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
