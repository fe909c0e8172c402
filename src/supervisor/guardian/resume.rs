//! A reload: the guardian executes svc again and finds itself by what it wrote into a file without
//! a name, whose number is in the environment.

use crate::sys::fds;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Holds the guardian's pid and the number of the file: `PID:NUMBER`. Programs never see it: their
/// environment is their own; what else inherits it is not the guardian.
const VARIABLE: &str = "SVC_GUARDIAN";
const MAGIC: u64 = u64::from_le_bytes(*b"svcguard");
/// Of the layout: words may be added behind the known ones of [`Saved`], none may change its place.
const WORDS: usize = 10;

/// Whether a guardian before an exec has left something.
pub(super) fn is_left() -> bool {
    std::env::vars_os().any(|(name, _)| name == VARIABLE)
}

/// All that an exec needs, made before it is needed.
#[derive(Debug)]
pub(super) struct Again {
    file: CString,
    words: Vec<CString>,
    env: Vec<CString>,
    state: File,
}

/// What is the same before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Saved {
    pub(super) generation: u32,
    pub(super) sequence: u64,
    pub(super) open_files: (u64, u64),
    /// Number of the signal that asked for the end; 0: none.
    pub(super) asked: u64,
}

/// What a guardian before the exec has left: the four descriptors that it has always, and its table.
pub(super) struct Left {
    pub(super) saved: Saved,
    pub(super) fds: [RawFd; 4],
    pub(super) stored: Vec<(u64, RawFd)>,
}

impl Again {
    /// Looks up which file this is, how it was called, and makes the file without a name.
    /// The second: the file that a guardian before the exec has left.
    pub(super) fn prepare() -> io::Result<(Self, Option<File>)> {
        let state = fds::nameless_file()?;
        let mut before = None;
        let mut env = Vec::new();
        for (name, value) in std::env::vars_os() {
            if name == VARIABLE {
                before = value.to_str().and_then(number_of).and_then(fds::inherited).map(File::from);
            } else {
                env.push(c_string(name, Some(value))?);
            }
        }
        let words = std::env::args_os().map(|word| c_string(word, None)).collect::<io::Result<_>>()?;
        let file = c_string(this_file()?.into_os_string(), None)?;
        Ok((Self { file, words, env, state }, before))
    }

    /// Executes the file; returns only with an error. Nothing was changed then.
    pub(super) fn execute(&self, saved: &Saved, always: [BorrowedFd<'_>; 4], stored: &[(u64, OwnedFd)]) -> io::Error {
        let pass = |open: bool| {
            let mut passed = stored.iter().map(|(_, fd)| fd.as_fd()).chain(always).chain([self.state.as_fd()]);
            passed.try_for_each(|fd| fds::set_cloexec(fd, !open))
        };
        let error = match self.write(saved, always, stored).and_then(|()| pass(true)) {
            Ok(()) => self.exec(),
            Err(error) => error,
        };
        pass(false).err().unwrap_or(error)
    }

    /// The pid is that of now: a supervisor may have become the guardian since the start.
    fn exec(&self) -> io::Error {
        let value = format!("{}:{}", std::process::id(), self.state.as_raw_fd());
        let Ok(variable) = c_string(VARIABLE.into(), Some(value.into())) else {
            return io::ErrorKind::InvalidInput.into();
        };
        let env: Vec<&CStr> = self.env.iter().chain([&variable]).map(CString::as_c_str).collect();
        match nix::unistd::execve(&self.file, &self.words, &env) {
            Ok(never) => match never {},
            Err(error) => error.into(),
        }
    }

    fn write(&self, saved: &Saved, always: [BorrowedFd<'_>; 4], stored: &[(u64, OwnedFd)]) -> io::Result<()> {
        let always = always.map(|fd| fd.as_raw_fd());
        let mut words = [0_u64; WORDS];
        words[0] = MAGIC;
        words[1] = std::process::id().into();
        words[2] = saved.generation.into();
        words[3] = saved.sequence;
        (words[4], words[5]) = saved.open_files;
        words[6] = saved.asked;
        words[7] = pack(always[0], always[1]);
        words[8] = pack(always[2], always[3]);
        words[9] = stored.len() as u64;
        for (at, word) in (0_u64..).zip(words) {
            self.state.write_all_at(&word.to_le_bytes(), at * 8)?;
        }
        for (at, (id, fd)) in (WORDS as u64..).step_by(2).zip(stored) {
            self.state.write_all_at(&id.to_le_bytes(), at * 8)?;
            self.state.write_all_at(&pack(fd.as_raw_fd(), 0).to_le_bytes(), (at + 1) * 8)?;
        }
        Ok(())
    }
}

/// What a guardian before the exec has left; `None` if that was another process.
pub(super) fn read(state: &File) -> Option<Left> {
    let word = |at: u64| {
        let mut bytes = [0; 8];
        state.read_exact_at(&mut bytes, at * 8).ok().map(|()| u64::from_le_bytes(bytes))
    };
    if word(0)? != MAGIC || word(1)? != u64::from(std::process::id()) {
        return None;
    }
    let (first, second) = (unpack(word(7)?), unpack(word(8)?));
    let saved = Saved {
        generation: u32::try_from(word(2)?).ok()?,
        sequence: word(3)?,
        open_files: (word(4)?, word(5)?),
        asked: word(6)?,
    };
    let stored = (0..word(9)?.min(super::STORED_AT_MOST as u64)).map(|index| {
        let at = WORDS as u64 + 2 * index;
        Some((word(at)?, unpack(word(at + 1)?).0))
    });
    Some(Left { saved, fds: [first.0, first.1, second.0, second.1], stored: stored.collect::<Option<_>>()? })
}

/// The file's number in the variable, if that was meant for this process.
fn number_of(value: &str) -> Option<RawFd> {
    let (pid, number) = value.split_once(':')?;
    (pid.parse() == Ok(std::process::id())).then(|| number.parse().ok()).flatten()
}

fn pack(low: RawFd, high: RawFd) -> u64 {
    u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
}

#[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
fn unpack(word: u64) -> (RawFd, RawFd) {
    ((word as u32).cast_signed(), ((word >> 32) as u32).cast_signed())
}

/// The file of this process, by the name under which a newer one will lie.
fn this_file() -> io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    let bytes = file.as_os_str().as_bytes();
    // proc_pid_exe(5): so it ends when the file was replaced since
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Ok(PathBuf::from(OsString::from_vec(bytes.to_vec())))
}

fn c_string(name: OsString, value: Option<OsString>) -> io::Result<CString> {
    let mut bytes = name.into_vec();
    if let Some(value) = value {
        bytes.push(b'=');
        bytes.extend(value.into_vec());
    }
    Ok(CString::new(bytes)?)
}
