//! `svc up --foreground`: the manifest, run here. Nothing is installed.

use super::{Context, install, selection};
use crate::backend::detect::Wanted;
use crate::backend::supervisor::render;
use crate::backend::supervisor::target::Target;
use crate::cli::UpArgs;
use crate::definition::Definitions;
use crate::definition::problem::Problem;
use crate::engine::job::Job;
use crate::env::Environment;
use crate::error::{Error, ErrorCode, io_reason};
use crate::files::paths::Paths;
use crate::files::runtime;
use crate::plan::preflight;
use crate::report::Report;
use crate::service::{AbsPath, Field, Name, Service, Start};
use crate::supervisor::front::{self, Foreground, Viewer};
use crate::view::Screen;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Bytes of what a service wrote last that are kept where it has no log file: a supervisor that goes
/// on after another needs the line that has begun.
const KEPT: u64 = 64 * 1024;
/// Longest path of the private folder, bytes: the address of a socket in it has 108 (unix(7)).
const LONGEST: usize = 80;

/// Runs it: it returns when all has ended.
pub(crate) fn run(
    environment: &Environment,
    args: &UpArgs,
    folder: AbsPath,
    file: Option<PathBuf>,
    system: bool,
    screen: &Screen,
) -> Result<(Report, Vec<String>), Error> {
    // it is the engine that runs them, whatever manager the machine has, and nobody's state is touched
    let context = Context::new(environment.clone(), Wanted::Supervisor, (system, true), folder, file)?;
    let (services, starts, mut warnings) = chosen(&context, args)?;
    let private = private_folder(environment)?;
    let target = Target::find(&context.paths, environment);
    let jobs = jobs(&services, &target, private.path())?;
    let (mut problems, mut found) = (Vec::new(), Vec::new());
    for service in &services {
        let tried = preflight::check(service);
        problems.extend(tried.problems);
        found.extend(tried.warnings);
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    warnings.extend(found);
    screen.warn(&warnings);
    let names: Vec<Name> = services.iter().map(|service| service.name.clone()).collect();
    let prefixed: &[Name] = if args.no_prefix { &[] } else { &names };
    let look = screen.line_look(prefixed);
    let by_name: BTreeMap<String, Name> = names.iter().map(|name| (name.to_string(), name.clone())).collect();
    let speaker = *screen;
    let front = Foreground {
        folder: private.path().to_owned(),
        jobs,
        starts,
        viewer: Some(Viewer {
            look: Arc::new(move |name, own, line, shown| {
                if let Some(name) = by_name.get(name) {
                    look(name, own, line, shown);
                }
            }),
            say: Arc::new(move |text| speaker.say(text)),
        }),
        is_managed: false,
        tasks: None,
        history: None,
    };
    // marks of processes and control groups are told apart by it
    let paths = Paths { state: private.path().to_owned(), ..context.paths };
    let failed = front::run(environment, &paths, front)?;
    Ok((Report::Front(failed), Vec::new()))
}

/// What was selected with all it depends on, and who of them starts by itself; warnings.
type Chosen = (Vec<Service>, BTreeSet<String>, Vec<String>);

fn chosen(context: &Context, args: &UpArgs) -> Result<Chosen, Error> {
    let Some(definitions) = context.manifest()? else {
        return Err(Error::new(ErrorCode::Usage, "nothing to run: there is no `svc.toml` here")
            .hint("`svc up --foreground -f FILE`, or a folder with a `svc.toml`"));
    };
    let Definitions { services, places, warnings, .. } = definitions;
    let named = !args.select.selector.is_empty() && !args.select.all;
    let picked: Vec<&Service> = if named {
        let all: Vec<&Service> = services.iter().collect();
        selection::pick(&args.select.selector, all, |one| one.name.as_str(), |one| install::groups_of(one))?
    } else {
        services.iter().collect()
    };
    let starts: BTreeSet<String> = picked
        .iter()
        .filter(|service| named || service.start != Start::Manual)
        .map(|service| service.name.to_string())
        .collect();
    if starts.is_empty() {
        return Err(Error::new(ErrorCode::Usage, "nothing to run: no service starts by itself")
            .hint("name those that are to run: `svc up --foreground NAME`"));
    }
    let mut wanted: BTreeSet<&str> = starts.iter().map(String::as_str).collect();
    let (mut todo, mut problems) = (wanted.iter().copied().collect::<Vec<_>>(), Vec::new());
    while let Some(name) = todo.pop() {
        let Some(service) = services.iter().find(|service| service.name.as_str() == name) else { continue };
        for dependency in &service.depends_on {
            if !services.iter().any(|other| other.name == *dependency) {
                let problem = Problem::new("is not in this manifest, and nothing else runs in the foreground")
                    .of(&service.name)
                    .field(Field::DependsOn.key())
                    .value(dependency.as_str());
                problems.push(places.locate(problem));
            } else if wanted.insert(dependency.as_str()) {
                todo.push(dependency.as_str());
            }
        }
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems));
    }
    let mut chosen: Vec<Service> =
        services.iter().filter(|service| wanted.contains(service.name.as_str())).cloned().collect();
    for service in &mut chosen {
        // it starts now, and at no boot
        service.start = if service.start == Start::Boot { Start::Login } else { service.start };
    }
    Ok((chosen, starts, warnings.iter().map(ToString::to_string).collect()))
}

/// The jobs of the engine; those without a log file have a small one in the private folder.
fn jobs(services: &[Service], target: &Target, folder: &Path) -> Result<Vec<Job>, Error> {
    let (mut jobs, mut problems) = (Vec::new(), Vec::new());
    for service in services {
        match render::job(service, target) {
            Ok(mut job) => {
                if service.logs.file.is_none() {
                    let file = folder.join("logs").join(format!("{}.log", service.name));
                    job.log.file = file.as_os_str().into();
                    (job.log.max_size, job.log.keep) = (KEPT, 0);
                }
                jobs.push(job);
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(jobs) } else { Err(Error::invalid(problems)) }
}

/// A new folder that only this user can look into: in memory, if there is such a place.
fn private_folder(environment: &Environment) -> Result<TempDir, Error> {
    let own = environment.xdg_runtime_dir.iter().filter(|folder| runtime::is_private_parent(folder, environment.uid));
    let shared = [std::env::temp_dir(), "/tmp".into(), "/dev/shm".into(), "/run".into()];
    let mut reasons = Vec::new();
    for parent in own.cloned().chain(shared).filter(|parent| parent.is_absolute()) {
        let mut builder = tempfile::Builder::new();
        let made = builder.prefix("svc-").permissions(PermissionsExt::from_mode(0o700)).tempdir_in(&parent);
        match made {
            Ok(folder) if folder.path().as_os_str().len() <= LONGEST => return Ok(folder),
            Ok(_) => reasons.push(format!("`{}`: its path is too long for a socket", parent.display())),
            Err(cause) => reasons.push(format!("`{}`: {}", parent.display(), io_reason(&cause))),
        }
    }
    Err(Error::failed(format!("can't make a private folder: {}", reasons.join("; ")))
        .hint("set TMPDIR to a folder that can be written; `docker run --tmpfs /tmp` makes one"))
}
