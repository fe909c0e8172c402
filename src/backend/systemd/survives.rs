//! What a service survives, asked of systemd and logind, not assumed. DESIGN §3.

use super::bus::{Bus, unit_path};
use super::linger;
use super::manager::{service_unit, timer_unit};
use super::observe::{SERVICE, links};
use crate::backend::{Scope, Subject};
use crate::env::Environment;
use crate::report::Survival;
use std::path::Path;

/// Crash, logout and reboot.
pub(crate) async fn survives(
    bus: &Bus,
    subject: &Subject,
    environment: &Environment,
    unit_dir: &Path,
) -> Vec<Survival> {
    let name = subject.name.as_str();
    let unit = service_unit(name);
    let policy = bus.get::<String>(&unit_path(&unit), SERVICE, "Restart").await.unwrap_or_default();
    let lingers = bus.scope == Scope::System || linger::is_on(environment);
    let linked = if subject.scheduled { timer_unit(name) } else { unit };
    let enabled = links(unit_dir).contains(&linked);
    let boot = format!("svc enable --boot {name}");
    let crash = match (policy.as_str(), subject.scheduled) {
        ("no" | "", true) => {
            Survival { what: "crash".into(), yes: true, note: Some("runs again at its next time".into()) }
        }
        ("no" | "", false) => Survival { what: "crash".into(), yes: false, note: Some("restart is never".into()) },
        _ => Survival { what: "crash".into(), yes: true, note: None },
    };
    let logout = Survival { what: "logout".into(), yes: lingers, note: (!lingers).then(|| boot.clone()) };
    let reboot = Survival {
        what: "reboot".into(),
        yes: enabled && lingers,
        note: match (enabled, lingers) {
            (false, _) => Some(format!("svc enable {name}")),
            (true, false) => Some(format!("starts at login; {boot}")),
            (true, true) => None,
        },
    };
    vec![crash, logout, reboot]
}
