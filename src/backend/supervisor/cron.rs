//! Start at boot: one marked line `@reboot` in the user's crontab (crontab(5)).
//!
//! Only where a cron runs that knows `@reboot`. The crontab is read and written through crontab(1),
//! the one program that may.

use super::block::{self, Damaged};
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Names of cron's process.
const DAEMONS: [&str; 4] = ["cron", "crond", "fcron", "cronie"];

/// Why nothing can be started at boot: no crontab(1) in `path`, or no cron that runs.
pub(crate) fn missing(path: &OsStr) -> Option<String> {
    if crontab(path).is_none() {
        return Some("there is no `crontab` in PATH, and the supervisor itself is started by a login".into());
    }
    match daemon() {
        None => Some("no cron runs on this machine, and the supervisor itself is started by a login".into()),
        // its @reboot is a build option that is off in many builds, and nothing tells
        Some(program) if program == "busybox" => Some("busybox's cron may not know `@reboot`".into()),
        Some(_) => None,
    }
}

fn crontab(path: &OsStr) -> Option<PathBuf> {
    let executable =
        |file: &PathBuf| file.is_file() && nix::unistd::access(file.as_path(), nix::unistd::AccessFlags::X_OK).is_ok();
    std::env::split_paths(path).filter(|part| part.is_absolute()).map(|part| part.join("crontab")).find(executable)
}

/// File name of the program of a cron that runs; its process's name where that can't be read.
fn daemon() -> Option<String> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.path()).find_map(|process| {
        let name = std::fs::read_to_string(process.join("comm")).ok()?;
        let name = name.trim_end();
        DAEMONS.contains(&name).then(|| {
            let program = std::fs::read_link(process.join("exe")).ok();
            let program = program.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
            program.unwrap_or_else(|| name.to_owned())
        })
    })
}

/// Whether the line is there.
pub(crate) fn is_on(environment: &Environment) -> bool {
    crontab(&environment.path).is_some() && read(environment).is_ok_and(|text| block::has(&text))
}

/// Puts the line in or takes it out; whether that changed anything.
pub(crate) fn set(environment: &Environment, command: Option<&OsStr>) -> Result<bool, Error> {
    if let (Some(_), Some(reason)) = (command, missing(&environment.path)) {
        return Err(Error::new(ErrorCode::NotPermitted, format!("nothing can be started at boot here: {reason}")));
    }
    if command.is_none() && crontab(&environment.path).is_none() {
        return Ok(false);
    }
    let old = read(environment)?;
    let new = match command {
        Some(command) => {
            let line = line(command)?;
            block::put(&old, &line)
        }
        None => block::remove(&old),
    };
    let new = new.map_err(|Damaged(reason)| Error::failed(format!("the crontab can't be changed: {reason}")))?;
    if new == old {
        return Ok(false);
    }
    write(environment, &new).map(|()| true)
}

/// `@reboot` and the command; cron ends a command at a `%` and hands on the rest as its input.
fn line(command: &OsStr) -> Result<Vec<u8>, Error> {
    let bytes = command.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(Error::failed("the path of svc has a line end, which a crontab can't hold"));
    }
    let mut line = b"@reboot ".to_vec();
    for byte in bytes {
        if *byte == b'%' {
            line.push(b'\\');
        }
        line.push(*byte);
    }
    line.extend_from_slice(b" >/dev/null 2>&1\n");
    Ok(line)
}

fn run(environment: &Environment, argument: &str, input: Option<&[u8]>) -> Result<Output, Error> {
    let failed =
        |cause: std::io::Error| Error::failed(format!("can't run `crontab {argument}`: {}", io_reason(&cause)));
    let program = crontab(&environment.path).ok_or_else(|| Error::failed("there is no `crontab` in PATH"))?;
    let mut child = Command::new(program)
        .arg(argument)
        .env_clear()
        .envs([
            ("HOME", environment.home.as_path().as_os_str().to_owned()),
            ("PATH", environment.path.clone()),
            ("LC_ALL", OsString::from("C")),
        ])
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // one that refuses at once reads nothing: its own words tell why
        let _ = pipe.write_all(input);
    }
    child.wait_with_output().map_err(failed)
}

fn read(environment: &Environment) -> Result<Vec<u8>, Error> {
    let output = run(environment, "-l", None)?;
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    if output.status.success() {
        return Ok(output.stdout);
    }
    // none so far: `no crontab for ann`; busybox: `can't open 'ann': No such file or directory`
    if said.contains("no crontab") || said.contains("no such file") {
        return Ok(Vec::new());
    }
    Err(refused("read", &said))
}

fn write(environment: &Environment, contents: &[u8]) -> Result<(), Error> {
    let output = run(environment, "-", Some(contents))?;
    if output.status.success() { Ok(()) } else { Err(refused("write", &String::from_utf8_lossy(&output.stderr))) }
}

fn refused(doing: &str, said: &str) -> Error {
    let reason = said.lines().next().unwrap_or("it does not say why").trim();
    Error::new(ErrorCode::NotPermitted, format!("can't {doing} the crontab: {reason}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;
    use crate::service::AbsPath;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// A crontab(1) that keeps its table in a file.
    fn double(folder: &Path) -> Environment {
        let program = folder.join("crontab");
        let text = "#!/bin/sh\ncase $1 in\n-l) cat \"$HOME/table\" 2>/dev/null || { echo 'no crontab for ann' >&2; exit 1; };;\n-) cat >\"$HOME/table\";;\nesac\n";
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut path = folder.as_os_str().to_owned();
        path.push(":/usr/bin:/bin");
        Environment { home: AbsPath::new(folder).unwrap(), path, ..Environment::read().unwrap() }
    }

    #[test]
    fn the_line_comes_and_goes_and_leaves_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let environment = double(folder.path());
        let table = folder.path().join("table");
        let old = read(&environment).unwrap();
        assert_eq!(old, b"");
        let others = b"MAILTO=x\n5 4 * * * echo 100\\%";
        for before in [&b""[..], others] {
            write(&environment, before).unwrap();
            let line = line(OsStr::new("'/opt/100%/svc' supervisor start")).unwrap();
            let new = block::put(&read(&environment).unwrap(), &line).unwrap();
            write(&environment, &new).unwrap();
            let lies = std::fs::read_to_string(&table).unwrap();
            assert!(lies.contains("\n@reboot '/opt/100\\%/svc' supervisor start >/dev/null 2>&1\n"), "{lies}");
            assert!(is_on(&environment));
            assert!(set(&environment, None).unwrap());
            assert_eq!(std::fs::read(&table).unwrap(), before);
            assert!(!set(&environment, None).unwrap());
            assert!(!is_on(&environment));
        }
    }

    #[test]
    fn without_crontab_there_is_no_boot() {
        assert!(missing(OsStr::new("/nowhere")).unwrap().contains("no `crontab` in PATH"));
        let environment = Environment { path: "/nowhere".into(), ..Environment::read().unwrap() };
        assert!(!set(&environment, None).unwrap());
        assert!(set(&environment, Some(OsStr::new("svc"))).is_err());
        assert!(line(OsStr::new("a\nb")).is_err());
    }
}
