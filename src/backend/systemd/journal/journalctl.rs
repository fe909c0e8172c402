//! Runs journalctl: by a checked path, in a fixed environment, its complaints as sentences.

use super::entry::{Entry, FIELDS};
use crate::error::{Error, ErrorCode, io_reason};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// Where distributions put it (the third is NixOS); never looked up in a PATH that somebody else
/// may have set.
const PLACES: [&str; 3] = ["/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl"];

fn command() -> Result<Command, Error> {
    let program = PLACES.into_iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        Error::new(ErrorCode::Unreachable, "the journal can't be read: there is no `journalctl` in /usr/bin")
            .hint("install systemd's journalctl, or give the service a log file: `logs = { file = \"…\" }`")
    })?;
    let mut command = Command::new(program);
    command.args(["--no-pager", "--all", "--output=json", FIELDS]);
    command.env_clear().env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Ok(command)
}

/// Hands the entries that match `terms` to `sink`, until they end or it says stop.
pub(super) async fn entries(
    arguments: &[String],
    terms: &[String],
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut child = command()?
        .args(arguments)
        .args(terms)
        .spawn()
        .map_err(|cause| Error::failed(format!("can't start journalctl: {}", io_reason(&cause))))?;
    let (Some(output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else { return Ok(()) };
    let mut said = String::new();
    let mut any = false;
    let mut seen = |entry| {
        any = true;
        sink(entry)
    };
    // both pipes at once: a full one would stop it
    let (flow, _) = tokio::join!(each(BufReader::with_capacity(256 * 1024, output), &mut seen, &mut child), async {
        errors.read_to_string(&mut said).await
    });
    if flow?.is_break() {
        return Ok(());
    }
    let status = child.wait().await;
    let status = status.map_err(|cause| Error::failed(format!("can't wait for journalctl: {}", io_reason(&cause))))?;
    verdict(status.success(), &said)?;
    if any || ["/var/log/journal", "/run/log/journal"].into_iter().any(|folder| holds_journals(Path::new(folder))) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Unreachable, "there is no journal: journald keeps none")
        .hint("`Storage=persistent` in /etc/systemd/journald.conf, or a log file: `logs = { file = \"…\" }`"))
}

/// Whether files of a journal lie in a folder per machine in `folder`; journalctl says so only to
/// people, not with `-o json`. Folders that can't be read may hold some.
fn holds_journals(folder: &Path) -> bool {
    let entries = |folder: &Path| match std::fs::read_dir(folder) {
        Ok(entries) => Some(entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>()),
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Some(Vec::new()),
        Err(_) => None,
    };
    let is_journal = |path: &PathBuf| path.extension().is_some_and(|end| end == "journal");
    let holds = |folder: &PathBuf| entries(folder).is_none_or(|files| files.iter().any(is_journal));
    entries(folder).is_none_or(|machines| machines.iter().any(holds))
}

async fn each(
    mut output: BufReader<tokio::process::ChildStdout>,
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    child: &mut tokio::process::Child,
) -> Result<ControlFlow<()>, Error> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let count = output.read_until(b'\n', &mut line).await;
        let count =
            count.map_err(|cause| Error::failed(format!("can't read from journalctl: {}", io_reason(&cause))))?;
        if count == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        // what is no entry is a remark of journalctl for people
        let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { continue };
        if sink(entry).is_break() {
            let _ = child.kill().await; // it may have ended by itself
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// What journalctl meant. It remarks on other people's journals even when all is well.
fn verdict(success: bool, said: &str) -> Result<(), Error> {
    if said.contains("insufficient permissions") {
        return Err(Error::new(
            ErrorCode::NotPermitted,
            "the journal can't be read: this account may open none of its files",
        )
        .hint("`sudo usermod -aG systemd-journal \"$USER\"`, then log in again"));
    }
    if success {
        return Ok(());
    }
    match said.trim().lines().last() {
        Some(reason) => Err(Error::failed(format!("journalctl failed: {reason}"))),
        None => Ok(()), // exit 1 without a word: nothing matched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_become_sentences() {
        let of = |success, said| verdict(success, said).map_err(|error| (error.code, error.message));
        assert_eq!(of(true, ""), Ok(()));
        assert_eq!(of(false, ""), Ok(()));
        let hint = "Hint: You are currently not seeing messages from other users and the system.\n";
        assert_eq!(of(true, hint), Ok(()));
        let denied = of(false, "No journal files were opened due to insufficient permissions.\n");
        assert_eq!(denied.map_err(|(code, _)| code), Err(ErrorCode::NotPermitted));
        let other = of(false, "Failed to parse timestamp: @abc\n");
        assert_eq!(other.map_err(|(_, text)| text), Err("journalctl failed: Failed to parse timestamp: @abc".into()));
    }

    #[test]
    fn an_empty_folder_is_no_journal() {
        let root = tempfile::tempdir().expect("folder");
        assert!(!holds_journals(&root.path().join("none")));
        assert!(!holds_journals(root.path()));
        let machine = root.path().join("3d1219c7c4c5404aaa1f6d2a48adfda4");
        std::fs::create_dir(&machine).expect("folder");
        assert!(!holds_journals(root.path()));
        std::fs::File::create(machine.join("user-4242.journal")).expect("file");
        assert!(holds_journals(root.path()));
    }
}
