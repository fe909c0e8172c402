//! The supervisor: one small process that runs all services of a user where no manager does.
//!
//! [`protocol`] is what commands say to it and it to them. What it runs are the job files of
//! [`crate::engine::job`], which `backend::supervisor` renders.

pub mod protocol;
