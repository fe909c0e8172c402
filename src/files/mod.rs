//! Files that svc keeps: where they lie, how they are written, whose they are.

pub mod atomic;
pub mod health;
mod index;
pub mod lock;
pub mod owner;
pub mod paths;
pub mod record;
pub mod runtime;
pub mod serde_path;
