//! The environment that a program gets: what a login would give, and the definition's own.

use super::target::{Account, Target};
use crate::engine::job::Bytes;
use crate::service::{EnvName, EnvValue, Field, Service};
use std::collections::BTreeMap;

/// `path = "minimal"`, the same as systemd's own (quoting-facts §5).
const MINIMAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that the engine sets itself.
const OF_THE_ENGINE: [&str; 2] = ["NOTIFY_SOCKET", "SVC_SERVICE"];

/// All variables by name; the error is a field and its reason.
pub(super) fn variables(service: &Service, target: &Target) -> Result<BTreeMap<String, Bytes>, (String, String)> {
    let mut all: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut set = |name: &str, value: Bytes| drop(all.insert(name.to_owned(), value));
    let account = account(service, target)?;
    set("HOME", account.home.into_os_string().into());
    set("USER", account.name.as_str().into());
    set("LOGNAME", account.name.as_str().into());
    set("SHELL", account.shell.into_os_string().into());
    let path = service.path.joined().map_err(|reason| (Field::Path.key().to_owned(), reason))?;
    set("PATH", path.map_or_else(|| MINIMAL.into(), Bytes::from));
    if let Some(lang) = &target.lang {
        set("LANG", lang.as_os_str().into());
    }
    // the folder is the account's own: of no use to another
    if let (Some(folder), None) = (&target.runtime_dir, &service.user) {
        set("XDG_RUNTIME_DIR", folder.as_os_str().into());
    }
    for (name, value) in &service.env {
        set(name.as_str(), value.expose().into());
    }
    Ok(all)
}

fn account(service: &Service, target: &Target) -> Result<Account, (String, String)> {
    let Some(user) = &service.user else { return Ok(target.account.clone()) };
    (target.look_up)(user).ok_or_else(|| {
        (Field::User.key().to_owned(), format!("there is no account `{}` on this machine", user.escape_debug()))
    })
}

/// A sentence about each variable that the engine gives another value.
pub(super) fn overridden(env: &BTreeMap<EnvName, EnvValue>) -> impl Iterator<Item = String> {
    env.keys()
        .filter(|name| OF_THE_ENGINE.contains(&name.as_str()))
        .map(|name| format!("`env.{}` may be overridden: the supervisor sets it itself", name.as_str()))
}
