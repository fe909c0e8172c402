//! What services write, from their pipes into log files: every line once, in order, whatever
//! happens to the process that does it.
//!
//! ```text
//!  program ──> P ──splice──> S ──> nothing      P  pipe of one service, lives while the program does
//!              │ tee                            S  staging pipe, held by the guardian too
//!              v                                T  private
//!              T ──read──> render ──pwrite──> log
//! ```
//!
//! A batch, and what a SIGKILL after each step leaves to the next process ([`Intake::recover`]):
//!
//! | step | afterwards |
//! | --- | --- |
//! | 1. `tee` P to T, read T: a copy, P keeps its bytes | nothing has happened |
//! | 2. record: which log, from which offset, how many bytes | S is empty: the log is cut back to the offset, the bytes come again from P |
//! | 3. write the log, at an offset of its own | the same |
//! | 4. `splice` those bytes from P to S: one step inside the kernel | S is not empty: the log is whole, the rest of P's part is taken, if any |
//! | 5. clear the record | S is emptied |
//! | 6. empty S | done |
//!
//! If the guardian died as well, S is another pipe (the record knows its number): then the
//! checksum in the record tells whether P still begins with those bytes. Elsewhere than on Linux
//! there is no `tee`: bytes are read, then written.
//!
//! Beside each log lies an index of when its pieces were written ([`crate::logs::times`]), so that
//! lines without times can be found by time.
//!
//! A log is cut into `NAME`, `NAME.1`, … (the higher the older) at the end of a line only.

mod careful;
mod compress;
mod flow;
mod intake;
mod limit;
mod record;
mod render;
mod rotate;
mod screen;
mod times;
mod writer;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod intake_tests;
#[cfg(test)]
mod kill_tests;
#[cfg(test)]
mod support;
#[cfg(test)]
mod times_tests;
#[cfg(test)]
mod writer_tests;

pub use careful::Staging;
pub use compress::write as compress;
pub use flow::Flow;
pub use intake::{Intake, Line};
pub use record::open as open_record;
pub use rotate::{files, older};
pub use screen::{Look, Screen};
pub use times::forget_times;
pub use writer::Writer;

use crate::service::Rate;
use std::io;

/// How one log is cut and written: DESIGN §4, `logs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Bytes; a file that would grow beyond is rotated. 0: never.
    pub max_size: u64,
    /// Rotated files that are kept. 0: the file itself is emptied.
    pub keep: u32,
    /// Days that rotated files are kept at most.
    pub keep_days: Option<u32>,
    /// Each line begins with the time in UTC.
    pub timestamps: bool,
    /// Rotated files are compressed.
    pub compress: bool,
    /// Lines beyond this are left out.
    pub rate_limit: Option<Rate>,
}

impl From<&super::job::Log> for Policy {
    fn from(log: &super::job::Log) -> Self {
        let super::job::Log { file: _, max_size, keep, keep_days, timestamps, compress, rate_limit } = *log;
        Self { max_size, keep, keep_days, timestamps, compress, rate_limit }
    }
}

/// What [`Intake::drain`] did.
#[derive(Debug)]
pub struct Drained {
    /// Bytes that the service wrote, now in the log.
    pub bytes: usize,
    /// Lines that ended among them.
    pub lines: usize,
    /// What is left.
    pub rest: Rest,
}

/// What lies in the pipe after [`Intake::drain`].
#[derive(Debug)]
pub enum Rest {
    /// Nothing.
    Empty,
    /// More: the budget was spent.
    More,
    /// The log can't be written (disk full, folder gone): what is not counted in [`Drained`] still
    /// lies in the pipe. To be tried again later.
    Blocked(io::Error),
    /// The [`Screen`] has no room: the same.
    Unseen,
}

/// A line longer than this, in bytes, may be cut where the file is rotated.
const LONGEST: u64 = 1024 * 1024;

/// Where a test may have the process die: nothing outside of tests.
mod point {
    #[cfg(test)]
    pub(super) use super::support::point::{dies, piece};

    /// Between two system calls.
    #[cfg(not(test))]
    pub(super) const fn dies() {}

    /// What one write may write.
    #[cfg(not(test))]
    pub(super) const fn piece(bytes: &[u8]) -> &[u8] {
        bytes
    }
}
