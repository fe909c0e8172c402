//! Reading what launchctl prints, across versions of macOS: what is missing or new is `None`, never a guess.
//!
//! Of `print DOMAIN/LABEL` only lines with exactly one leading tab speak of the job itself: blocks nested in
//! it (`resource coalition`, …) have states and pids of their own. Arguments are printed raw: a script of
//! several lines may hold anything, so of what stands before them the first line counts, of what stands
//! behind them the last.

use crate::engine::machine::Exit;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A job that launchd has loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Job {
    /// `running`, `not running`, `spawn scheduled`, `spawning`, `xpcproxy`, `SIGTERMed`, …
    pub(super) state: Option<String>,
    /// Of its process, while there is one.
    pub(super) pid: Option<u32>,
    /// How often it was started since it was loaded.
    pub(super) runs: Option<u32>,
    /// How its last process ended; none that never did.
    pub(super) ended: Option<Exit>,
    /// Why macOS ended it, where that was no matter of the program: `OS_REASON_CODESIGNING`, …
    pub(super) why: Option<String>,
    /// The property list it was loaded from.
    pub(super) path: Option<PathBuf>,
    /// Seconds between SIGTERM and SIGKILL.
    pub(super) exit_timeout: Option<u64>,
}

impl Job {
    /// Every release says at least the state; a text without one says nothing.
    pub(super) fn is_understood(&self) -> bool {
        self.state.is_some()
    }
}

/// What `print DOMAIN/LABEL` says.
pub(super) fn job(text: &str) -> Job {
    let own = || text.lines().filter_map(|line| line.strip_prefix('\t')).filter(|line| !line.starts_with('\t'));
    let first = |key: &str| own().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    let last = |key: &str| own().filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).next_back();
    let code = || {
        let word = last("last exit code")?.split([':', ' ']).next()?;
        Some(Exit::Code(word.parse().ok()?))
    };
    let signal = || {
        let number = last("last terminating signal")?.rsplit(' ').next()?;
        Some(Exit::Signal(number.parse().ok()?))
    };
    Job {
        state: first("state").map(str::to_owned),
        pid: last("pid").and_then(|pid| pid.parse().ok()),
        runs: last("runs").and_then(|runs| runs.parse().ok()),
        ended: signal().or_else(code),
        why: last("last exit reason").map(str::to_owned),
        path: first("path").map(PathBuf::from),
        exit_timeout: last("exit timeout").and_then(|seconds| seconds.parse().ok()),
    }
}

/// Labels in the store of `launchctl enable` and `disable`, and whether they are disabled: what
/// `print-disabled DOMAIN` says in its first block. Other blocks hold labels with another meaning.
pub(super) fn disabled(text: &str) -> BTreeMap<String, bool> {
    let block = text.lines().skip_while(|line| line.trim() != "disabled services = {").skip(1);
    let pair = |line: &str| {
        let (label, word) = line.trim().split_once(" => ")?;
        let is = match word {
            "disabled" | "true" => true,
            "enabled" | "false" => false,
            _ => return None,
        };
        Some((label.trim_matches('"').to_owned(), is))
    };
    block.take_while(|line| line.trim() != "}").filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording, its version not known, shortened; `job state` is of one of 26.5.
    const RUNNING: &str = "gui/501/ai.example.monitor = {
\tactive count = 1
\tpath = /Users/x/Library/LaunchAgents/ai.example.monitor.plist
\ttype = LaunchAgent
\tstate = running

\tprogram = /opt/python
\targuments = {
\t\t/opt/python
\t}

\tinherited environment = {...}

\tdefault environment = {
\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin
\t}

\tdomain = gui/501 [100041]
\tminimum runtime = 10
\texit timeout = 5
\truns = 2
\tpid = 35711
\timmediate reason = non-ipc demand
\tlast terminating signal = Terminated: 15

\tresource coalition = {
\t\tstate = active
\t\tpid = 1
\t}

\tspawn type = daemon (3)
\tjob state = running

\tproperties = runatload | inferred program
}
";

    #[test]
    fn a_recorded_job_is_read() {
        let expected = Job {
            state: Some("running".into()),
            pid: Some(35711),
            runs: Some(2),
            ended: Some(Exit::Signal(15)),
            why: None,
            path: Some("/Users/x/Library/LaunchAgents/ai.example.monitor.plist".into()),
            exit_timeout: Some(5),
        };
        assert_eq!(job(RUNNING), expected);
    }

    #[test]
    fn ends_are_read_as_they_are_written() {
        let of = |line: &str| job(&format!("x = {{\n\tstate = not running\n\t{line}\n}}\n")).ended;
        assert_eq!(of("last exit code = 1"), Some(Exit::Code(1)));
        assert_eq!(of("last exit code = 78: EX_CONFIG"), Some(Exit::Code(78)));
        assert_eq!(of("last exit code = (never exited)"), None);
        assert_eq!(of("last exit code = (failed reap)"), None);
        assert_eq!(of("last terminating signal = Segmentation fault: 11"), Some(Exit::Signal(11)));
        assert_eq!(of("last exit reason = OS_REASON_CODESIGNING"), None);
        let of = |text: &str| job(text).why;
        assert_eq!(
            of("x = {\n\tlast exit reason = OS_REASON_CODESIGNING\n}\n").as_deref(),
            Some("OS_REASON_CODESIGNING")
        );
    }

    #[test]
    fn a_script_in_the_arguments_says_nothing_of_the_job() {
        let text = "x = {\n\tpath = /a.plist\n\tstate = running\n\targuments = {\n\t\tsh\n\t\tcase $1 in\n\tstate = broken\n\tpid = 1\n}\n\tpath = /b\n\t}\n\truns = 1\n\tpid = 77\n}\n";
        let seen = job(text);
        assert_eq!((seen.state.as_deref(), seen.pid), (Some("running"), Some(77)));
        assert_eq!(seen.path, Some("/a.plist".into()));
        assert_eq!(job("garbage"), Job::default());
        assert!(seen.is_understood() && !job("garbage").is_understood());
    }

    #[test]
    fn the_store_of_disabled_labels_is_read_in_every_spelling() {
        let new = "\n\tdisabled services = {\n\t\t\"com.apple.ftpd\" => disabled\n\t\t\"svc.web\" => enabled\n\t}\n\n\tlogin item associations = {\n\t\t\"svc.web\" => disabled\n\t}\n";
        let old = "disabled services = {\n\t\"com.apple.ftpd\" => true\n\t\"svc.web\" => false\n}\n";
        let expected: BTreeMap<String, bool> = [("com.apple.ftpd".into(), true), ("svc.web".into(), false)].into();
        assert_eq!(disabled(new), expected);
        assert_eq!(disabled(old), expected);
        assert_eq!(disabled("nonsense"), BTreeMap::new());
    }
}
