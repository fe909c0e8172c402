//! Runs journalctl: by a checked path, in a fixed environment, its complaints as sentences.

use super::entry::{Entry, FIELDS};
use crate::error::{Error, ErrorCode, io_reason};
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

/// Where distributions put it (the third is NixOS); never looked up in a PATH that somebody else
/// may have set.
const PLACES: [&str; 3] = ["/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl"];

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

fn command() -> Result<Command, Error> {
    let program = PLACES.into_iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        Error::new(ErrorCode::Unreachable, "the journal can't be read: there is no `journalctl` in /usr/bin")
            .hint("install systemd's journalctl, or give the service a log file: `logs = { file = \"…\" }`")
    })?;
    let mut command = Command::new(program);
    command.args(["--no-pager", "--all", "--output=json", FIELDS]);
    command.env_clear().env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Hands the entries that match `terms` to `sink`, until they end or it says stop.
pub(super) fn entries(
    arguments: &[String],
    terms: &[String],
    sink: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut running = Running::start(arguments, terms)?;
    while let Some(entry) = running.next(true)? {
        if sink(entry).is_break() {
            break;
        }
    }
    Ok(())
}

/// journalctl while it is read; killed when dropped.
pub(super) struct Running {
    child: Child,
    output: ChildStdout,
    /// What was read and not taken: from here to there.
    bytes: Vec<u8>,
    from: usize,
    /// Up to here there is no line end.
    seen: usize,
    /// What it says for people; a thread reads it, since a full pipe would stop it.
    said: Option<JoinHandle<String>>,
    any: bool,
}

impl Running {
    /// With these arguments and matches.
    pub(super) fn start(arguments: &[String], terms: &[String]) -> Result<Self, Error> {
        let failed = |cause: io::Error| Error::failed(format!("can't start journalctl: {}", io_reason(&cause)));
        let mut child = command()?.args(arguments).args(terms).spawn().map_err(failed)?;
        let (Some(output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::failed("can't start journalctl: it has no output"));
        };
        crate::sys::fds::set_nonblocking(output.as_fd()).map_err(failed)?;
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            let _ = errors.read_to_string(&mut said); // what could be read is what it said
            said
        });
        Ok(Self { child, output, bytes: Vec::new(), from: 0, seen: 0, said: Some(said), any: false })
    }

    /// Readable when there is more.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// The next entry; `None` at its end or, unless it may `wait`, when there is none yet.
    pub(super) fn next(&mut self, wait: bool) -> Result<Option<Entry>, Error> {
        let failed = |cause: io::Error| Error::failed(format!("can't read from journalctl: {}", io_reason(&cause)));
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.bytes[self.seen..]) {
                let line = self.from..self.seen + end;
                self.from = line.end + 1;
                self.seen = self.from;
                // what is no entry is a remark of journalctl for people
                if let Ok(entry) = serde_json::from_slice::<Entry>(&self.bytes[line]) {
                    self.any = true;
                    return Ok(Some(entry));
                }
            }
            self.bytes.drain(..self.from);
            self.from = 0;
            let held = self.bytes.len();
            self.seen = held;
            self.bytes.resize(held + PIECE, 0);
            let read = self.output.read(&mut self.bytes[held..]);
            self.bytes.truncate(held + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return self.end().map(|()| None),
                Ok(_) => {}
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::WouldBlock && wait => {
                    crate::sys::fds::wait(&[(self.output.as_fd(), false)], None).map_err(failed)?;
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(cause) => return Err(failed(cause)),
            }
        }
    }

    /// It has ended; whether as it should. A second time: as it should.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        let Some(said) = self.said.take() else { return Ok(()) };
        let status = self.child.wait();
        let status =
            status.map_err(|cause| Error::failed(format!("can't wait for journalctl: {}", io_reason(&cause))))?;
        verdict(status.success(), &said.join().unwrap_or_default())?;
        if self.any
            || ["/var/log/journal", "/run/log/journal"].into_iter().any(|folder| holds_journals(Path::new(folder)))
        {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Unreachable, "there is no journal: journald keeps none")
            .hint("`Storage=persistent` in /etc/systemd/journald.conf, or a log file: `logs = { file = \"…\" }`"))
    }

    /// Nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.said.is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.said.is_some() {
            let _ = self.child.kill(); // it may have ended by itself
            let _ = self.child.wait();
        }
    }
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
