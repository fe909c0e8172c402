//! What usually mends a program that ended, by its last lines and its exit code, whoever started it.
//! Pure.
//!
//! The last lines come first: a program knows better what it missed.

use regex::Regex;
use std::sync::LazyLock;

/// Exit codes with a meaning that a shell gives them: the meaning and advice.
pub(crate) fn by_code(code: i32) -> Option<(&'static str, &'static str)> {
    match code {
        126 => Some(("not executable", "`chmod +x` the program; a script needs a first line such as #!/bin/sh")),
        127 => Some(("command not found", "`svc doctor` shows the PATH it had; write the absolute path")),
        _ => None,
    }
}

/// Advice when one of the last lines is a known one.
pub(crate) fn by_log(log: &[String]) -> Option<String> {
    log.iter().rev().find_map(|line| {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if is_port_in_use(line) {
            // some say it again in other lines, not all of them with the port
            let named = |line: &&String| is_port_in_use(line) || line.trim_start().starts_with("port:");
            return Some(match log.iter().filter(named).find_map(|line| port(line)) {
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

fn is_port_in_use(line: &str) -> bool {
    ["EADDRINUSE", "ddress already in use", "port is already allocated"].iter().any(|words| line.contains(words))
}

/// The port that a line names: `port 3000`, `port: 3000`, `0.0.0.0:3000`, `[::]:3000`, `:3000`,
/// `('127.0.0.1', 3000)`. Times of day have colons too.
fn port(line: &str) -> Option<u16> {
    static TIME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d{1,2}:\d\d:\d\d\b"));
    static PORT: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?:[Pp]ort[ :=]+|[\w\]*:]:|\s:|^:|', )(\d{1,5})(?:[^\w.]|$)"));
    let line = TIME.replace_all(line, "");
    PORT.captures_iter(&line).filter_map(|found| found[1].parse().ok()).find(|port| *port > 0)
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant that a test compiles")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_and_no_time_is_one() {
        let table = [
            ("Error: listen EADDRINUSE: address already in use :::3000", Some(3000)),
            ("nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", Some(80)),
            ("2026-03-01 10:30:45 bind: address already in use", None),
            ("2026-03-01 10:30:45 listen tcp :8080: bind: address already in use", Some(8080)),
            (
                "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
                Some(8000),
            ),
            ("listen tcp [::]:9090: bind: address already in use", Some(9090)),
            ("Bind for 0.0.0.0:5432 failed: port is already allocated", Some(5432)),
            ("Port 3000 is in use: EADDRINUSE", Some(3000)),
            ("OSError: [Errno 98] Address already in use", None),
        ];
        for (line, expected) in table {
            assert_eq!(port(line), expected, "{line}");
        }
        let node = [
            "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000",
            "  code: 'EADDRINUSE',",
            "  port: 3000",
        ];
        let hint = by_log(&node.map(str::to_owned));
        assert!(hint.is_some_and(|hint| hint.starts_with("port 3000 ")));
    }
}
