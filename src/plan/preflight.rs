//! Tries a definition before anything is written: whether its program can be executed, its folder
//! entered, its environment files read, by the account it will run as. DESIGN §3.
//!
//! The user's manager runs as the same user on the same file systems, so what svc may, it may. For
//! another account (`user =` in system scope) a small shell runs as that account and tries.

use crate::definition::problem::Problem;
use crate::error::io_reason;
use crate::service::{Exec, Reload, SearchPath, Service};
use nix::unistd::{AccessFlags, User, access};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is missing, and what only deserves a word.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
}

/// Where a manager looks for a program when nothing else is said.
const MINIMAL_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Tries `service`.
pub(crate) fn check(service: &Service) -> Findings {
    let mut findings = Findings::default();
    let mut problem =
        |field: &str, reason: String| findings.problems.push(Problem::new(reason).of(&service.name).field(field));
    let account = service.user.as_deref().map(|user| (user, User::from_name(user).ok().flatten()));
    if let Some((user, None)) = &account {
        problem("user", format!("there is no account `{user}` on this machine"));
    }
    for (field, exec) in programs(service) {
        if let Some(reason) = program(exec, service) {
            problem(field, reason);
        }
    }
    if let Some(reason) = folder(service.working_dir.as_path()) {
        problem("working_dir", reason);
    }
    if let Some((user, Some(account))) = &account
        && let Some(reason) = as_account(account, service)
    {
        problem("user", format!("`{user}` {reason}"));
    }
    for file in &service.env_files {
        match std::fs::read(&file.path) {
            Ok(contents) => {
                if let Some(reason) = env_contents(&contents) {
                    problem("env_file", format!("`{}` {reason}", file.path));
                }
                findings.warnings.extend(loose_mode(file.path.as_path()));
            }
            Err(cause) if file.optional && cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => problem("env_file", format!("`{}` can't be read: {}", file.path, io_reason(&cause))),
        }
    }
    findings
}

fn programs(service: &Service) -> Vec<(&'static str, &Exec)> {
    let mut all = vec![(if matches!(service.exec, Exec::Script(_)) { "script" } else { "command" }, &service.exec)];
    if let Some(Reload::Command(exec)) = &service.reload {
        all.push(("reload", exec));
    }
    all
}

fn program(exec: &Exec, service: &Service) -> Option<String> {
    let Exec::Command { program, .. } = exec else {
        return (!Path::new("/bin/sh").exists()).then(|| "`/bin/sh` is not there".to_owned());
    };
    let path = program.as_path();
    match std::fs::metadata(path) {
        Err(cause) => return Some(format!("`{program}` can't be executed: {}", io_reason(&cause))),
        Ok(data) if data.is_dir() => return Some(format!("`{program}` is a folder")),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            return Some(format!("`{program}` is not executable; `chmod +x {program}` makes it so"));
        }
        Ok(_) => {}
    }
    if service.user.is_none() && access(path, AccessFlags::X_OK).is_err() {
        return Some(format!("`{program}` may not be executed by this account"));
    }
    interpreter(path, service)
}

/// Whether the interpreter of a script (`#!`) is there, and for `#!/usr/bin/env X` whether X is in
/// the service's PATH.
fn interpreter(path: &Path, service: &Service) -> Option<String> {
    use std::io::Read;
    let mut head = [0u8; 256];
    let count = std::fs::File::open(path).ok()?.read(&mut head).ok()?;
    let line = head[..count].strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(words.next()?));
    if !interpreter.exists() {
        let extra = if line.ends_with(b"\r") { " (the file has Windows line ends)" } else { "" };
        return Some(format!(
            "`{}` asks for the interpreter `{}`, which is not there{extra}",
            path.display(),
            interpreter.display()
        ));
    }
    let name = words.next()?;
    if interpreter.file_name()? != "env" || name.starts_with(b"-") || name.contains(&b'=') {
        return None;
    }
    let name = std::ffi::OsStr::from_bytes(name);
    let found = search_path(service).iter().any(|folder| folder.join(name).is_file());
    (!found).then(|| {
        format!("`{}` asks for `{}`, which is not in the PATH of the service", path.display(), name.to_string_lossy())
    })
}

fn search_path(service: &Service) -> Vec<PathBuf> {
    match &service.path {
        SearchPath::Inherited(folders) | SearchPath::Listed(folders) => {
            folders.iter().map(|folder| folder.as_path().to_owned()).collect()
        }
        SearchPath::Minimal => MINIMAL_PATH.map(PathBuf::from).to_vec(),
    }
}

fn folder(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(cause) => Some(format!("`{}` can't be entered: {}", path.display(), io_reason(&cause))),
        Ok(data) if !data.is_dir() => Some(format!("`{}` is not a folder", path.display())),
        Ok(_) => access(path, AccessFlags::X_OK)
            .err()
            .map(|_| format!("`{}` may not be entered by this account", path.display())),
    }
}

/// Tries folder and program as the account of the service.
fn as_account(account: &User, service: &Service) -> Option<String> {
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() || account.uid.is_root() {
        return None;
    }
    let program = match &service.exec {
        Exec::Command { program, .. } => program.as_path(),
        Exec::Script(_) => Path::new("/bin/sh"),
    };
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "cd -- \"$1\" 2>/dev/null || exit 3; test -x \"$2\" || exit 4", "sh"])
        .arg(service.working_dir.as_path())
        .arg(program)
        .env_clear()
        .current_dir("/")
        .gid(account.gid.as_raw())
        .uid(account.uid.as_raw())
        .status();
    match status.ok()?.code() {
        Some(3) => Some(format!("may not enter `{}`", service.working_dir)),
        Some(4) => Some(format!("may not execute `{}`", program.display())),
        _ => None,
    }
}

/// What a manager would refuse without naming the line (quoting-facts §6).
fn env_contents(contents: &[u8]) -> Option<String> {
    let line_of = |at: usize| contents[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(at) = contents.iter().position(|byte| *byte == 0) {
        return Some(format!("has a NUL byte in line {}", line_of(at)));
    }
    if let Err(error) = std::str::from_utf8(contents) {
        return Some(format!("is not UTF-8 in line {}", line_of(error.valid_up_to())));
    }
    None
}

fn loose_mode(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "`{}` can be read by others (mode {mode:03o}); `chmod 600 {}` keeps its secrets",
            path.display(),
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::env_contents;

    #[test]
    fn the_bad_line_of_an_environment_file_is_named() {
        assert_eq!(env_contents(b"A=1\nB=\0\n").as_deref(), Some("has a NUL byte in line 2"));
        assert_eq!(env_contents(b"A=1\nB=2\nC=\xff").as_deref(), Some("is not UTF-8 in line 3"));
        assert_eq!(env_contents("A=ä\n".as_bytes()), None);
    }
}
