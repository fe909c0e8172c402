//! `svc helper log`: writes the log of one service under systemd, from the pipes of `NAME:log.socket`.
//!
//! systemd starts it when something lies in the pipe and holds the pipe open: it may be killed at any
//! moment, and end by itself when nothing has come for a while.

use super::Context;
use super::helper::say;
use crate::backend::systemd::log;
use crate::cli::LogWriterArgs;
use crate::engine::log::{Intake, Policy, Rest, Staging, Writer, compress, open_record};
use crate::error::{Error, io_reason};
use crate::report::Report;
use crate::sys::signals::Signals;
use crate::sys::subreaper::{self, Side};
use crate::sys::{clock, fds};
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Descriptors of systemd begin here: sd_listen_fds(3).
const FIRST: i32 = 3;
/// Of the log, in the record: there is only this one.
const ID: u64 = 1;
/// Bytes between two looks for signals.
const BUDGET: usize = 1024 * 1024;
/// When nothing has come for so long it ends.
const QUIET: Duration = Duration::from_mins(5);
/// A log that can't be written is tried again after this; so is its place looked at.
const AGAIN: Duration = Duration::from_secs(1);
/// Old logs are removed this often.
const EXPIRE: Duration = Duration::from_hours(1);

/// Runs it.
pub(crate) fn run(context: &Context, args: &LogWriterArgs) -> Result<(Report, Vec<String>), Error> {
    let LogWriterArgs { name, file, max_size, keep, keep_days, timestamps, compress, rate_limit } = args;
    let (pipe, staging) = pipes()?;
    let path = log::record(&log::folder(context.scope, &context.environment), name);
    let record = open_record(&path).map_err(|cause| Error::file("open the file", &path, &cause))?;
    let policy = Policy {
        max_size: *max_size,
        keep: *keep,
        keep_days: *keep_days,
        timestamps: *timestamps,
        compress: *compress,
        rate_limit: *rate_limit,
    };
    let failed = |cause: io::Error| Error::failed(format!("can't write the log of `{name}`: {}", io_reason(&cause)));
    let signals = Signals::take(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD]).map_err(failed)?;
    let staging = Staging::from_ends(staging.try_clone().map_err(failed)?, staging);
    let mut writing = Writing {
        intake: Intake::new(Some(staging), record).map_err(failed)?,
        log: Writer::of_old(file, policy),
        pipe,
        signals,
        compressing: None,
        asked: false,
        trouble: None,
        expired: None,
    };
    let Writing { intake, log, pipe, .. } = &mut writing;
    if let Err(cause) = intake.recover(|id| (id == ID).then_some((log, pipe.as_fd()))) {
        say(&format!("the last lines may come twice: {}", io_reason(&cause)));
    }
    writing.go_on(file).map_err(failed)?;
    Ok((Report::Nothing, Vec::new()))
}

/// The pipe of the program, and the one that tells what is written.
fn pipes() -> Result<(OwnedFd, OwnedFd), Error> {
    let taken = [FIRST, FIRST + 1].map(|number| {
        let fd = fds::inherited(number)?;
        let file = std::fs::File::from(fd);
        let fifo = file.metadata().is_ok_and(|data| std::os::unix::fs::FileTypeExt::is_fifo(&data.file_type()));
        fds::set_cloexec(file.as_fd(), true).ok()?;
        fifo.then(|| OwnedFd::from(file))
    });
    let [Some(pipe), Some(staging)] = taken else {
        return Err(Error::failed("there are no pipes of systemd: this is for `NAME:log.service` only"));
    };
    Ok((pipe, staging))
}

struct Writing {
    intake: Intake,
    log: Writer,
    pipe: OwnedFd,
    signals: Signals,
    /// The process that compresses.
    compressing: Option<u32>,
    /// To end.
    asked: bool,
    /// Why the log can't be written: said once.
    trouble: Option<String>,
    expired: Option<Duration>,
}

impl Writing {
    /// Until it is asked to end or nothing comes any more. An error is one of the pipe.
    fn go_on(&mut self, file: &Path) -> io::Result<()> {
        let mut quiet_since = clock::since_boot();
        let mut checked = Duration::ZERO;
        loop {
            self.hear(file);
            let now = clock::since_boot();
            if now.saturating_sub(checked) >= AGAIN {
                checked = now;
                let _ = self.log.check(); // writing tells what is wrong
            }
            self.expire(now);
            let wall = clock::now();
            let done = self.intake.drain(ID, self.pipe.as_fd(), &mut self.log, wall, BUDGET, None)?;
            if done.bytes > 0 {
                quiet_since = now;
            }
            self.compress(file);
            let pause = match done.rest {
                Rest::More | Rest::Unseen => continue,
                Rest::Blocked(cause) => {
                    let why = io_reason(&cause);
                    if self.trouble.is_none() {
                        say(&format!(
                            "can't write `{}`: {why}; it is tried again, and nothing is lost",
                            file.display()
                        ));
                    }
                    self.trouble = Some(why);
                    if self.asked {
                        return Ok(()); // the pipe keeps it
                    }
                    fds::wait(&[(self.signals.fd(), false)], Some(AGAIN))?;
                    continue;
                }
                Rest::Empty if self.asked => {
                    // the program has ended
                    let _ = self.intake.end_line(ID, &mut self.log, wall); // it stays as it is
                    return Ok(());
                }
                Rest::Empty => self.after_all(wall, now.saturating_sub(quiet_since)),
            };
            let Some(pause) = pause else { return Ok(()) };
            fds::wait(&[(self.pipe.as_fd(), false), (self.signals.fd(), false)], Some(pause))?;
        }
    }

    /// How long to wait when all is written; `None`: it is over.
    fn after_all(&mut self, wall: jiff::Timestamp, quiet: Duration) -> Option<Duration> {
        if let Some(why) = self.trouble.take() {
            let text = format!("svc: this log could not be written for a while ({why}); nothing is lost");
            self.intake.note(ID, &mut self.log, wall, &text);
        }
        let tells = self.log.tells_at().map(|at| Duration::try_from(at.duration_since(wall)).unwrap_or_default());
        if tells == Some(Duration::ZERO) {
            self.intake.tell_left_out(ID, &mut self.log, wall);
        }
        if quiet >= QUIET && self.compressing.is_none() {
            return None;
        }
        let longest = QUIET.saturating_sub(quiet).max(Duration::from_millis(1));
        // fds::wait counts milliseconds in 16 bits
        Some(tells.unwrap_or(longest).clamp(Duration::from_millis(1), Duration::from_mins(1)))
    }

    fn hear(&mut self, file: &Path) {
        while let Ok(Some(signal)) = self.signals.next() {
            if signal != Signal::SIGCHLD {
                self.asked = true;
                continue;
            }
            while let Ok(Some((pid, exit))) = subreaper::peek_ended() {
                let _ = subreaper::reap(pid);
                if self.compressing != Some(pid) {
                    continue;
                }
                self.compressing = None;
                let worked = exit == subreaper::Exit::Code(0);
                let adopted = self.log.compressed(worked);
                if !worked || adopted.is_err() {
                    say(&format!("a rotated file of `{}` is not compressed", file.display()));
                }
            }
        }
    }

    fn compress(&mut self, file: &Path) {
        if self.compressing.is_some() || self.asked {
            return;
        }
        let Some(rotated) = self.log.to_compress() else { return };
        match subreaper::fork() {
            Ok(Side::Parent(pid)) => self.compressing = Some(pid),
            Ok(Side::Child) => {
                subreaper::die_with_parent();
                fds::close_all();
                subreaper::set_name(c"svc-compress");
                subreaper::give_way();
                subreaper::exit_now(u8::from(compress(file, &rotated).is_err()))
            }
            Err(cause) => say(&format!("rotated logs are not compressed: {}", io_reason(&cause))),
        }
    }

    fn expire(&mut self, now: Duration) {
        if self.log.ages() && self.expired.is_none_or(|last| now.saturating_sub(last) >= EXPIRE) {
            self.expired = Some(now);
            let _ = self.log.expire(clock::now()); // the next time
        }
    }
}
