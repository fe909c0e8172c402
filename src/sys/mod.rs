//! The thin layer over the kernel: each function one system call or one file of /proc explains.
//! What macOS has instead of /proc and Linux's own calls lies in `darwin`.
//! No policy here.

pub mod cgroup;
pub mod changes;
pub mod clock;
#[cfg(target_os = "macos")]
mod darwin;
pub mod fds;
pub mod messages;
pub mod network;
pub mod peer;
pub mod pidfd;
pub mod pipe;
pub mod poll;
#[cfg(any(test, target_os = "macos"))]
mod procargs;
pub mod process;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod subreaper;
pub mod watch;
pub mod xattr;

use std::io::{self, Read};
use std::path::Path;

/// The folder that a login makes for a user's sockets: `/run/user/UID` of logind (pam_systemd(8)), the
/// temporary folder of its own that each user of a Mac has.
pub fn login_folder(uid: u32) -> std::path::PathBuf {
    #[cfg(target_os = "macos")]
    if let Some(folder) = darwin::user_temp() {
        return folder;
    }
    format!("/run/user/{uid}").into()
}

/// A path by which a terminal can be opened anew.
pub fn terminal_path(terminal: std::os::fd::BorrowedFd<'_>) -> std::path::PathBuf {
    // /dev/fd/N there is a copy of the descriptor, no other one
    #[cfg(target_os = "macos")]
    let path = darwin::terminal_path(terminal).unwrap_or_default();
    #[cfg(not(target_os = "macos"))]
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&terminal)).into();
    path
}

/// Makes what was written to a file last: fsync(2); on macOS fcntl(2) with F_FULLFSYNC, without which
/// a disk may keep it in its own memory, but on file systems that have no such thing (network, FAT).
pub fn sync(file: &std::fs::File) -> io::Result<()> {
    // std asks for F_FULLFSYNC there
    let synced = file.sync_all();
    #[cfg(target_os = "macos")]
    if synced.is_err() {
        return Ok(nix::unistd::fsync(file)?);
    }
    synced
}

/// Reads a file of the kernel. They all say that they have 0 bytes, so that `std::fs::read` feels its
/// way with reads of 32, 64, … bytes; most fit into this one.
fn contents(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    // `take` keeps `read_to_end` from asking for the size
    std::fs::File::open(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`contents`], text.
pub(crate) fn text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(contents(path)?).map_err(|_| io::ErrorKind::InvalidData.into())
}
