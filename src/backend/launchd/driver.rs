//! One conversation with launchd: which domain a job belongs to, whether it is loaded, loading and
//! unloading it, each waited for.
//!
//! The known traps (launchctl(1) says little of them): `bootout` returns before the job is gone, so it is
//! asked for until launchd does not know the label any more; `bootstrap` meanwhile fails with 5 or 37, and
//! 5 is also what everybody but root gets for a disabled label or a property list of wrong mode, so after
//! each try it is looked whether the job is there; the store of disabled labels outlives everything.

use super::launchctl::{Answer, Launchctl, code};
use super::listed::Listed;
use super::print::{self, Job};
use crate::backend::Scope;
use crate::error::{Error, ErrorCode};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// After SIGKILL a process may take so long to go.
const GRACE: Duration = Duration::from_secs(5);
/// launchd's own, where a property list names none. (All recorded prints.)
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// First wait between two looks; it grows to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// launchd of one scope.
#[derive(Debug)]
pub(super) struct Driver {
    ctl: Launchctl,
    scope: Scope,
    uid: u32,
    domain: OnceLock<String>,
}

/// A loaded job and where.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) domain: String,
    pub(super) job: Job,
}

impl Driver {
    pub(super) fn new(ctl: Launchctl, scope: Scope, uid: u32) -> Self {
        Self { ctl, scope, uid, domain: OnceLock::new() }
    }

    pub(super) fn ctl(&self) -> &Launchctl {
        &self.ctl
    }

    /// The domains that a job of this scope may be in, the better first: a user's agents belong to his
    /// session at the screen, or, over ssh, to the one in the background.
    pub(super) fn candidates(&self) -> Vec<String> {
        match self.scope {
            Scope::System => vec!["system".into()],
            Scope::User => vec![format!("gui/{}", self.uid), format!("user/{}", self.uid)],
        }
    }

    /// The domain that new jobs are loaded into: the first that there is.
    pub(super) fn domain(&self) -> Result<&str, Error> {
        if let Some(domain) = self.domain.get() {
            return Ok(domain);
        }
        let candidates = self.candidates();
        let mut last = None;
        for domain in &candidates {
            let answer = self.ctl.ask(&["print", domain])?;
            if answer.code == code::OK {
                return Ok(self.domain.get_or_init(|| domain.clone()));
            }
            last = Some(answer);
        }
        let no_session = || Answer { code: code::NO_DOMAIN, out: String::new(), err: String::new() };
        let error = last.unwrap_or_else(no_session).error(&format!("there is no domain {}", candidates.join(" or ")));
        Err(Error { code: ErrorCode::Unreachable, ..error })
    }

    /// The session at the screen is there, whose login loads what is enabled; for daemons, the machine.
    pub(super) fn has_best_domain(&self) -> Result<bool, Error> {
        let best = self.candidates().into_iter().next();
        best.map_or(Ok(false), |domain| Ok(self.ctl.ask(&["print", &domain])?.code == code::OK))
    }

    /// The job of a label, in whichever domain it is loaded; none: it is not.
    pub(super) fn find(&self, label: &str) -> Result<Option<Found>, Error> {
        for domain in self.candidates() {
            if let Some(found) = self.find_in(&domain, label)? {
                let message = format!("can't tell what `{label}` does: launchctl prints nothing that svc understands");
                let hint = format!("`launchctl print {domain}/{label}` shows it");
                return if found.job.is_understood() {
                    Ok(Some(found))
                } else {
                    Err(Error::failed(message).hint(hint))
                };
            }
        }
        Ok(None)
    }

    /// The same in one domain, understood or not.
    fn find_in(&self, domain: &str, label: &str) -> Result<Option<Found>, Error> {
        let answer = self.ctl.ask(&["print", &format!("{domain}/{label}")])?;
        match answer.code {
            code::OK => Ok(Some(Found { domain: domain.to_owned(), job: print::job(&answer.out) })),
            code::NO_SERVICE | code::NO_DOMAIN | code::UNSUPPORTED => Ok(None),
            _ => Err(answer.error(&format!("can't ask launchd about `{label}`"))),
        }
    }

    /// Where else it is loaded: what was loaded over ssh, into `user/UID`, the next login at the screen loads
    /// into `gui/UID` too.
    pub(super) fn twin(&self, label: &str, found: &Found) -> Result<Option<Found>, Error> {
        let Some(domain) = self.candidates().into_iter().skip_while(|domain| *domain != found.domain).nth(1) else {
            return Ok(None);
        };
        self.find_in(&domain, label)
    }

    /// Leaves one that is loaded twice in the better domain only.
    pub(super) fn unload_twin(&self, label: &str, found: &Found, exit_timeout: Option<Duration>) -> Result<(), Error> {
        self.twin(label, found)?.map_or(Ok(()), |twin| self.unload_one(label, &twin, exit_timeout))
    }

    /// Labels that `launchctl enable` or `disable` was ever said of, and whether they are disabled.
    pub(super) fn store(&self) -> Result<BTreeMap<String, bool>, Error> {
        for domain in self.candidates() {
            let answer = self.ctl.ask(&["print-disabled", &domain])?;
            match answer.code {
                code::OK => return Ok(print::disabled(&answer.out)),
                code::NO_DOMAIN | code::UNSUPPORTED | code::NO_SERVICE => {}
                _ => return Err(answer.error("can't ask launchd what is disabled")),
            }
        }
        Ok(BTreeMap::new())
    }

    /// Whether a label starts by itself, as far as the store decides it.
    pub(super) fn is_disabled(store: &BTreeMap<String, bool>, label: &str, listed: &Listed) -> bool {
        store.get(label).copied().unwrap_or(listed.disabled)
    }

    /// Writes into the store.
    pub(super) fn set_disabled(&self, label: &str, disabled: bool) -> Result<(), Error> {
        let verb = if disabled { "disable" } else { "enable" };
        let mut last = None;
        for domain in self.candidates() {
            let answer = self.ctl.ask(&[verb, &format!("{domain}/{label}")])?;
            match answer.code {
                code::OK => return Ok(()),
                code::NO_DOMAIN | code::UNSUPPORTED => last = Some(answer),
                _ => return Err(answer.error(&format!("can't {verb} `{label}`"))),
            }
        }
        match last {
            Some(answer) => Err(answer.error(&format!("can't {verb} `{label}`"))),
            None => Ok(()),
        }
    }

    /// Unloads a job and waits until it is gone with its process; nothing if it is not loaded.
    pub(super) fn unload(&self, label: &str, exit_timeout: Option<Duration>) -> Result<(), Error> {
        for domain in self.candidates() {
            if let Some(found) = self.find_in(&domain, label)? {
                self.unload_one(label, &found, exit_timeout)?;
            }
        }
        Ok(())
    }

    fn unload_one(&self, label: &str, found: &Found, exit_timeout: Option<Duration>) -> Result<(), Error> {
        let target = format!("{}/{label}", found.domain);
        let answer = self.ctl.ask(&["bootout", &target])?;
        match answer.code {
            code::OK | code::NO_PROCESS | code::INPUT_OUTPUT | code::STOPPING | code::ALREADY | code::NO_SERVICE => {}
            _ => return Err(answer.error(&format!("can't unload `{label}`"))),
        }
        let loaded = found.job.exit_timeout.map(Duration::from_secs);
        let limit = loaded.into_iter().chain(exit_timeout).max().unwrap_or(EXIT_TIMEOUT) + GRACE;
        let gone = poll(limit, || {
            // where nobody understands what is printed, the one who ends it knows whether it is there
            let words = if found.job.is_understood() { ["print", &target] } else { ["bootout", &target] };
            let answer = self.ctl.ask(&words)?;
            let gone = if words[0] == "print" { answer.code != code::OK } else { is_unknown(answer.code) };
            Ok(gone.then_some(()))
        })?;
        if gone.is_none() {
            let left = format!("launchd has not ended it after {} s", limit.as_secs());
            return Err(Error::failed(left).hint(format!("`launchctl print {target}` shows what it waits for")));
        }
        Ok(())
    }

    /// Loads a property list and sees that it is there. The label is enabled for that: launchd loads no
    /// disabled one.
    pub(super) fn load(&self, label: &str, file: &Path, exit_timeout: Option<Duration>) -> Result<Found, Error> {
        let domain = self.domain()?.to_owned();
        self.set_disabled(label, false)?;
        let limit = exit_timeout.unwrap_or(EXIT_TIMEOUT) + GRACE;
        let began = Instant::now();
        let mut pause = PAUSE;
        loop {
            let words = [OsStr::new("bootstrap"), OsStr::new(&domain), file.as_os_str()];
            let answer = self.ctl.run(&words)?;
            // whatever it says: what counts is whether it is there
            let there = self.find(label)?;
            let limit = match (&there, answer.code) {
                (Some(found), _) if !is_going(&found.job) => return Ok(found.clone()),
                (Some(_), _) | (None, code::ALREADY) => limit,
                (None, code::OK | code::INPUT_OUTPUT) => GRACE / 2,
                (None, _) => return Err(answer.error(&format!("can't load `{}`", file.display()))),
            };
            if began.elapsed() > limit {
                return Err(self.why_not(label, file, &domain, &answer));
            }
            rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Error 5 unmasked by looking.
    fn why_not(&self, label: &str, file: &Path, domain: &str, answer: &Answer) -> Error {
        use std::os::unix::fs::MetadataExt;
        let error = answer.error(&format!("can't load `{}`", file.display()));
        let owner = if self.scope == Scope::System { 0 } else { self.uid };
        match std::fs::symlink_metadata(file) {
            Err(cause) => return Error::file("load", file, &cause),
            Ok(data) if !data.is_file() || data.uid() != owner || data.mode() & 0o022 != 0 => {
                return Answer { code: 122, ..answer.clone() }.error(&format!("can't load `{}`", file.display()));
            }
            Ok(_) => {}
        }
        if self.store().is_ok_and(|store| store.get(label) == Some(&true)) {
            return Answer { code: 119, ..answer.clone() }.error(&format!("can't load `{}`", file.display()));
        }
        match answer.code {
            code::OK => Error::failed(format!("launchd took `{}` and has not loaded it", file.display())).hint(
                "is it switched off in System Settings, General, Login Items? `sudo sfltool dumpbtm` lists what is",
            ),
            code::INPUT_OUTPUT => error.hint(format!(
                "root is told: `svc install --no-start` writes it, `sudo launchctl bootstrap {domain} {}` says why",
                file.display()
            )),
            _ => error,
        }
    }

    /// Starts a loaded job now; `again`: ends the one that runs before.
    pub(super) fn kickstart(&self, target: &str, again: bool) -> Result<(), Error> {
        let words: &[&str] = if again { &["kickstart", "-k", target] } else { &["kickstart", target] };
        let ended = poll(GRACE * 2, || {
            let answer = self.ctl.ask(words)?;
            match answer.code {
                code::OK => Ok(Some(Ok(()))),
                // it runs; or it is being torn down: launchctl says the same of both
                code::ALREADY if !again => Ok(Some(Ok(()))),
                code::ALREADY => Ok(None),
                _ => Ok(Some(Err(answer.error(&format!("can't start `{target}`"))))),
            }
        })?;
        ended.unwrap_or(Ok(()))
    }
}

/// What bootout says of a label that is not loaded.
fn is_unknown(number: i32) -> bool {
    matches!(number, code::NO_PROCESS | code::NO_SERVICE | code::NO_DOMAIN | code::UNSUPPORTED)
}

/// On its way out of launchd.
pub(super) fn is_going(job: &Job) -> bool {
    matches!(job.state.as_deref(), Some("SIGTERMed" | "SIGKILLed"))
}

/// Between two looks: launchctl has no way to wait for a change.
#[expect(clippy::disallowed_methods, reason = "all who rest look again, up to a deadline")]
pub(super) fn rest(time: Duration) {
    std::thread::sleep(time);
}

/// Looks until something is there, in growing steps; none: not within the limit.
pub(super) fn poll<T>(limit: Duration, mut look: impl FnMut() -> Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    let began = Instant::now();
    let mut pause = PAUSE;
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        if began.elapsed() > limit {
            return Ok(None);
        }
        rest(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs `work` for each of `all`, several at a time, results in their order: each is a few calls of
/// launchctl, which mostly wait.
pub(super) fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    const AT_ONCE: usize = 8;
    if all.len() < 2 {
        return all.iter().map(work).collect();
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut own = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(one) = all.get(at) else { return own };
                own.push((at, work(one)));
            }
        };
        let workers: Vec<_> = (0..AT_ONCE.min(all.len())).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
