//! The guardian: keeps descriptors, hands on how orphans ended, and starts the next supervisor.
//!
//! It is small so that it cannot fail: after its start it allocates nothing and opens no file but
//! `/proc/PID/stat` of a process that ended. What it knows lies in two places that outlive every
//! supervisor: its table of descriptors, which a fork copies, and a pair of sockets (both ends are
//! its own), whose queue holds what no supervisor has taken yet. A zombie is reaped only after its
//! end was queued: where the queue is full, the kernel keeps it.
//!
//! ```text
//!   supervisor ended   0: the guardian ends too    75: the guardian executes svc anew, in place
//!                      else: the next is forked; at once, or after a pause when it keeps failing
//!   supervisor stopped it is continued
//!   guardian ended     the channel tells it; the supervisor calls `Hand::take_over`
//! ```
//!
//! Nothing passes into programs: all is closed at an exec, but for the moment of a reload.

mod finish;
mod hand;
mod message;
mod resume;

pub use hand::Hand;
pub use message::Ended;

use crate::error::{Error, io_reason};
use crate::sys::fds::{self, Limit};
use crate::sys::messages;
use crate::sys::signals::{self, Signals};
use crate::sys::subreaper::{self, Change, Exit, Side};
use message::{ORDER, Order};
use nix::libc;
use nix::sys::signal::Signal;
use resume::{Again, Left, Saved};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a supervisor does; runs in a process forked for it and gives its exit code. SIGCHLD,
/// SIGTERM, SIGINT and SIGHUP are blocked there: it reads them by [`Signals`] of its own.
pub type Work = fn(Hand) -> u8;

/// The supervisor is done: the guardian ends too, with success.
pub const FINISHED: u8 = 0;
/// The guardian executes the file it was started from again, keeping its pid, its children and all
/// descriptors: a new svc goes on.
pub const RELOAD: u8 = 75;
/// Descriptors that a guardian keeps at most.
pub const STORED_AT_MOST: usize = 4096;
/// The signals that the guardian passes on, and SIGCHLD.
pub const SIGNALS: [Signal; 4] = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Early ends in a row after which the next start waits.
const AT_ONCE: u32 = 5;
/// The first wait; it doubles up to the longest. The guardian never gives up.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A supervisor that ended by itself earlier than this ended early …
const EARLY: Duration = Duration::from_secs(5);
/// … and one that was killed, earlier than this: somebody else's doing says little about it.
const EARLY_KILLED: Duration = Duration::from_millis(20);

/// In the foreground the first request to end becomes SIGTERM for the supervisor, whatever signal it
/// was: a terminal sends SIGINT to both, and one Ctrl-C must not count twice. A further SIGINT, or
/// SIGQUIT, becomes this: all is to be killed at once.
pub const AT_ONCE_SIGNAL: Signal = Signal::SIGUSR2;
/// One wish to end may come as two signals: timeout(1) sends one to the process and one to its group.
/// A second one as early as this counts for nothing.
const TWICE: Duration = Duration::from_millis(250);
/// In the foreground the guardian gives up after so many supervisors in a row that ended early.
const GIVES_UP: u32 = 12;

/// Becomes the guardian and returns when a supervisor has [`FINISHED`]. In each supervisor `work`
/// runs. To be called in a process of one thread, with the standard descriptors as they are to stay.
pub fn run(work: Work) -> Result<ExitCode, Error> {
    let failed = |error: io::Error| Error::failed(format!("can't start the supervisor: {}", io_reason(&error)));
    let guardian = Guardian::new(work).map_err(failed)?;
    let code = guardian.guard().map_err(failed)?;
    Ok(ExitCode::from(code))
}

/// The same in the foreground: signals of a terminal count, there is no reload, nothing below this
/// process is left when it returns, and it gives up where no supervisor can go on.
pub fn run_in_front(work: Work) -> Result<(), Error> {
    let failed = |error: io::Error| Error::failed(format!("can't go on: {}", io_reason(&error)));
    let others = finish::children();
    let result = Guardian::in_front(work).and_then(Guardian::guard).map_err(failed);
    finish::end_all(&others);
    match result? {
        FINISHED => Ok(()),
        _ => Err(Error::failed("the supervisor ended again and again; all services were ended")
            .hint("`-v` shows why, if it can say")),
    }
}

/// Whether this process was executed by a guardian that goes on in it: a reload.
pub fn goes_on() -> bool {
    resume::is_left()
}

struct Guardian {
    work: Work,
    /// Its own end of the channel, and the supervisor's.
    near: OwnedFd,
    far: OwnedFd,
    staging: (OwnedFd, OwnedFd),
    staging_is_new: bool,
    /// Never grows beyond what it was made for.
    stored: Vec<(u64, OwnedFd)>,
    signals: Signals,
    generation: u32,
    /// Of the last end told.
    sequence: u64,
    open_files: Limit,
    /// The signal that asked for the end: told to each further supervisor too.
    asked: Option<Signal>,
    asked_at: Option<Instant>,
    reload_failed: Option<i32>,
    again: Again,
    in_front: bool,
}

impl Guardian {
    fn in_front(work: Work) -> io::Result<Self> {
        let open_files = fds::raise_open_files()?;
        let (again, _) = Again::prepare()?;
        let mut guardian = Self::make(work, again, messages::pair()?, fds::pipe()?, open_files)?;
        guardian.be_in_front()?;
        Ok(guardian)
    }

    fn be_in_front(&mut self) -> io::Result<()> {
        self.in_front = true;
        let mut heard: Vec<Signal> = SIGNALS.into_iter().chain([Signal::SIGQUIT]).collect();
        // nohup(1)
        heard.retain(|signal| *signal != Signal::SIGHUP || !signals::is_ignored(*signal));
        self.signals = Signals::take(&heard)?;
        Ok(())
    }

    fn new(work: Work) -> io::Result<Self> {
        let (again, before) = Again::prepare()?;
        match before.as_ref().and_then(resume::read) {
            Some(left) => Self::resumed(work, again, left),
            None => {
                let open_files = fds::raise_open_files()?;
                Self::make(work, again, messages::pair()?, fds::pipe()?, open_files)
            }
        }
    }

    /// After an exec.
    fn resumed(work: Work, again: Again, left: Left) -> io::Result<Self> {
        let claim = |number| {
            let fd = fds::inherited(number).ok_or(io::ErrorKind::NotFound)?;
            fds::set_cloexec(fd.as_fd(), true)?;
            io::Result::Ok(fd)
        };
        let [near, far, reader, writer] = left.fds.map(claim);
        let mut guardian = Self::make(work, again, (near?, far?), (reader?, writer?), left.saved.open_files)?;
        guardian.staging_is_new = false;
        guardian.generation = left.saved.generation;
        guardian.sequence = left.saved.sequence;
        guardian.asked = i32::try_from(left.saved.asked).ok().and_then(|number| Signal::try_from(number).ok());
        for (id, number) in left.stored {
            guardian.stored.push((id, claim(number)?));
        }
        Ok(guardian)
    }

    fn make(
        work: Work,
        again: Again,
        (near, far): (OwnedFd, OwnedFd),
        staging: (OwnedFd, OwnedFd),
        open_files: Limit,
    ) -> io::Result<Self> {
        subreaper::become_subreaper()?;
        subreaper::set_name(c"svc-guardian");
        Ok(Self {
            work,
            near,
            far,
            staging,
            staging_is_new: true,
            stored: Vec::with_capacity(STORED_AT_MOST),
            signals: Signals::take(&SIGNALS)?,
            generation: 0,
            sequence: 0,
            open_files,
            asked: None,
            asked_at: None,
            reload_failed: None,
            again,
            in_front: false,
        })
    }

    /// Supervisor after supervisor, until one is done: the exit code.
    fn guard(mut self) -> io::Result<u8> {
        let mut early = 0;
        subreaper::trim_memory();
        loop {
            self.take_orders();
            self.generation = self.generation.wrapping_add(1);
            let start = Instant::now();
            let exit = match subreaper::fork() {
                Ok(Side::Child) => self.supervise(),
                Ok(Side::Parent(pid)) => self.watch(pid)?,
                Err(error) if self.generation == 1 => return Err(error),
                Err(_) => Exit::Code(1), // too many processes, no memory: later
            };
            self.reload_failed = None;
            let soon = if matches!(exit, Exit::Signal { number: libc::SIGKILL, .. }) { EARLY_KILLED } else { EARLY };
            if exit == Exit::Code(FINISHED.into()) {
                return Ok(FINISHED);
            } else if exit == Exit::Code(RELOAD.into()) {
                self.reload();
            } else if start.elapsed() >= soon {
                early = 0;
            } else {
                early += 1;
                if self.in_front && early >= GIVES_UP {
                    return Ok(1);
                }
                self.serve(None, Some(Instant::now() + pause(early)))?;
            }
        }
    }

    /// The supervisor's whole life, in the process forked for it.
    fn supervise(self) -> ! {
        let Self { work, far, staging, staging_is_new, stored, generation, .. } = self;
        drop((self.near, self.signals));
        // orphans below the supervisor are its own while it lives
        let code = subreaper::become_subreaper().map_or(1, |()| {
            subreaper::set_name(c"svc-supervisor");
            let mut kept: Vec<u64> = stored.iter().map(|(id, _)| *id).collect();
            kept.sort_unstable();
            let hand = Hand {
                generation,
                stored,
                staging,
                staging_is_new,
                guardian_pid: nix::unistd::getppid().as_raw().cast_unsigned(),
                open_files: self.open_files,
                reload_failed: self.reload_failed,
                channel: far,
                kept: RefCell::new(kept),
                sequence: Cell::new(self.sequence),
                again: self.again,
                in_front: self.in_front,
                work,
            };
            // unwinding must not come back into the guardian's code
            catch_unwind(AssertUnwindSafe(|| work(hand))).unwrap_or(101)
        });
        subreaper::exit_now(code)
    }

    /// Serves until this supervisor ends.
    fn watch(&mut self, pid: u32) -> io::Result<Exit> {
        self.staging_is_new = false;
        if let Some(signal) = self.asked {
            let _ = subreaper::kill(pid, signal); // it may have ended already
        }
        let end = self.serve(Some(pid), None)?;
        self.take_orders();
        Ok(end.unwrap_or(Exit::Code(1)))
    }

    /// Hands on what orphans say in their last moment, takes orders, passes signals on; until the
    /// supervisor ends, or time is up.
    fn serve(&mut self, supervisor: Option<u32>, until: Option<Instant>) -> io::Result<Option<Exit>> {
        loop {
            self.take_orders();
            match supervisor.map_or(Ok(None), subreaper::change_of)? {
                Some(Change::Ended(exit)) => {
                    supervisor.map_or(Ok(()), subreaper::reap)?;
                    return Ok(Some(exit));
                }
                Some(Change::Stopped) => supervisor.map_or(Ok(()), |pid| subreaper::kill(pid, Signal::SIGCONT))?,
                None => {}
            }
            let relay = self.relay(supervisor)?;
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Ok(None);
            }
            let left = until.map(|until| until - now);
            match relay {
                Relay::Done => fds::wait(&[(self.signals.fd(), false), (self.near.as_fd(), false)], left)?,
                Relay::Full => fds::wait(&[(self.signals.fd(), false), (self.near.as_fd(), true)], left)?,
                // out of memory, say: there is nothing to wait for
                Relay::Failed => fds::wait(&[(self.signals.fd(), false)], Some(LONGEST_PAUSE))?,
                Relay::Supervisor => {}
            }
            self.pass_signals(supervisor);
        }
    }

    /// Queues the end of every child but the supervisor, then lets go of it.
    fn relay(&mut self, supervisor: Option<u32>) -> io::Result<Relay> {
        while let Some((pid, exit)) = subreaper::peek_ended()? {
            if supervisor == Some(pid) {
                return Ok(Relay::Supervisor);
            }
            let ended = Ended { sequence: self.sequence + 1, pid, start_ticks: subreaper::start_ticks(pid), exit };
            match messages::send(self.near.as_fd(), &ended.to_bytes(), None) {
                Ok(()) => self.sequence += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Relay::Full),
                Err(_) => return Ok(Relay::Failed),
            }
            subreaper::reap(pid)?;
        }
        Ok(Relay::Done)
    }

    /// Does all that supervisors have ordered so far; what is no order is dropped.
    fn take_orders(&mut self) {
        let mut bytes = [0; ORDER];
        while let Ok((length, fd)) = messages::receive(self.near.as_fd(), &mut bytes, false) {
            match (Order::from_bytes(&bytes[..length]), fd) {
                (Some(Order::Keep(id)), Some(fd)) => {
                    if let Some(slot) = self.stored.iter_mut().find(|(stored, _)| *stored == id) {
                        slot.1 = fd;
                    } else if self.stored.len() < STORED_AT_MOST {
                        self.stored.push((id, fd));
                    }
                }
                (Some(Order::Forget(id)), _) => self.stored.retain(|(stored, _)| *stored != id),
                (Some(Order::Keep(_)) | None, _) => {}
            }
        }
    }

    fn pass_signals(&mut self, supervisor: Option<u32>) {
        while let Ok(Some(mut signal)) = self.signals.next() {
            if self.in_front && signal != Signal::SIGCHLD {
                let now = Instant::now();
                let first = *self.asked_at.get_or_insert(now);
                let again = signal == Signal::SIGINT && self.asked.is_some() && now - first >= TWICE;
                let at_once = again || signal == Signal::SIGQUIT || self.asked == Some(AT_ONCE_SIGNAL);
                signal = if at_once { AT_ONCE_SIGNAL } else { Signal::SIGTERM };
                self.asked = Some(signal);
            }
            if matches!(signal, Signal::SIGTERM | Signal::SIGINT) {
                self.asked = Some(signal);
            }
            if let Some(pid) = supervisor.filter(|_| signal != Signal::SIGCHLD) {
                let _ = subreaper::kill(pid, signal); // it may have ended: the next is told
            }
        }
    }

    /// Goes on as a new svc, if that can be executed.
    fn reload(&mut self) {
        let saved = Saved {
            generation: self.generation,
            sequence: self.sequence,
            open_files: self.open_files,
            asked: self.asked.map_or(0, |signal| signal as u64),
        };
        let always = [self.near.as_fd(), self.far.as_fd(), self.staging.0.as_fd(), self.staging.1.as_fd()];
        let error = self.again.execute(&saved, always, &self.stored);
        self.reload_failed = Some(error.raw_os_error().unwrap_or(0));
    }
}

/// What is left to do after the ends of orphans were queued.
enum Relay {
    Done,
    /// The queue is full.
    Full,
    /// It can't be written to now.
    Failed,
    /// The supervisor itself ended.
    Supervisor,
}

/// How long the next start waits after so many early ends in a row.
fn pause(early: u32) -> Duration {
    match early.checked_sub(AT_ONCE) {
        None => Duration::ZERO,
        Some(more) => FIRST_PAUSE.saturating_mul(1 << more.min(10)).min(LONGEST_PAUSE),
    }
}

/// The guardian that a supervisor becomes.
fn successor(hand: Hand, stored: Vec<(u64, OwnedFd)>) -> io::Result<Guardian> {
    let Hand { generation, stored: unused, staging, open_files, channel, sequence, again, in_front, work, .. } = hand;
    drop((unused, channel));
    let mut guardian = Guardian::make(work, again, messages::pair()?, staging, open_files)?;
    guardian.generation = generation;
    guardian.sequence = sequence.get();
    guardian.staging_is_new = false;
    guardian.stored.extend(stored.into_iter().take(STORED_AT_MOST));
    if in_front {
        // whoever waited for the guardian believes that all has ended
        guardian.be_in_front()?;
        guardian.asked = Some(Signal::SIGTERM);
    }
    Ok(guardian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_starts_are_at_once_and_none_waits_longer_than_a_second() {
        let pauses: Vec<_> = (1..=14).map(|early| pause(early).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
