//! Reading what services wrote, where it is not the manager's business: log files, and the times
//! that people ask for.

mod blocks;
pub(crate) mod tail;
pub mod times;
pub mod when;
