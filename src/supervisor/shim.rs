//! The shim: the parent of one program, where a manager starts it but lacks what its definition asks
//! for (launchd: growing delays, a limit of restarts, readiness, rotation of logs, …).
//!
//! It is the supervisor in the foreground with one job, so that state machine, log writer and process
//! code are the same. The manager starts it, asks it to end (SIGTERM) and starts it again when it is
//! killed; it then takes over the program, which goes on. It listens as the supervisor does, in a folder
//! of its own, so that `svc` asks it what the manager can't know, and leaves there what became of the
//! program.

use super::front::{self, Foreground};
use super::store::Store as States;
use crate::engine::job::{Bytes, Job, Policy};
use crate::engine::machine::Exit;
use crate::env::Environment;
use crate::error::{Error, io_reason};
use crate::files::paths::Paths;
use crate::files::runtime::Runtime;
use crate::service::Name;
use crate::task::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest path of its folder, bytes: with `/supervisor.sock` it is the address of a socket, which
/// has 104 on macOS (unix(4)).
const LONGEST: usize = 86;

/// The folder of the shim of a service: beside its job file; in `/tmp` where that path is too long.
pub fn folder(paths: &Paths, name: &str, uid: u32) -> PathBuf {
    let own = |text: &str| crc32fast::hash(text.as_bytes());
    let beside = paths.shim().join(format!("{:08x}", own(name)));
    if beside.as_os_str().len() <= LONGEST {
        return beside;
    }
    let id = own(&format!("{}\0{name}", paths.shim().display()));
    PathBuf::from(format!("/tmp/svc-{uid}-{id:08x}"))
}

/// Runs the job until its program has ended for good, or it is asked to end; how the program ended, for
/// whoever restarts it himself: `None` where the shim did that, or nobody wants to know.
pub fn run(environment: &Environment, file: &Path) -> Result<Option<Exit>, Error> {
    let (mut job, _) = super::takeup::read_job(file).map_err(Error::failed)?;
    let name = Name::parse(&job.name)
        .map_err(|reason| Error::failed(format!("the job file `{}`: its name {reason}", file.display())))?;
    let shim = file.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let paths = Paths { state: shim.to_owned(), scope: crate::backend::Scope::User };
    inherit(&mut job);
    let folder = folder(&paths, name.as_str(), environment.uid);
    let passes_on = job.restart.policy == Policy::Never;
    let front = Foreground {
        folder: folder.clone(),
        starts: BTreeSet::from([name.to_string()]),
        jobs: vec![job],
        viewer: None,
        is_managed: true,
        tasks: None,
        history: Some(paths.history()),
    };
    // marks of processes and control groups are told apart by it
    let own = Paths { state: folder.clone(), ..paths };
    front::run(environment, &own, front)?;
    let state = Runtime { folder }.state();
    let entries = States::read(&state)
        .map_err(|cause| Error::failed(format!("can't read `{}`: {}", state.display(), io_reason(&cause))))?;
    let exit = entries.iter().find(|entry| entry.name == name.as_str()).and_then(|entry| entry.saved.exit());
    Ok(exit.filter(|_| passes_on))
}

/// Runs the job of a task until nothing of it is left, and says so in its record.
pub fn run_task(environment: &Environment, store: &Store, job: Job) -> Result<(), Error> {
    let paths = Paths { state: store.folder.clone(), scope: crate::backend::Scope::User };
    let own = paths.shim();
    crate::task::store::make(&own).map_err(|cause| Error::file("make the folder", &own, &cause))?;
    let folder = folder(&paths, &job.name, environment.uid);
    let front = Foreground {
        folder: folder.clone(),
        starts: BTreeSet::from([job.name.clone()]),
        jobs: vec![job],
        viewer: None,
        is_managed: true,
        tasks: Some(store.clone()),
        history: None,
    };
    let own = Paths { state: folder.clone(), ..paths };
    let ran = front::run(environment, &own, front).map(drop);
    let _ = std::fs::remove_dir_all(&folder); // what became of it is in its record
    ran
}

/// What the manager gives to its jobs and the job file says nothing of (launchd: `TMPDIR`,
/// `XPC_SERVICE_NAME`, `SSH_AUTH_SOCK`, …).
fn inherit(job: &mut Job) {
    for (name, value) in std::env::vars_os() {
        if let Ok(name) = name.into_string() {
            job.env.entry(name).or_insert_with(|| Bytes::from(value));
        }
    }
}
