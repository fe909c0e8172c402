//! What stands in the way of launchd on this machine.

use super::Launchd;
use crate::report::{Finding, Level};

/// Is there a launchctl, does it answer, is there a domain to load jobs into.
pub(super) fn machine(launchd: &Launchd) -> Vec<Finding> {
    let finding = |level, subject: &str, message: String, fix: Option<String>| Finding {
        level,
        subject: subject.into(),
        message,
        fix,
        service: None,
    };
    let driver = match launchd.driver() {
        Ok(driver) => driver,
        Err(error) => return vec![finding(Level::Error, "launchctl", error.message, error.hint)],
    };
    let mut all = vec![finding(Level::Ok, "launchctl", driver.ctl().program().display().to_string(), None)];
    all.push(match driver.domain() {
        Ok(domain) if domain.starts_with("user/") => finding(
            Level::Warning,
            "session",
            format!("services are loaded into {domain}: nobody is logged in at the screen, so it is a session in the background"),
            None,
        ),
        Ok(domain) => finding(Level::Ok, "session", format!("services are loaded into {domain}"), None),
        Err(error) => finding(Level::Error, "session", error.message, error.hint),
    });
    all
}
