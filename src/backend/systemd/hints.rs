//! Why a service ended, in words, and what usually mends it. Pure.
//!
//! Exit codes from 200 on are systemd's own: systemd.exec(5), "Process Exit Codes".

use super::observe::{Ended, signal_name};

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
            (format!("crashed with {}", signal_name(signal)), Some("`coredumpctl info` may know more".into()))
        }
        (_, _, Some(signal)) => plain(&format!("killed by {}", signal_name(signal))),
        ("success" | "", ..) => plain("no reason known"),
        (other, ..) => plain(&format!("systemd says `{other}`")),
    }
}

fn by_code(code: i32) -> (String, Option<String>) {
    let (meaning, hint) = match code {
        126 => ("not executable", Some("`chmod +x` the program; a script needs a first line such as #!/bin/sh")),
        127 => ("command not found", Some("`svc doctor` shows the PATH it had; write the absolute path")),
        200 => ("its folder can't be entered", Some("does `working_dir` exist, and may its account enter it?")),
        201 => ("its `nice` can't be set", None),
        203 => ("the program can't be executed", Some("is it there, executable, and its interpreter (#!) too?")),
        204 => ("out of memory before it began", None),
        205 => ("a limit can't be set", Some("lower `limits.files`: a user's manager can't raise it over its own")),
        206 | 218 | 219 => ("a privilege, capability or control group can't be set", None),
        208 => ("its standard input can't be opened", None),
        209 => ("its log file can't be opened", Some("does the folder of `logs.file` exist, and may it be written?")),
        216 => ("its group can't be set", Some("does the group of `user` exist?")),
        217 => ("its account can't be used", Some("does the account of `user` exist?")),
        226 => (
            "its sandbox can't be made",
            Some("`sandbox = \"none\"`, or a folder that `systemd = {…}` names is missing"),
        ),
        228 => ("its system-call filter can't be set", None),
        233..=240 => ("a folder that it asked for can't be made", None),
        202..=243 => ("systemd could not set it up", None),
        _ => return (format!("exit code {code}"), None),
    };
    (format!("exit code {code}: {meaning}"), hint.map(str::to_owned))
}

fn by_log(log: &[String]) -> Option<String> {
    log.iter().rev().find_map(|line| {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if has(&["EADDRINUSE", "ddress already in use", "port is already allocated"]) {
            return Some(match port(line) {
                Some(port) => format!("port {port} is in use: `ss -ltnp 'sport = :{port}'` shows by whom"),
                None => "its port is in use: `ss -ltnp` shows by whom".into(),
            });
        }
        if let Some((_, rest)) = line.split_once("error while loading shared libraries: ") {
            let library = rest.split(':').next().unwrap_or(rest);
            return Some(format!("the library `{library}` is missing: install it, or set LD_LIBRARY_PATH in `env`"));
        }
        if has(&["Cannot find module", "ERR_MODULE_NOT_FOUND"]) {
            return Some("a module is missing: `npm install` in its folder; is `working_dir` right?".into());
        }
        if has(&["ModuleNotFoundError", "No module named"]) {
            return Some(
                "a Python module is missing: use the `python` of the virtual environment as the program".into(),
            );
        }
        if has(&["command not found", ": not found"]) {
            return Some("a command is not in its PATH: `path = [\"…\"]`, or write its absolute path".into());
        }
        if has(&["EACCES", "Permission denied", "permission denied"]) {
            return Some(
                "a permission is missing: look at the owner and mode of what it names, and at ports below 1024".into(),
            );
        }
        if has(&["ENOENT", "No such file or directory"]) {
            return Some("a file is missing: is `working_dir` right? relative paths start there".into());
        }
        None
    })
}

/// The number behind the last colon, if it is a port.
fn port(line: &str) -> Option<u16> {
    line.rsplit(':').find_map(|part| {
        part.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok().filter(|port| *port > 0)
    })
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
        assert_eq!(reason("exit-code", Some(203), None), "exit code 203: the program can't be executed");
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
}
