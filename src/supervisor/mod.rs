//! The supervisor: svc's own manager, where the platform has none.
//!
//! ```text
//!     guardian ── fork, no exec ──> supervisor ── fork + exec ──> programs
//! ```
//!
//! The supervisor may be killed at any moment: its programs become the guardian's children, which
//! forks the next supervisor and hands it their ends and their pipes. The guardian may be killed:
//! the supervisor takes its place. `guardian` is that pair and knows nothing of services.
//!
//! [`protocol`] is what commands say to it and it to them. What it runs are the job files of
//! [`crate::engine::job`], which `backend::supervisor` renders.

pub mod guardian;
pub mod protocol;
pub mod store;
