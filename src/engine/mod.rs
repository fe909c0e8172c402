//! The engine: starts, watches, restarts and stops programs itself, and keeps what they write.
//!
//! Used where no manager does it: by the supervisor (one process for all services of a user) and by
//! the shim (the parent of one program under a manager that lacks something). What is decided lies
//! in pure code that is told the time and what happened; what touches the kernel is thin and beside
//! it.

pub mod cgroup;
pub mod envfile;
pub mod job;
pub mod log;
pub mod machine;
pub mod notify;
pub mod probe;
pub mod schedule;
pub mod spawn;
pub mod tree;
