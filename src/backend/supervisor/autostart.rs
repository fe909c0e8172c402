//! Start at login: a marked block in the files that login shells read, and an XDG autostart entry for
//! desktops whose login reads none of them. There while a service is enabled, gone with the last one.
//!
//! `~/.profile` is read by sh, dash, ksh and bash; but bash passes it over for `~/.bash_profile` or
//! `~/.bash_login`, and zsh reads `~/.zprofile`: where one of these is there, or zsh is the account's
//! shell, the block stands there too. The supervisor is started once however often it is asked for.

use super::block::{self, Damaged};
use crate::env::Environment;
use crate::error::{Error, io_reason};
use crate::files::atomic::{NewFile, write_all};
use crate::files::lock::denied;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// In the block of a file that was not there before: it goes with the block.
const MADE: &str = "# this file was made by svc\n";
/// In the entry, by which svc knows its own.
const ENTRY_MARK: &str = "X-Svc=made by svc";

/// Puts everything in place or takes it away.
pub(crate) fn set(environment: &Environment, shell: &Path, on: bool) -> Result<(), Error> {
    let words = command(environment)?;
    for (file, make) in profiles(environment, shell) {
        set_profile(environment, &file, on.then_some(words.as_slice()), make)?;
    }
    set_entry(environment, on.then_some(words.as_slice()))
}

/// Whether a login starts the supervisor.
pub(crate) fn is_on(environment: &Environment) -> bool {
    std::fs::read(environment.home.as_path().join(".profile")).is_ok_and(|text| block::has(&text))
}

/// A login shell that reads none of the files, by its name.
pub(crate) fn unknown_shell(shell: &Path) -> Option<String> {
    let name = shell.file_name()?.to_string_lossy().into_owned();
    let known = ["sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "zsh", "yash", "busybox"];
    (!known.contains(&name.as_str())).then_some(name)
}

/// The words that start the supervisor. A state folder of one's own is named: a login or cron may
/// not know it yet.
pub(crate) fn command(environment: &Environment) -> Result<Vec<OsString>, Error> {
    let program = super::start::program()
        .map_err(|cause| Error::failed(format!("svc can't find itself: {}", io_reason(&cause))))?;
    let home = environment.home.as_path();
    let program = crate::definition::vanish::stable_link(&program, home).unwrap_or(program);
    let mut words: Vec<OsString> = Vec::new();
    if environment.state_home() != home.join(".local/state") {
        let mut assignment = OsString::from("XDG_STATE_HOME=");
        assignment.push(environment.state_home());
        words.extend(["/usr/bin/env".into(), assignment]);
    }
    words.push(program.into_os_string());
    words.extend(["--quiet", "supervisor", "start"].map(OsString::from));
    Ok(words)
}

/// The same as one line for a shell.
pub(crate) fn shell_line(words: &[OsString]) -> OsString {
    OsString::from_vec(words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(&b' '))
}

/// A word in single quotes, in which a shell replaces nothing.
fn shell_word(word: &OsStr) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return bytes.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The files that login shells read, and whether they are made if they are not there.
fn profiles(environment: &Environment, shell: &Path) -> Vec<(PathBuf, bool)> {
    let zsh = shell.file_name().is_some_and(|name| name == "zsh");
    let all = [(".profile", true), (".bash_profile", false), (".bash_login", false), (".zprofile", zsh)];
    all.into_iter().map(|(name, make)| (environment.home.as_path().join(name), make)).collect()
}

/// What stands in the block: in the background and without a word, so that no login waits or fails.
fn body(words: &[OsString], made: bool) -> Vec<u8> {
    let program = words.iter().find(|word| word.as_bytes().starts_with(b"/") && *word != "/usr/bin/env");
    let program = program.map(|word| shell_word(word)).unwrap_or_default();
    let line = shell_line(words).into_vec();
    let mut body = b"# starts svc's supervisor, and with it the services that start at login\n".to_vec();
    if made {
        body.extend_from_slice(MADE.as_bytes());
    }
    for part in [&b"( [ ! -x "[..], &program, b" ] || ", &line, b" </dev/null >/dev/null 2>&1 & )\n"] {
        body.extend_from_slice(part);
    }
    body
}

fn set_profile(environment: &Environment, file: &Path, words: Option<&[OsString]>, make: bool) -> Result<(), Error> {
    // a link, as of people who keep such files elsewhere, stays one: what it leads to is changed
    let real = match std::fs::canonicalize(file) {
        Ok(real) => real,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let dangling = std::fs::symlink_metadata(file).is_ok();
            return match words {
                Some(_) if dangling && make => {
                    Err(Error::failed(format!("`{}` is a link that leads nowhere", file.display())))
                }
                Some(words) if make => {
                    let contents = block::put(b"", &body(words, true)).unwrap_or_default();
                    write_all(&[NewFile { path: file, contents: &contents, mode: 0o644 }])
                }
                _ => Ok(()),
            };
        }
        Err(cause) => return Err(denied("read", file, &cause)),
    };
    let data = std::fs::metadata(&real).map_err(|cause| denied("read", &real, &cause))?;
    if !data.is_file() {
        return words.filter(|_| make).map_or(Ok(()), |_| {
            Err(Error::failed(format!("`{}` is no file, so a login can't start services", file.display())))
        });
    }
    let old = std::fs::read(&real).map_err(|cause| denied("read", &real, &cause))?;
    let made = has_line(&old, MADE.trim_end().as_bytes());
    let new = match words {
        Some(words) => block::put(&old, &body(words, made)),
        None => block::remove(&old),
    };
    let new =
        new.map_err(|Damaged(reason)| Error::failed(format!("`{}` can't be changed: {reason}", file.display())))?;
    if new == old {
        return Ok(());
    }
    if data.uid() != environment.uid {
        return Err(Error::failed(format!("`{}` belongs to another account", file.display())));
    }
    if words.is_none() && made && new.is_empty() {
        return crate::plan::restore::remove(&real);
    }
    write_all(&[NewFile { path: &real, contents: &new, mode: data.permissions().mode() & 0o7777 }])
}

fn has_line(text: &[u8], line: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|one| one.trim_ascii_end() == line)
}

/// `~/.config/autostart/svc.desktop`.
pub(crate) fn entry_path(environment: &Environment) -> PathBuf {
    environment.config_home().join("autostart/svc.desktop")
}

fn set_entry(environment: &Environment, words: Option<&[OsString]>) -> Result<(), Error> {
    let path = entry_path(environment);
    let old = std::fs::read_to_string(&path);
    let ours = old.as_ref().is_ok_and(|text| has_line(text.as_bytes(), ENTRY_MARK.as_bytes()));
    let absent = old.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::NotFound);
    if !(ours || absent) {
        return Ok(()); // somebody's own: the block does for most
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    // what an entry can't hold is left to the block
    match words.and_then(entry) {
        Some(text) => {
            if old.is_ok_and(|old| old == text) {
                return Ok(());
            }
            std::fs::create_dir_all(folder).map_err(|cause| denied("make the folder", folder, &cause))?;
            write_all(&[NewFile { path: &path, contents: text.as_bytes(), mode: 0o644 }])
        }
        None if ours => {
            crate::plan::restore::remove(&path)?;
            let _ = std::fs::remove_dir(folder); // fails unless it is empty
            let _ = std::fs::remove_dir(environment.config_home());
            Ok(())
        }
        None => Ok(()),
    }
}

/// The entry: Desktop Entry Specification 1.5, Desktop Application Autostart Specification. `None`
/// where a word can't be written in one.
fn entry(words: &[OsString]) -> Option<String> {
    let words: Option<Vec<String>> = words.iter().map(|word| exec_word(word)).collect();
    Some(format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Version=1.0\n\
         Name=svc\n\
         Comment=Starts the services of svc that are enabled\n\
         Exec={}\n\
         Terminal=false\n\
         NoDisplay=true\n\
         StartupNotify=false\n\
         {ENTRY_MARK}\n",
        words?.join(" ")
    ))
}

/// A word of `Exec=`: two rules one upon the other. In double quotes `"`, `` ` ``, `$` and `\` take a
/// `\`, a `%` is doubled; then, as in every value, each `\` is doubled. Control characters have no
/// escape that all readers know, a `=` in the program none at all.
fn exec_word(word: &OsStr) -> Option<String> {
    let text = word.to_str()?;
    if text.is_empty() || text.chars().any(char::is_control) || (text.starts_with('/') && text.contains('=')) {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) {
        return Some(text.to_owned());
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '`' | '$' => quoted.extend(['\\', '\\', c]),
            '\\' => quoted.push_str(r"\\\\"),
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Some(quoted)
}

#[cfg(test)]
#[path = "autostart_tests.rs"]
mod tests;
