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

mod app;
pub mod backend;
pub mod cli;
mod command;
pub mod config;
pub mod convert;
pub mod definition;
pub mod engine;
pub mod env;
pub mod error;
pub mod files;
pub mod history;
pub mod logs;
mod plan;
pub mod report;
pub mod service;
pub mod supervisor;
pub mod sys;
pub mod task;
mod view;

pub use app::run;
