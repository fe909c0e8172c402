//! Log files, and moments as people write them.

pub(crate) mod tail;
pub mod when;
