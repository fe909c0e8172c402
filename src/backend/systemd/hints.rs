//! Why a service ended, in systemd's words made plain, and what usually mends it. Pure.
//!
//! The reason comes from how the process ended; the advice from its last lines where they are
//! known ones ([`crate::backend::hints`]).

use super::observe::Ended;
use crate::backend::hints::{self, by_log};
use crate::sys::signals;

/// The reason, and advice when there is some.
pub(crate) fn explain(end: &Ended, log: &[String]) -> (String, Option<String>) {
    let (mut reason, hint) = by_status(end);
    if end.gave_up || end.result == "start-limit-hit" {
        reason += ", again and again until its `restart_limit`";
    }
    let hint = by_log(log).or(hint);
    (reason, hint)
}

fn by_status(end: &Ended) -> (String, Option<String>) {
    let plain = |reason: &str| (reason.to_owned(), None);
    match (end.result.as_str(), end.exit_code, end.signal) {
        ("oom-kill", ..) => (
            "out of memory: the kernel killed it".into(),
            Some("raise `limits.memory`, or find out why it grows".into()),
        ),
        ("timeout", ..) => (
            "did not become ready, or did not stop, in time".into(),
            Some("raise `start_timeout` or `stop_timeout`".into()),
        ),
        ("watchdog", ..) => plain("its watchdog ran out"),
        ("resources", ..) => ("systemd could not set it up".into(), Some("is the `env_file` there, and valid?".into())),
        ("protocol", ..) => (
            "ended before it said that it is ready".into(),
            Some("`ready = \"notify\"` needs a program that sends READY=1".into()),
        ),
        (_, Some(code), _) => by_code(code),
        ("core-dump", _, Some(signal)) => {
            (format!("crashed with {}", signals::name(signal)), Some("`coredumpctl info` may know more".into()))
        }
        (_, _, Some(signal)) => plain(&format!("killed by {}", signals::name(signal))),
        ("success" | "", ..) => plain("no reason known"),
        (other, ..) => plain(&format!("systemd says `{other}`")),
    }
}

/// Codes with a meaning: a shell's 126 and 127; those from 200 on, which systemd's child gives
/// when it can't become the program, with systemd's word for them. systemd.exec(5), "Process Exit
/// Codes".
fn by_code(code: i32) -> (String, Option<String>) {
    if let Some((meaning, hint)) = hints::by_code(code) {
        return (format!("exit code {code}: {meaning}"), Some(hint.to_owned()));
    }
    let (word, meaning, hint) = match code {
        200 => ("CHDIR", "its folder can't be entered", "does `working_dir` exist, and may its account enter it?"),
        201 => ("NICE", "its `nice` can't be set", "below 0 only root may go"),
        202 => ("FDS", "its descriptors can't be set up", ""),
        203 => ("EXEC", "the program can't be executed", "is it there, executable, and its interpreter (#!) too?"),
        204 => ("MEMORY", "out of memory before it began", ""),
        205 => ("LIMITS", "a limit can't be set", "lower `limits.files`: a user's manager can't raise it over its own"),
        206 => ("OOM_ADJUST", "its OOM score can't be set", "a user's manager can't lower it"),
        207 => ("SIGNAL_MASK", "its signal mask can't be set", ""),
        208 => ("STDIN", "its standard input can't be opened", ""),
        209 | 222 => {
            let word = if code == 209 { "STDOUT" } else { "STDERR" };
            (word, "its log can't be opened", "does the folder of `logs.file` exist, and may it be written?")
        }
        210 => ("CHROOT", "its root folder can't be changed", ""),
        211..=215 => ("", "its scheduling can't be set", ""),
        216 => ("GROUP", "its group can't be set", "does the group of `user` exist?"),
        217 => (
            "USER",
            "its account can't be used",
            "does the account of `user` exist? a user's manager also says so when `sandbox` needs user namespaces",
        ),
        218 => ("CAPABILITIES", "its capabilities can't be set", "a user's manager has none to give"),
        219 => ("CGROUP", "its control group can't be set up", ""),
        220 => ("SETSID", "its session can't be made", ""),
        224 => ("PAM", "PAM did not let it in", ""),
        225 => ("NETWORK", "its network can't be set up", ""),
        226 => (
            "NAMESPACE",
            "its sandbox can't be made",
            "`sandbox = \"none\"`; or a folder that `systemd = {…}` names is missing",
        ),
        227 => ("NO_NEW_PRIVILEGES", "its privileges can't be taken away", ""),
        228 => ("SECCOMP", "its system-call filter can't be set", ""),
        233 | 238..=241 => ("", "a folder that systemd makes for it can't be made", "is there a file of that name?"),
        243 => ("CREDENTIALS", "its credentials can't be set up", "do the files of `LoadCredential=` exist?"),
        _ => return (format!("exit code {code}"), None),
    };
    let word = if word.is_empty() { String::new() } else { format!("/{word}") };
    (format!("exit code {code}{word}: {meaning}"), (!hint.is_empty()).then(|| hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(result: &str, code: Option<i32>, signal: Option<i32>) -> Ended {
        Ended { result: result.into(), exit_code: code, signal, was_stopped: false, ran: true, gave_up: false }
    }

    #[test]
    fn ends_have_reasons() {
        let reason = |result: &str, code, signal| explain(&end(result, code, signal), &[]).0;
        assert_eq!(reason("exit-code", Some(3), None), "exit code 3");
        assert_eq!(reason("exit-code", Some(203), None), "exit code 203/EXEC: the program can't be executed");
        assert_eq!(reason("signal", None, Some(9)), "killed by SIGKILL");
        assert_eq!(reason("oom-kill", None, Some(9)), "out of memory: the kernel killed it");
        assert_eq!(reason("start-limit-hit", Some(1), None), "exit code 1, again and again until its `restart_limit`");
        assert_eq!(reason("core-dump", None, Some(11)), "crashed with SIGSEGV");
    }

    #[test]
    fn logs_give_hints() {
        let hint = |line: &str| explain(&end("exit-code", Some(1), None), &[line.to_owned()]).1.unwrap_or_default();
        assert_eq!(
            hint("Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"),
            "port 3000 is in use: `ss -ltnp 'sport = :3000'` shows by whom"
        );
        assert!(hint("OSError: [Errno 98] Address already in use").starts_with("its port is in use"));
        assert!(hint("./x: error while loading shared libraries: libfoo.so.1: cannot open").contains("`libfoo.so.1`"));
        assert!(hint("Error: Cannot find module './server'").contains("npm install"));
        assert_eq!(hint("all is well"), "");
    }

    #[test]
    fn the_codes_of_systemd_are_named_and_others_are_not() {
        let reason = |code| explain(&end("exit-code", Some(code), None), &[]).0;
        let table = [
            (126, "exit code 126: not executable"),
            (127, "exit code 127: command not found"),
            (200, "exit code 200/CHDIR: its folder can't be entered"),
            (209, "exit code 209/STDOUT: its log can't be opened"),
            (217, "exit code 217/USER: its account can't be used"),
            (222, "exit code 222/STDERR: its log can't be opened"),
            (226, "exit code 226/NAMESPACE: its sandbox can't be made"),
            (240, "exit code 240: a folder that systemd makes for it can't be made"),
            (1, "exit code 1"),
            (199, "exit code 199"),
            (244, "exit code 244"),
            (255, "exit code 255"),
        ];
        for (code, expected) in table {
            assert_eq!(reason(code), expected);
        }
    }
}
