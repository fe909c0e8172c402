//! Tasks under launchd: each is a job of its own that is loaded once, `svc.task.N`, from a property list beside
//! the records and not in the folder of agents, so that no login loads it again. It is svc's shim, which runs
//! the program and says what became of it; launchd starts the shim again if that is killed.

use super::Launchd;
use super::driver::Driver;
use super::launchctl::code;
use crate::error::{Error, io_reason};
use crate::files::lock::denied;
use crate::task::{Slot, Store};
use plist::{Dictionary, Value};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Beyond the time that the program has: seconds.
const MARGIN: u64 = 10;

/// launchd's name for a task.
pub(crate) fn label(id: u64) -> String {
    format!("svc.task.{id}")
}

fn folder(store: &Store) -> PathBuf {
    store.folder.join("launchd")
}

impl Launchd {
    /// Those that are loaded.
    pub(crate) fn known_tasks(&self, ids: &[u64]) -> Result<Vec<u64>, Error> {
        let driver = self.driver()?;
        let mut known = Vec::new();
        for id in ids {
            if driver.find(&label(*id))?.is_some() {
                known.push(*id);
            }
        }
        Ok(known)
    }

    /// Loads one, which starts it.
    pub(crate) fn start_task(&self, store: &Store, id: u64) -> Result<(), Error> {
        let slot = store.read()?.and_then(|view| view.get(id));
        let grace = slot.map_or(5_000, |slot| u64::from(slot.grace)).div_ceil(1000);
        let words = ["task-run".into(), store.folder.clone().into_os_string(), id.to_string().into()];
        let list = Dictionary::from_iter([
            ("RunAtLoad", Value::from(true)),
            ("KeepAlive", Value::from(Dictionary::from_iter([("SuccessfulExit", Value::from(false))]))),
            ("ThrottleInterval", Value::from(1_u64)),
            ("ExitTimeOut", Value::from(grace + MARGIN)),
        ]);
        self.load_once(store, &label(id), &words, list)
    }

    /// Has the line looked at later.
    pub(crate) fn wake_for_tasks(&self, store: &Store, at: i64) -> Result<(), Error> {
        let label = format!("svc.tasks-at.{at}");
        let ahead = u64::try_from(at - crate::sys::clock::now().as_millisecond()).unwrap_or(0).div_ceil(1000).max(1);
        let words = ["task-fill".into(), store.folder.clone().into_os_string(), "--label".into(), label.clone().into()];
        let list = Dictionary::from_iter([("StartInterval", Value::from(ahead))]);
        if self.driver()?.find(&label)?.is_some() {
            return Ok(());
        }
        self.load_once(store, &label, &words, list)
    }

    fn load_once(
        &self,
        store: &Store,
        label: &str,
        words: &[std::ffi::OsString],
        mut list: Dictionary,
    ) -> Result<(), Error> {
        let svc = std::env::current_exe()
            .map_err(|cause| Error::failed(format!("can't find out where svc lies: {}", io_reason(&cause))))?;
        let scope = if self.scope == crate::backend::Scope::System { "--system" } else { "--user" };
        let argv = [svc.into_os_string(), scope.into(), "helper".into()].into_iter().chain(words.iter().cloned());
        let text = |word: std::ffi::OsString| {
            word.into_string().map_err(|word| {
                Error::failed(format!("a property list takes no path that is not UTF-8: `{}`", word.display()))
            })
        };
        let argv = argv.map(|word| text(word).map(Value::from)).collect::<Result<Vec<_>, _>>()?;
        let own = self.environment.own().into_iter();
        let launchctl = self.environment.launchctl.clone().map(|path| ("SVC_LAUNCHCTL", path.into_os_string()));
        let env = own.chain(launchctl).filter_map(|(name, value)| Some((name, Value::from(value.to_str()?))));
        list.insert("Label".into(), Value::from(label));
        list.insert("ProgramArguments".into(), Value::from(argv));
        list.insert("EnvironmentVariables".into(), Value::from(env.collect::<Dictionary>()));
        let file = folder(store).join(format!("{label}.plist"));
        let failed = |cause: &std::io::Error| denied("write", &file, cause);
        crate::task::store::make(&folder(store)).map_err(|cause| failed(&cause))?;
        let mut bytes = Vec::new();
        Value::from(list)
            .to_writer_xml(&mut bytes)
            .map_err(|error| Error::failed(format!("can't write a property list: {error}")))?;
        write(&file, &bytes).map_err(|cause| failed(&cause))?;
        let driver = self.driver()?;
        let domain = driver.domain()?.to_owned();
        let answer = driver.ctl().run(&[OsStr::new("bootstrap"), OsStr::new(&domain), file.as_os_str()])?;
        match answer.code {
            code::OK | code::ALREADY => Ok(()),
            // what it says of nearly everything: what counts is whether it is there
            _ if driver.find(label)?.is_some() => Ok(()),
            _ => Err(answer.error("can't let launchd run it")),
        }
    }

    /// Has the shim end its program, whose record says how long that may take; returns when it is gone.
    pub(crate) fn stop_task(&self, slot: &Slot) -> Result<(), Error> {
        let driver = self.driver()?;
        let label = label(slot.id);
        let Some(found) = driver.find(&label)? else { return Ok(()) };
        let answer = driver.ctl().ask(&["kill", "SIGTERM", &format!("{}/{label}", found.domain)])?;
        match answer.code {
            code::OK | code::NO_PROCESS | code::NO_SERVICE => Ok(()),
            _ => Err(answer.error("can't stop it")),
        }
    }

    /// Runs what follows the end of a task, here.
    pub(crate) fn follow_task(store: &Store, slot: &Slot) -> Result<(), Error> {
        crate::task::exit::run(store, slot.id)
    }

    /// Takes a job of these out of launchd: said by itself as its last word, so nothing waits for that.
    pub(crate) fn unload_once(&self, store: &Store, label: &str) -> Result<(), Error> {
        let _ = std::fs::remove_file(folder(store).join(format!("{label}.plist"))); // it was read when it was loaded
        let driver: &Driver = self.driver()?;
        if let Some(found) = driver.find(label)? {
            driver.ctl().ask(&["bootout", &format!("{}/{label}", found.domain)])?;
        }
        Ok(())
    }
}

/// In one step.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut temporary = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new("/")))?;
    temporary.write_all(bytes)?;
    temporary.persist(file).map(drop).map_err(|error| error.error)
}
