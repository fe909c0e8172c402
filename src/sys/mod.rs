//! The thin layer over the kernel: each function one system call or one file of /proc explains.
//! No policy here.

pub mod cgroup;
pub mod changes;
pub mod clock;
pub mod fds;
pub mod peer;
pub mod pidfd;
pub mod pipe;
pub mod poll;
pub mod process;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod subreaper;
pub mod xattr;

use std::io::{self, Read};
use std::path::Path;

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
