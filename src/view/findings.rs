//! `svc doctor`: what was found, with its proof and the command that mends it.

use super::sanitize::sanitize;
use super::words::{self, paint};
use crate::report::{Finding, Level};
use std::fmt::Write;

/// One line a finding; below it the command that mends it.
pub(crate) fn findings(all: &[Finding]) -> String {
    let width = all.iter().map(|finding| sanitize(&finding.subject).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in all {
        let (sign, style) = match finding.level {
            Level::Ok => ("✓", words::GOOD),
            Level::Warning => ("!", words::WARNING),
            Level::Error => ("✗", words::ERROR),
        };
        let (subject, message) = (sanitize(&finding.subject), sanitize(&finding.message));
        let _ = writeln!(text, "{} {subject:width$}  {message}", paint(style, sign));
        if let Some(fix) = &finding.fix {
            let _ = writeln!(text, "  {:width$}  fix: {}", "", sanitize(fix));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_its_sign_and_its_mend() {
        let finding = |level, subject: &str, fix: Option<&str>| Finding {
            level,
            subject: subject.into(),
            message: "as \u{1b} found".into(),
            fix: fix.map(str::to_owned),
            service: None,
        };
        let all = [
            finding(Level::Ok, "systemd", None),
            finding(Level::Warning, "lingering", Some("svc enable --boot web")),
            finding(Level::Error, "web", Some("chmod 600 .env")),
        ];
        assert_eq!(
            anstream::adapter::strip_str(&findings(&all)).to_string(),
            "\
✓ systemd    as \\x1b found
! lingering  as \\x1b found
             fix: svc enable --boot web
✗ web        as \\x1b found
             fix: chmod 600 .env
"
        );
    }
}
