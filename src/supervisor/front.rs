//! A supervisor in the foreground: jobs given to it, one output for what all of them write, an end of
//! its own.
//!
//! It is the same pair of processes, with a folder of its own instead of the user's: whatever runs
//! already is not touched, and nothing is left of it. It ends when all its services have ended, when
//! it is asked to, or when nobody reads its output any more.

use super::begin::{QUEUE, STARTED, keep, pipe};
use super::daemon::{At, Daemon, KEY_PIPE, Role, SCREEN, key};
use super::guardian::{self, Hand};
use super::unit::id_of;
use crate::engine::job::Job;
use crate::engine::log::{Intake, Screen};
use crate::engine::machine::{Event, Exit, Machine};
use crate::env::Environment;
use crate::error::{Error, io_reason};
use crate::files::paths::Paths;
use crate::report::Failed;
use crate::sys::poll::Interest;
use crate::sys::{clock, pipe as pipes};
use crate::task::Store;
use nix::sys::signal::Signal;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An output that has no room is tried again after this, where it can't tell when it has.
const AGAIN: Duration = Duration::from_millis(500);
/// A log that can't be written holds the end up no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes what is shown of one line of a service: its name, whether svc itself says it, the line
/// without its end; with a line end.
pub type Look = Arc<dyn Fn(&str, bool, &[u8], &mut Vec<u8>) + Send + Sync>;
/// Tells the person something that is no output of a service.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What is run in the foreground.
#[derive(Clone)]
pub struct Foreground {
    /// A private folder for what supervisors leave to each other; removed at the end.
    pub folder: PathBuf,
    /// All jobs.
    pub jobs: Vec<Job>,
    /// Names of those that start by themselves; others start when they are depended on.
    pub starts: BTreeSet<String>,
    /// Who looks on.
    pub viewer: Option<Viewer>,
    /// A manager runs it as a shim: what is known of the services at the end stays in the folder (see
    /// [`super::store::Store::read`]), and when the guardian is killed, the manager is to start another one.
    pub is_managed: bool,
    /// The records of the task that it runs, if that is one.
    pub tasks: Option<Store>,
    /// Where it is written down what became of them, if anywhere: [`crate::history`].
    pub history: Option<PathBuf>,
}

/// A person in front of the output.
#[derive(Clone)]
pub struct Viewer {
    /// How a line looks.
    pub look: Look,
    /// Messages for the person.
    pub say: Say,
}

/// Runs all of it until it has ended; the first failure, if there was one.
///
/// Standard output is where lines go, if anybody looks on. To be called in a process of one thread.
pub fn run(environment: &Environment, paths: &Paths, front: Foreground) -> Result<Option<Failed>, Error> {
    let failed = |cause: io::Error| Error::failed(format!("can't start: {}", io_reason(&cause)));
    let verdict = pipes::create().map_err(failed)?;
    let mut told = std::fs::File::from(verdict.0.try_clone().map_err(failed)?);
    VERDICT.get_or_init(|| verdict);
    let environment = environment.clone();
    super::set_up(super::Setup { environment, paths: paths.clone(), told: None, front: Some(front) })?;
    guardian::run_in_front(super::work)?;
    let mut text = vec![0; 64 * 1024];
    let length = told.read(&mut text).unwrap_or(0); // none: it would block
    match parse(&String::from_utf8_lossy(&text[..length])) {
        Some(Failed { name, reason, .. }) if name.is_empty() => Err(Error::failed(reason)),
        failed => Ok(failed),
    }
}

/// The first supervisor could not even begin: nobody can mend that by another try at once.
pub(super) fn never_began(reason: &str) {
    if let Some((_, write)) = VERDICT.get() {
        let reason: String = reason.chars().take(1000).collect();
        let _ = nix::unistd::write(write, format!("1  {reason}").as_bytes()); // an empty pipe has room
    }
}

/// Where a supervisor says which service failed first: it is to be known by the next one, too.
static VERDICT: std::sync::OnceLock<(OwnedFd, OwnedFd)> = std::sync::OnceLock::new();

/// `CODE NAME REASON`; no name: nothing was started at all.
fn parse(text: &str) -> Option<Failed> {
    let mut words = text.splitn(3, ' ');
    let code = words.next()?.parse().ok()?;
    Some(Failed { code, name: words.next()?.to_owned(), reason: words.next()?.to_owned() })
}

/// What belongs to the foreground in the supervisor.
pub(super) struct Front {
    run: Foreground,
    /// Services whose pipe is not read until there is room on the output.
    held: BTreeSet<At>,
    /// What the output is watched for, if it can be.
    watched: Option<Interest>,
    again: Option<Duration>,
    is_gone: bool,
    /// All were killed at once: nobody waits for their last words.
    killed: bool,
    /// All are down since.
    down_since: Option<Duration>,
}

impl Front {
    /// Lines go to standard output from now on.
    pub(super) fn begin(
        run: Foreground,
        hand: &Hand,
        stored: &mut HashMap<u64, OwnedFd>,
        intake: &mut Intake,
    ) -> Result<Self, Error> {
        if let Some(viewer) = &run.viewer {
            Self::show(&run.jobs, viewer.look.clone(), hand, stored, intake)?;
        }
        let held = BTreeSet::new();
        Ok(Self { run, held, watched: None, again: None, is_gone: false, killed: false, down_since: None })
    }

    fn show(
        jobs: &[Job],
        look: Look,
        hand: &Hand,
        stored: &mut HashMap<u64, OwnedFd>,
        intake: &mut Intake,
    ) -> Result<(), Error> {
        let failed = |cause: io::Error| Error::failed(format!("can't write to the output: {}", io_reason(&cause)));
        let queue = match stored.remove(&QUEUE) {
            Some(kept) => kept,
            None => {
                let queue = pipe().map_err(failed)?;
                keep(hand, QUEUE, &queue)?;
                queue
            }
        };
        let out = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
        let names: HashMap<u64, String> = jobs.iter().map(|job| (id_of(&job.name), job.name.clone())).collect();
        let look = move |id: u64, own: bool, line: &[u8], shown: &mut Vec<u8>| {
            if let Some(name) = names.get(&id) {
                look(name, own, line, shown);
            }
        };
        intake.show_on(Screen::new(queue, out, Box::new(look)).map_err(failed)?);
        Ok(())
    }

    /// The job of this name.
    pub(super) fn job(&self, name: &str) -> Result<Job, String> {
        let job = self.run.jobs.iter().find(|job| job.name == name);
        job.cloned().ok_or_else(|| "is not run here".to_owned())
    }

    /// Of all jobs.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.run.jobs.iter().map(|job| job.name.clone()).collect()
    }

    /// The pipe of a service is not watched any more, until there is room.
    pub(super) fn hold(&mut self, at: At) {
        self.held.insert(at);
    }

    /// All are killed at once.
    pub(super) fn is_killed(&self) -> bool {
        self.killed
    }

    /// When to look at the output again.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let patience = self.down_since.map(|since| since + PATIENCE).filter(|at| *at > clock::since_boot());
        self.again.into_iter().chain(patience).min()
    }

    /// See [`Foreground::tasks`].
    pub(super) fn tasks(&self) -> Option<Store> {
        self.run.tasks.clone()
    }

    /// See [`Foreground::is_managed`].
    pub(super) fn is_managed(&self) -> bool {
        self.run.is_managed
    }

    /// Takes the folder away, unless somebody is to read in it what became of the services.
    pub(super) fn clear(&self) {
        if self.run.is_managed {
            return;
        }
        let _ = std::fs::remove_dir_all(&self.run.folder); // somebody may have been there before
    }
}

impl Daemon {
    /// Starts what is to start, once for all supervisors of this run.
    pub(super) fn start_in_front(&mut self) {
        if let (Some(screen), Some(front)) = (self.intake.screen(), &mut self.front) {
            let watched = self.watch.add(screen.out(), SCREEN, Interest::Closed).is_ok();
            front.watched = watched.then_some(Interest::Closed);
        }
        if self.hand.keeps(STARTED) {
            return;
        }
        let Some(front) = &self.front else { return };
        let starts: Vec<At> = front.run.starts.iter().filter_map(|name| self.names.get(name).copied()).collect();
        self.events.extend(starts.into_iter().map(|at| (at, Event::Start { by_person: true })));
        self.settle();
        let _ = keep(&self.hand, STARTED, &self.lock); // they are started again, which changes nothing
    }

    /// Something is known of the output: there is room, or nobody reads it.
    pub(super) fn screen_ready(&mut self) {
        let Some(screen) = self.intake.screen() else { return };
        screen.look_for_reader();
        let is_flushed = screen.flush();
        if let (true, Some(front)) = (is_flushed, &mut self.front) {
            front.again = None;
            for at in std::mem::take(&mut front.held) {
                if let Some(unit) = self.units.get(at).and_then(Option::as_ref).filter(|unit| unit.blocked.is_none()) {
                    let _ = self.watch.add(&unit.pipe, key(at, KEY_PIPE), Interest::Read); // it is looked at below
                }
                self.drain(at, super::daemon::BUDGET);
            }
        }
        self.watch_screen();
    }

    /// Waits for room on the output where something waits for that.
    fn watch_screen(&mut self) {
        let (Some(front), Some(screen)) = (&mut self.front, self.intake.screen()) else { return };
        if screen.gone().is_some() {
            if front.watched.take().is_some() {
                self.watch.remove(screen.out());
            }
            front.again = None;
            if !front.is_gone {
                front.is_gone = true;
                self.shut_down();
            }
            return;
        }
        let waits = !screen.flush();
        front.again = waits.then(|| clock::since_boot() + AGAIN);
        let wanted = if waits { Interest::Write } else { Interest::Closed };
        if front.watched.is_some_and(|interest| interest != wanted) {
            let changed = self.watch.change(screen.out(), SCREEN, wanted);
            front.watched = changed.is_ok().then_some(wanted);
        }
    }

    /// A service has failed for good: the first one is remembered.
    pub(super) fn failed_in_front(&mut self, at: At, reason: &str) {
        let Some((read, write)) = VERDICT.get().filter(|_| self.front.is_some() && !self.ending) else { return };
        let seen = self.machine(at).map(|machine| machine.observe(Self::now()));
        let code = match seen.as_ref().and_then(|seen| seen.exit) {
            Some(Exit::Code(code)) => u8::try_from(code).unwrap_or(1).max(1),
            Some(Exit::Signal(number)) => u8::try_from(128 + number).unwrap_or(1),
            Some(Exit::Memory) => 137,
            Some(Exit::Unknown) | None => 1,
        };
        // it runs again at its time
        let goes_on = seen.is_some_and(|seen| seen.armed);
        let (Some(unit), false, Ok(0)) = (self.unit(at), goes_on, pipes::waiting(read)) else { return };
        let reason: String = reason.chars().take(1000).collect();
        let _ = nix::unistd::write(write, format!("{code} {} {reason}", unit.name).as_bytes()); // an empty pipe has room
    }

    /// Ends all without asking.
    pub(super) fn kill_everything(&mut self) {
        if let Some(front) = &mut self.front {
            front.killed = true;
        }
        self.shut_down();
        let all: Vec<At> = self.all().map(|(at, _)| at).collect();
        self.to_signal.extend(all.into_iter().map(|at| (at, Signal::SIGKILL as i32)));
        self.settle();
    }

    /// Says what happens now that all is to end.
    pub(super) fn say_in_front(&self) {
        let Some(front) = self.front.as_ref().filter(|front| !front.killed && !front.is_gone) else { return };
        let running = self.fleet.machines().filter(|(_, machine)| !machine.is_down()).count();
        if running > 0 {
            let hint = if io::stdin().is_terminal() { "; Ctrl-C again kills" } else { "" };
            let plural = if running == 1 { "" } else { "s" };
            if let Some(viewer) = &front.run.viewer {
                (viewer.say)(&format!("stopping {running} service{plural}{hint}"));
            }
        }
    }

    /// Whether there is nothing more to do, and nothing more to show.
    pub(super) fn is_over_in_front(&mut self, now: Duration) -> bool {
        if self.front.as_ref().is_some_and(|front| front.again.is_some_and(|again| again <= now)) {
            self.screen_ready();
        }
        self.watch_screen();
        let armed = |machine: &Machine| machine.observe(Self::now()).armed;
        // what follows a failure is still to be done
        let tells = || self.roles.values().any(|role| matches!(role, Role::Hook(_)));
        let goes_on = || tells() || self.fleet.machines().any(|(_, machine)| armed(machine));
        if !self.fleet.is_down() || (!self.ending && goes_on()) {
            if let Some(front) = &mut self.front {
                front.down_since = None;
            }
            return false;
        }
        let all: Vec<At> = self.all().map(|(at, _)| at).collect();
        for at in &all {
            self.drain(*at, usize::MAX);
            if let Some(unit) = self.units[*at].as_mut() {
                let _ = self.intake.end_line(unit.id, &mut unit.log, crate::sys::clock::now()); // looked at below
            }
        }
        let is_empty = |at: &At| {
            self.units[*at].as_ref().is_none_or(|unit| pipes::waiting(&unit.pipe).is_ok_and(|left| left == 0))
        };
        let all_logged = all.iter().all(is_empty);
        let all_shown = self.intake.screen().is_none_or(Screen::flush);
        let Some(front) = &mut self.front else { return true };
        let since = *front.down_since.get_or_insert(now);
        let in_vain = front.held.is_empty() && all_shown && now.saturating_sub(since) >= PATIENCE;
        front.killed || (all_logged && all_shown) || in_vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read_as_it_was_written() {
        let failed = Failed { code: 3, name: "web".into(), reason: "exit code 3, 5 starts within 10m".into() };
        assert_eq!(parse("3 web exit code 3, 5 starts within 10m"), Some(failed));
        assert_eq!(
            parse("1  it is full").map(|failed| (failed.name, failed.reason)),
            Some((String::new(), "it is full".into()))
        );
        assert_eq!(parse(""), None);
    }
}
