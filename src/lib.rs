//! `svc`: one definition, and it is a real service of the platform.
//!
//! ```text
//!  argv ─ cli ──┐                                                                     ┌─ table / detail
//!               ├─ definition ──check──> Service ──render──> Plan ──execute──> Report ┤
//!  svc.toml ────┘  (places, problems)    (valid,   backend   files +  files,          └─ JSON
//!                                         no I/O)  (pure)    actions  then manager
//!                                                              ↑            │
//!                                         observe ── backend ──┴────────────┘
//! ```
//!
//! Left of `execute` nothing is changed; left of `Report` nothing is printed; right of `Report`
//! nothing is decided. ARCHITECTURE.md tells the rest.

pub mod backend;
pub mod definition;
pub mod error;
pub mod files;
pub mod report;
pub mod service;
