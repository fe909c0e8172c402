//! What a service survives under launchd, as its property list says. DESIGN §3.

use super::Unit;
use super::drive::starts_at_boot;
use super::driver::Driver;
use crate::backend::Scope;
use crate::engine::job::{Job, Policy};
use crate::report::Survival;
use std::collections::BTreeMap;

/// Crash, logout and reboot.
pub(super) fn survives(scope: Scope, unit: &Unit, store: &BTreeMap<String, bool>) -> Vec<Survival> {
    let survival = |what: &str, yes, note: Option<String>| Survival { what: what.into(), yes, note };
    let Ok(listed) = &unit.listed else {
        let note = Some("its property list can't be read".to_owned());
        return vec![
            survival("crash", false, note.clone()),
            survival("logout", false, note.clone()),
            survival("reboot", false, note),
        ];
    };
    let by_shim = listed.shim.as_ref().and_then(|job| {
        let job = toml::from_str::<Job>(&std::fs::read_to_string(job).ok()?).ok()?;
        Some(job.restart.policy != Policy::Never)
    });
    let crash = match by_shim.unwrap_or(listed.kept_alive) {
        true => survival("crash", true, None),
        false if unit.scheduled => survival("crash", true, Some("runs again at its next time".into())),
        false => survival("crash", false, Some("restart is never".into())),
    };
    let enabled = !Driver::is_disabled(store, &unit.label, listed);
    let at_login = if enabled { "starts at the next login".to_owned() } else { format!("svc enable {}", unit.name) };
    let (logout, reboot) = if starts_at_boot(scope) {
        (survival("logout", true, None), survival("reboot", enabled, (!enabled).then(|| at_login.clone())))
    } else {
        let of_session = "an agent ends with its session";
        let logout = if enabled { format!("{of_session}, and {at_login}") } else { of_session.to_owned() };
        (survival("logout", false, Some(logout)), survival("reboot", false, Some(at_login)))
    };
    vec![crash, logout, reboot]
}
