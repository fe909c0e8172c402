//! Tasks: commands that run once, in the background, with records that outlive them.
//!
//! **Who does what.** `svc run` writes a record ([`store`], [`spec`], [`slot`]) and lets the line be filled
//! ([`life::fill`]): as many waiting tasks as there are free places become `Starting`, and their manager is
//! asked to run them. There is no daemon of svc's own and no process that waits for a task:
//!
//! | | runs it | says that it began | says that it ended, and fills the line again |
//! | --- | --- | --- | --- |
//! | systemd | a transient unit `svc:task-N.service` | `svc helper task-exec N`, which becomes the program | its `ExecStopPost=`, `svc helper task-ended N` |
//! | launchd | a one-shot job `svc.task.N`, svc's shim | the shim | the shim's process, before it ends |
//! | supervisor | itself | itself | itself |
//!
//! **Nothing is lost.** Each `svc` that looks (`run`, `tasks`, `status`, `wait`, …) mends what a kill
//! or a power cut left: a task with a place whose process is gone, and of which its manager knows nothing, has
//! failed, with the reason; one that never began goes back into the line; free places are filled.
//!
//! **The environment** is the caller's, every byte, kept as the bytes of environ(7) in a file of mode 0600 that
//! all tasks from the same environment share; it goes with the last record that refers to it, since
//! `svc retry` needs it as long as that.

pub mod exit;
pub mod life;
pub mod said;
pub mod slot;
pub mod spec;
pub mod store;

pub use slot::{Slot, Stand};
pub use spec::Spec;
pub use store::Store;
