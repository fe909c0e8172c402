//! The thin layer over the kernel: each function one system call or one file of /proc explains.
//! No policy here.

pub mod cgroup;
pub mod clock;
pub mod fds;
pub mod peer;
pub mod pidfd;
pub mod process;
pub mod signals;
pub mod spawn;
pub mod subreaper;
pub mod xattr;
