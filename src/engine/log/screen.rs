//! What services write, shown at once on one output, whole lines of one after those of another.
//!
//! ```text
//!  a batch of one log ──look──> Q ──splice──> output      Q  pipe, held by the guardian too
//! ```
//!
//! Lines lie in Q between the log and the output, and get there in the same step as into the log: a
//! process that goes on after a SIGKILL finds in Q what was logged and not put out, or drops what
//! was not logged. A batch is taken from a service only when Q is empty: an output that nobody reads
//! holds services back, and loses nothing.

use crate::error::io_reason;
use crate::sys::pipe;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longer lines are shown in pieces of this many bytes.
pub(super) const PIECE: usize = 4096;
/// A byte becomes so many at most: `\x1b`, `\u0000`.
const GROWTH: usize = 6;
/// What stands around a line, at most: name, colours, time.
const AROUND: usize = 512;
/// Bytes of Q, if the kernel allows it.
const ROOM: usize = 256 * 1024;
/// Bytes that are written at once to what may make us wait in the middle of more.
const AT_ONCE: usize = 4096;

/// Makes what is shown of one line (without its end) of the log with this id, with a line end. The
/// second says that the line is svc's own.
pub type Look = Box<dyn FnMut(u64, bool, &[u8], &mut Vec<u8>)>;

/// One output for all logs.
pub struct Screen {
    look: Look,
    out: File,
    /// Q: one descriptor that reads and writes.
    queue: OwnedFd,
    room: usize,
    shown: Vec<u8>,
    /// Behind Q, where the kernel has no `tee` and Q can't be made large enough: in memory only.
    behind: Vec<u8>,
    /// Bytes go from pipe to output inside the kernel.
    splices: bool,
    /// Bytes that are written at once.
    most: usize,
    scratch: (OwnedFd, OwnedFd),
    nothing: File,
    gone: Option<io::Error>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("out", &self.out).field("gone", &self.gone).finish_non_exhaustive()
    }
}

impl Screen {
    /// `queue` is a descriptor for both ends of a pipe, which somebody else keeps too; with what is
    /// still in it.
    pub fn new(queue: OwnedFd, out: OwnedFd, look: Look) -> io::Result<Self> {
        let scratch = pipe::create()?;
        if pipe::CAN_TEE {
            let _ = pipe::set_size(&queue, ROOM); // smaller batches then
            let _ = pipe::set_size(&scratch.1, pipe::size(&queue)?); // what does not fit comes later
        }
        if !pipe::CAN_TEE {
            // nobody else reads it: what does not fit must not make us wait for ourselves
            crate::sys::fds::set_nonblocking(queue.as_fd())?;
        }
        let room = if pipe::CAN_TEE { pipe::size(&queue)? } else { 16 * 1024 };
        let nothing = File::options().write(true).open("/dev/null")?;
        let (out, waits) = own_description(out);
        let most = if waits { AT_ONCE } else { usize::MAX };
        let (splices, gone, shown) = (pipe::CAN_TEE, None, Vec::new());
        let behind = Vec::new();
        Ok(Self { look, out, queue, room, shown, behind, splices, most, scratch, nothing, gone })
    }

    /// What lies between log and output, for somebody to keep.
    pub fn queue(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    /// Where lines go.
    pub fn out(&self) -> BorrowedFd<'_> {
        self.out.as_fd()
    }

    /// Lines from here on go nowhere: nobody reads them, or they can't be written.
    pub fn gone(&self) -> Option<&io::Error> {
        self.gone.as_ref()
    }

    /// Puts out what waits; whether all is out.
    pub fn flush(&mut self) -> bool {
        loop {
            let left = pipe::waiting(&self.queue).unwrap_or(0);
            if left == 0 && self.behind.is_empty() {
                return true;
            }
            if self.gone.is_some() {
                self.discard();
                return true;
            }
            if left == 0 {
                let behind = std::mem::take(&mut self.behind);
                self.lay(behind);
                continue;
            }
            match self.move_some(left) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(cause) => match cause.kind() {
                    ErrorKind::Interrupted => {}
                    // a disk may have room later
                    ErrorKind::WouldBlock | ErrorKind::StorageFull | ErrorKind::QuotaExceeded => return false,
                    _ if self.splices && cause.kind() != ErrorKind::BrokenPipe => self.splices = false,
                    _ => {
                        tracing::debug!(reason = io_reason(&cause), "output is over");
                        self.gone = Some(cause);
                    }
                },
            }
        }
    }

    /// Whether the reader has gone, though there is nothing to write.
    pub fn look_for_reader(&mut self) {
        let events = ready(self.out.as_fd(), PollFlags::empty());
        if self.gone.is_none() && events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL) {
            self.gone = Some(ErrorKind::BrokenPipe.into());
        }
    }

    /// How many of `raw`, behind `begun` bytes that were not shown yet, can be shown at once.
    pub(super) fn fits(&self, begun: usize, raw: &[u8]) -> usize {
        let cost = |length: usize| GROWTH * length + AROUND * (1 + length / PIECE);
        let mut left = self.room.saturating_sub(cost(begun));
        let mut taken = 0;
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            let cost = cost(line.len());
            if cost > left {
                let part = left.saturating_sub(2 * AROUND) / (GROWTH + 1);
                return if taken == 0 { part.clamp(1, line.len()) } else { taken };
            }
            left -= cost;
            taken += line.len();
        }
        taken
    }

    /// Shows the lines and pieces of lines that end in `written`, the first of which began with
    /// `begun`: after [`flush`](Self::flush) has put all out.
    pub(super) fn put(&mut self, id: u64, own: bool, begun: &[u8], written: &[u8]) -> io::Result<()> {
        if self.gone.is_some() {
            return Ok(());
        }
        let mut shown = std::mem::take(&mut self.shown);
        shown.clear();
        let joined;
        let mut rest = written;
        if !begun.is_empty() {
            joined = [begun, written].concat();
            rest = &joined;
        }
        while !rest.is_empty() {
            let (line, after) = match memchr::memchr(b'\n', &rest[..rest.len().min(PIECE + 1)]) {
                Some(end) => (end, end + 1),
                None if rest.len() > PIECE => (PIECE, PIECE),
                None => break,
            };
            (self.look)(id, own, &rest[..line], &mut shown);
            rest = &rest[after..];
        }
        if !pipe::CAN_TEE {
            self.lay(shown);
            return Ok(());
        }
        let result = write_all(&self.queue, &shown);
        self.shown = shown;
        result.inspect_err(|_| self.discard())
    }

    /// Without `tee`: into Q what fits, the rest behind it.
    fn lay(&mut self, mut shown: Vec<u8>) {
        if self.behind.is_empty() {
            let laid = nix::unistd::write(&self.queue, &shown[..shown.len().min(AT_ONCE)]).unwrap_or(0);
            shown.drain(..laid);
        }
        self.behind.append(&mut shown);
    }

    /// Drops what was not logged.
    pub(super) fn discard(&mut self) {
        self.behind.clear();
        let mut piece = [0; 4096];
        while pipe::waiting(&self.queue).is_ok_and(|left| left > 0) {
            if nix::unistd::read(&self.queue, &mut piece).is_err() {
                return; // it can't be: there is something to read
            }
        }
    }

    /// Moves some of what waits; 0: there is no room.
    fn move_some(&mut self, left: usize) -> io::Result<usize> {
        if ready(self.out.as_fd(), PollFlags::POLLOUT).is_empty() {
            return Ok(0);
        }
        if self.splices {
            return pipe::splice(&self.queue, &self.out, left.min(self.most));
        }
        let mut piece = [0; AT_ONCE];
        if !pipe::CAN_TEE {
            let count = nix::unistd::read(&self.queue, &mut piece)?;
            self.out.write_all(&piece[..count])?;
            return Ok(count);
        }
        let count = pipe::tee(&self.queue, &self.scratch.1, left.min(AT_ONCE))?;
        let count = nix::unistd::read(&self.scratch.0, &mut piece[..count])?;
        let written = self.out.write(&piece[..count])?;
        pipe::splice(&self.queue, &self.nothing, written)
    }
}

/// What a descriptor is ready for, now; one that can't be asked is ready.
fn ready(fd: BorrowedFd<'_>, wanted: PollFlags) -> PollFlags {
    let mut one = [PollFd::new(fd, wanted)];
    match poll(&mut one, PollTimeout::ZERO) {
        Ok(_) => one[0].revents().unwrap_or(PollFlags::empty()),
        Err(_) => wanted,
    }
}

/// A terminal opened anew, so that writing to it need not wait and the shell's own descriptor stays
/// as it is; anything else, or where it can't be opened, as it is. The second: a long write may wait.
fn own_description(out: OwnedFd) -> (File, bool) {
    use std::io::IsTerminal;
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    let out = File::from(out);
    if !out.is_terminal() {
        let kind = out.metadata().map(|data| data.file_type());
        let waits = !kind.is_ok_and(|kind| kind.is_file() || (kind.is_fifo() && pipe::CAN_TEE));
        return (out, waits);
    }
    let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
    match File::options().write(true).custom_flags(flags).open(crate::sys::terminal_path(out.as_fd())) {
        Ok(own) => (own, false),
        Err(_) => (out, true),
    }
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
