//! What a stream of lines is made of: one log after the other gives its lines in the order of time.

use crate::error::Error;
use crate::report::LogLine;
use crate::service::Name;
use jiff::Timestamp;
use std::os::fd::BorrowedFd;

/// A moment, microseconds since 1970 in UTC.
pub(crate) type Micros = i64;

/// One line, lent by its log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Of which service.
    pub(crate) service: &'a Name,
    /// When it was written; none where nothing says so.
    pub(crate) time: Option<Micros>,
    /// Process that wrote it.
    pub(crate) pid: Option<u32>,
    /// `out`, `manager`, …: see [`LogLine`].
    pub(crate) stream: &'static str,
    /// What svc wrote in front of it in a file: its time. For people a part of the line, for scripts none.
    pub(crate) stamp: &'a [u8],
    /// The bytes without line end.
    pub(crate) message: &'a [u8],
}

impl Line<'_> {
    /// To be kept.
    pub(crate) fn kept(&self) -> LogLine {
        LogLine {
            service: self.service.clone(),
            time: self.time.and_then(|time| Timestamp::from_microsecond(time).ok()),
            pid: self.pid,
            stream: self.stream,
            message: self.message.to_vec(),
        }
    }
}

impl LogLine {
    /// As a log lends it.
    pub(crate) fn lent(&self) -> Line<'_> {
        Line {
            service: &self.service,
            time: self.time.map(Timestamp::as_microsecond),
            pid: self.pid,
            stream: self.stream,
            stamp: b"",
            message: &self.message,
        }
    }
}

/// The lines of one log. At first it may be walked backwards from its end, then, once, it
/// [settles](Source::settle) there and is read forwards.
pub(crate) trait Source {
    /// The moment of the next line, never before that of the line before; `None`: there is no more, or not yet.
    fn peek(&mut self) -> Result<Option<Micros>, Error>;

    /// The line that [`peek`](Source::peek) found.
    fn line(&self) -> Line<'_>;

    /// Goes on behind it.
    fn take(&mut self);

    /// The moment of the line before, and whether it is wanted; `None`: there is none.
    fn peek_back(&mut self) -> Result<Option<(Micros, bool)>, Error>;

    /// Goes on before it.
    fn take_back(&mut self);

    /// Reading forwards begins here.
    fn settle(&mut self) -> Result<(), Error>;

    /// Looks whether more has come, in whatever file has the name now.
    fn refresh(&mut self) -> Result<(), Error>;

    /// Readable when there is more; none: [`file`](Source::file) tells.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// The file that grows, and the folder in which it may be replaced.
    fn file(&self) -> Option<Growing<'_>>;

    /// Gives lines of that service too from now on; `false`: it can't.
    fn also(&mut self, _: &Name) -> bool {
        false
    }

    /// Nothing more will come: its line that has not ended is one.
    fn finish(&mut self);

    /// What was wrong with it and did not end the reading, one sentence each; once.
    fn warnings(&mut self) -> Vec<String>;
}

/// A file that is followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growing<'a> {
    /// It; none: it is not there yet.
    pub(crate) open: Option<BorrowedFd<'a>>,
    /// Device and inode.
    pub(crate) identity: (u64, u64),
    /// Its name.
    pub(crate) path: &'a std::path::Path,
}
