//! The thin layer over the kernel: each function one system call or one file of /proc explains.
//! No policy here.

pub mod cgroup;
pub mod clock;
pub mod process;
pub mod socket;
